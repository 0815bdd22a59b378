"""train(): batches in, weight updates out. Everything periodic is a hook (hooks.py)."""

import collections
import contextlib
import dataclasses
import time

import numpy as np

from fcn import batches, errors, optimize
from fcn.tf1 import errors as tf_errors
from fcn.tf1 import run


@dataclasses.dataclass(frozen=True)
class Plan:
    """What train() needs to know of the settings; names as in config.Config."""

    steps: int
    batches_per_step: int
    learning_rate: float
    schedule: str
    poly_power: float
    keep_prob: float
    seed: int


@dataclasses.dataclass
class Position:
    """Where a run stands. window: (loss sum, labelled pixels) of the last batches. wait_s, run_s: seconds spent
    waiting for data and in the session; images: seen since this start.
    """

    step: int
    window: collections.deque
    learning_rate: float = 0.0
    score: float | None = None
    images: int = 0
    wait_s: float = 0.0
    run_s: float = 0.0

    def state(self):
        """What a checkpoint keeps besides the variables."""
        return {"step": self.step, "window": [list(w) for w in self.window], "score": self.score}


def train(session, model, update, batch_at, plan, position, hooks, keep_batch):
    """Run from `position` to plan.steps; after every step call hook.after_step(position) of each hook in turn.

    batch_at(number) -> (images, labels) uint8. keep_batch(images, labels) -> path keeps a batch for inspection.
    Raises DivergedError if loss or gradient is not finite, before the weights are touched.
    """
    numbers = range(position.step * plan.batches_per_step, plan.steps * plan.batches_per_step)
    with contextlib.closing(batches.ahead(batch_at, numbers)) as supply:
        for number in numbers:
            before = time.perf_counter()
            images, labels = next(supply)
            ready = time.perf_counter()
            feed = {model.images: images, model.labels: labels, model.keep_prob: plan.keep_prob,
                    model.dropout_seed: np.array([plan.seed, number], np.int32)}
            last = (number + 1) % plan.batches_per_step == 0
            if last:
                position.learning_rate = optimize.learning_rate(plan.learning_rate, plan.schedule, position.step,
                                                                plan.steps, plan.poly_power)
                feed[update.learning_rate] = position.learning_rate
            try:
                _, loss_sum, pixels = run(
                    session, [update.update if last else update.collect, model.loss_sum, model.pixels], feed)
            except tf_errors.InvalidArgumentError as error:
                raise _diverged(error, position, lambda i=images, k=labels: keep_batch(i, k)) from None
            position.window.append((float(loss_sum), float(pixels)))
            position.images += len(images)
            position.wait_s += ready - before
            position.run_s += time.perf_counter() - ready
            if last:
                position.step += 1
                for hook in hooks:
                    hook.after_step(position)


def _diverged(error, position, keep_batch):
    if "is not finite" not in error.message:
        return error
    what = "loss" if "the loss is" in error.message else "gradient"
    before = f"{position.window[-1][0] / max(position.window[-1][1], 1):.4g}" if position.window else "unknown"
    return errors.DivergedError(f"the {what} is not finite at step {position.step + 1} (loss {before} a batch before); "
                                "the weights were not changed", why=f"the batch is kept in {keep_batch()}",
                                cure="start again from the last checkpoint with a lower --learning-rate.")
