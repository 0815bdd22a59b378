"""The scripts as a user starts them, on the data and weights of conftest's `toy`."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]
SMALL = ["--size", "40x56", "--crop-size", "33x47", "--batch", "2", "--batches-per-step", "2", "--learning-rate",
         "1e-3", "--seed", "3", "--log-every", "1", "--eval-every", "4", "--eval-batches", "2", "--save-every", "2"]


def command(script, *words):
    return [sys.executable, str(ROOT / script), *map(str, words)]


def train_words(toy, work, *words):
    return command("train_fcn.py", "--data", toy / "scenes", "--weights", toy / "vgg.mat", "--cache-dir",
                   work / "cache", "--run", work / "run", *SMALL, *words)


def call(words, code=0):
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done
