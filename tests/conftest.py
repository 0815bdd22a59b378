"""Fixtures of several test files: a small dataset, a trained run, real files if this machine has them."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys

import hypothesis
import numpy as np
import pytest
import scripts_help
from PIL import Image
from scripts_help import run_process, train_words

from fcn.core import terminal
from fcn.weights import demo

# Background processes of a shell ignore Ctrl-C; tests that send it would wait forever.
signal.signal(signal.SIGINT, signal.default_int_handler)
hypothesis.settings.register_profile("fcn", deadline=None)  # no test depends on the load of the machine
hypothesis.settings.load_profile("fcn")
SHARED = pathlib.Path(__file__).parents[2] / "shared"


def pytest_runtest_setup(item):
    """Only tests marked slow run commands with TensorFlow, so that `make quick` is quick."""
    scripts_help.commands_allowed = item.get_closest_marker("slow") is not None


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem):
    """Run a test marked forks in a process of its own. Returns True if it has run there, None if it is to run here."""
    if pyfuncitem.get_closest_marker("forks") is None or os.environ.get("FCN_TEST_MAY_FORK"):
        return None
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"{pyfuncitem.path}::{pyfuncitem.name}"]
    done = subprocess.run(words, cwd=pyfuncitem.config.rootpath, env=os.environ | {"FCN_TEST_MAY_FORK": "1"},
                          capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return True


def save(path, array, **options):
    """Write an array (or a Pillow image) as the picture `path`, with the folders that it needs. Returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = array if isinstance(array, Image.Image) else Image.fromarray(np.asarray(array))
    image.save(path, **options)
    return path


@pytest.fixture(autouse=True)
def in_a_command(request):
    """Tests run as a command does, with log lines on stdout; those of the Python API as a program that imports fcn."""
    with contextlib.nullcontext() if request.path.parent.name == "api" else terminal.as_command():
        yield


@pytest.fixture(scope="session")
def tiny_ade(tmp_path_factory):
    """Folder of an ADE20K-shaped data set: 6 training and 2 validation scenes of 11 classes. Do not change it."""
    root = tmp_path_factory.mktemp("tiny_ade")
    demo.write_scenes(root, 6, 2)
    return root


@pytest.fixture(scope="session")
def toy(tmp_path_factory):
    """Folder with scenes/ (6 training, 2 validation) and vgg.mat, a VGG-19 of four channels."""
    folder = tmp_path_factory.mktemp("toy")
    demo.write_scenes(folder / "scenes", 6, 2, 0)
    demo.write_mat(folder / "vgg.mat", demo.narrow_vgg(0, dict.fromkeys(range(1, 6), 4), 4))
    return folder


@pytest.fixture(scope="session")
def trained(toy, tmp_path_factory):
    """A finished run of 8 steps, and what the script printed."""
    work = tmp_path_factory.mktemp("trained")
    return work, run_process(train_words(toy, work, "--steps", "8")).stdout


@pytest.fixture
def shared_file():
    """shared_file("data/...") is the path of a real file kept beside the project; without it the test is skipped."""
    def find(name):
        path = SHARED / name
        if not path.exists():
            pytest.skip(f"{path} is not on this machine")
        return path
    return find
