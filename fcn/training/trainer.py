"""Training of one run: builds its graph, starts or resumes it, and trains it to its last step.

Order, augmentation, dropout and initial weights are functions of the seed and a number; there is no generator state.
Variables and Position.state() therefore define a run completely, and a run that was killed and resumed ends with the
same bytes as an uninterrupted one.
"""

import contextlib
import io
import json
import logging
import math

import numpy as np

from fcn.config import parsers, variants
from fcn.core import atomic_io, errors, progress_bar
from fcn.data import batch_loader, border_weights, label_policy
from fcn.distributed import same_weights, step_numbers
from fcn.models import gradients, graph_builder, tf_compat
from fcn.models.architecture import Architecture
from fcn.models.tf_compat import tf
from fcn.runs import checkpoint_files, run_log
from fcn.training import (
    checkpoint,
    dry_run,
    hooks,
    loading_checks,
    loop,
    lr_multipliers,
    progress_report,
    schedules,
    setup,
    signals,
    tensorboard,
    validation,
    weight_update,
)
from fcn.weights import initialize, transfer

logger = logging.getLogger(__name__)


class Trainer:
    """Builds the graph of a setup.Job in the default graph and provides its batches.

    workers: distributed.workers.Workers that train together; None for a process that trains alone.
    """

    def __init__(self, job, workers=None):
        settings = job.settings
        tf.set_random_seed(settings.seed)
        self.workers = workers
        self.job, self.policy, self.rows = job, label_policy.of_run(job.content["model"], job.spec), None
        self.sampling = setup.sampling(settings, job.content["model"]["mean_rgb"], self.policy.padding_id)
        model = job.content["model"]
        self.border = border_weights.make(settings.border_weight, self.policy.trained_ids(model["num_classes"]),
                                          model["class_weights"])
        names, encoder_layers = graph_builder.layers_of(Architecture.from_dict(model))
        factor_of = lr_multipliers.factors(names, encoder_layers, parsers.factors(settings.rate_factors),
                                           "" if settings.freeze_steps else settings.freeze)
        at_first = lr_multipliers.frozen(encoder_layers, settings.freeze) if settings.freeze_steps else []
        if workers and settings.sync_batch_norm:
            gradients.synchronise(workers)
        self.graph = graph_builder.of_run(job.content["model"], lr_multipliers.frozen_layers(factor_of), at_first)
        held = {name: self.graph.is_first for name in names if lr_multipliers.layer_of(name) in at_first}
        rule = weight_update.Rule(settings.optimizer, settings.momentum, settings.weight_decay, settings.clip_norm,
                                  factor_of, held, settings.precision == "float16", settings.ema,
                                  settings.norm_momentum)
        batches = settings.batches_per_step // (workers.count if workers else 1)
        self.update = weight_update.build(self.graph.objective, self.graph.normalizer, rule, batches, workers)
        self.schedule = schedules.Schedule(settings.learning_rate, settings.schedule, settings.warmup,
                                           settings.poly_power, settings.step_size, settings.gamma, settings.rise,
                                           settings.final_factor)
        self.finite = weight_update.all_finite()
        self.steps = job.content["steps"]
        self.store = checkpoint.Store(job.run / "checkpoints", settings.keep, job.content["fingerprints"])
        self.parameters = sum(math.prod(v.shape.as_list()) for v in tf.trainable_variables())
        self.same = same_weights.SameWeights(workers, self.saves_after) if workers else None
        self.shared = step_numbers.StepNumbers(workers, self.graph, batches) if workers else None

    def batch_at(self, number):
        """Return training batch `number` of the run: images uint8 (N, H, W, 3), labels of the loss uint8 (N, H, W).

        With --border-weight, the weight of each pixel, float32 (N, H, W), is the third item.
        """
        images, labels = batch_loader.training_batch(self.job.training, number, self.sampling)
        labels = self.policy.for_loss(labels)
        return (images, labels, self.border.maps(labels)) if self.border else (images, labels)

    def saves_after(self, step):
        """Whether a checkpoint is planned after this step."""
        settings = self.job.settings
        return step == self.steps or not step % settings.save_every or (
            settings.eval_every >= 1 and not step % settings.eval_every)

    def rate_at(self, step):
        """Return the learning rate of weight update `step`, starting at 0."""
        return self.schedule.rate(step, self.steps)

    def validation_batches(self):
        """Return an iterable of the (images, labels) batches of one validation, of this worker's share of them."""
        s = self.job.settings
        share = (self.workers.index, self.workers.count) if self.workers else (0, 1)
        return batch_loader.validation_batches(self.job.validation, s.batch, s.eval_batches, s.crop_size,
                                               self.sampling.fill_rgb, self.policy.padding_id, share)

    def validate(self, session, stopped=lambda: False):
        """Validate on the validation batches of this run; result and `stopped` as in validation.validate.

        With --ema, the averages of the weights are validated.
        """
        with self.averaged(session):
            return validation.validate(session, self.graph, self.validation_batches(), self.policy, stopped,
                                       self.shared)

    @contextlib.contextmanager
    def averaged(self, session):
        """Exchange the weights with their averages inside the with statement, if there are any."""
        if self.update.average is None:
            yield
            return
        session.run(self.update.average.swap)
        try:
            yield
        finally:
            session.run(self.update.average.swap)

    def start(self, session, say=logger.warning):
        """Restore a checkpoint and return its state; for a new run, load the weights and return {"step": 0}.

        say: function that gets a line about each damaged checkpoint. Of several workers, only the chief reads files,
        and the others get its variables and its state.
        """
        session.run(tf.local_variables_initializer())
        if not self.workers:
            return self._start(session, say)
        state = self._start(session, say) if self.workers.is_chief else None
        for copy in self.workers.copies_of_chief():
            session.run(copy)
        return self.workers.of_chief(state)

    def _start(self, session, say):
        state = self.store.restore_latest(session, say)
        if state is None and self.job.resume not in ("auto", "never"):
            state = self.store.restore(session, self.job.resume)
        if state is None:
            self.load_pretrained(session)
            if self.update.average is not None:
                session.run(self.update.average.start)
            return {"step": 0}
        logger.info(f"resumed at step {state['step']}")
        return state

    def load_pretrained(self, session):
        """Load the pretrained weights and log the per-layer loading report."""
        settings, weights = self.job.settings, self.job.pretrained
        chosen = variants.variants_of(settings.net, **{name: getattr(settings, name) for name in variants.NAMES})
        for name, value in weights.variant.items():
            if chosen and value != getattr(chosen, name):
                logger.info(f"note: the net in {settings.weights} has {name} {value}, this one {getattr(chosen, name)}")
        texts = initialize.fit_channels(weights, Architecture.from_dict(self.job.content["model"]),
                                        settings.extra_channels)
        found, is_net = list(weights.layers), bool(weights.net)
        rows = initialize.load_weights(session, weights, self.job.spec.class_names, self.graph.num_classes,
                                       settings.carry_scores, chosen)
        self.rows = [transfer.explained(row, texts.get(row.layer)) for row in rows]
        loading_checks.check_encoder(self.rows, settings, self.graph.encoder_layers, found, is_net)
        loading_checks.check_frozen(self.rows, settings, self.graph.encoder_layers)
        logger.info(transfer.report_text(self.rows))

    def save(self, session, state):
        """Save a checkpoint if all weights are finite. Raises DivergedError, MachineError."""
        if not session.run(self.finite):
            raise errors.DivergedError(f"a weight is not finite after step {state['step']}; no checkpoint was saved",
                                       where=self.job.run, fix="resume from the last checkpoint with a lower "
                                       "--learning-rate, --warmup or --clip-norm 1.")
        self.store.save(session, state)

    def keep_batch(self, number, images, labels, facts):
        """Save a batch whose loss or gradient is not finite, with the names of its images.

        Returns a text with the path.
        """
        index, cache = self.workers.index if self.workers else 0, self.job.training  # each worker keeps its own batch
        path = self.job.run / (f"bad_batch-{index}.npz" if index else "bad_batch.npz")
        first = number * len(images)
        names = [cache.names[batch_loader.image_index(sample, cache.sizes, self.sampling)]
                 for sample in range(first, first + len(images))]
        kept = f"saved in {path}"
        try:
            content = io.BytesIO()
            np.savez_compressed(content, images=images, labels=labels, names=names, facts=json.dumps(facts))
            atomic_io.write_whole(path, content.getvalue())
        except OSError as error:
            kept = f"not saved ({error.strerror})"
        return f"{kept}; its images: {', '.join(names)}"


