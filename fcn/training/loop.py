"""train(): batches in, weight updates out. Everything periodic is a hook (hooks.py)."""

import collections
import contextlib
import dataclasses
import time
from collections.abc import Callable

import numpy as np

from fcn.core import errors
from fcn.data import batch_loader
from fcn.metrics import confidence
from fcn.models.tf_compat import run, tf_errors


@dataclasses.dataclass(frozen=True)
class LoopSettings:
    """What train() is given of a run; names as in training_config.Config.

    rate_at(step) -> learning rate. batch_at(number) -> (images, labels), uint8. keep_batch(number, images, labels,
    facts) keeps a batch for inspection and says where.
    """

    steps: int
    batches_per_step: int
    keep_prob: float
    seed: int
    rate_at: Callable[[int], float]
    batch_at: Callable[[int], tuple[np.ndarray, np.ndarray]]
    keep_batch: Callable[[int, np.ndarray, np.ndarray, dict], str]


@dataclasses.dataclass
class Position:
    """Where a run stands. What a checkpoint keeps of it is in state(); the rest is of this start.

    window: (loss sum, labelled pixels, weighted as the loss is) of the last batches; of a loss with several terms, two
    lists. score: mean IoU of the validation
    at this step, None without one or if it saw no labelled pixels. best: {"step", "score"} of the best one so far;
    since_best: validations with a score after it. validated: step of the last one, with a score or not;
    next_eval: step of the next one under a time budget. gradient_norm: of the last step. finished: why the run ends
    before its last step, or "". wait_s, run_s: seconds spent waiting for data and in the session; images: seen since
    this start.
    """

    step: int
    window: collections.deque
    score: float | None = None
    best: dict | None = None
    since_best: int = 0
    validated: int = 0
    next_eval: int | None = None
    gradient_norm: float | None = None
    batches_per_step: int = 1
    learning_rate: float = 0.0
    finished: str = ""
    images: int = 0
    wait_s: float = 0.0
    run_s: float = 0.0

    def state(self):
        """What a checkpoint keeps besides the variables. "batch": number of the next one, the position in the data."""
        return {"step": self.step, "batch": self.step * self.batches_per_step, "score": self.score, "best": self.best,
                "since_best": self.since_best, "validated": self.validated, "next_eval": self.next_eval,
                "gradient_norm": self.gradient_norm, "window": [list(w) for w in self.window]}

    @classmethod
    def of(cls, state, window, batches_per_step):
        """The Position in a checkpoint's state, or at the start ({"step": 0}). window: batches of the shown loss."""
        kept = ("step", "score", "best", "since_best", "validated", "next_eval", "gradient_norm")
        return cls(window=collections.deque(map(tuple, state.get("window", [])), window),
                   batches_per_step=batches_per_step, **{key: state[key] for key in kept if key in state})


def train(session, model, update, settings, position, hooks):
    """Run from `position` to settings.steps, or until a hook gives position.finished a reason.

    settings: LoopSettings. After every step hook.after_step(position) of each hook is called in turn. Raises
    DivergedError if loss or gradient is not finite, before the weights are touched.
    """
    numbers = range(position.step * settings.batches_per_step, settings.steps * settings.batches_per_step)
    with contextlib.closing(batch_loader.ahead(settings.batch_at, numbers)) as supply:
        for number in numbers:
            if position.finished:
                return
            before = time.perf_counter()
            images, labels = next(supply)
            ready = time.perf_counter()
            feed = {model.images: images, model.labels: labels, model.keep_prob: settings.keep_prob,
                    model.dropout_seed: np.array([settings.seed, number], np.int32), model.training: True}
            fetches = {"loss": model.loss_sum, "pixels": model.pixels}
            last = (number + 1) % settings.batches_per_step == 0
            if last:
                position.learning_rate = feed[update.learning_rate] = settings.rate_at(position.step)
                fetches |= {"update": update.update, "norm": update.norm}
            else:
                fetches |= {"update": update.collect}
            try:
                done = run(session, fetches, feed)
            except tf_errors.InvalidArgumentError as error:
                raise _diverged(error, position, settings, number, images, labels) from None
            position.window.append((done["loss"].tolist(), done["pixels"].tolist()))
            position.images += len(images)
            position.wait_s += ready - before
            position.run_s += time.perf_counter() - ready
            if last:
                position.step += 1
                position.score, position.gradient_norm = None, float(done["norm"])
                for hook in hooks:
                    hook.after_step(position)


def _diverged(error, position, settings, number, images, labels):
    """The DivergedError for TensorFlow's error in batch `number`, which is kept; the error itself if it is another."""
    if "is not finite" not in error.message:
        return error
    what = "loss" if "the loss is" in error.message else "gradient"
    means = [confidence.mean_loss([loss], [pixels])[0] for loss, pixels in list(position.window)[-3:]]
    losses = [mean if mean == mean else None for mean in means]
    shown = ["no labelled pixels" if loss is None else f"{loss:.4g}" for loss in losses]
    norm, rate = position.gradient_norm, settings.rate_at(position.step)
    facts = {"step": position.step + 1, "batch": number, "not_finite": what, "losses_before": losses,
             "gradient_norm_before": norm, "learning_rate": rate}
    return errors.DivergedError(
        f"the {what} is not finite at step {position.step + 1}; the weights were not changed",
        why=[f"before: loss {', '.join(shown) or 'unknown'} (of the last batches), gradient norm "
             f"{'unknown' if norm is None else f'{norm:.4g}'}; learning rate {rate:.4g}",
             f"the batch is {settings.keep_batch(number, images, labels, facts)}"],
        fix="the last checkpoint stands. Go on from it with a lower --learning-rate, --warmup or --clip-norm 1; if "
             "the batch itself is odd, look at its labels.")
