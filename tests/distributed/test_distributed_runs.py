"""Runs of two workers: the same run as that of a single process, and what happens when a worker is lost or stopped."""

import json
import signal
import time

import cluster_help
import imageio.v3 as imageio
import numpy as np
import pytest
from scripts_help import command, run_process, train_words

from fcn.models.tf_compat import tf
from fcn.runs import checkpoint_files

STEPS = ["--steps", "12", "--save-every", "3", "--schedule", "fixed", "--ema", "0.9"]  # of two batches each


def arrays(run):
    """(step, {variable: value}) of the newest checkpoint of a run."""
    path = checkpoint_files.paths(run / "checkpoints")[0]
    reader = tf.train.NewCheckpointReader(str(path / "model"))
    return path.name, {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


def started(toy, work, *words, seconds=60):
    """The two processes of the run work/run."""
    return cluster_help.start(2, lambda _: train_words(toy, work, *STEPS, *words)[1:], seconds)


def until(process, text, lines):
    """Read the output of a process up to a line with this text; all lines are appended to `lines`."""
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return
    raise AssertionError(f"{text} was not printed:\n{''.join(lines)}")


@pytest.fixture(scope="module")
def alone(toy, tmp_path_factory):
    """Folder with the run of a single process."""
    work = tmp_path_factory.mktemp("alone")
    run_process(train_words(toy, work, *STEPS))
    return work


@pytest.fixture(scope="module")
def together(toy, tmp_path_factory):
    """(folder with the uninterrupted run of two workers, what each has printed)."""
    work = tmp_path_factory.mktemp("together")
    return work, cluster_help.finish(started(toy, work))


@pytest.mark.slow
def test_two_workers_have_the_run_of_a_single_process(alone, together):
    (step, expected), (found_step, found) = arrays(alone / "run"), arrays(together[0] / "run")
    assert step == found_step and expected.keys() == found.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=0, atol=2e-6, err_msg=name)
    for one, other in zip(*([json.loads(line) for line in (work / "run" / "log.jsonl").read_text().splitlines()]
                            for work in (alone, together[0])), strict=True):
        assert one.keys() == other.keys() and one["step"] == other["step"]
        for key, value in one.items():  # a pixel with two nearly equal scores may change its class
            assert other[key] == pytest.approx(value, rel=0.01 if "accuracy" in key or "iou" in key else 1e-4), key
    assert "done:" in together[1][0]
    assert "of 2 workers; the chief" in together[1][1] and together[1][1].count("\n") == 1  # it prints nothing else


@pytest.mark.slow
def test_another_number_of_workers_continues_the_same_run(toy, tmp_path, alone):
    cluster_help.finish(started(toy, tmp_path, "--steps", "6"))
    run_process(train_words(toy, tmp_path, *STEPS))
    for name, value in arrays(alone / "run")[1].items():
        np.testing.assert_allclose(arrays(tmp_path / "run")[1][name], value, rtol=0, atol=2e-6, err_msg=name)


@pytest.mark.slow
def test_runs_with_killed_workers_resume_to_the_same_bytes(toy, tmp_path, together):
    for killed, step in ((0, 5), (1, 8)):
        processes = started(toy, tmp_path, "--log-every", "1")
        until(processes[0], f"step {step}/", [])
        processes[killed].kill()
        other = processes[1 - killed]
        printed = other.communicate(timeout=60)[0]
        assert other.returncode == 5, printed
        assert f"lost worker {killed} (127.0.0.1:" in printed and "Fix:" in printed
    cluster_help.finish(started(toy, tmp_path))
    expected, found = arrays(together[0] / "run"), arrays(tmp_path / "run")
    assert expected[0] == found[0]
    for name, value in expected[1].items():
        np.testing.assert_array_equal(found[1][name], value, err_msg=name)
    assert (tmp_path / "run" / "log.jsonl").read_bytes() == (together[0] / "run" / "log.jsonl").read_bytes()


