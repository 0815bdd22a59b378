"""Fault injection for training runs: SIGKILL, signals, full disks, failing calls, damaged files. `make faults`.

    python benchmarks/training_faults.py [--quick] [--cases N] [--only kills,signals,...] [--seed 0] [--half]

After each case, the same command is run again. Its checkpoints (variables, optimizer slots, state.json) and log.jsonl
must equal those of a run without faults, byte for byte. small_run.py defines the run, training_disks.py and
training_damage.py the cases with full disks and damaged checkpoints.
"""

import argparse
import functools
import os
import random
import shutil
import signal
import sys
import tempfile
import time

import inject
import training_damage
import training_disks
from small_run import BATCHES, HALF, STEPS, VGG, SmallRun, Watch, damaged, said, side_by_side
from table import Table

from fcn.runs import checkpoint_files

A_BATCH_S = 0.05  # upper bound of the time of a batch and the work after it
SIGNALS = {signal.SIGTERM: 143, signal.SIGINT: 130, signal.SIGUSR1: 143}


def killed(small, seed):
    """Send SIGKILL at a random moment, every fourth time twice. Returns (list of errors, phases)."""
    rng, run, places = random.Random(seed), small.folder / f"kill-{seed}", []
    while not places:  # repeat if the run ended before the signal
        shutil.rmtree(run, ignore_errors=True)
        places = _kill(small, run, rng)
    if seed % 4 == 0:
        places += _kill(small, run, rng)
    wrong = damaged(run) + small.finish(run)
    shutil.rmtree(run)
    return wrong, places


def _kill(small, run, rng):
    """Kill a start of the run. Returns words that describe its phase, or [] if it had ended before.

    One time in three, the moment is uniform over the time of a run, most of which is before the first step. Otherwise
    it is uniform over the batches, including the save and validation after them.
    """
    watch = Watch()
    pid = small.start(run, watch)
    if rng.random() < 1 / 3:
        hit = inject.kill_after(pid, rng.uniform(0, small.usual_s))
    else:
        number = rng.randrange(STEPS * BATCHES)
        hit = inject.kill_after(pid, rng.uniform(0, A_BATCH_S), lambda: watch.batches() >= number)
    if not hit:
        return []
    unfinished = list((run / "checkpoints").glob(".step-*"))
    begun = checkpoint_files.paths(run / "checkpoints")
    return ["SIGKILL", watch.doing(), *(["with half a checkpoint there"] if unfinished else []),
            *([] if begun else ["before the first checkpoint"])]


def signalled(small, seed):
    """Send a signal at a random moment. Returns (list of errors, [exit code])."""
    rng, run = random.Random(seed), small.folder / f"signal-{seed}"
    number = (signal.SIGTERM, signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)[seed % 4]
    pid = small.start(run)
    time.sleep(rng.uniform(0, small.usual_s))
    os.kill(pid, number)
    code = inject.wait(pid)
    code = 128 - code if code < 0 else code  # killed by the signal: before the first step there is nothing to save
    code = SIGNALS[number] if code == 128 + number else code
    wrong = [] if code in (SIGNALS[number], 0) else [f"{number.name}: exit code {code}: {said(run)[-300:]}"]
    wrong += damaged(run) + small.finish(run)
    shutil.rmtree(run)
    return wrong, [f"exit code {code}"]


def twice_interrupted(small, seed):
    """Send SIGINT twice while a batch takes a minute. The second must end the process at once."""
    run = small.folder / f"interrupted-{seed}"
    watch = Watch(before_step=lambda at: time.sleep(60) if at.step == 4 else None)
    pid, code = small.start(run, watch), None
    try:
        _until(lambda: "step 3/" in said(run))
        os.kill(pid, signal.SIGINT)
        _until(lambda: "SIGINT: finishing this step" in said(run))
        before = time.monotonic()
        os.kill(pid, signal.SIGINT)
        code = inject.wait(pid)
        took_s = time.monotonic() - before
    finally:
        if code is None:
            os.kill(pid, signal.SIGKILL)
            inject.wait(pid)
    wrong = [] if code == 130 and took_s < 5 else [f"exit code {code} after {took_s:.1f} s"]
    wrong += damaged(run) + small.finish(run)
    shutil.rmtree(run)
    return wrong, [f"ended {took_s:.1f} s after it"]


def two_at_once(small, seed):
    """Start a second process with the same --run, at the same time or, every other time, later."""
    run = small.folder / f"two-{seed}"
    pids = [small.start(run)]
    if seed % 2:
        _until(lambda: "step 3/" in said(run))
    pids.append(small.start(run))
    codes = [inject.wait(pid) for pid in pids]
    allowed = ([0, 5],) if seed % 2 else ([0, 5], [5, 0])
    wrong = [] if codes in allowed else [f"exit codes {codes}: {said(run)[-300:]}"]
    wrong += [] if "is being trained by process" in said(run) else ["the second process gave no reason"]
    wrong += small.differences(run)
    shutil.rmtree(run)
    return wrong, ["second refused with exit code 5"]


def _until(true, most_s=300):
    """Wait until true() is true. Raises TimeoutError after most_s."""
    deadline = time.monotonic() + most_s
    while not true():
        if time.monotonic() > deadline:
            raise TimeoutError
        time.sleep(0.01)


def groups(small, share, seed):
    """Return {name: function that returns [(row, function, items), ...]}. share: of the cases, at least two of each."""
    def some(count):
        return range(seed, seed + max(2, round(count * share)))
    return {
        "kills": lambda: [("SIGKILL at a random moment", functools.partial(killed, small), some(100))],
        "signals": lambda: [
            ("SIGTERM, SIGINT, SIGUSR1 at random moments", functools.partial(signalled, small), some(20)),
            ("a second Ctrl-C in a long batch", functools.partial(twice_interrupted, small), some(2))],
        "two": lambda: [("two processes in one run folder", functools.partial(two_at_once, small), some(6))],
        "disks": lambda: training_disks.rows(small, share),
        "calls": lambda: training_disks.rows_of_calls(small, share),
        "damage": lambda: training_damage.rows(small, share),
    }


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the cases")
    parser.add_argument("--cases", type=int, help="at most so many of each row")
    parser.add_argument("--only", help="kills, signals, two, disks, calls, damage (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--half", action="store_true", help="the run in float16 (small_run.py)")
    arguments = parser.parse_args(argv)
    table = Table()
    with tempfile.TemporaryDirectory() as folder:
        small = SmallRun(folder, HALF if arguments.half else VGG)
        (first, *_), = side_by_side(small.undisturbed, ["first"])  # its caches are made
        (small.expected, small.usual_s, small.data_bytes), = side_by_side(small.undisturbed, ["second"])
        print(f"an undisturbed run takes {small.usual_s:.1f} s", flush=True)
        table.results("two undisturbed runs", [([] if first == small.expected else ["they differ"], [])])
        chosen = groups(small, 0.1 if arguments.quick else 1, arguments.seed)
        for name in arguments.only.split(",") if arguments.only else chosen:
            for row, function, items in chosen[name]():
                table.results(row, side_by_side(function, items[:arguments.cases]))
    return table.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
