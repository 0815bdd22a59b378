"""The training loop. Periodic work is done by hooks (hooks.py)."""

import collections
import contextlib
import dataclasses
import time
from collections.abc import Callable

import numpy as np

from fcn.config import selection
from fcn.core import errors
from fcn.data import batch_loader
from fcn.distributed.step_numbers import StepNumbers
from fcn.metrics import confidence
from fcn.models.tf_compat import run, tf_errors


@dataclasses.dataclass(frozen=True)
class LoopSettings:
    """Settings of train(); names as in training_config.Config.

    rate_at: function step -> learning rate. batch_at: function batch number -> (images, labels), uint8 (N, H, W, 3) and
    (N, H, W), or (images, labels, pixel_weights) with float32 (N, H, W). keep_batch: function (number, images, labels,
    facts) that saves a batch for inspection and returns where. batches_per_step: of all workers. shared:
    distributed.step_numbers.StepNumbers; None for a process that trains alone.
    """

    steps: int
    batches_per_step: int
    keep_prob: float
    seed: int
    rate_at: Callable[[int], float]
    batch_at: Callable[[int], tuple[np.ndarray, ...]]
    keep_batch: Callable[[int, np.ndarray, np.ndarray, dict], str]
    freeze_steps: int = 0
    log_every: int = 1
    shared: StepNumbers | None = None

    def is_logged(self, step):
        """Whether a step has a line in the log."""
        return step % self.log_every == 0 or step in (1, self.steps)

    def workers(self):
        """(number of this worker, number of workers)."""
        return (self.shared.workers.index, self.shared.workers.count) if self.shared else (0, 1)


@dataclasses.dataclass
class Position:
    """State of a run between two steps. Checkpoints keep state(); the other fields start anew with each process.

    step: number of weight updates done.
    window: (loss sum, weighted number of labelled pixels) of the last batches; two lists for a loss with several terms.
    best_by: key of selection.SCORES, which score counts.
    right: (right pixels, pixels that count in the loss) of each batch of this step, if it is logged; else [].
    score: score of the validation at this step; None without a validation or without labelled pixels in it.
    best: {"step", "score"} of the best validation so far. since_best: number of scored validations after it.
    validated: step of the last validation. next_eval: step of the next one under a time budget.
    gradient_norm: of the last step; None if it was not finite. finished: reason for ending before the last step, or "".
    loss_scale: of the last step, None without loss scaling. skipped: number of skipped steps, whose gradient was not
    finite (loss_scale.py).
    images: images trained on, wait_s: seconds waiting for data, run_s: seconds in session.run, all since the start.
    """

    step: int
    window: collections.deque
    score: float | None = None
    best: dict | None = None
    since_best: int = 0
    validated: int = 0
    next_eval: int | None = None
    gradient_norm: float | None = None
    best_by: str = selection.DEFAULT
    loss_scale: float | None = None
    skipped: int = 0
    batches_per_step: int = 1
    learning_rate: float = 0.0
    finished: str = ""
    images: int = 0
    wait_s: float = 0.0
    run_s: float = 0.0
    right: list = dataclasses.field(default_factory=list)

    def state(self):
        """Return the state for a checkpoint, as a dict. "batch": number of the next batch, the position in the data."""
        return {"step": self.step, "batch": self.step * self.batches_per_step, "score": self.score, "best": self.best,
                "since_best": self.since_best, "validated": self.validated, "next_eval": self.next_eval,
                "gradient_norm": self.gradient_norm, "best_by": self.best_by, "loss_scale": self.loss_scale,
                "skipped": self.skipped, "window": [list(w) for w in self.window]}

    @classmethod
    def of(cls, state, window, batches_per_step):
        """Create a Position from a checkpoint's state or {"step": 0}. window: batches in the displayed loss."""
        kept = ("step", "score", "best", "since_best", "validated", "next_eval", "gradient_norm",
                "best_by", "loss_scale", "skipped")
        return cls(window=collections.deque(map(tuple, state.get("window", [])), window),
                   batches_per_step=batches_per_step, **{key: state[key] for key in kept if key in state})


