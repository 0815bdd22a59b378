"""Fault injection for the cache: killed processes, failing disks, concurrent builders. `make faults` prints the counts.

    python benchmarks/faults.py [--quick] [--kills 300] [--seed 0]

A small data set is cached while one durable system call fails or kills the process. This is done for every call, in six
modes, in an empty folder and while an older cache is replaced. The checks after each case:
  - the cache does not exist, or is the complete old one, or the complete new one;
  - an error ends the build with exit code 5 and a message, without a traceback;
  - running the same command again gives the same bytes as a build without faults and leaves no other files.
Then SIGKILLs at random moments, two concurrent builders, and a file system that is too small.
Power loss (lost page cache, reordered writes) is not simulated; against it, rows are synced before they are marked as
valid.
"""

import argparse
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

import inject
import numpy as np
from PIL import Image
from table import Table

from fcn.core import errors
from fcn.data.cache import builder, cache
from fcn.data.spec import DatasetSpec, Pair

SPEC = DatasetSpec(("a", "b", "c"), (255,))
SIZE = (20, 24)


def make_pairs(folder, count, seed=0):
    """Write `count` pairs of noise and return them."""
    rng, pairs = np.random.default_rng(seed), []
    for i in range(count):
        pair = Pair(f"{i:04}", folder / f"{i:04}.png", folder / f"{i:04}_label.png")
        Image.fromarray(rng.integers(0, 256, (24, 30, 3), np.uint8)).save(pair.image)
        Image.fromarray(rng.integers(0, 3, (24, 30), np.uint8)).save(pair.label)
        pairs.append(pair)
    return pairs


class Case:
    """A data set and the bytes of its cache without faults: `old` before a change of the data, `new` after it."""

    def __init__(self, folder, count):
        self.folder, self.data = folder, folder / "data"
        self.data.mkdir(parents=True)
        self.pairs = make_pairs(self.data, count)
        Image.new("L", (30, 24), 9).save(self.pairs[-1].label)  # an invalid id: left out and listed
        os.utime(self.pairs[0].label, ns=(0, 1))
        self.old = self.undisturbed()
        os.utime(self.pairs[0].label, ns=(0, 2))  # the same name, another fingerprint
        self.new = self.undisturbed()
        assert self.old != self.new

    def build(self, where):
        return cache.prepare(self.pairs, SPEC, SIZE, where, "t", cache.BuildOptions(skip_bad=True))

    def undisturbed(self):
        with tempfile.TemporaryDirectory(dir=self.folder) as where:
            return self.build(where).path.read_bytes()

    def start(self, replacing):
        """Create a folder for a build, optionally with the older cache."""
        where = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        if replacing:
            self.path(where).write_bytes(self.old)
        return where

    def path(self, where):
        return cache.path_of(self.pairs, SPEC, SIZE, where, "t")

    def attempt(self, where, at=0, mode="die before"):
        """Build with a fault and return the exit code of the program."""
        with inject.Injector(at, mode):
            return errors.run_command(lambda _: self.build(where) and None, [])

    def stands(self, where, replacing):
        """Return whether the cache is complete, or absent if it may be."""
        path = self.path(where)
        return path.read_bytes() in (self.old, self.new) if path.exists() else not replacing

    def recovers(self, where):
        """Return whether a build without faults gives the right bytes and leaves no other files. Removes the folder."""
        code = inject.wait(inject.child(self.attempt, where))
        path = self.path(where)
        names = {p.name for p in where.iterdir()} - {f"{path.name}.lock"}
        good = code == 0 and path.read_bytes() == self.new and names == {path.name, builder.left_out(path).name}
        shutil.rmtree(where)
        return good


def calls(case, replacing):
    """Return the number of durable calls in a build without faults."""
    where = case.start(replacing)
    with inject.Injector() as counting:
        case.build(where)
    shutil.rmtree(where)
    return counting.count


