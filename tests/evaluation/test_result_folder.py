"""A folder of results appears whole, replaces only what the program wrote, and says where it goes instead."""

import errno
import json
import os
import pathlib
import shutil
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "benchmarks"))

import inject

from fcn.core import atomic_io, errors, ownership
from fcn.evaluation import manifest, result_folder, stored
from fcn.evaluation.result_folder import EVALUATION, PREDICTIONS, ResultFolder


def tree(folder):
    """{path: bytes} of everything below, None for folders."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
            for path in sorted(folder.rglob("*")) if not path.name.endswith(".lock")}


def write(place, text="new", files=("report.json", "colour/a.png"), kind=EVALUATION, photos=(), said=None):
    """Results that hold `text` in each file; the ResultFolder."""
    made = ResultFolder(place, kind, photos, (said if said is not None else []).append)
    with made.writing() as folder:
        for name in files:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        made.publish()
    return made


def refusal(place, kind=EVALUATION, photos=()):
    """The UsageError of the check, which must change nothing."""
    before = tree(place.parent)
    with pytest.raises(errors.UsageError) as told:
        ResultFolder(place, kind, photos).check()
    assert tree(place.parent) == before
    return str(told.value)


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def test_results_are_hidden_until_they_are_whole_and_listed(out):
    made = ResultFolder(out, EVALUATION)
    with made.writing(commit="abc") as folder:
        (folder / "report.json").write_text("{}")
        assert not out.exists() and folder == out.parent / ".out.unfinished"
        made.publish()
    assert tree(out.parent).keys() == {"out", "out/report.json", "out/manifest.json"}
    content = json.loads((out / "manifest.json").read_text())
    written = int((out / "report.json").stat().st_mtime)
    assert content["files"] == {"report.json": [2, written]}
    assert content["kind"] == EVALUATION and content["commit"] == "abc"


def test_results_replace_older_ones_as_a_whole(out):
    out.mkdir()
    write(out, "old", ["report.json", "panels/a.jpg"])
    write(out)
    assert tree(out.parent).keys() == {"out", "out/colour", "out/colour/a.png", "out/manifest.json", "out/report.json"}
    assert (out / "report.json").read_text() == "new"


def test_older_folder_with_deleted_files_is_replaced(out):
    write(out, "old")
    (out / "colour/a.png").unlink()
    write(out)
    assert (out / "colour/a.png").read_text() == "new"


def user_predictions(out):
    (out / "predictions").mkdir(parents=True)
    (out / "predictions/thesis.png").write_text("mine")


def beside(out, name="notes.txt"):
    write(out)
    (out / name).parent.mkdir(exist_ok=True)
    (out / name).write_text("mine")


def empty_folder(out):
    write(out)
    (out / "mine").mkdir()


def changed(out):
    write(out)
    (out / "colour/a.png").write_text("edited")


def corrected(out):
    """The user corrects a file, which has as many bytes then."""
    write(out)
    before = (out / "colour/a.png").stat()
    (out / "colour/a.png").write_text("her")
    os.utime(out / "colour/a.png", (before.st_atime, before.st_mtime + 60))


def link(out):
    write(out)
    (out / "colour/b.png").symlink_to(out / "colour/a.png")


def older_version(out):
    out.mkdir()
    (out / "report.json").write_text("{}")


def other_manifest(out):
    out.mkdir()
    (out / "manifest.json").write_text('{"name": "my web page"}')


FOREIGN = {
    "user_predictions": (user_predictions, "is not empty and holds no results of this program\n  predictions\n"),
    "beside": (beside, "did not write or that were changed later\n  notes.txt\n"),
    "in a folder": (lambda out: beside(out, "colour/mine.png"), "changed later\n  colour/mine.png\n"),
    "empty folder": (empty_folder, "changed later\n  mine/\n"),
    "changed": (changed, "changed later\n  colour/a.png\n"),
    "corrected": (corrected, "changed later\n  colour/a.png\n"),
    "link": (link, "changed later\n  colour/b.png\n"),
    "older version": (older_version, "an older version, which did not list its files\n  report.json\n"),
    "other manifest": (other_manifest, "holds no results of this program\n  manifest.json\n"),
    "file": (lambda out: out.write_text("mine"), "is not a folder\n"),
    "predictions": (lambda out: write(out, kind=PREDICTIONS, photos=["a.jpg"]), "holds predictions of photos\n"),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files_are_kept_and_a_free_name_is_proposed(out, name):
    make, message = FOREIGN[name]
    make(out)
    (out.parent / "out-2").mkdir()
    told = refusal(out)
    assert f"{out}: " in told and message in told and told.endswith(f"Fix: --out {out}-3 is free.")
    before = tree(out.parent)
    with pytest.raises(errors.UsageError), ResultFolder(out, EVALUATION).writing():
        pass
    assert tree(out.parent) == before
    write(pathlib.Path(f"{out}-3"))  # the advice


@pytest.mark.parametrize("name", FOREIGN)
def test_taken_default_folder_is_followed_by_the_next_free_one(out, name):
    FOREIGN[name][0](out)
    said = []
    assert result_folder.usable(out, EVALUATION, said.append) == out.with_name("out-2")
    assert f"the results go to {out}-2" in said[0]
    write(out.with_name("out-2"))  # and when it is there, it is replaced: they do not pile up
    assert result_folder.usable(out, EVALUATION, said.append) == out.with_name("out-2")
    assert result_folder.usable(out.with_name("out-2"), EVALUATION, said.append) == out.with_name("out-2")
    assert len(said) == 2


def test_many_foreign_files_are_counted(out):
    out.mkdir()
    for number in range(9):
        (out / f"{number}.txt").touch()
    assert "4.txt\n  ... and 4 more\n" in refusal(out)


def test_predictions_replace_only_those_of_the_same_photos(out):
    write(out, "old", kind=PREDICTIONS, photos=["a.jpg", "b.jpg"])
    assert f"holds predictions of other photos\n  {pathlib.Path('b.jpg').absolute()}\n" in refusal(
        out, PREDICTIONS, ["a.jpg", "c.jpg"])
    assert "holds predictions of photos" in refusal(out)
    write(out, kind=PREDICTIONS, photos=["a.jpg", "b.jpg", "c.jpg"])  # a photo more
    assert (out / "report.json").read_text() == "new"


@pytest.mark.parametrize("place", [".", "..", "/", "sub/..", "here"])
def test_current_folder_and_its_parents_are_refused(tmp_path, monkeypatch, place):
    here = tmp_path / "here"
    (here / "sub").mkdir(parents=True)
    (here / "evaluation").mkdir()
    monkeypatch.chdir(here)
    with pytest.raises(errors.UsageError, match="is or contains the current folder") as told:
        ResultFolder(tmp_path / place if place == "here" else place, EVALUATION).check()
    assert str(told.value).endswith("--out evaluation-2 is free.")
    write(pathlib.Path("evaluation-2"))
    assert (here / "evaluation-2/report.json").exists()


def test_mount_point_is_refused_and_a_folder_in_it_proposed(out, monkeypatch):
    out.mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(out))
    assert f"{out}: is a mount point, or" in refusal(out) and refusal(out).endswith(f"--out {out}/evaluation is free.")
    write(out / "evaluation")


def without_leave(monkeypatch, folder):
    real = os.access
    monkeypatch.setattr(os, "access", lambda path, how: path != folder and real(path, how))


def test_read_only_parent_is_refused_and_another_place_proposed(out, monkeypatch):
    out.mkdir()
    without_leave(monkeypatch, out.parent)
    assert "or in a read-only folder" in refusal(out) and refusal(out).endswith(f"--out {out}/evaluation is free.")
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert f"cannot be written to\n  {out.parent} is read-only\n" in refusal(out)


def test_read_only_mount_point_is_reported(out, monkeypatch):
    out.mkdir()
    monkeypatch.setattr(os.path, "ismount", lambda path: str(path) == str(out))
    without_leave(monkeypatch, out)
    assert f"cannot be written to\n  {out} is read-only\n" in refusal(out)


def test_unwritable_place_is_refused_before_any_work(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    assert f"cannot be written to\n  {tmp_path}/file is not a folder\n" in refusal(tmp_path / "file/below/deeper")
    without_leave(monkeypatch, tmp_path)
    assert f"cannot be written to\n  {tmp_path} is read-only\n" in refusal(tmp_path / "new")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(errors.UsageError):
        ResultFolder(tmp_path / "loop", EVALUATION).check()


def test_invalid_folder_name_is_one_message(tmp_path):
    with pytest.raises(errors.UsageError, match=r"cannot be written to \(File name too long\)"):
        write(tmp_path / ("n" * 250))


def test_link_to_a_folder_is_followed(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk/results")
    write(tmp_path / "link", "old")
    write(tmp_path / "link")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "disk/results/report.json").read_text() == "new"
    (tmp_path / "disk/results/mine").touch()
    assert f"Fix: --out {tmp_path}/link-2 is free." in refusal(tmp_path / "link")


def test_second_writer_is_refused_with_a_free_name(out):
    with ResultFolder(out, EVALUATION).writing():
        with pytest.raises(errors.MachineError, match=f"{out}: an evaluation of this name is being written by process "
                                                      f"{os.getpid()} on ") as told, \
                ResultFolder(out, EVALUATION).writing():
            pass
        assert str(told.value).endswith(f"Fix: wait until it is done, or --out {out}-2 is free.")
        write(pathlib.Path(f"{out}-2"))
    with atomic_io.locked(out.with_name(".out")), pytest.raises(errors.MachineError, match=f"--out {out}-3 is free"), \
            ResultFolder(out, EVALUATION).writing():
        pass  # the first one has the lock and nothing else yet


def test_unnamed_predictions_get_the_next_free_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert result_folder.free(pathlib.Path("predictions")) == pathlib.Path("predictions")
    (tmp_path / "predictions").mkdir()
    (tmp_path / ".predictions-2.unfinished").mkdir()
    assert result_folder.free(pathlib.Path("predictions")) == pathlib.Path("predictions-3")


def interrupted(out, said, error, files=("predictions/a.png",)):
    made = ResultFolder(out, PREDICTIONS, ["a.jpg"], said.append)
    with made.writing() as folder:
        for name in files:
            (folder / name).parent.mkdir()
            (folder / name).write_text("done")
        raise error


def test_predictions_before_an_interruption_are_kept_and_named(out):
    said = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(out, said, KeyboardInterrupt())
    kept = out.parent / ".out.unfinished"
    assert (kept / "predictions/a.png").read_text() == "done" and not out.exists()
    assert said == [f"written files are in {kept}; the next results for {out} replace them",
                    f"to keep them: mv {kept} {out}-2"]
    write(out, kind=PREDICTIONS, photos=["a.jpg"], said=said)
    assert said[2:] == [f"deleting files of an interrupted command in {kept}"]
    assert tree(out.parent).keys() == {"out", "out/colour", "out/colour/a.png", "out/manifest.json", "out/report.json"}


def test_renamed_unfinished_results_are_not_replaced(out):
    with pytest.raises(KeyboardInterrupt):
        interrupted(out, [], KeyboardInterrupt())
    (out.parent / ".out.unfinished").rename(f"{out}-2")
    assert "holds results of a command that was interrupted\n  predictions/a.png\n" in refusal(
        pathlib.Path(f"{out}-2"), PREDICTIONS, ["a.jpg"])


def test_full_disk_is_reported_with_what_is_kept(out):
    with pytest.raises(errors.MachineError, match="could not be written: No space left on device\n  written files"):
        interrupted(out, [], OSError(errno.ENOSPC, "No space left on device"))
    with pytest.raises(OSError, match="cannot identify"):  # without a number it is none of the system's errors
        interrupted(out, [], OSError("cannot identify"))


def test_failure_before_the_first_file_leaves_nothing(out):
    said = []
    with pytest.raises(errors.DataError):
        interrupted(out, said, errors.DataError("bad image"), [])
    assert not said and not tree(out.parent)


def test_older_results_stay_if_new_ones_are_incomplete(out):
    write(out, "old")
    said = []
    made = ResultFolder(out, EVALUATION, say=said.append)
    with made.writing() as folder:
        (folder / "report.json").write_text("new")
        made.publish(complete=False)
    assert (out / "report.json").read_text() == "old"
    assert said[0] == f"the results in {out} will be replaced when the new ones are complete"
    assert "written files are in" in said[1] and (made.unfinished / "report.json").read_text() == "new"


def test_incomplete_results_take_their_place_if_it_is_free(out):
    made = ResultFolder(out, EVALUATION)
    with made.writing() as folder:
        (folder / "report.json").write_text("new")
        made.publish(complete=False)
    assert (out / "report.json").read_text() == "new"


def test_files_added_during_writing_stay_and_results_go_beside(out):
    write(out, "old")
    said = []
    made = ResultFolder(out, EVALUATION, say=said.append)
    with made.writing() as folder:
        (folder / "report.json").write_text("new")
        (out / "notes.txt").write_text("mine")
        made.publish()
    assert (out / "notes.txt").read_text() == "mine" and (out / "report.json").read_text() == "old"
    assert made.place == pathlib.Path(f"{out}-2") and (made.place / "report.json").read_text() == "new"
    assert "notes.txt" in said[-1] and str(made.place) in said[-1]


@pytest.mark.parametrize("word", ["unfinished", "previous"])
def test_foreign_hidden_folder_is_left_alone(out, word):
    hidden = out.parent / f".out.{word}"
    hidden.mkdir()
    (hidden / "mine").write_text("mine")
    with pytest.raises(errors.UsageError, match="this program did not create it") as told:
        write(out)
    assert (hidden / "mine").read_text() == "mine" and f"--out {out}-2 is free." in str(told.value)


def test_file_added_to_old_results_at_the_last_moment_is_kept(out):
    write(out, "old")
    previous = out.parent / ".out.previous"
    shutil.copytree(out, previous)
    (previous / "colour/mine.png").write_text("mine")
    result_folder.restore(out)
    assert tree(previous).keys() == {"colour", "colour/mine.png", "manifest.json"}
    with pytest.raises(errors.UsageError, match="and files that this program did not write"):
        write(out)


def die_at_rename(out, number):
    """New results, of a process that dies before its rename `number` from the last manifest on."""
    made = ResultFolder(out, EVALUATION)
    with made.writing() as folder:
        (folder / "report.json").write_text('{"new": 1}')
        real, count = os.replace, 0

        def replace(source, target):
            nonlocal count
            count += not str(source).endswith(".partial")
            if count == number:
                os._exit(inject.DIED)
            real(source, target)
        os.replace = replace
        made.publish()


@pytest.mark.slow
@pytest.mark.forks
@pytest.mark.parametrize("reader", [stored.folder_of, lambda out: stored.folder_of(out.parents[1]),
                                    result_folder.restore])
@pytest.mark.parametrize("number", [1, 2])
def test_kill_between_the_renames_loses_nothing(tmp_path, number, reader):
    out = tmp_path / "run/eval/out"
    write(out, '{"old": 1}')
    assert inject.wait(inject.child(die_at_rename, out, number)) == inject.DIED
    assert out.exists() == (number == 1)
    reader(out)
    assert (out / "report.json").read_text() == '{"new": 1}'
    assert sorted(path.name for path in out.parent.iterdir()) == [".out.lock", "out"]


def test_interrupted_replacement_restores_older_results(out):
    write(out, "old")
    out.rename(out.parent / ".out.previous")
    result_folder.restore(out)
    assert (out / "report.json").read_text() == "old"


def test_readers_ignore_unfinished_results(tmp_path):
    out = tmp_path / "run/eval/out"
    write(out, '{"old": 1}')
    made = ResultFolder(out, EVALUATION)
    with made.writing() as folder:
        (folder / "report.json").write_text('{"new": 1}')
        assert stored.folder_of(tmp_path / "run") == out  # and not the hidden one
        manifest.seal(folder, {"kind": EVALUATION})
        result_folder.restore(out)
        assert (out / "report.json").read_text() == '{"old": 1}'


@pytest.mark.parametrize("place", [".", "../out"])
def test_rewritten_file_is_listed_again(out, monkeypatch, place):
    write(out)
    (out.parent / ".out.unfinished").mkdir()
    monkeypatch.chdir(out)
    with result_folder.rewriting(place, "report.json"):
        pathlib.Path("report.json").write_text("a longer report")
    assert stored.folder_of(place) == pathlib.Path(place)
    monkeypatch.chdir(out.parent)
    write(out)
    ownership.temporary_path(out / "report.json").write_text("half")  # of a process that was killed while it did so
    write(out)


def test_file_changed_by_the_user_is_not_rewritten(out):
    corrected(out)
    with pytest.raises(errors.UsageError, match="was changed after this program wrote it"), \
            result_folder.rewriting(out, "colour/a.png"):
        raise AssertionError("the body must not run")
    assert (out / "colour/a.png").read_text() == "her"


def test_rounded_file_times_are_not_a_change(out):
    write(out)
    before = (out / "colour/a.png").stat()
    os.utime(out / "colour/a.png", (before.st_atime, before.st_mtime + manifest.CLOCK_S - 1))
    write(out)


def test_free_place_that_begins_with_a_dash_is_advised_as_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    user_predictions(pathlib.Path("-x"))
    with pytest.raises(errors.UsageError, match=r"--out \./-x-2 is free"):
        ResultFolder("-x", EVALUATION).check()


def test_files_are_synced_before_the_list_and_the_rename(out, monkeypatch):
    write(out, "old")
    calls = []

    def recorded(name, function):
        def call(*arguments, **options):
            path = arguments[0] if name == "replace" else pathlib.Path(f"/proc/self/fd/{arguments[0]}").resolve()
            calls.append((name, pathlib.Path(path).relative_to(out.parent).as_posix()))
            return function(*arguments, **options)
        return call
    made = ResultFolder(out, EVALUATION)
    with made.writing() as folder:
        (folder / "colour").mkdir()
        (folder / "colour/a.png").write_text("new")
        for name in ("fsync", "replace"):
            monkeypatch.setattr(os, name, recorded(name, getattr(os, name)))
        made.publish()
    new = ".out.unfinished"
    assert calls == [
        ("fsync", f"{new}/colour/a.png"), ("fsync", f"{new}/manifest.json"), ("fsync", f"{new}/colour"),
        ("fsync", new), ("fsync", f"{new}/{manifest.ASIDE}"), ("replace", f"{new}/{manifest.ASIDE}"),
        ("fsync", new), ("replace", "out"), ("replace", new), ("fsync", ".")]
