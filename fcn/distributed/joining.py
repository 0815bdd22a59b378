"""Becoming one of the workers of a cluster. A process does so once; several runs one after another share that."""

import functools

from fcn.core import errors

TIMEOUT_S = 300


@functools.lru_cache(maxsize=1)
def join(cluster, seconds):
    """Return the Workers of a cluster.Cluster, when all of them have started. It imports TensorFlow.

    seconds: without an answer of another worker, after which this process ends. Raises MachineError.
    """
    from fcn.distributed import workers
    return workers.Workers(cluster, seconds)


def check_batches(settings, count):
    """Raise UsageError unless the batches of a step can be divided among `count` workers. settings: Config."""
    batch, batches = settings.batch, settings.batches_per_step
    if not batches % count:
        return
    images = batch * batches
    fix = f"--batch {images // count} --batches-per-step {count} is the same step." if not images % count else (
        f"a step has {images} images: give --batches-per-step {count}, a step of {batch * count} images, which needs "
        "another --learning-rate; or start another number of workers.")
    raise errors.UsageError(f"--batches-per-step {batches} cannot be divided among {count} workers", why="the workers "
                            "divide the batches of a step, so that any number of them trains the same", fix=fix)
