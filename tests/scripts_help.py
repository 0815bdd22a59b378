"""The scripts as a user starts them, on the data and weights of conftest's `toy`."""

import contextlib
import io
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


def evaluate(*words, code=0):
    """What eval_fcn.py prints, run inside this process: TensorFlow takes seconds to import."""
    from fcn.cli import evaluate
    from fcn.core import errors

    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            ended = errors.run_command(evaluate.main, [str(word) for word in words])
        except SystemExit as exit_:  # argparse's
            ended = exit_.code
    assert ended == code, said.getvalue()
    return said.getvalue()
