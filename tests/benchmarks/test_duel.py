"""A duel survives whatever becomes of a contender, keeps within memory, and its numbers are those of the rounds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import contender
import duel
import duel_table
from rival import Rival

GIB = 1 << 30
OBEY = ('import sys, json; print(json.dumps({"ready": True, "peak_bytes": 3 << 30, "held_bytes": 2 << 30, '
        '"versions": {}}), flush=True)\n'
        'for line in sys.stdin: print(json.dumps({"seconds": 0.5, "others": 0.1}), flush=True)\n'
        'print(json.dumps({"peak_bytes": 4 << 30, "step_bytes": 1 << 30, "idle": 0.0}))')
DIE = OBEY.split("\n")[0] + "\nsys.stdin.readline(); sys.exit('weights are gone')"
COMPILE = "raise RuntimeError('no C++ compiler\\n\\nSet TORCHDYNAMO_VERBOSE=1 for more')"
BEHAVIOUR = {"good": OBEY, "better": OBEY, "absent": "import sys; sys.exit('torch is not installed')", "dying": DIE,
             "uncompiled": COMPILE,
             "hanging": OBEY.split("\n")[0] + "\nimport time; time.sleep(60)",
             "killed": OBEY.split("\n")[0] + "\nimport os; sys.stdin.readline(); os.kill(os.getpid(), 9)"}


def start(label):
    return Rival(label, [sys.executable, "-c", BEHAVIOUR[label]], 0.5 if label == "hanging" else 30)


def run(*labels, rounds=2, available=100 * GIB):
    return duel.run(labels, start, rounds, 1, lambda: available, tell=lambda _: None)


def test_every_contender_runs_once_per_round_in_rotating_order():
    groups, found = run("good", "better", rounds=3)
    assert [list(done) for done in groups[0]] == [["good", "better"], ["better", "good"], ["good", "better"]]
    assert groups[0][0]["good"] == {"seconds": [0.5], "others": pytest.approx(0.1)}
    assert found["better"]["peak_bytes"] == 4 * GIB
    assert not found["better"]["failed"]


@pytest.mark.slow
@pytest.mark.parametrize(("label", "why"), [("absent", "torch is not installed"), ("dying", "weights are gone"),
                                            ("uncompiled", "RuntimeError: no C++ compiler"),
                                            ("hanging", "no answer in 0.5 s"),
                                            ("killed", "ended by signal 9, out of memory?")])
def test_failed_contender_gives_its_reason_and_others_continue(label, why):
    groups, found = run("good", label, "better")
    assert found[label]["failed"] == why
    assert [set(done) for done in groups[0]] == [{"good", "better"}] * 2
    assert not found["good"]["failed"]


def test_duel_without_its_reference_ends_with_a_message():
    groups, found = run("absent", "good")
    assert groups == []
    assert [found[label]["failed"] for label in ("absent", "good")] == ["torch is not installed",
                                                                        "not run: absent failed"]


def test_group_grows_while_peak_memory_and_one_gib_fit():
    good = start("good")  # peak 3 GiB, of which it holds 2
    try:
        needed = (1.3 * 3 + 1 + 1) * GIB
        assert duel.fits([good], needed + 1)
        assert not duel.fits([good], needed - 1)
        assert duel.fits([good], None)
    finally:
        good.finish()


def test_contender_that_never_fits_is_refused():
    groups, found = run("good", "better", available=5 * GIB)
    assert found["better"]["failed"] == "not run: 5.4 GB of memory are free while good runs"
    assert [list(done) for group in groups for done in group] == [["good"], ["good"]]


def test_contender_that_does_not_fit_starts_another_group():
    left = iter([9 * GIB, 5 * GIB, 9 * GIB])
    groups, _ = duel.run(["good", "better", "dying"], start, 1, 1, lambda: next(left), tell=lambda _: None)
    assert [[set(done) for done in group] for group in groups] == [[{"good", "better"}], [{"good"}]]


def test_contenders_may_be_measured_alone_with_the_reference():
    groups, _ = duel.run(["good", "better", "dying"], start, 1, 1, lambda: 100 * GIB, lambda _: None, largest=2)
    assert [[set(done) for done in group] for group in groups] == [[{"good", "better"}], [{"good"}]]


def test_ratio_is_the_median_of_the_ratios_of_rounds():
    groups = [[{"a": {"seconds": [1.0], "others": 0.0}, "b": {"seconds": [2.0], "others": 0.5}},
               {"a": {"seconds": [4.0], "others": 0.0}, "b": {"seconds": [4.0], "others": 0.5}},
               {"a": {"seconds": [1.0, 2.0, 9.0], "others": 0.0}, "b": {"seconds": [6.0], "others": 2.0}}],
              [{"a": {"seconds": [8.0], "others": 0.0}}]]
    contenders = {"a": {"failed": ""}, "b": {"failed": "", "peak_bytes": 5}, "c": {"failed": "why"}}
    rows = duel_table.rows({"groups": groups, "contenders": contenders, "batch": 2})
    assert rows["b"] == {"failed": "", "peak_bytes": 5, "step_bytes": None, "file_bytes": None, "idle": None,
                         "seconds": 4.0, "rounds": 3,
                         "images_per_second": 0.5, "ratio": 2.0, "ratio_range": [1.0, 3.0], "others": 0.25}
    assert (rows["a"]["seconds"], rows["a"]["ratio"], rows["a"]["rounds"]) == (3.0, 1.0, 4)
    assert "seconds" not in rows["c"]
    assert duel_table.ratios({"groups": groups}, "a", "b") == [0.5, 1.0, pytest.approx(1 / 3)]


def test_meter_separates_time_of_a_step_from_time_between_steps(monkeypatch):
    clock, cpu, busy = iter([0, 10, 12]), iter([0, 1, 4]), iter([100, 106])
    monkeypatch.setattr(contender.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(contender.time, "process_time", lambda: next(cpu))
    monkeypatch.setattr(contender, "busy_s", lambda: next(busy))
    monkeypatch.setattr(contender.machine, "peak_memory", lambda: 7)
    monkeypatch.setattr(contender, "file_bytes", lambda: 3)
    monkeypatch.setattr(contender.pathlib.Path, "write_text", lambda *_: None)
    meter = contender.Meter()
    assert meter.step(lambda: None) == {"seconds": 2, "others": 3}
    assert meter.end() == {"peak_bytes": 7, "step_bytes": 7, "file_bytes": 3, "idle": 0.1}


@pytest.mark.slow
def test_command_writes_its_measurements(tmp_path):
    done = subprocess.run([sys.executable, duel.__file__, "--job", "predict", "--size", "32", "--classes", "5",
                           "--share", "0.02", "--rounds", "2", "--json", tmp_path / "out.json", "ours:float32",
                           "nobody:float32"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "| ours:float32 | " in done.stdout
    assert "| nobody:float32 | no contender 'nobody'" in done.stdout
    found = json.loads((tmp_path / "out.json").read_text())
    assert {"python", "tensorflow", "keras", "numpy"} <= set(found["versions"])
    assert {"command", "commit", "machine", "time"} <= set(found)
    assert len(found["groups"][0]) == found["rows"]["ours:float32"]["rounds"] == 2
