"""Nothing of the user's is deleted or overwritten: a foreign file under a name of the program's stays as it is."""

import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import inject
import measuring

from fcn.cli import csv_list
from fcn.core import atomic_io, errors, ownership
from fcn.data import images, render
from fcn.data.cache import builder, cache
from fcn.data.spec import DatasetSpec, Pair
from fcn.runs import checkpoint_files, record
from fcn.weights import demo

FOREIGN = b"somebody else's\n"
SPEC = DatasetSpec(("a", "b"), (255,))


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(ownership, "WAIT_S", 0.2)


def foreign(path):
    """A file of somebody else's, and the folders that it needs."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(FOREIGN)
    return path


def pairs_in(folder):
    folder.mkdir(exist_ok=True)
    found = []
    for i in range(3):
        found.append(Pair(str(i), folder / f"{i}.png", folder / f"{i}_.png"))
        images.write_png(found[-1].image, np.full((4, 6, 3), i, np.uint8))
        images.write_png(found[-1].label, np.full((4, 6), i % 2, np.uint8))
    return found


# ---- temporary names

def test_temporary_name_holds_a_checksum_of_the_final_name(tmp_path):
    temporary = ownership.temporary_path(tmp_path / "a.png")
    assert temporary.parent == tmp_path and ownership.is_temporary(temporary)
    for name in ("a.png", ".a.png.tmp", "a.png.partial", ".b.png" + temporary.name[6:], temporary.name[:-1]):
        assert not ownership.is_temporary(tmp_path / name)
    assert len(os.fsencode(ownership.temporary_path(tmp_path / ("ä" * 127)).name)) <= 255


@pytest.mark.parametrize("name", ["a.partial", ".a.tmp", ".a.partial", "a.lock"])
def test_lookalike_of_a_temporary_file_is_left_alone(tmp_path, name):
    path = foreign(tmp_path / name)
    atomic_io.write_whole(tmp_path / "a", b"new")
    images.write_png(tmp_path / "a", np.zeros((2, 2), np.uint8))
    with ownership.workspace(tmp_path / "a") as folder:
        (folder / "x").touch()
    assert path.read_bytes() == FOREIGN and sorted(p.name for p in tmp_path.iterdir()) == sorted(["a", name])


def test_leftovers_of_a_killed_process_are_reused(tmp_path):
    ownership.temporary_path(tmp_path / "a").write_bytes(b"half of something longer")
    atomic_io.write_whole(tmp_path / "a", b"new")
    (ownership.temporary_path(tmp_path / "b") / "b/c").mkdir(parents=True)
    with ownership.workspace(tmp_path / "b") as folder:
        assert not list(folder.iterdir())
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == {"a": b"new"}


def test_kill_between_two_names_of_a_file_loses_nothing(tmp_path):
    atomic_io.write_whole(tmp_path / "a", b"whole")
    os.link(tmp_path / "a", ownership.temporary_path(tmp_path / "a"))
    with pytest.raises(errors.UsageError):
        atomic_io.write_whole(tmp_path / "a", b"other", new=True)
    assert (tmp_path / "a").read_bytes() == b"whole"


@pytest.mark.slow
@pytest.mark.forks
def test_two_writers_of_one_file_leave_one_whole_file(tmp_path):
    def write(letter):
        for _ in range(20):
            atomic_io.write_whole(tmp_path / "a", letter * 100_000, sync=False)

    ownership.WAIT_S = 10
    children = [inject.child(write, letter) for letter in (b"a", b"b")]
    while children:
        content = (tmp_path / "a").read_bytes() if (tmp_path / "a").exists() else b""
        assert content in (b"", b"a" * 100_000, b"b" * 100_000)
        done, status = os.waitpid(-1, os.WNOHANG)
        if done:
            assert status == 0
            children.remove(done)
    assert [p.name for p in tmp_path.iterdir()] == ["a"]


def test_file_that_another_process_writes_is_waited_for(tmp_path):
    handle, _ = ownership.open_temporary(tmp_path / "a")
    with pytest.raises(errors.MachineError, match="a: is being written by another process"):
        atomic_io.write_whole(tmp_path / "a", b"x")
    os.close(handle)
    atomic_io.write_whole(tmp_path / "a", b"x")


def test_missing_folder_is_reported_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(ownership, "WAIT_S", 1000)
    with pytest.raises(FileNotFoundError):
        atomic_io.write_whole(tmp_path / "no/a", b"x")


# ---- outputs that the user names

@pytest.mark.parametrize("kind", ["file", "empty file", "folder", "dangling link"])
def test_new_file_never_replaces_anything(tmp_path, kind):
    path = tmp_path / "out.csv"
    {"file": lambda: foreign(path), "empty file": path.touch, "folder": lambda: foreign(path / "x"),
     "dangling link": lambda: path.symlink_to("nowhere")}[kind]()
    (tmp_path / "out-2.csv").touch()
    before = os.lstat(path)
    with pytest.raises(errors.UsageError, match=rf"(?s)exists already.*--csv {tmp_path}/out-3\.csv"):
        ownership.check_free(path, "--csv")
    with pytest.raises(errors.UsageError, match="exists already"):
        atomic_io.write_whole(path, b"new", new=True)  # it came after the check
    assert os.lstat(path) == before and sorted(p.name for p in tmp_path.iterdir()) == ["out-2.csv", path.name]


def test_folder_replaces_only_an_empty_one(tmp_path):
    for name in ("made", "empty"):
        (tmp_path / name).mkdir()
    foreign(tmp_path / "full/mine")
    with pytest.raises(errors.UsageError):
        atomic_io.rename(tmp_path / "made", tmp_path / "full", new=True)
    atomic_io.rename(tmp_path / "made", tmp_path / "empty", new=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["empty", "full"]


def test_picture_is_replaced_only_by_the_command_that_made_it(tmp_path):
    path, batch = tmp_path / "batch.png", (np.zeros((1, 8, 8, 3), np.uint8), np.zeros((1, 8, 8), np.uint8), SPEC)
    render.write_preview(path, *batch)
    assert render.png_made_by(path, render.PREVIEW_MAKER) and not render.png_made_by(path, "fcn.compare")
    render.write_preview(path, *batch)
    images.write_png(path, np.zeros((2, 2), np.uint8))
    before = path.read_bytes()
    with pytest.raises(errors.UsageError, match=r"batch-2\.png"):
        render.write_preview(path, *batch)
    assert path.read_bytes() == before
    for name in ("text.png", "huge.png"):
        assert not render.png_made_by(foreign(tmp_path / name), render.PREVIEW_MAKER)


def test_existing_list_of_pairs_is_refused_and_the_fix_works(tmp_path):
    for kind in ("images", "masks"):
        (tmp_path / kind).mkdir()
        for name in ("a.png", "b.png"):
            images.write_png(tmp_path / kind / name, np.full((4, 4, 3) if kind == "images" else (4, 4), 255, np.uint8))
    path = foreign(tmp_path / "list.csv")
    with pytest.raises(errors.UsageError) as refused:
        csv_list.main([str(tmp_path)])
    assert path.read_bytes() == FOREIGN and refused.value.exit_code == 2
    csv_list.main([str(tmp_path), "--out", refused.value.fix.split()[2].rstrip(",")])
    assert path.read_bytes() == FOREIGN and (tmp_path / "list-2.csv").read_text().startswith("images,masks,split")


# ---- locks, caches, the demo

@pytest.mark.parametrize("content", [FOREIGN, b"", b"12345\n"])
def test_lock_file_of_another_program_is_unchanged(tmp_path, content):
    (tmp_path / "a.lock").write_bytes(content)
    if content:
        with pytest.raises(errors.UsageError, match=r"a\.lock: is not a lock file"), atomic_io.locked(tmp_path / "a"):
            pass
    else:
        with atomic_io.locked(tmp_path / "a"):
            pass
    assert (tmp_path / "a.lock").read_bytes() == content


def test_lock_truncated_by_a_full_disk_is_taken_again(tmp_path):
    (tmp_path / "a.lock").write_bytes(b'{"pi')
    with atomic_io.locked(tmp_path / "a"):
        assert (tmp_path / "a.lock").read_bytes().startswith(b'{"pid": ')


@pytest.mark.parametrize("ending", ["", ".partial", ".skipped.txt", ".lock"])
def test_foreign_file_at_a_cache_path_is_unchanged(tmp_path, ending):
    pairs, folder = pairs_in(tmp_path / "data"), tmp_path / "cache"
    path = foreign(Path(f"{cache.path_of(pairs, SPEC, (4, 6), folder, 't')}{ending}"))
    if ending == ".partial":
        cache.prepare(pairs, SPEC, (4, 6), folder, "t")
    else:
        with pytest.raises(errors.FcnError) as refused:
            cache.prepare(pairs, SPEC, (4, 6), folder, "t")
        assert refused.value.where == path and refused.value.exit_code in (2, 3)
    assert path.read_bytes() == FOREIGN


def test_file_created_at_the_cache_path_during_a_build_is_kept(tmp_path):
    pairs, folder = pairs_in(tmp_path / "data"), tmp_path / "cache"
    path = cache.path_of(pairs, SPEC, (4, 6), folder, "t")
    with pytest.raises(errors.DataError, match="not a complete cache of this program"):
        cache.prepare(pairs, SPEC, (4, 6), folder, "t", cache.BuildOptions(progress=lambda *_: foreign(path)))
    assert path.read_bytes() == FOREIGN


def test_own_list_of_left_out_pairs_is_replaced(tmp_path):
    pairs = pairs_in(tmp_path / "data")
    images.write_png(pairs[1].label, np.full((4, 6), 9, np.uint8))
    for time_ns in (1, 2):
        os.utime(pairs[0].label, ns=(0, time_ns))
        made = cache.prepare(pairs, SPEC, (4, 6), tmp_path / "cache", "t", cache.BuildOptions(skip_bad=True))
    line, = builder.listed(made.path)
    assert line.startswith(str(pairs[1].label))


@pytest.mark.parametrize("name", ["scenes", "vgg19-narrow.mat", ".scenes.tmp/mine", ".vgg19-narrow.mat.tmp"])
def test_demo_changes_only_its_own_files(tmp_path, monkeypatch, name):
    monkeypatch.setattr(demo, "TRAINING", 1)
    monkeypatch.setattr(demo, "VALIDATION", 1)
    monkeypatch.setattr(demo, "narrow_vgg", lambda seed: {"conv1_1": (np.zeros((3, 3, 3, 1)), np.zeros(1))})
    folder = tmp_path / f"demo-{demo.VERSION}"
    path = foreign(folder / name)
    if name == "scenes":
        with pytest.raises(errors.DataError, match="scenes: is not a file of the demo"):
            demo.prepare(tmp_path)
    else:
        data, weights = demo.prepare(tmp_path)
        assert (data / "objectInfo.txt").is_file() and weights.is_file()
    assert path.read_bytes() == FOREIGN
    with pytest.raises(FileExistsError):
        (folder / "own/images/training").mkdir(parents=True)
        demo.write_scenes(folder / "own", 1, 1)


# ---- runs and checkpoints

@pytest.mark.parametrize("name", record.FILES)
def test_folder_with_a_file_of_a_run_but_no_run_is_refused(tmp_path, name):
    path = foreign(tmp_path / "run" / name)
    with pytest.raises(errors.UsageError, match=rf"{name}: exists already.*(?s:.*)--run {tmp_path}/run-2"):
        record.record_to_resume(tmp_path / "run", "auto")
    assert path.read_bytes() == FOREIGN


def test_start_that_failed_before_a_checkpoint_can_be_repeated(tmp_path):
    assert record.record_to_resume(tmp_path / "new", "auto") is None
    record.write_record(tmp_path, {"config": {}, "spec": {}, "model": {}})
    (tmp_path / "transplant.json").touch()
    assert record.record_to_resume(tmp_path, "auto") is None
    with pytest.raises(errors.UsageError, match="is not a folder"):
        record.record_to_resume(foreign(tmp_path / "file"), "auto")


def test_sweep_leaves_every_folder_that_is_not_our_checkpoint(tmp_path):
    kept = [foreign(tmp_path / name) for name in (
        "step-foo/mine", "step-1/model.index", "step-000001/mine", "step-000002/state.json", ".step-000009.tmp/mine",
        ".step-mine/x", "step-000003")]
    ours = tmp_path / "step-000005"
    for step, run in ((4, "this"), (5, "this"), (0, "another")):
        folder = tmp_path / f"step-{step:06d}"
        folder.mkdir()
        (folder / "model.index").write_bytes(b"x")
        checkpoint_files.seal(folder, {"step": step, "fingerprints": run})
    mine = foreign(tmp_path / "step-000004/mine.txt")
    (ownership.temporary_path(tmp_path / "step-000007") / "model.index").mkdir(parents=True)
    checkpoint_files.sweep_unfinished(tmp_path)
    checkpoint_files.sweep(tmp_path, ours, keep=1)
    assert all(path.read_bytes() == FOREIGN for path in [*kept, mine])
    assert list((tmp_path / "step-000004").iterdir()) == [mine]
    assert not list(tmp_path.glob(".step-000007*")) and checkpoint_files.verify(ours)
    assert checkpoint_files.verify(tmp_path / "step-000000")  # of another run
    checkpoint_files.remove(tmp_path / "step-000000", "this")
    assert checkpoint_files.verify(tmp_path / "step-000000")


# ---- the rest

def test_traceback_of_a_bug_goes_into_a_new_temporary_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setattr(errors.tempfile, "tempdir", None)
    (tmp_path / "tmp").mkdir()
    path = foreign(tmp_path / "fcn-bug.log")
    for _ in range(2):
        assert errors.run_command(lambda argv: 1 / 0, []) == 70
    said = capsys.readouterr().err
    logs = list((tmp_path / "tmp").iterdir())
    assert len(logs) == 2 and all(str(log) in said and "ZeroDivisionError" in log.read_text() for log in logs)
    assert path.read_bytes() == FOREIGN and sorted(p.name for p in tmp_path.iterdir()) == ["fcn-bug.log", "tmp"]


@pytest.mark.slow
def test_two_starts_in_one_second_write_two_event_files(tmp_path, monkeypatch):
    from fcn.training import tensorboard
    monkeypatch.setattr(time, "time", lambda: 1_000_000.0)
    for _ in range(2):
        tensorboard.EventWriter(tmp_path, 3)
    assert len(list((tmp_path / "events").iterdir())) == 2


def test_benchmark_result_replaces_only_such_a_result(tmp_path):
    path = tmp_path / "r.json"
    measuring.write(path, {"a": 1})
    measuring.write(path, {"a": 2})
    foreign(path)
    with pytest.raises(SystemExit, match=r"r\.json"):
        measuring.write(path, {"a": 3})
    assert path.read_bytes() == FOREIGN


def test_folder_with_foreign_checkpoints_is_not_a_run(tmp_path):
    run = tmp_path / "run"
    (run / "checkpoints/step-000002").mkdir(parents=True)
    with pytest.raises(errors.UsageError, match=r"holds checkpoints, but no config.*\n  Fix: give --run \S+run-2"):
        record.record_to_resume(run, "auto")