@contextlib.contextmanager
def built(job, workers=None):
    """Build the Trainer of a Job in a new graph, which is the default graph inside the with statement."""
    with tf_compat.deterministic(job.settings.deterministic), tf.Graph().as_default():
        yield Trainer(job, workers)


def train(job, workers=None):
    """Train a Job to its end. Raises Stopped after a signal, DivergedError, MachineError, WeightsError.

    workers: Workers that train together, all of which call this; None for a process that trains alone.
    """
    with built(job, workers) as trainer:
        if workers and not workers.is_chief:
            _train_with_chief(trainer)
        else:
            _train(trainer)


def _train(trainer):
    job, settings = trainer.job, trainer.job.settings
    damaged: list[str] = []

    def skip(text):
        logger.warning(text)
        damaged.append(text)

    with new_session(trainer.workers) as session:
        checkpoint_files.sweep_unfinished(trainer.store.folder)
        state = trainer.start(session, skip)
        if trainer.rows:
            transfer.write_report(job.run / "transplant.json", trainer.rows)
        at = loop.Position.of(state | {"best_by": settings.best_by}, settings.average_loss, settings.batches_per_step)
        run_log.cut(job.run / "log.jsonl", at.step, at.validated)
        logger.info(f"{settings.net}: {trainer.parameters:,} parameters, {trainer.graph.num_classes} channels; step "
              f"{at.step} of {trainer.steps}, {settings.batch} x {settings.batches_per_step} images a step")
        if at.step < trainer.steps:
            logger.info("\n".join(dry_run.quick(trainer)))
        for note in (loading_checks.note_of_moving_averages(trainer.rows or (), settings, trainer.steps),
                     loading_checks.note_of_precision(settings.precision)):
            if note:
                logger.warning(note)
        with progress_bar.ProgressBar("step", trainer.steps, at.step) as view, \
                signals.Signals(view.say, view.restore_cursor) as received:
            asked = agreed(trainer, received)
            report, check, save = periodic(trainer, session, at, view, asked)
            try:
                for text in damaged:
                    report.happened(at.step, text)
                if not checkpoint_files.paths(trainer.store.folder):  # marks the run as started, and shows at once
                    save(at, needed=True)                             # whether checkpoints can be saved
                stop = hooks.Stop(asked, save)
                check.resume(at)
                stop.after_step(at)  # a signal may have arrived during the validation in resume()
                same = [trainer.same.attach(session)] if trainer.same else []
                loop.train(session, trainer.graph, trainer.update, loop_settings(trainer), at,
                           [report, *same, check, save, stop])
                report.happened(at.step, at.finished or "done")
                if at.finished:
                    view.say(at.finished)
            except errors.FcnError as error:
                report.happened(at.step, asked.caught.name if isinstance(error, errors.Stopped) else error.what)
                raise
            finally:
                report.draw()


