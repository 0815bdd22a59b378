"""--hours: the number of steps of a new run, from the time of a few steps on this machine.

A run needs its number of steps before it starts, because the schedule of the learning rate depends on it.
"""

import dataclasses
import logging
import math
import statistics

from fcn.config import training_config
from fcn.core import errors
from fcn.models import tf_compat
from fcn.models.tf_compat import tf
from fcn.training import dry_run, loop, resources, setup, trainer
from fcn.weights import initialize

logger = logging.getLogger(__name__)


def fitted(job, hours):
    """The setup.Job of a new run, with so many steps that it takes this time. Raises UsageError if it is too short.

    The steps are timed with random weights and a learning rate of 0. Nothing is written.
    """
    logger.info(f"--hours {hours:g}: timing a few steps")
    random = setup.read_weights(dataclasses.replace(job.settings, weights=training_config.NO_WEIGHTS))
    with trainer.built(job) as built, tf_compat.new_session() as session:
        session.run(tf.local_variables_initializer())
        initialize.load_weights(session, random, job.spec.class_names, built.graph.num_classes, "fresh", None)
        at = loop.Position.of({"step": 0}, 1, job.settings.batches_per_step)
        seconds, _ = dry_run.timed_steps(session, built, at, lambda step: 0.0)
        validation_s = dry_run.timed_validation(session, built) * sum(1 for _ in built.validation_batches())
        size = built.store.bytes
    step_s = statistics.median(seconds)
    steps = steps_in(3600 * hours, step_s, validation_s, size, job.settings)
    if steps < 1:
        raise errors.UsageError(f"--hours {hours:g} is too short: a step takes {step_s:.3g} s",
                                fix="give more, or --steps.")
    logger.info(f"  a step takes {step_s:.3g} s: {steps:,} steps")
    settings = dataclasses.replace(job.settings, steps=steps)
    return dataclasses.replace(job, settings=settings, content=job.content | {
        "steps": steps, "config": training_config.to_dict(settings)})


def steps_in(seconds, step_s, validation_s, checkpoint_bytes, settings):
    """Number of steps in a time, with validations and checkpoints; from 100 on, a multiple of 10.

    step_s, validation_s: seconds of a step and of a whole validation.
    """
    share = settings.eval_every if settings.eval_every < 1 else 0
    validations = 0 if share else validation_s / settings.eval_every
    save_s = resources.duration(0, 0, checkpoint_bytes) / settings.save_every
    steps = math.floor(seconds / ((step_s / (1 - share)) + validations + save_s))
    return steps if steps < 100 else steps // 10 * 10
