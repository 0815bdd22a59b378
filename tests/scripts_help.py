"""Run commands of the program as a user does, in a process or inside this one, on the data of conftest's `toy`."""

import contextlib
import io
import pathlib
import subprocess
import sys
from unittest import mock

commands_allowed = True  # False in tests that are not marked slow (conftest.py)
ROOT = pathlib.Path(__file__).parents[1]
SMALL = ["--size", "40x56", "--crop-size", "33x47", "--batch", "2", "--batches-per-step", "2", "--learning-rate",
         "1e-3", "--seed", "3", "--log-every", "1", "--eval-every", "4", "--eval-batches", "2", "--save-every", "2"]


def command(script, *words):
    return [sys.executable, str(ROOT / script), *map(str, words)]


def train_words(toy, work, *words):
    return command("train_fcn.py", "--data", toy / "scenes", "--weights", toy / "vgg.mat", "--cache-dir",
                   work / "cache", "--run", work / "run", *SMALL, *words)


def check_mark():
    assert commands_allowed, "mark this test @pytest.mark.slow: it runs a command with TensorFlow"


def run_process(words, code=0):
    """Run a command in a process of its own and expect this exit code."""
    check_mark()
    done = subprocess.run(words, capture_output=True, text=True, timeout=300)
    assert done.returncode == code, done.stdout + done.stderr
    return done


@contextlib.contextmanager
def tiny_runs():
    """Leave out what takes longer than a few steps of a tiny net: curves.png and TensorFlow's graph optimizations.

    test_curves.py draws curves; commands in processes of their own and the tests of nets have the optimizations.
    """
    from fcn.models.tf_compat import tf
    from fcn.runs import curves

    new_config = tf.ConfigProto

    def without_optimizations(**options):
        config = new_config(**options)
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        return config
    with mock.patch.object(curves, "draw"), mock.patch.object(tf, "ConfigProto", without_optimizations):
        yield


def call(words, code=0):
    """Like run_process(), but inside this process, because TensorFlow takes seconds to import; see tiny_runs()."""
    check_mark()
    from tensorflow.python.framework import config

    from fcn.cli import main
    from fcn.core import errors

    name, *argv = (["train", *words[2:]] if words[1].endswith("train_fcn.py") else
                   ["evaluate", *words[2:]] if words[1].endswith("eval_fcn.py") else words[3:])  # -m fcn NAME ...
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), tiny_runs():
        try:
            ended = errors.run_command(main.main, [name, *argv])
        except SystemExit as exit_:  # argparse's
            ended = exit_.code
        finally:
            config.disable_op_determinism()  # a run enables it for the whole process
    assert ended == code, out.getvalue() + err.getvalue()
    return subprocess.CompletedProcess(words, ended, out.getvalue(), err.getvalue())


def evaluate(*words, code=0):
    """What eval_fcn.py prints, run by call()."""
    done = call(command("eval_fcn.py", *words), code)
    return done.stdout + done.stderr
