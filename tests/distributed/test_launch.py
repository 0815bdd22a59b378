"""fcn launch: what it starts, what it restarts, and when it gives up. The workers are small scripts."""

import signal
import subprocess
import sys

import pytest

from fcn.cli import launch
from fcn.core import errors
from fcn.distributed import local_launcher


def worker(tmp_path, body):
    """A script that knows its number `me`, the folder `here`, and how many times it was started, `start`."""
    path = tmp_path / "worker.py"
    path.write_text("import json, os, pathlib, signal, sys, time\n"
                    "config = json.loads(os.environ['TF_CONFIG'])\nme = config['task']['index']\n"
                    f"here = pathlib.Path({str(tmp_path)!r})\n"
                    "start = len(list(here.glob(f'started-{me}-*')))\n(here / f'started-{me}-{start}').touch()\n"
                    f"{body}\n")
    return path


def run(tmp_path, body, count=2, restarts=1):
    """(exit code, lines) of a launch of this body."""
    said = []
    words = local_launcher.as_process([str(worker(tmp_path, body))])
    return local_launcher.Launcher(words, count, restarts, said.append).until_done(), said


def starts(tmp_path, number=0):
    return len(list(tmp_path.glob(f"started-{number}-*")))


def test_every_worker_gets_its_number_and_lines_are_marked(tmp_path):
    code, said = run(tmp_path, "print('cluster', len(set(config['cluster']['worker'])), config['task']['type'])", 3)
    assert code == 0 and sorted(said) == [f"[{number}] cluster 3 worker" for number in range(3)]


@pytest.mark.slow
def test_a_killed_worker_restarts_all_of_them(tmp_path):
    code, said = run(tmp_path, "if start == 0 and me == 1: os.kill(os.getpid(), signal.SIGKILL)\n"
                               "if start == 0: time.sleep(60)")
    assert code == 0 and starts(tmp_path, 0) == starts(tmp_path, 1) == 2
    assert "worker 1 was killed by SIGKILL; restarting all 2 workers" in said


@pytest.mark.parametrize("code", [2, 3, 4, 6])
def test_errors_that_would_happen_again_are_not_restarted(tmp_path, code):
    found, said = run(tmp_path, f"sys.exit({code} if me == 1 else 0)")
    assert found == code and starts(tmp_path) == 1 and f"worker 1 ended with exit code {code}" in said[-1]


def test_without_a_new_checkpoint_it_gives_up(tmp_path):
    with pytest.raises(errors.MachineError, match="gave up after 2 restarts without a new checkpoint") as raised:
        run(tmp_path, "print(f'run: {here}')\nsys.exit(5)", restarts=2)
    assert starts(tmp_path) == 3 and "ended with exit code 5" in str(raised.value)
    assert raised.value.where == str(tmp_path)


def test_new_checkpoints_allow_more_restarts(tmp_path):
    body = ("print(f'run: {here}', flush=True)\ntime.sleep(0.2)\n"
            "(here / 'checkpoints' / f'step-{start:06d}').mkdir(parents=True, exist_ok=True)\n"
            "sys.exit(5 * (start < 4))")
    code, _ = run(tmp_path, body, restarts=1)
    assert code == 0 and starts(tmp_path) == 5


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_signals_reach_all_workers(tmp_path, number):
    script = worker(tmp_path, "def stop(number, _):\n    print('stopped', flush=True)\n    sys.exit(128 + number)\n"
                              f"signal.signal({int(number)}, stop)\nprint('ready', flush=True)\ntime.sleep(60)")
    process = subprocess.Popen([sys.executable, "-m", "fcn", "launch", "--workers", "2", "--", str(script)],
                               stdout=subprocess.PIPE, text=True)
    lines = [process.stdout.readline() for _ in range(2)]
    process.send_signal(number)
    rest = process.stdout.read()
    assert sorted(lines) == ["[0] ready\n", "[1] ready\n"] and rest.count("stopped") == 2
    assert process.wait() == 128 + number and starts(tmp_path) == 1


@pytest.mark.slow
def test_a_worker_that_was_stopped_leaves_the_chief_time_to_save(tmp_path, monkeypatch):
    monkeypatch.setattr(local_launcher, "ENDED_S", 0.1)
    code, said = run(tmp_path, "if me: sys.exit(143)\ntime.sleep(1)\nprint('saved')\nsys.exit(143)")
    assert code == 143 and "[0] saved" in said and starts(tmp_path) == 1


def test_workers_that_a_signal_kills_give_its_exit_code(tmp_path):
    words = local_launcher.as_process([str(worker(tmp_path, "time.sleep(60)"))])
    launcher = local_launcher.Launcher(words, 2, 3, print)
    launcher.received = [signal.SIGTERM]  # before the workers were started, which then get it
    assert launcher.until_done() == 143


def test_an_unknown_command_is_refused():
    with pytest.raises(errors.UsageError, match="no-such-command cannot be started: No such file"):
        launch.main(["--workers", "2", "--", "no-such-command"])


def test_launch_needs_a_command():
    for argv in (["--workers", "2"], ["--workers", "2", "--"]):
        with pytest.raises(errors.UsageError, match="no command is given"):
            launch.main(argv)
