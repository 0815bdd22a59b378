"""fcn train --sanity: can this net, with these weights, labels and rate, overfit one batch?

A net that cannot overfit one batch will not learn a data set either. The check takes minutes, uses no dropout and the
full learning rate, and writes nothing. Layers that --freeze-steps freezes at first are trained.
"""

import logging
import types

import numpy as np

from fcn.config import loss_terms
from fcn.core import errors, progress_bar
from fcn.data.spec import MOST_IDS
from fcn.metrics import baselines
from fcn.models import tf_compat
from fcn.models.tf_compat import tf_errors
from fcn.training import schedules, setup

logger = logging.getLogger(__name__)

STEPS = 200
PASSED, ENOUGH = 0.5, 0.1  # of the loss to beat: a final loss below which the check passes; a loss at which it stops
WARMUP = 20        # warm-up steps, if the run has as many
LEAST_PRIOR = 0.1  # nats; a batch with less entropy is almost of one class and shows nothing
BURST = 1.5        # a loss that rises to so many times the first one means that the learning rate is too large
CANDIDATES = 20    # batches from which one is chosen


def run(trainer):
    """Train on one batch and log the result. Raises DivergedError if the net does not overfit it."""
    number, images, labels, prior = chosen(trainer)
    settings = trainer.job.settings
    logger.info(f"sanity: training on batch {number} only, at most {STEPS} steps, learning rate "
                f"{settings.learning_rate:g}, no dropout; --show-batch FILE.png shows the first batch")
    with tf_compat.new_session() as session:
        trainer.start(session)
        # The entropy of the class frequencies is a cross entropy; another loss is compared with its own first value.
        beaten = prior if trainer.job.content["model"]["loss"] == "cross_entropy" else None
        losses = descend(session, trainer, images, labels, beaten)
    done = f"loss {losses[0]:.3g} -> {losses[-1]:.3g} in {len(losses) - 1} steps"
    if beaten is None:
        beaten = losses[0]
    else:
        done += f" (guessing by class frequency: {beaten:.3g})"
    if not losses[-1] < PASSED * beaten:
        raise errors.DivergedError(f"the net does not overfit one batch: {done}", why=causes(losses, beaten, trainer),
                                   fix="check these causes in order, then run --sanity again.")
    logger.info(f"the net overfits one batch: {done}")


def chosen(trainer):
    """Return (number, images, labels, prior) of the first training batch with an entropy of at least LEAST_PRIOR.

    If there is none among the first CANDIDATES, the one with the largest entropy. Raises DataError if all have one
    class.
    """
    found = [candidate(trainer, 0)]
    while found[-1][3] < LEAST_PRIOR and len(found) < CANDIDATES:
        found.append(candidate(trainer, len(found)))
    best = max(found, key=lambda one: one[3])
    if not best[3]:
        raise errors.DataError(f"each of the first {CANDIDATES} batches has one class only",
                               where=trainer.job.settings.data,
                               fix="--show-batch FILE.png shows the first of them; check the labels.")
    return best


def candidate(trainer, number):
    """(number, images, labels, entropy of the class frequencies in nats) of a batch."""
    images, labels, *_ = trainer.batch_at(number)
    counted = types.SimpleNamespace(class_pixels=np.bincount(labels.ravel(), minlength=MOST_IDS))
    model = trainer.job.content["model"] | {"loss": "cross_entropy"}
    prior = baselines.numbers(*setup.expectation(model, counted, trainer.job.spec))[1]
    return number, images, labels, prior


def descend(session, trainer, images, labels, beaten):
    """Train on one batch. Returns the loss before each step and after the last one; infinity if it is not finite.

    beaten: the loss to beat; None: the first loss.
    """
    settings, graph = trainer.job.settings, trainer.graph
    schedule = schedules.Schedule(settings.learning_rate, "fixed", min(settings.warmup, WARMUP))
    losses: list[float] = []
    with progress_bar.ProgressBar("step", STEPS) as view:
        for step in range(STEPS + 1):
            rate = schedule.rate(step, STEPS)
            # One batch per step gives the same update as several equal ones: both sums grow by the same factor.
            feed = {graph.images: images, graph.labels: labels, trainer.update.learning_rate: rate,
                    graph.training: True}
            try:
                done = tf_compat.run(session, [graph.loss_sum, graph.pixels, trainer.update.update], feed)
            except tf_errors.InvalidArgumentError as error:
                if "is not finite" not in error.message:
                    raise
                return [*losses, np.inf]
            losses.append(float(np.sum(done[0] / done[1])))
            view.show(step, f"loss {losses[-1]:.3f}", due=step % 10 == 0)
            if losses[-1] < ENOUGH * (losses[0] if beaten is None else beaten):
                break
    return losses


def causes(losses, beaten, trainer):
    """Return possible causes of a failed check, the most likely first."""
    rate = trainer.job.settings.learning_rate
    if max(losses) > BURST * max(losses[0], beaten):
        lines = [f"the rate is too large: try --learning-rate {rate / 10:.2g}, --warmup 100 or --clip-norm 1"]
    else:
        lines = [f"the rate may be too small: try --learning-rate {rate * 10:.2g}"]
    trained = sum(v.shape.num_elements() for _, v in trainer.update.grads)
    if trained < 0.5 * trainer.parameters:
        lines.append(f"only {trained / trainer.parameters:.1%} of the weights are trained: --freeze and --rate-factors "
                     "freeze the others")
    lines += [f"--loss {term.name} averages over all classes, and those that this batch lacks stay near 1: try "
              f"{term.name}(classes=present)" for term in loss_terms.parse(trainer.job.settings.loss)
              if loss_terms.known_options(term.name).get("classes") == "all" and "classes" not in term.options]
    return [*lines, "labels may be shifted or belong to other images: --show-batch FILE.png shows them",
            "layers may not be loaded from --weights: loaded layers are \"copied\" in the table above"]
