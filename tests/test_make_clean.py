"""`make clean` deletes what `make` has made, and nothing else."""

import pathlib
import shutil
import subprocess

import pytest

MAKEFILE = pathlib.Path(__file__).parents[1] / "Makefile"


@pytest.mark.skipif(not shutil.which("make"), reason="there is no make")
def test_clean_deletes_only_an_environment_made_by_make(tmp_path):
    shutil.copy(MAKEFILE, tmp_path)
    for name in ("mine/x", "ours/.ready", "build/x", "build/lib/x", "fcn.egg-info/x", "mine.egg-info/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for name in ("mine", "ours"):
        subprocess.run(["make", "clean", f"VENV={name}"], cwd=tmp_path, check=True, capture_output=True)
    left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert left == ["Makefile", "build/x", "mine.egg-info/x", "mine/x"]
