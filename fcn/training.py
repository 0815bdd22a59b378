"""A run from its graph to its last step: built, started or gone on with, trained.

Nothing random has a state: order, augmentation, dropout and fresh weights are functions of the seed and a number. So
variables and Position.state() are all of a run, and one that was killed and resumed ends as an undisturbed one.
"""

import contextlib
import dataclasses
import json
import math
import pathlib
from typing import Any

import numpy as np

from fcn import (
    averages,
    batches,
    checkpoint,
    checkpoint_files,
    choices,
    errors,
    evaluate,
    events,
    hooks,
    initial,
    loop,
    model,
    optimize,
    parsers,
    preparation,
    rates,
    reporting,
    runlog,
    schedules,
    screen,
    signals,
    tf1,
    transplant,
)
from fcn.tf1 import tf


@dataclasses.dataclass(frozen=True)
class Job:
    """What is known of a run before its graph: its folder, its Config, config.json's content, its DatasetSpec, both
    caches, the Weights that it starts from (None: it goes on), the numbers of expect.floor, and --resume.
    """

    run: pathlib.Path
    settings: Any
    content: dict
    spec: Any
    training: Any
    validation: Any
    pretrained: Any
    floor: tuple
    resume: str = "auto"


class Trainer:
    """The graph of a Job in the default graph, and its batches."""

    def __init__(self, job):
        settings = job.settings
        if settings.deterministic:
            tf1.deterministic()
        tf.reset_default_graph()  # that of the stage before
        tf.set_random_seed(settings.seed)
        self.job, self.sampling = job, preparation.sampling(settings, job.content)
        self.graph = model.build(**job.content["model"])
        names = [v.op.name for v in tf.trainable_variables()]
        factor_of = rates.factors(names, parsers.factors(settings.rate_factors), settings.freeze,
                                  settings.new_layer_factor)
        self.update = optimize.build(self.graph.objective, self.graph.parts, settings.optimizer,
                                     settings.batches_per_step, settings.momentum, settings.weight_decay, factor_of,
                                     settings.clip_norm)
        self.finite = optimize.all_finite()
        self.steps = job.content["steps"]
        self.store = checkpoint.Store(job.run / "checkpoints", settings.keep, job.content["fingerprints"])
        self.parameters = sum(math.prod(v.shape.as_list()) for v in tf.trainable_variables())

    def batch_at(self, number):
        """Training batch `number` of the run: images, labels."""
        return batches.training(self.job.training, number, self.sampling)

    def rate_at(self, step):
        """Learning rate of the update from `step` to the next."""
        s = self.job.settings
        return schedules.rate(step, self.steps, s.learning_rate, s.schedule, s.poly_power, s.step_size, s.gamma,
                              s.warmup)

    def validate(self, session, stopped=lambda: False):
        """As evaluate.validate, over the validation batches of this run."""
        s = self.job.settings
        some = batches.validation(self.job.validation, s.batch, s.eval_batches, s.crop_size, self.sampling.fill_rgb,
                                  self.sampling.ignored_id)
        return evaluate.validate(session, self.graph, some, self.job.spec.ignored_ids, stopped)

    def start(self, session, say):
        """State to go on from: a checkpoint's, or {"step": 0} of a fresh run with its weights put in."""
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        state = self.store.restore_latest(session, say)
        if state is None and self.job.resume not in ("auto", "never"):
            state = self.store.restore(session, self.job.resume)
        return state or self.fresh(session, say)

    def fresh(self, session, say):
        """Put the pretrained weights in and say what became of every layer."""
        settings, weights = self.job.settings, self.job.pretrained
        chosen = choices.of(settings.net, **{name: getattr(settings, name) for name in choices.NAMES})
        for name, value in weights.choices.items():
            if value != getattr(chosen, name):
                say(f"note: the net in {settings.weights} has {name} {value}, this one {getattr(chosen, name)}")
        rows = initial.fill(session, weights, self.job.spec.class_names, self.graph.num_classes, settings.carry_scores,
                            chosen)
        weights.layers.clear()  # half a gigabyte that is in the variables now
        say(transplant.text(rows))
        return {"step": 0, "rows": rows}

    def save(self, session, state):
        """A checkpoint of weights that can be used. Raises DivergedError, MachineError."""
        if not session.run(self.finite):
            raise errors.DivergedError(f"a weight is not finite after step {state['step']}; this was not saved",
                                       where=self.job.run, cure="the checkpoint before stands: go on from it with a "
                                       "lower --learning-rate, --warmup or --clip-norm 1.")
        self.store.save(session, state)

    def keep_batch(self, number, images, labels, facts):
        """Keep a batch that made no finite update, with the names of its images, for inspection; the path."""
        path, cache = self.job.run / "bad_batch.npz", self.job.training
        first = number * len(images)
        names = [cache.names[batches.image_of(first + i, len(cache), self.sampling)] for i in range(len(images))]
        with contextlib.suppress(OSError):
            np.savez_compressed(path, images=images, labels=labels, names=names, facts=json.dumps(facts))
        return f"{path} ({', '.join(names)})"


def train(job):
    """Train a Job to its end. Raises Stopped after a signal, DivergedError, MachineError, WeightsError."""
    trainer, settings = Trainer(job), job.settings
    window = averages.AUTO_MOST if settings.average_loss == "auto" else settings.average_loss
    skipped: list[str] = []

    def say(text):
        print(text, flush=True)
        skipped.extend([text] if text.startswith("skipped") else [])

    checkpoint_files.sweep_unfinished(trainer.store.folder)
    with tf1.session() as session:
        state = trainer.start(session, say)
        if "rows" in state:
            transplant.write(job.run / "transplant.json", state["rows"])
        else:
            print(f"resumed at step {state['step']}")
        at = loop.Position.of(state, window, settings.batches_per_step)
        runlog.cut(job.run / "log.jsonl", at.step, at.validated)
        print(f"{settings.net}: {trainer.parameters:,} parameters, {trainer.graph.num_classes} channels; step {at.step} "
              f"of {trainer.steps}, {settings.batch} x {settings.batches_per_step} images a step", flush=True)
        plan = loop.Plan(trainer.steps, settings.batches_per_step, settings.keep_prob, settings.seed, trainer.rate_at)
        with screen.Screen("step", trainer.steps, at.step) as view, \
                signals.Signals(view.say, view.restore_cursor) as asked:
            report = reporting.Report(job.run, settings.log_every, trainer.steps, at.step, settings.average_loss, view,
                                      job.floor, job.spec, events.Events(job.run, at.step, session.graph))
            for text in skipped:
                report.happened(at.step, text)
            save = hooks.Save(lambda state: trainer.save(session, state), settings.save_every, trainer.steps,
                              report.log, view.say)
            check = hooks.Evaluate(lambda: trainer.validate(session, lambda: asked.caught), settings.eval_every,
                                   settings.eval_budget, settings.patience, trainer.steps, report, save)
            try:
                if not at.step:  # so that a run in this folder is never taken for none, and to see that it can be saved
                    save(at, needed=True)
                check.resume(at)
                loop.train(session, trainer.graph, trainer.update, trainer.batch_at, plan, at,
                           [report, check, save, hooks.Stop(asked, save)], trainer.keep_batch)
                report.happened(at.step, at.finished or "done")
                if at.finished:
                    view.say(at.finished)
            except errors.FcnError as error:
                report.happened(at.step, error.what)
                raise
            finally:
                report.draw()
