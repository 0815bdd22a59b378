"""Fault injection for folders of results: killed processes, failing disks, concurrent evaluations. `make faults`.

    python benchmarks/evaluation_faults.py [--quick] [--kills 200] [--seed 0]

An evaluation of made-up predictions is written (pictures, matrices, scores, page; without a net) while one durable
system call fails or kills the process. This is done for every call, in six modes, with and without an older evaluation
to replace. After each case a reader opens the evaluation, as `python -m fcn report` does. The checks:
  - the folder holds the complete old or the complete new evaluation; without an older one, nothing, or after an error
    a new one that lacks pictures but no scores;
  - an error ends the evaluation with exit code 5 and a message, without a traceback;
  - running the same command again gives the new evaluation and leaves only its lock file;
  - the user's files beside it, some with names as in an evaluation, are unchanged.
Then SIGKILLs at random moments, two concurrent evaluations, and folders with files of the user.
Pictures are written by imageio, whose system calls do not fail here; they are synced before the rename.
"""

import argparse
import functools
import pathlib
import random
import shutil
import sys
import tempfile
import time

import inject
import numpy as np
from table import Table

from fcn.core import errors
from fcn.data.spec import DatasetSpec
from fcn.evaluation import prediction_writer, result_folder, results, stored
from fcn.metrics import confusion
from fcn.reporting import html_report
from fcn.reporting.gallery import Gallery

SPEC = DatasetSpec(("other", "sky", "sea"), (0, 255), tuple((i, i, i) for i in range(256)))
KINDS = ("predictions", "colour", "zip")
USERS = ("notes.txt", "predictions/thesis.png", "report.html", "out-thesis/report.json")  # beside the evaluation
NAMES = {"old": ("a", "b"), "new": ("a", "c")}  # an old one has a file that a new one has not


def images(version):
    """Return [(name, photo, label, prediction)] of the "old" or the "new" evaluation."""
    rng = np.random.default_rng(len(version) + (version == "new"))
    return [(name, rng.integers(0, 256, (6, 8, 3), np.uint8), rng.integers(1, 3, (6, 8), np.uint8),
             rng.integers(1, 3, (6, 8), np.uint8)) for name in NAMES[version]]


@functools.cache
def numbers(version):
    """Return (confusion matrices, content of report.json)."""
    counting = confusion.Counting(3)
    for name, _, label, prediction in images(version):
        counting.add(name, label, prediction)
    found = counting.done()
    return found, {"split": "test", "run": None} | results.measured(found, None, SPEC)


def evaluate(place, version):
    """Write an evaluation as eval_fcn.py does after prediction."""
    folder = result_folder.ResultFolder(place, result_folder.EVALUATION)
    folder.check()
    with folder.writing(version=version) as where:
        writes, gallery = prediction_writer.PredictionWriter(where, SPEC, KINDS), Gallery(SPEC, 1)
        for name, photo, label, prediction in images(version):
            writes.write(name, photo, label, prediction)
            gallery.offer(name, float((label == prediction).mean()), photo, label, prediction)
        found, content = numbers(version)
        results.save(where, found, None, content)
        gallery.write(where)
        html_report.write_page(where)
        writes.finish()
        folder.publish(complete=not writes.unwritten)
    writes.complain(place)


def contents(folder):
    """Return {path: bytes} of the files in a folder; None for manifest.json and the zip, which contain times."""
    return {path.relative_to(folder).as_posix(): None if path.name in ("manifest.json", "predictions.zip") else
            path.read_bytes() for path in folder.rglob("*") if not path.is_dir()}


def is_picture(name):
    return name.split("/")[0] in ("predictions", "colour", "predictions.zip")


class Case:
    """Files of evaluations without faults, and folders for new cases."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for version in NAMES:
            evaluate(self.folder / version, version)
        self.complete = {version: contents(self.folder / version) for version in NAMES}
        assert self.complete["old"].keys() != self.complete["new"].keys()

    def start(self, replacing):
        """Create a folder with the user's files, optionally with an older evaluation. Returns the evaluation's path."""
        where = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        for name in USERS:
            (where / name).parent.mkdir(exist_ok=True)
            (where / name).write_bytes(name.encode())
        if replacing:
            shutil.copytree(self.folder / "old", where / "out")
        return where / "out"

    def attempt(self, place, at=0, mode="die before"):
        """Evaluate with a fault and return the exit code of the program."""
        with inject.Injector(at, mode):
            return errors.run_command(lambda _: evaluate(place, "new"), [])

    def stands(self, place, replacing, code=inject.DIED):
        """Return whether a reader finds a complete evaluation and the user's files are unchanged. code: exit code."""
        try:
            found = contents(stored.folder_of(place))
        except errors.UsageError:
            found = None
        allowed = [self.complete["new"], self.complete["old"] if replacing else None]
        if found and not replacing and code == errors.MachineError.exit_code:
            allowed.append({name: data for name, data in self.complete["new"].items()
                            if name in found or not is_picture(name)})
        return found in allowed and users(place)

    def recovers(self, place):
        """Return whether an evaluation without faults is complete and leaves no other files. Removes the folder."""
        code = inject.wait(inject.child(self.attempt, place))
        top = {path.parts[0] for path in map(pathlib.Path, USERS)}
        beside = {path.name for path in place.parent.iterdir()} - top - {".out.lock"}
        good = code == 0 and contents(place) == self.complete["new"] and beside == {"out"} and users(place)
        shutil.rmtree(place.parent)
        return good