@pytest.mark.slow
def test_a_suspended_worker_is_noticed_and_named(toy, tmp_path):
    processes, lines = started(toy, tmp_path, "--steps", "10000", seconds=6), []
    until(processes[0], "step 3/", lines)
    processes[1].send_signal(signal.SIGSTOP)
    before = time.monotonic()
    printed = processes[0].communicate(timeout=60)[0]
    waited = time.monotonic() - before
    processes[1].kill()
    assert processes[0].returncode == 5 and "lost worker 1 (127.0.0.1:" in printed, printed
    assert waited < 30


@pytest.mark.slow
def test_a_signal_to_one_worker_stops_all_after_the_same_step(toy, tmp_path):
    processes, lines = started(toy, tmp_path, "--steps", "10000", "--save-every", "10000", "--eval-every", "9999",
                               "--precision", "bfloat16"), []
    until(processes[0], "step 3/", lines)
    processes[1].send_signal(signal.SIGTERM)
    printed = cluster_help.finish(processes, [143, 143])
    saved = checkpoint_files.paths(tmp_path / "run" / "checkpoints")
    assert [path.name for path in saved][1:] == ["step-000000"] and saved[0].name != "step-000000"
    step = int(saved[0].name.removeprefix("step-"))
    assert all(f"stopped by SIGTERM after step {step}; saved" in text for text in printed)


@pytest.mark.slow
def test_other_data_of_a_worker_are_refused_by_name(toy, tmp_path):
    printed = cluster_help.finish(with_changed_label(toy, tmp_path, np.flipud), [3, 3])
    assert all("worker 1 (127.0.0.1:" in text and "has other data than the chief" in text for text in printed)


@pytest.mark.slow
def test_an_error_of_one_worker_ends_the_other_at_once(toy, tmp_path):
    before = time.monotonic()
    printed = cluster_help.finish(with_changed_label(toy, tmp_path, lambda label: label[1:]), [5, 3])
    assert time.monotonic() - before < 60  # without waiting until the timeout of 90 s
    assert "lost worker 1 (127.0.0.1:" in printed[0] and "its process has ended" in printed[0]
    assert "a label has the size of its image" in printed[1]
    assert "the chief's settings are used: learning_rate 0.001 (here: 0.5)" in printed[1]


@pytest.mark.slow
def test_the_chief_decides_which_run_is_next_and_alone_writes(toy, tmp_path):
    run_process(train_words(toy, tmp_path, "--steps", "1", "--run", tmp_path / "0/1"))  # finished, in its folder only
    words = [train_words(toy, tmp_path, "--steps", "1", "--multi-run", "2", "--run", tmp_path / str(number))[1:]
             for number in range(2)]
    printed = cluster_help.finish(cluster_help.start(2, lambda number: words[number]))
    assert printed[0].count("finished before") == 1 and (tmp_path / "0/multi_run.json").is_file()
    assert not (tmp_path / "1").exists()


def with_changed_label(toy, work, changed):
    """The two processes of a run, of which worker 1 has another training label. changed: function of a label."""
    words, other = [train_words(toy, work, *STEPS)[1:] for _ in range(2)], work / "other"
    run_process(["cp", "-r", str(toy / "scenes"), str(other)])
    label = next(other.glob("annotations/training/*.png"))
    imageio.imwrite(label, changed(imageio.imread(label)))
    words[1] += ["--data", other, "--cache-dir", work / "other_cache", "--learning-rate", "0.5"]
    return cluster_help.start(2, lambda number: words[number], 90)


@pytest.mark.slow
def test_two_workers_have_the_evaluation_of_a_single_process(together, tmp_path):
    words = command("eval_fcn.py", "--run", together[0] / "run", "--out")
    run_process([*words, str(tmp_path / "one")])
    cluster_help.finish(cluster_help.start(2, lambda _: [*words[1:], tmp_path / "two"]))
    names = sorted(str(path.relative_to(tmp_path / "one")) for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert names == sorted(str(path.relative_to(tmp_path / "two")) for path in (tmp_path / "two").rglob("*")
                           if path.is_file())
    reports = [json.loads((tmp_path / name / "report.json").read_text()) for name in ("one", "two")]
    for key in ("seconds", "time", "command", "peak_memory_bytes"):  # of the process
        for report in reports:
            del report[key]
    assert reports[0] == reports[1]
    for name in set(names) - {"report.json", "report.html", "manifest.json"}:  # these hold the former
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
