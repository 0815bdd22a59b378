"""Fault injection for distributed runs: workers are killed or suspended while fcn launch trains. `make faults`.

    python benchmarks/distributed_faults.py [--quick] [--cases N] [--workers 2] [--seed 0]

Every case is one call of `fcn launch`, which restarts the workers by itself. Its checkpoints (variables, optimizer
slots, state.json) and log.jsonl must equal those of a launch without faults, byte for byte. small_run.py has the data.
A case takes half a minute on two cores.
"""

import argparse
import functools
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import psutil
from small_run import STEPS, contents, damaged
from table import Table

from fcn.weights import demo

ROOT = pathlib.Path(__file__).parents[1]
FLAGS = (f"--layout ade20k --size 48x64 --crop-size 32x32 --batch 2 --batches-per-step 6 --steps {STEPS} "
         "--save-every 3 --eval-every 5 --eval-batches 2 --log-every 1 --learning-rate 1e-3 --freeze conv4").split()
SUSPENDED_S = 15  # --timeout of the launches in which a worker is suspended


class Launches:
    """Launches of one small run. expected: {file: digest} of the run without faults, usual_s: its seconds."""

    def __init__(self, folder, workers):
        self.folder, self.workers = pathlib.Path(folder), workers
        demo.write_scenes(self.folder / "scenes", 16, 6)
        with (self.folder / "vgg.mat").open("wb") as file:
            demo.write_mat(file, demo.narrow_vgg())
        before = time.monotonic()
        process = self.start("undisturbed")
        if process.wait():
            raise RuntimeError(self.said("undisturbed"))
        self.usual_s, self.expected = time.monotonic() - before, contents(self.folder / "undisturbed")

    def start(self, name, timeout=60):
        """Start a launch of the run `name`; its output goes to NAME.said."""
        words = [sys.executable, "-m", "fcn", "launch", "--workers", self.workers, "--timeout", timeout, "--", "fcn",
                 "train", "--run", name, "--data", "scenes", "--weights", "vgg.mat", "--cache-dir", "cache", *FLAGS]
        with (self.folder / f"{name}.said").open("w") as out:
            return subprocess.Popen(list(map(str, words)), cwd=self.folder, stdout=out, stderr=subprocess.STDOUT,
                                    env=os.environ | {"PYTHONPATH": str(ROOT)})

    def said(self, name):
        """The output of a launch."""
        return (self.folder / f"{name}.said").read_text(errors="replace")

    def wrong(self, name, process):
        """Wait for a launch, delete its run, and return what is wrong with its result."""
        try:
            code = process.wait(timeout=20 * self.usual_s + 300)
        except subprocess.TimeoutExpired:
            _end(process)
            code = "none: it hangs"
        found, run = contents(self.folder / name), self.folder / name
        different = sorted(file for file in found.keys() | self.expected.keys()
                           if found.get(file) != self.expected.get(file))
        wrong = ([] if code == 0 else [f"exit code {code}: {self.said(name)[-500:]}"]) + damaged(run)
        shutil.rmtree(run)
        return wrong + [f"{file} differs" for file in different]


def _end(process):
    for child in [*psutil.Process(process.pid).children(recursive=True), psutil.Process(process.pid)]:
        child.kill()


def worker_of(process, number):
    """The psutil.Process of worker `number` of a launch, when there is one; None if the launch has ended."""
    while process.poll() is None:
        children = psutil.Process(process.pid).children()
        for child in children:
            try:
                if f'"index": {number}' in child.environ().get("TF_CONFIG", ""):
                    return child
            except psutil.Error:
                continue
        time.sleep(0.01)
    return None


def killed(launches, role, seed):
    """SIGKILL worker `role` at a random moment, one time in three while a checkpoint is written."""
    rng, name, how = random.Random(f"{role}-{seed}"), f"kill-{role}-{seed}", "at any time"
    process = launches.start(name)
    child = worker_of(process, role)
    time.sleep(rng.uniform(0, 0.75 * launches.usual_s))
    if seed % 3 == 0:
        until = time.monotonic() + launches.usual_s
        while process.poll() is None and time.monotonic() < until:
            if list((launches.folder / name).glob("checkpoints/.step-*")):
                how = "during a save"
                break
    try:
        child.kill()
    except psutil.NoSuchProcess:
        how = "after its end"
    wrong = launches.wrong(name, process)
    restarts = launches.said(name).count("restarting all")
    if how != "after its end" and restarts != 1 and "done:" not in launches.said(name).split("was killed")[0]:
        wrong.append(f"{restarts} restarts")
    return wrong, [how]


def suspended(launches, role, seed):
    """SIGSTOP worker `role` after a random step. The others must end within the timeout, and all be restarted."""
    rng, name = random.Random(f"stop-{role}-{seed}"), f"stop-{role}-{seed}"
    process, step = launches.start(name, SUSPENDED_S), rng.randrange(1, STEPS - 2)
    child = worker_of(process, role)
    while f"step {step}/" not in launches.said(name) and process.poll() is None:
        time.sleep(0.01)
    child.send_signal(signal.SIGSTOP)
    before = time.monotonic()
    while "restarting all" not in launches.said(name) and process.poll() is None:
        time.sleep(0.05)
    waited = time.monotonic() - before
    wrong = launches.wrong(name, process)
    said = launches.said(name)
    if f"lost worker {role}" not in said or waited > 3 * SUSPENDED_S:
        wrong.append(f"not named, or only after {waited:.0f} s: {said[-2000:]}")
    return wrong, [f"restarted after {waited:.0f} s"]


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the cases")
    parser.add_argument("--cases", type=int, help="at most so many of each row")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    table, share = Table(), 0.1 if arguments.quick else 1
    with tempfile.TemporaryDirectory() as folder:
        launches = Launches(folder, arguments.workers)
        print(f"a launch of {arguments.workers} workers without faults takes {launches.usual_s:.1f} s", flush=True)
        for role in range(arguments.workers):
            who = "the chief" if role == 0 else f"worker {role}"
            for text, function, usual in ((f"SIGKILL of {who}", killed, 20), (f"SIGSTOP of {who}", suspended, 5)):
                count = min(max(2, round(usual * share)), arguments.cases or usual)
                table.results(text, [functools.partial(function, launches, role)(seed)
                                     for seed in range(arguments.seed, arguments.seed + count)])
    return table.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