def _train_with_chief(trainer):
    """Train as a worker that is not the chief: it computes its batches, and writes and prints nothing."""
    settings = trainer.job.settings
    with new_session(trainer.workers) as session, signals.Signals(lambda _: None) as received:
        state = trainer.start(session)
        at = loop.Position.of(state | {"best_by": settings.best_by}, settings.average_loss, settings.batches_per_step)
        asked, silent = agreed(trainer, received), hooks.Silent(trainer.steps)
        check = evaluation_hook(trainer, session, asked, silent, silent)
        stop = hooks.Stop(asked, silent)
        check.resume(at)
        stop.after_step(at)
        loop.train(session, trainer.graph, trainer.update, loop_settings(trainer), at,
                   [trainer.same.attach(session), check, stop])


def new_session(workers):
    """A Session for training."""
    return workers.new_session() if workers else tf_compat.new_session()


def agreed(trainer, received):
    """The stop signals of a run: those `received` (signals.Signals), or what all workers agree on."""
    if not trainer.shared:
        return received
    trainer.shared.asked = step_numbers.Asked(received)
    return trainer.shared.asked


def loop_settings(trainer):
    """The loop.LoopSettings of a run."""
    settings = trainer.job.settings
    return loop.LoopSettings(trainer.steps, settings.batches_per_step, settings.keep_prob, settings.seed,
                             trainer.rate_at, trainer.batch_at, trainer.keep_batch, settings.freeze_steps,
                             settings.log_every, trainer.shared)


def evaluation_hook(trainer, session, asked, report, save):
    """The hooks.Evaluate of a run."""
    settings, workers = trainer.job.settings, trainer.workers
    when = hooks.ValidationTimes(trainer.steps, settings.eval_every, settings.patience)
    stopped = (lambda: asked.caught or asked.own.caught) if workers else lambda: asked.caught
    return hooks.Evaluate(lambda: trainer.validate(session, stopped), when, report, save,
                          workers.of_chief if workers else lambda step: step)


def periodic(trainer, session, at, view, asked):
    """Return the hooks of a run: (ProgressReport, Evaluate, Save). view: progress_bar.ProgressBar.

    asked: of agreed().
    """
    job, settings, steps = trainer.job, trainer.job.settings, trainer.steps
    facts = progress_report.RunFacts(job.spec, steps, job.baselines, settings.log_every)
    report = progress_report.ProgressReport(job.run, facts, at.step, view,
                                            tensorboard.EventWriter(job.run, at.step, session.graph))
    save = hooks.Save(lambda state: trainer.save(session, state), settings.save_every, steps, report.log, view.say,
                      (at.step, at.validated) if trainer.store.holds(at.step) else None)
    return report, evaluation_hook(trainer, session, asked, report, save), save
