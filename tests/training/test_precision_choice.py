"""--precision auto: the faster of two times is used, and the run is the same as with that precision given."""

import dataclasses

import pytest
from scripts_help import tiny_runs

from fcn.cli import train
from fcn.core import machine
from fcn.models.tf_compat import tf
from fcn.runs import record
from fcn.training import dry_run, precision_choice, start


@pytest.fixture(autouse=True)
def on_a_processor_with_bfloat16(monkeypatch):
    monkeypatch.setattr(machine, "instructions", lambda: frozenset({"avx2", "avx512f", "avx512_bf16"}))
    monkeypatch.setattr(machine, "signs_of_a_gpu", lambda: [])
    monkeypatch.setattr(dry_run, "TIMED_S", 0)
    yield
    tf.reset_default_graph()


def words(toy, work, *more):
    return [str(word) for word in (
        "--data", toy / "scenes", "--weights", toy / "vgg.mat", "--cache-dir", work / "cache", "--run", work / "run",
        "--layout", "ade20k", "--size", "33x47", "--batch", 2, "--eval-batches", 1, "--no-deterministic", *more)]


def job_of(toy, work, precision, steps=200):
    arguments = train.parse(words(toy, work, "--steps", steps, "--precision", precision))
    with tiny_runs():
        settings, _ = train.resolve(arguments)
        return start.prepare(start.Start(work / "run", settings), None, None)[0]


@pytest.fixture(scope="module")
def jobs(toy, tmp_path_factory):
    """{precision: the setup.Job of a run of 200 steps}."""
    work = tmp_path_factory.mktemp("jobs")
    return {precision: job_of(toy, work, precision) for precision in precision_choice.PRECISIONS}


@pytest.mark.parametrize("seconds", [{"float32": 3.0, "bfloat16": 2.0}, {"float32": 2.0, "bfloat16": 3.0}])
def test_faster_precision_is_used_and_said(jobs, seconds, monkeypatch, caplog):
    monkeypatch.setattr(precision_choice, "seconds_of", lambda _, precision: seconds[precision])
    best, other = sorted(seconds, key=seconds.get)
    with caplog.at_level("INFO"):
        found = precision_choice.faster(jobs[other])
    assert f"a step takes 2 s in {best}, 3 s in {other}: {best} is used" in caplog.text
    wanted = jobs[best]
    assert found.settings == wanted.settings
    assert {**found.content, "starts": 0} == {**wanted.content, "starts": 0}  # also the fingerprints


@pytest.mark.parametrize(("steps", "is_long", "instructions", "gpu", "timed"), [
    (200, False, {"avx512_bf16"}, [], True), (199, False, {"avx512_bf16"}, [], False),
    (0, True, {"amx_bf16"}, [], True), (900, False, {"avx2"}, [], False),
    (900, False, {"avx512_bf16"}, ["/dev/nvidia0"], False), (900, False, set(), [], False)])
def test_which_runs_are_timed(jobs, steps, is_long, instructions, gpu, timed, monkeypatch):
    asked = []
    monkeypatch.setattr(precision_choice, "seconds_of", lambda _, precision: asked.append(precision) or len(asked))
    monkeypatch.setattr(machine, "instructions", lambda: frozenset(instructions))
    monkeypatch.setattr(machine, "signs_of_a_gpu", lambda: gpu)
    job = dataclasses.replace(jobs["bfloat16"], content=jobs["bfloat16"].content | {"steps": steps})
    found = precision_choice.faster(job, is_long)
    assert asked == ["float32", "bfloat16"] * timed
    assert found.settings.precision == ("float32" if timed else "bfloat16")


def test_what_a_dry_run_says(jobs, monkeypatch):
    monkeypatch.setattr(precision_choice, "seconds_of", lambda _, precision: 3.0)
    slower = "a step takes 3 s in bfloat16, 4 s in float32"
    assert precision_choice.advice(jobs["float32"], 2.0, False) == [
        "precision: a step takes 2 s in float32, 3 s in bfloat16; this run uses float32"]
    assert precision_choice.advice(jobs["float32"], 4.0, False) == [
        f"precision: {slower}; give --precision bfloat16, not float32"]
    assert precision_choice.advice(jobs["float32"], 4.0, True) == [
        f"precision: {slower}; auto will use it: the estimates above are for float32"]
    half = dataclasses.replace(jobs["float32"], settings=dataclasses.replace(jobs["float32"].settings,
                                                                             precision="float16"))
    assert precision_choice.advice(half, 2.0, False) == []


@pytest.mark.slow
def test_run_with_automatic_precision_times_both_once(toy, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(precision_choice, "LEAST_STEPS", 2)
    for _ in range(2):  # the second one finds it complete
        with tiny_runs():
            train.main(words(toy, tmp_path, "--steps", 2, "--precision", "auto"))
    said = capsys.readouterr().out
    used = record.read_record(tmp_path / "run")["config"]["precision"]
    assert said.count("timing a few steps in float32 and bfloat16") == 1 and f"{used} is used" in said


@pytest.mark.slow
def test_dry_run_compares_both_precisions(toy, tmp_path, capsys):
    with tiny_runs():
        train.main(words(toy, tmp_path, "--steps", 2, "--precision", "auto", "--dry-run"))
    *_, compared, last = capsys.readouterr().out.splitlines()
    assert compared.startswith("precision: a step takes ") and last == "dry run: nothing was written but the caches"
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
