"""What a sudden end, a failing disk, a second evaluation and a user's files do to results. `make faults` prints it.

    python benchmarks/evaluation_faults.py [--quick] [--kills 200] [--seed 0]

An evaluation of made-up predictions is written (pictures, matrices, numbers, page; without a net) while one durable
call of the system fails, or is the last one: every call in turn, in six ways, where nothing was before and where an
older evaluation is replaced. After each case a reader looks for it, as `python -m fcn report` does. Then:
  - under the evaluation's name lies all of the old one, or all of the new one; where nothing was before, nothing, or
    after an error a new one that lacks pictures but no number;
  - an error ended the evaluation with exit code 5 and a message, never with a crash;
  - the same command afterwards ends with the new evaluation, and leaves nothing beside it but its lock;
  - the user's files beside it, some with names like those of an evaluation, are byte for byte the same.
Then real SIGKILLs at random moments, two evaluations at once, and folders that hold files of the user's.
The bytes of pictures are written by imageio, whose calls are not made to fail; they are synced before the rename.
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
    """[(name, photo, label, prediction)] of the "old" or the "new" evaluation."""
    rng = np.random.default_rng(len(version) + (version == "new"))
    return [(name, rng.integers(0, 256, (6, 8, 3), np.uint8), rng.integers(1, 3, (6, 8), np.uint8),
             rng.integers(1, 3, (6, 8), np.uint8)) for name in NAMES[version]]


@functools.cache
def numbers(version):
    """(Matrices, content of report.json)."""
    counting = confusion.Counting(3)
    for name, _, label, prediction in images(version):
        counting.add(name, label, prediction)
    found = counting.done()
    return found, {"split": "test", "run": None} | results.measured(found, None, SPEC)


def evaluate(place, version):
    """What eval_fcn.py does once it has predictions."""
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
    """{path: bytes} of the files in a folder; manifest.json and the zip, which hold times, are only named."""
    return {path.relative_to(folder).as_posix(): None if path.name in ("manifest.json", "predictions.zip") else
            path.read_bytes() for path in folder.rglob("*") if not path.is_dir()}


def is_picture(name):
    return name.split("/")[0] in ("predictions", "colour", "predictions.zip")


class Case:
    """The files of undisturbed evaluations, and folders to evaluate into."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        for version in NAMES:
            evaluate(self.folder / version, version)
        self.whole = {version: contents(self.folder / version) for version in NAMES}
        assert self.whole["old"].keys() != self.whole["new"].keys()

    def start(self, replacing):
        """The place of an evaluation in a folder with the user's files, with an older evaluation in it or absent."""
        where = pathlib.Path(tempfile.mkdtemp(dir=self.folder))
        for name in USERS:
            (where / name).parent.mkdir(exist_ok=True)
            (where / name).write_bytes(name.encode())
        if replacing:
            shutil.copytree(self.folder / "old", where / "out")
        return where / "out"

    def attempt(self, place, at=0, mode="die before"):
        """Evaluate with a fault; exit code as of the program."""
        with inject.Injector(at, mode):
            return errors.run_command(lambda _: evaluate(place, "new"), [])

    def stands(self, place, replacing, code=inject.DIED):
        """Whether a reader finds a whole evaluation, and the user's files are as they were. code: how it ended."""
        try:
            found = contents(stored.folder_of(place))
        except errors.UsageError:
            found = None
        allowed = [self.whole["new"], self.whole["old"] if replacing else None]
        if found and not replacing and code == errors.MachineError.exit_code:
            allowed.append({name: data for name, data in self.whole["new"].items()
                            if name in found or not is_picture(name)})
        return found in allowed and users(place)

    def recovers(self, place):
        """Whether an undisturbed evaluation is whole, and leaves nothing beside it; the folder is removed."""
        code = inject.wait(inject.child(self.attempt, place))
        top = {path.parts[0] for path in map(pathlib.Path, USERS)}
        beside = {path.name for path in place.parent.iterdir()} - top - {".out.lock"}
        good = code == 0 and contents(place) == self.whole["new"] and beside == {"out"} and users(place)
        shutil.rmtree(place.parent)
        return good


def users(place):
    return all((place.parent / name).read_bytes() == name.encode() for name in USERS)


def calls(case, replacing):
    """Durable calls of an undisturbed evaluation."""
    place = case.start(replacing)
    with inject.Injector() as counting:
        evaluate(place, "new")
    shutil.rmtree(place.parent)
    return counting.count


def every_call(case, modes=inject.MODES, replacings=(False, True), step=1):
    """{mode: (cases, of which lost)} over every durable call, or every `step`-th."""
    found = {}
    for replacing in replacings:
        numbers = range(1, calls(case, replacing) + 1, step)
        for mode in modes:
            lost = 0
            for at in numbers:
                place = case.start(replacing)
                code = inject.wait(inject.child(case.attempt, place, at, mode))
                # 0: the call was one that the evaluation can do without, such as deleting the older one
                allowed = (inject.DIED,) if mode.startswith("die") else (0, errors.MachineError.exit_code)
                good = code in allowed and case.stands(place, replacing, code)
                lost += not (case.recovers(place) and good)
            found[f"{mode}{', replacing an older evaluation' if replacing else ''}"] = len(numbers), lost
    return found


def twice(case, rounds, rng):
    """(cases, lost): die at one call, and then again at a call of the next evaluation, without a reader in between."""
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
    """(SIGKILLs, lost)."""
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
    """(rounds, both evaluated, lost): two processes evaluate into the same place at the same moment."""
    both = lost = 0
    for number in range(rounds):
        place = case.start(number % 2 == 0)
        codes = sorted(inject.wait(pid) for pid in [inject.child(case.attempt, place) for _ in range(2)])
        both += codes == [0, 0]
        good = codes in ([0, 0], [0, errors.MachineError.exit_code]) and case.stands(place, True)
        lost += not (case.recovers(place) and good)
    return rounds, both, lost


def with_foreign_files(case):
    """(cases, lost): a file of the user's in the place, in an older evaluation or without; nothing may change."""
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
        table.row("two evaluations at once", rounds, lost, f"the second was sent away {rounds - both} times")
        table.row("files of the user's in the place", *with_foreign_files(case))
    return table.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
