"""The instructions of CONTRIBUTING.md: each addition takes the edits that it lists, made here in a copy of the program.

New files of the plugin kinds are tested in test_plugin_folder.py and test_registry.py, hooks in training/test_loop.py,
calls that destroy files in test_destructive_calls.py.
"""

import configparser
import dataclasses
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

from fcn.config import training_config, variants

ROOT = pathlib.Path(__file__).parents[1]


@pytest.fixture(scope="module")
def copy(tmp_path_factory):
    """Folder with a copy of the package fcn that has a new setting, a new command and a new output per image."""
    folder = tmp_path_factory.mktemp("program")
    shutil.copytree(ROOT / "fcn", folder / "fcn", ignore=shutil.ignore_patterns("__pycache__"))
    edit(folder / "fcn/config/training_config.py", r"( +)gamma(: float = .*\n)", r"\g<0>\1new_factor\2")
    edit(folder / "fcn/cli/main.py", r'(GROUPS = {.*\n.*: {\n)', r'\1        "greet": "print a greeting",\n')
    (folder / "fcn/cli/greet.py").write_text("def main(argv):\n    print('hello', *argv)\n")
    writer = folder / "fcn/evaluation/prediction_writer.py"
    edit(writer, r"ZIP = KINDS = \(([^)]*), \"zip\"\)", r'GREY, ZIP = KINDS = (\1, "grey", "zip")')
    edit(writer, r"( +)if COLOUR in self\.kinds:\n", r"\1if GREY in self.kinds:\n"
         r'\1    images.write_png(self._path(GREY, name, ".png"), photo.mean(axis=2).astype("uint8"))\n\g<0>')
    return folder


def edit(path, pattern, replacement):
    text, count = re.subn(pattern, replacement, path.read_text(), count=1)
    assert count == 1, f"{path} has no {pattern}"
    path.write_text(text)


def run(copy, *words):
    """What a Python process prints that imports the copy."""
    done = subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, cwd=copy,
                          env=os.environ | {"PYTHONPATH": str(copy)})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_setting_is_one_field(copy, tmp_path):
    """The flag, the key in a TOML file and the record in config.json follow."""
    shown = run(copy, "-m", "fcn", "train", "--new-factor", "0.25", "--print-config")
    assert re.search(r"^new_factor = 0\.25\b", shown, re.MULTILINE)
    (tmp_path / "settings.toml").write_text(shown)
    assert "new_factor = 0.25" in run(copy, "-m", "fcn", "train", "--config", tmp_path / "settings.toml",
                                      "--print-config")
    assert run(copy, "-c", "from fcn.config import training_config as t; import dataclasses\n"
               "print(t.from_dict(dataclasses.asdict(t.resolve({'new_factor': 0.25}))).new_factor)") == "0.25\n"


@pytest.mark.slow
def test_command_is_one_module_and_one_line(copy):
    assert run(copy, "-m", "fcn", "greet", "you") == "hello you\n"
    assert re.search(r"greet +print a greeting", run(copy, "-m", "fcn", "--help"))


@pytest.mark.slow
def test_output_per_image_is_a_name_and_its_writing(copy, tmp_path):
    run(copy, "-c", f"""
import numpy as np
from fcn.data.spec import DatasetSpec
from fcn.evaluation import prediction_writer
ids = np.zeros((2, 3), np.uint8)
writer = prediction_writer.PredictionWriter({str(tmp_path)!r}, DatasetSpec(("a", "b")),
                                            prediction_writer.parse_outputs("grey"))
writer.write("one", np.full((2, 3, 3), 7, np.uint8), ids, ids)
""")
    assert [str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")] == ["grey/one.png"]


def test_every_variant_is_a_setting_and_in_the_ablation():
    settings = {field.name for field in dataclasses.fields(training_config.Config)}
    ablation = (ROOT / "benchmarks/ablation.py").read_text()
    assert set(variants.NAMES) <= settings
    for name in set(variants.NAMES) - {"alignment"}:  # the ablation of paddings would need other weights
        assert re.search(f"--(no-)?{name.replace('_', '-')}", ablation), name


def test_every_dependency_has_its_reason_in_the_architecture():
    packages = configparser.ConfigParser()
    packages.read(ROOT / "setup.cfg")
    names = re.findall(r"^([a-z0-9]+)", packages["options"]["install_requires"], re.MULTILINE)
    reasons = (ROOT / "ARCHITECTURE.md").read_text().partition("## Dependencies")[2]
    assert "numpy" in names
    assert [name for name in names if not re.search(rf"^\|.*\b{name}\b.*\|.*\w", reasons, re.MULTILINE)] == []