def users(place):
    return all((place.parent / name).read_bytes() == name.encode() for name in USERS)


def calls(case, replacing):
    """Return the number of durable calls in an evaluation without faults."""
    place = case.start(replacing)
    with inject.Injector() as counting:
        evaluate(place, "new")
    shutil.rmtree(place.parent)
    return counting.count


def every_call(case, modes=inject.MODES, replacings=(False, True), step=1):
    """Return {mode: (cases, failed cases)} over every durable call, or every `step`-th."""
    found = {}
    for replacing in replacings:
        numbers = range(1, calls(case, replacing) + 1, step)
        for mode in modes:
            lost = 0
            for at in numbers:
                place = case.start(replacing)
                code = inject.wait(inject.child(case.attempt, place, at, mode))
                # 0: the evaluation does not need the call, such as the deletion of the older results
                allowed = (inject.DIED,) if mode.startswith("die") else (0, errors.MachineError.exit_code)
                good = code in allowed and case.stands(place, replacing, code)
                lost += not (case.recovers(place) and good)
            found[f"{mode}{', replacing an older evaluation' if replacing else ''}"] = len(numbers), lost
    return found


def twice(case, rounds, rng):
    """Kill an evaluation at one call and the next one at another, without a reader between. Returns (cases, failed)."""
    lost, count = 0, calls(case, True)
    for _ in range(rounds):
        place = case.start(True)
        for _ in range(2):
            at = rng.choice((rng.randint(1, count), rng.randint(count - 40, count)))  # half of them while finishing
            inject.wait(inject.child(case.attempt, place, at, rng.choice(inject.MODES[:3])))
        good = case.stands(place, True)
        lost += not (case.recovers(place) and good)
    return rounds, lost


def random_kills(case, kills, rng):
    """Send SIGKILL at random moments. Returns (SIGKILLs, failed cases)."""
    started = time.monotonic()
    inject.wait(inject.child(case.attempt, place := case.start(True)))
    usual = time.monotonic() - started
    shutil.rmtree(place.parent)
    done = lost = 0
    while done < kills:
        place = case.start(True)
        while inject.kill_after(inject.child(case.attempt, place), rng.uniform(0, usual * 1.1)):
            done += 1
            lost += not case.stands(place, True)
        lost += not case.recovers(place)
    return done, lost


def two_at_once(case, rounds):
    """Start two evaluations into the same folder. Returns (rounds, rounds in which both evaluated, failed cases)."""
    both = lost = 0
    for number in range(rounds):
        place = case.start(number % 2 == 0)
        codes = sorted(inject.wait(pid) for pid in [inject.child(case.attempt, place) for _ in range(2)])
        both += codes == [0, 0]
        good = codes in ([0, 0], [0, errors.MachineError.exit_code]) and case.stands(place, True)
        lost += not (case.recovers(place) and good)
    return rounds, both, lost


def with_foreign_files(case):
    """Evaluate into a folder that holds a file of the user. Nothing may change. Returns (cases, failed cases)."""
    lost, added = 0, ("notes.txt", "predictions/mine.png", "gallery/mine", "confusion.npz", "colour/deeper/mine.png")
    for replacing in (False, True):
        for name in added:
            place = case.start(replacing)
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(b"mine")
            before = contents(place.parent)
            code = inject.wait(inject.child(case.attempt, place))
            lost += code != errors.UsageError.exit_code or contents(place.parent) != before
            shutil.rmtree(place.parent)
    return 2 * len(added), lost


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs at random moments (default: 200)")
    parser.add_argument("--quick", action="store_true", help="a tenth of the cases")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    rng, table, tenth = random.Random(arguments.seed), Table(), 10 if arguments.quick else 1
    with tempfile.TemporaryDirectory() as folder:
        case = Case(folder)
        print(f"{calls(case, True)} durable calls in an evaluation that replaces an older one")
        for mode, (cases, lost) in every_call(case, step=tenth).items():
            table.row(mode, cases, lost)
        table.row("die, and die again in the next evaluation", *twice(case, 200 // tenth, rng))
        table.row("SIGKILL at a random moment", *random_kills(case, arguments.kills // tenth, rng))
        rounds, both, lost = two_at_once(case, 40 // tenth)
        table.row("two evaluations at once", rounds, lost, f"the second was refused {rounds - both} times")
        table.row("files of the user's in the place", *with_foreign_files(case))
    return table.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
