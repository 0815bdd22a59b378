"""Becoming one of the workers of a cluster. A process does so once; several runs one after another share that."""

import contextlib
import functools
import os
import pathlib
import sys

from fcn.core import errors, terminal
from fcn.distributed import cluster

TIMEOUT = "FCN_WORKER_TIMEOUT"  # environment variable, seconds
TIMEOUT_S = 300


@functools.lru_cache(maxsize=1)
def join(found):
    """Return the Workers of a cluster.Cluster, when all of them have started. It imports TensorFlow.

    The environment variable TIMEOUT are the seconds without an answer of another worker, after which this process ends.
    Raises UsageError, MachineError.
    """
    given = os.environ.get(TIMEOUT, str(TIMEOUT_S))
    if not given.isdigit() or not int(given):
        raise errors.UsageError(f"{TIMEOUT}={given}: expected a whole number of seconds", fix=f"set {TIMEOUT}=300, or "
                                "unset it.")
    from fcn.distributed import workers
    return workers.Workers(found, int(given), lambda line: print(line, file=sys.stderr if found.index else sys.stdout,
                                                                 flush=True))


@contextlib.contextmanager
def together():
    """Context manager that joins the cluster of the environment, if there is one, and yields its Workers, else None.

    Inside, Workers.together() holds. Raises UsageError, MachineError.
    """
    found = cluster.find()
    workers = join(found) if found else None
    with workers.together() if workers else contextlib.nullcontext():
        yield workers


def only_chief_prints():
    """In a command that is a worker but not the chief, discard stdout from now on; errors go to stderr."""
    if not is_chief() and terminal.is_command():
        sys.stdout = pathlib.Path(os.devnull).open("w")  # noqa: SIM115  (open as long as the process)


def of_chief(value):
    """Return the chief's value of all workers, where the environment describes some; else `value`."""
    with together() as workers:
        return workers.of_chief(value, patient=True) if workers else value


def is_chief():
    """Whether this process works alone or is the chief."""
    found = cluster.find()
    return not found or not found.index


def refuse(what):
    """Raise UsageError if the environment describes a cluster. what: for a single process only."""
    found = cluster.find()
    if found:
        raise errors.UsageError(f"{what} is for a single process, this is {found.name(found.index)} of {found.count}",
                                fix="give it without fcn launch, and without TF_CONFIG or srun.")


def check_batches(settings, count):
    """Raise UsageError unless the batches of a step can be divided among `count` workers. settings: Config."""
    batch, batches = settings.batch, settings.batches_per_step
    images = batch * batches
    if not batches % count:
        if settings.sync_batch_norm and settings.precision == "float16" and batches > count:
            raise errors.UsageError("--sync-batch-norm with --precision float16 needs one batch per worker and step",
                                    why="the gradients of every batch are scaled by its own number of pixels, and "
                                    "synchronised batches depend on each other", fix="--precision bfloat16, or "
                                    f"--batch {images // count} --batches-per-step {count}, which has the same images.")
        return
    fix = f"--batch {images // count} --batches-per-step {count} has the same images." if not images % count else (
        f"a step has {images} images: give --batches-per-step {count}, a step of {batch * count} images, which needs "
        "another --learning-rate; or start another number of workers.")
    raise errors.UsageError(f"--batches-per-step {batches} cannot be divided among {count} workers", why="the workers "
                            "divide the batches of a step, so that any number of them trains the same", fix=fix)