def every_call(case, modes=inject.MODES, replacings=(False, True)):
    """Return {mode: (cases, failed cases)} over every durable call."""
    results = {}
    for replacing in replacings:
        count = calls(case, replacing)
        for mode in modes:
            lost = 0
            for at in range(1, count + 1):
                where = case.start(replacing)
                code = inject.wait(inject.child(case.attempt, where, at, mode))
                # 0: the build does not need the call, such as the text in the lock
                allowed = (inject.DIED,) if mode.startswith("die") else (0, errors.MachineError.exit_code)
                good = code in allowed and case.stands(where, replacing)
                lost += not (case.recovers(where) and good)
            results[f"{mode}{', replacing an older cache' if replacing else ''}"] = count, lost
    return results


def twice(case, rounds, rng):
    """Kill a build at one call and its recovery at another. Returns (cases, failed cases)."""
    lost = 0
    for _ in range(rounds):
        where = case.start(False)
        for _ in range(2):
            inject.wait(inject.child(case.attempt, where, rng.randint(1, 60), rng.choice(inject.MODES[:3])))
            lost += not case.stands(where, False)
        lost += not case.recovers(where)
    return rounds, lost


def random_kills(case, kills, rng):
    """Kill builds at random moments and restart them. Returns (SIGKILLs, finished caches, failed cases)."""
    started = time.monotonic()
    inject.wait(inject.child(case.attempt, where := case.start(False)))
    usual = time.monotonic() - started
    shutil.rmtree(where)
    done = finished = lost = 0
    while done < kills:
        where = case.start(True)
        while inject.kill_after(inject.child(case.attempt, where), rng.uniform(0, usual * 1.1)):
            done += 1
            lost += not case.stands(where, True)
        finished += 1
        lost += not case.recovers(where)
    return done, finished, lost


def two_builders(case, rounds):
    """Start two builds of the same cache. Returns (rounds, rounds in which both succeeded, failed cases)."""
    both = lost = 0
    for _ in range(rounds):
        where = case.start(False)
        codes = sorted(inject.wait(pid) for pid in [inject.child(case.attempt, where) for _ in range(2)])
        both += codes == [0, 0]
        lost += codes not in ([0, 0], [0, errors.MachineError.exit_code]) or not case.recovers(where)
    return rounds, both, lost


def small_disk(case):
    """Build on a full file system. Returns (exit code, message, files left), or None if mounting is not allowed."""
    where = pathlib.Path(tempfile.mkdtemp(dir=case.folder))
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=32k", "none", str(where)], capture_output=True)
    if mounted.returncode:
        return None
    try:
        code = inject.wait(inject.child(case.attempt, where))
        left = [p.name for p in where.iterdir() if not p.name.endswith(".lock")]
        try:
            case.build(where)
            text = "it was built?"
        except errors.MachineError as error:
            text = str(error)
        return code, text, left
    finally:
        subprocess.run(["umount", str(where)], check=True)


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=300, help="SIGKILLs at random moments (default: 300)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the cases")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    rng, table = random.Random(arguments.seed), Table()
    row, tenth = table.row, 10 if arguments.quick else 1
    builder.ROWS_PER_SYNC = 4  # many marks in few rows
    with tempfile.TemporaryDirectory() as folder:
        small, large = Case(pathlib.Path(folder, "a"), 16 // min(tenth, 4)), Case(pathlib.Path(folder, "b"), 400)
        print(f"{calls(small, False)} durable calls in a build of {len(small.pairs)} pairs")
        for mode, (cases, lost) in every_call(small).items():
            row(mode, cases, lost)
        row("die, and die again while recovering", *twice(small, 200 // tenth, rng))
        kills, finished, lost = random_kills(large, arguments.kills // tenth, rng)
        row("SIGKILL at a random moment", kills, lost, f"{finished} caches of 400 pairs finished in between")
        rounds, both, lost = two_builders(large, 40 // tenth)
        row("two builders at once", rounds, lost, f"the second was refused {rounds - both} times")
        found = small_disk(large)
        if found is None:
            print("a tmpfs of 32 kB: not run, mounting is not allowed here")
        else:
            code, text, left = found
            row("a tmpfs of 32 kB", 1, code != errors.MachineError.exit_code or bool(left), text.replace("\n", " |"))
    return table.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
