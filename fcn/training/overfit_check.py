"""train_fcn.py --sanity: can this net, with these weights, labels and rate, overfit one batch?

A net that cannot will not learn a data set either, and says so in minutes. Without dropout, at the full rate, and
nothing is written.
"""

import logging
import types

import numpy as np

from fcn.core import errors, progress_bar
from fcn.data.spec import NUM_IDS
from fcn.metrics import baselines
from fcn.models import tf_compat
from fcn.models.tf_compat import tf_errors
from fcn.training import schedules, setup

logger = logging.getLogger(__name__)

STEPS = 200
LEARNT, ENOUGH = 0.5, 0.1  # of the loss to beat: learnt below the one, over at the other
WARMUP = 20        # steps of the run's warm-up at most, of these 200
LEAST_PRIOR = 0.1  # nats: a batch with less is almost of one class, and shows nothing
BURST = 1.5        # times the first loss: a rate under which the loss rises that far is too large
LOOKED_AT = 20     # batches among which one is chosen


def run(trainer):
    """Train on one batch and print the verdict. Raises DivergedError if it is not learnt."""
    number, images, labels, prior = chosen(trainer)
    settings = trainer.job.settings
    logger.info(f"sanity: batch {number} again and again, {STEPS} steps at most, learning rate "
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
    if not losses[-1] < LEARNT * beaten:
        raise errors.DivergedError(f"a batch is NOT learnt: {done}", why=causes(losses, beaten, trainer),
                                   fix="see to the first of these that may be so, and ask for --sanity again.")
    logger.info(f"a batch is learnt: {done}")


def chosen(trainer):
    """(number, images, labels, prior) of the first training batch that is of more than one class."""
    found = [candidate(trainer, 0)]
    while found[-1][3] < LEAST_PRIOR and len(found) < LOOKED_AT:
        found.append(candidate(trainer, len(found)))
    best = max(found, key=lambda one: one[3])
    if not best[3]:
        raise errors.DataError(f"the first {LOOKED_AT} batches hold no two classes", where=trainer.job.settings.data,
                               fix="--show-batch FILE.png shows the first of them; check the labels.")
    return best


def candidate(trainer, number):
    images, labels = trainer.batch_at(number)
    counted = types.SimpleNamespace(class_pixels=np.bincount(labels.ravel(), minlength=NUM_IDS))
    model = trainer.job.content["model"] | {"loss": "cross_entropy"}
    prior = baselines.numbers(*setup.expectation(model, counted, trainer.job.spec))[1]
    return number, images, labels, prior


def descend(session, trainer, images, labels, beaten):
    """[loss before each step, ..., and after the last one]; the last one is infinite if a step had no finite one.

    beaten: the loss to beat, None for the first one.
    """
    settings, graph = trainer.job.settings, trainer.graph
    schedule = schedules.Schedule(settings.learning_rate, "fixed", min(settings.warmup, WARMUP))
    losses: list[float] = []
    with progress_bar.ProgressBar("step", STEPS) as view:
        for step in range(STEPS + 1):
            rate = schedule.rate(step, STEPS)
            # A step of several batches is that of this one: its sum and its pixels count alike, whatever their number.
            feed = {graph.images: images, graph.labels: labels, trainer.update.learning_rate: rate}
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
    """What may be wrong, the likeliest first, by how the loss went."""
    rate = trainer.job.settings.learning_rate
    if max(losses) > BURST * max(losses[0], beaten):
        lines = [f"the rate is too large: try --learning-rate {rate / 10:.2g}, --warmup 100 or --clip-norm 1"]
    else:
        lines = [f"the rate may be too small: try --learning-rate {rate * 10:.2g}"]
    trained = sum(v.shape.num_elements() for _, v in trainer.update.grads)
    if trained < 0.5 * trainer.parameters:
        lines.append(f"{trained / trainer.parameters:.1%} of the weights are trained; --freeze and --rate-factors hold "
                     "the others")
    return [*lines, "labels may be shifted or of other images: look at --show-batch FILE.png",
            "fc6 and fc7 may not have come from --weights: the table above says \"copied\" of what has"]
