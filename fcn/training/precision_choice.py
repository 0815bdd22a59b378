"""--precision auto and --dry-run: whether float32 or bfloat16 is faster for a run on this processor, by timed steps."""

import dataclasses
import logging

from fcn.config import training_config
from fcn.core import machine
from fcn.runs import record
from fcn.training import trial

logger = logging.getLogger(__name__)

FLOAT32, BFLOAT16 = PRECISIONS = ("float32", "bfloat16")
LEAST_STEPS = 200  # of a run for which timing a few steps in both precisions is worth its time


def is_open():
    """Whether either may be faster: on a processor with instructions for bfloat16, and without a GPU.

    Processors without them need several times as long in bfloat16. On a GPU, auto is float32 (docs/training.md).
    """
    return bool(machine.has_bfloat16()) and not machine.signs_of_a_gpu()


def faster(job, is_long=False):
    """Return the setup.Job of a new run in the faster precision; a short run, or one that is not open, is unchanged.

    is_long: whether it is, although its number of steps is not known yet (--hours).
    """
    if not is_open() or not (is_long or job.content["steps"] >= LEAST_STEPS):
        return job
    logger.info("--precision auto: timing a few steps in float32 and bfloat16")
    seconds = {precision: seconds_of(job, precision) for precision in PRECISIONS}
    best = min(PRECISIONS, key=seconds.__getitem__)
    logger.info(f"  {compared(seconds)}: {best} is used")
    return in_precision(job, best)


def seconds_of(job, precision):
    """Return the seconds of a training step of a setup.Job in this precision."""
    with trial.of(in_precision(job, precision)) as (built, session):
        return trial.step_seconds(built, session)


def in_precision(job, precision):
    """Return the setup.Job of a new run with another precision."""
    settings = dataclasses.replace(job.settings, precision=precision)
    content = job.content | {"config": job.content["config"] | {"precision": precision},
                             "model": job.content["model"] | {"precision": precision}}
    content["fingerprints"] = record.fingerprints(content, training_config.SAME_AT_RESUME)
    return dataclasses.replace(job, settings=settings, content=content)


def compared(seconds):
    """Return a text such as 'a step takes 1.36 s in bfloat16, 2.26 s in float32'. seconds: {precision: seconds}."""
    first, second = sorted(seconds, key=seconds.__getitem__)
    return f"a step takes {seconds[first]:.3g} s in {first}, {seconds[second]:.3g} s in {second}"


def advice(job, seconds, is_auto):
    """Return the lines of a dry run about both precisions; [] if the run's is neither or the choice is not open.

    seconds: of a step in the run's precision. is_auto: whether --precision auto chose it by the processor.
    """
    used = job.settings.precision
    if used not in PRECISIONS or not is_open():
        return []
    other = FLOAT32 if used == BFLOAT16 else BFLOAT16
    both = {used: seconds, other: seconds_of(job, other)}
    if both[used] <= both[other]:
        return [f"precision: {compared(both)}; this run uses {used}"]
    how = "auto will use it: the estimates above are for" if is_auto else f"give --precision {other}, not"
    return [f"precision: {compared(both)}; {how} {used}"]