def train(session, model, update, settings, position, hooks):
    """Train from `position` to settings.steps, or until a hook sets position.finished.

    model: graph_builder.TrainingGraph. update: weight_update.Step. settings: LoopSettings. After every step,
    hook.after_step(position) of each hook is called in order. Raises DivergedError if the loss or gradient is not
    finite, with loss scaling only if that does not end with a smaller scale; the weights are unchanged then.

    Of `count` workers, number `index` computes the batches index, index + count, ... of each step.
    """
    (index, count), of_step = settings.workers(), settings.batches_per_step
    numbers = range(position.step * of_step + index, settings.steps * of_step, count)
    with contextlib.closing(batch_loader.prefetch(settings.batch_at, numbers)) as supply:
        for number in numbers:
            if position.finished:
                return
            before = time.perf_counter()
            images, labels, *weights = next(supply)
            ready = time.perf_counter()
            feed = {model.images: images, model.labels: labels, model.keep_prob: settings.keep_prob,
                    model.dropout_seed: np.array([settings.seed, number], np.int32), model.training: True,
                    model.is_first: position.step < settings.freeze_steps}
            feed |= {model.pixel_weights: weights[0]} if weights else {}
            fetches = {"loss": model.loss_sum, "pixels": model.pixels}
            if settings.is_logged(position.step + 1):  # an argmax over classes in every batch would take time
                fetches |= {"right": model.pixel_counts}
            last = number % of_step + count >= of_step
            if last:
                position.learning_rate = feed[update.learning_rate] = settings.rate_at(position.step)
                fetches |= {"update": update.update, "norm": update.norm}
                fetches |= {"scale": update.loss_scale} if update.loss_scale is not None else {}
                if settings.shared:
                    feed |= settings.shared.feed()
                    fetches |= {"all": settings.shared.fetches["right" in fetches]}
            else:
                fetches |= {"update": update.collect}
            try:
                done = run(session, fetches, feed)
            except tf_errors.InvalidArgumentError as error:
                raise _diverged(error, position, settings, number, images, labels) from None
            for loss, pixels, right in _batches(done, settings.shared, last):
                if np.all(np.isfinite(loss)):  # else float16 has overflowed, and the step is skipped
                    position.window.append((loss.tolist(), pixels.tolist()))
                position.right += [right] if "right" in done else []
            position.images += len(images) * count
            position.wait_s += ready - before
            position.run_s += time.perf_counter() - ready
            if last:
                position.step += 1
                position.score = None
                position.gradient_norm = float(done["norm"]) if np.isfinite(done["norm"]) else None
                position.skipped += position.gradient_norm is None
                position.loss_scale = float(done["scale"]) if "scale" in done else None
                for hook in hooks:
                    hook.after_step(position)
                position.right = []


def _batches(done, shared, last):
    """[(loss sum, pixels, right)] of the batches whose numbers are known now: one, or all of a step of several workers.

    done: dict of fetches. shared: as in LoopSettings. last: whether this is the last batch of a step.
    """
    if not shared:
        return [(done["loss"], done["pixels"], done["right"].tolist() if "right" in done else [])]
    if not last:
        shared.add(done)
        return []
    return shared.take(done["all"], done["loss"].shape)


def _diverged(error, position, settings, number, images, labels):
    """Return the DivergedError for a loss or gradient that is not finite, and save its batch; else the error itself."""
    if "is not finite" not in error.message:
        return error
    what = "loss" if "the loss is" in error.message else "loss or gradient" if settings.shared else "gradient"
    means = [confidence.mean_loss([loss], [pixels])[0] for loss, pixels in list(position.window)[-3:]]
    losses = [mean if mean == mean else None for mean in means]
    shown = ["no labelled pixels" if loss is None else f"{loss:.4g}" for loss in losses]
    norm, rate = position.gradient_norm, settings.rate_at(position.step)
    facts = {"step": position.step + 1, "batch": number, "not_finite": what, "losses_before": losses,
             "gradient_norm_before": norm, "learning_rate": rate}
    scaled = position.loss_scale is not None
    why = [f"float16 overflowed: {position.skipped} steps were skipped, and the loss scale is {position.loss_scale:g}"
           ] if scaled else []
    return errors.DivergedError(
        f"the {what} is not finite at step {position.step + 1}; the weights were not changed",
        why=[*why, f"before: loss {', '.join(shown) or 'unknown'} (last batches), gradient norm "
             f"{'unknown' if norm is None else f'{norm:.4g}'}; learning rate {rate:.4g}",
             f"the {'last batch of this worker' if settings.shared else 'batch'} is "
             f"{settings.keep_batch(number, images, labels, facts)}"],
        fix="start a new run with a lower --learning-rate, or with --precision bfloat16, which needs no loss scale."
            if scaled else
            "resume from the last checkpoint with a lower --learning-rate, --warmup or --clip-norm 1; check the labels "
            "of the batch.")
