"""Fault cases of training runs: small disks, disks that fill up during a run, and failing system calls."""

import contextlib
import functools
import os
import pathlib
import shutil
import subprocess

import inject
from small_run import Watch, damaged, said

from fcn.core import errors

PAGE = 4096
FILLS_AT, FREED_AFTER = 6, 2  # step at which the disk is full; steps until it has space again
RETRY_S = 0.05
SIZES_KB = (100, 1000, 5000, 6500, 7000, 7500, 8500, 10_000, 12_000, 13_000, 14_000, 16_000, 19_000, 25_000)
MODES = ("die before", "die torn", "die after", "ENOSPC", "EIO", "ENOSPC from here on")


@contextlib.contextmanager
def disk(folder, size_kb):
    """Mount a file system of `size_kb` at a new folder. Yields a function that enlarges it."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size_kb}k", "none", str(folder)], check=True)
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=200m", str(folder)], check=True)
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def mountable(folder):
    """Return whether a tmpfs can be mounted."""
    try:
        with disk(pathlib.Path(folder, "try"), 32):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def small_disk(small, size_kb):
    """Run on a disk of this size, then again on a larger one. Returns (list of errors, [exit code])."""
    where = small.folder / f"disk-{size_kb}"
    with disk(where, size_kb) as grow:
        run = where / "run"
        said_to = small.folder / f"run-{size_kb}"  # beside the full disk
        code = inject.wait(small.start(run, change=_patient, said_to=said_to))
        wrong = _told(code, said_to) + damaged(run)
        grow()
        wrong += small.finish(run, said_to=said_to)
    return wrong, [f"exit code {code}"]


def filled(small, item):
    """Fill the disk up to `pages` free pages before the save of a step, without the check for free space.

    item: (pages, whether the disk has space again later, step).
    """
    pages, freed, step = item
    where = small.folder / f"filled-{pages}-{freed}-{step}"
    with disk(where, 100_000) as grow:
        run, foreign = where / "run", where / "foreign"
        said_to = small.folder / where.name

        def change():
            watch()
            _patient(blind=True)

        def before_save(at):
            if at.step == step and not foreign.exists():
                _fill(foreign, pages)

        def before_step(at):
            if freed and at.step == step + FREED_AFTER:
                foreign.unlink(missing_ok=True)
        # at step 4 there is no save: the log and the events are the first writes to the full disk
        watch = Watch(before_step if step != 4 else lambda at: (before_save(at), before_step(at)), before_save)
        code = inject.wait(small.start(run, change, said_to))
        wrong = _told(code, said_to) + damaged(run)
        wrong += ["the run failed although the disk had space again"] if freed and code else []
        wrong += small.differences(run) if freed else []
        grow()
        foreign.unlink(missing_ok=True)
        wrong += small.finish(run, said_to=said_to)
    late = ["not saved at first"] if "not saved, training" in said(said_to) else []
    return _but_the_best(small, wrong), [f"exit code {code}", *late]


def _but_the_best(small, wrong):
    """Return the errors without differences of older checkpoints.

    If the best checkpoint could not be saved, another one is the best. The newest two and the logs must be as without
    faults.
    """
    newest = sorted({name.split("/")[1] for name in small.expected if name.startswith("checkpoints/")})[-2:]
    return [text for text in wrong if not text.startswith("checkpoints/") or any(name in text for name in newest)]


def _fill(foreign, pages):
    """Write a file so that `pages` are left on its disk."""
    free = os.statvfs(foreign.parent).f_bavail
    with foreign.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, max(1, free - pages) * PAGE)


def _patient(blind=False):
    """In the child: retry saves soon. blind: skip the check for free space."""
    from fcn.training import checkpoint, hooks
    hooks.RETRY_S = RETRY_S
    if blind:
        checkpoint.Store._room = lambda self: self.folder.mkdir(parents=True, exist_ok=True)


def _told(code, said_to):
    """Return the errors in how a run on a full disk ended: it must continue, or print one message and exit with 5."""
    text = said(said_to)
    wrong = [] if code in (0, errors.MachineError.exit_code) else [f"exit code {code}: {text[-500:]}"]
    wrong += ["it ended without one clear message"] if code and text.count("\nMachineError: ") != 1 else []
    return wrong + (["a traceback"] if "Traceback" in text else [])


def call_failed(small, item):
    """Inject a fault into durable call number `at` of the save of step 6. item: (at, mode)."""
    at, mode = item
    run = small.folder / f"call-{at}-{mode.replace(' ', '-')}"
    pid = small.start(run, lambda: _inject(at, mode))
    code = inject.wait(pid)
    allowed = (inject.DIED,) if mode.startswith("die") else (0, errors.MachineError.exit_code)
    wrong = [] if code in allowed else [f"exit code {code}: {said(run)[-500:]}"]
    wrong += damaged(run) + small.finish(run)
    shutil.rmtree(run)
    return wrong, [f"exit code {code}"]


def calls(small):
    """Return the number of durable calls in the save of step 6 without faults."""
    run = small.folder / "calls"
    inject.wait(small.start(run, lambda: _inject(0, "die before", run.with_suffix(".count"))))
    shutil.rmtree(run)
    return int(run.with_suffix(".count").read_text())


def _inject(at, mode, count_to=None):
    """In the child: inject a fault into the save of step 6; with "from here on" it stays."""
    from fcn.training import hooks
    _patient()
    save = hooks.Save.__call__

    def a_save(self, position, **how):
        if position.step != FILLS_AT or self.saved == (position.step, position.validated):
            return save(self, position, **how)
        injector = inject.Injector(at, mode)
        injector.__enter__()
        try:
            save(self, position, **how)
        finally:
            if not mode.endswith("on"):
                injector.__exit__()
            if count_to:
                count_to.write_text(str(injector.count))
    hooks.Save.__call__ = a_save


def rows(small, share):
    """Return [(row, function, items), ...] of full disks, or [] if no tmpfs can be mounted."""
    if not mountable(small.folder):
        print("full disks: not run, mounting is not allowed here")
        return []
    every = max(1, round(0.4 / share))
    # What a save writes, in this order: a line of the log, the variables, an index of 2 pages, a page of state.json.
    data = -(-small.data_bytes // PAGE)
    pages = (0, 1, 2, data // 2, *range(data - 1, data + 8), data + 130)
    return [("a disk of 0.1 to 25 MB, then a larger one", functools.partial(small_disk, small), SIZES_KB[::every]),
            ("a disk that is full in a save, then freed", functools.partial(filled, small),
             [(left, True, step) for step in (4, FILLS_AT) for left in pages][::every]),
            ("a disk that is full from a save on", functools.partial(filled, small),
             [(left, False, step) for step in (4, FILLS_AT) for left in pages][1::2 * every])]


def rows_of_calls(small, share):
    """Return [(row, function, items), ...] of the durable calls of one save."""
    count, every = calls(small), max(1, round(0.4 / share))
    print(f"{count} durable calls in a save")
    # "die before" a call equals "die after" the one before, and both errors are handled alike: test every second call.
    return [(f"a call of a save: {mode}", functools.partial(call_failed, small),
             [(at, mode) for at in range(1 + number % 2, count + 1, every if mode == "die torn" else 2 * every)])
            for number, mode in enumerate(MODES)]
