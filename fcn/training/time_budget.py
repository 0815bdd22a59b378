"""--hours: the number of steps of a new run, from the time of a few steps on this machine.

A run needs its number of steps before it starts, because the schedule of the learning rate depends on it.
"""

import bisect
import dataclasses
import logging

from fcn.config import checks, training_config
from fcn.core import errors
from fcn.training import dry_run, resources, trial

logger = logging.getLogger(__name__)

MOST_STEPS = 10 ** 9  # that are searched


def fitted(job, hours):
    """The setup.Job of a new run, with so many steps that it takes this time. Raises UsageError if it is too short.

    The steps are timed with random weights and a learning rate of 0. Nothing is written.
    """
    logger.info(f"--hours {hours:g}: timing a few steps")
    seconds, checkpoint_bytes = measured(job)
    settings = job.settings
    steps = steps_in(3600 * hours, seconds, checkpoint_bytes, (settings.save_every, settings.eval_every))
    logger.info(f"  a step takes {seconds[0]:.3g} s, a validation {seconds[1]:.3g} s: {steps:,} steps")
    if steps < 1:
        raise errors.UsageError(f"--hours: {3600 * hours:.3g} s are too short for a step and a validation",
                                fix="give more --hours, or leave it out and give --steps.")
    checks.check_durations(steps, settings.warmup, settings.freeze_steps, "--hours")
    settings = dataclasses.replace(settings, steps=steps)
    return dataclasses.replace(job, settings=settings, content=job.content | {
        "steps": steps, "config": training_config.to_dict(settings)})


def measured(job):
    """((seconds of a step, of a whole validation), bytes of a checkpoint) of a job."""
    with trial.of(job) as (built, session):
        step_s = trial.step_seconds(built, session)
        validation_s = dry_run.timed_validation(session, built) * sum(1 for _ in built.validation_batches())
        return (step_s, validation_s), built.store.bytes


def steps_in(total_s, seconds, checkpoint_bytes, periods):
    """The largest number of steps of a run that takes at most this time; from 100 on, a multiple of 10.

    seconds, checkpoint_bytes, periods: as in resources.run_duration. The checkpoint of step 0 counts, too.
    """
    first_s = resources.duration(0, 0, checkpoint_bytes)
    steps = bisect.bisect_right(range(MOST_STEPS), total_s - first_s, lo=1, key=lambda last: resources.run_duration(
        0, last, seconds, checkpoint_bytes, periods)) - 1
    return steps if steps < 100 else steps // 10 * 10
