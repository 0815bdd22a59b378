"""Grey values that are taken for ids are said before a training, with a file of classes that mends it as it stands."""

import json

import numpy as np
import pytest
from conftest import save
from PIL import Image
from scripts_help import SMALL, call, command

from fcn.cli import inspect
from fcn.config import training_config
from fcn.core import errors
from fcn.data import dataset, file_checks, label_files
from fcn.data.layouts import paired
from fcn.data.spec import DatasetSpec, Pair

SPEC = DatasetSpec(ignored_ids=(255,))


def labels(root, *arrays, **options):
    """Pairs of a label each, without photos."""
    return [Pair(str(i), None, save(root / f"{i}.png", array, **options)) for i, array in enumerate(arrays)]


def grey(*values):
    return np.array([values], np.uint8).repeat(8, 0).repeat(8, 1)


def warning(found, spec=SPEC, ignore_label=None):
    seen = [label_files.read_label(pair.label, spec).ravel() for pair in found]
    return file_checks.sparse_ids_warning(spec, np.bincount(np.concatenate(seen), minlength=256), ignore_label)


def mapped(root, lines, found, encoding=None):
    """The labels as the advised file of classes has them, and its spec."""
    (root / "classes.json").write_text(lines[-1])
    spec = paired.spec(root).with_overrides(encoding, None)
    return [sorted(set(label_files.read_label(pair.label, spec).ravel().tolist())) for pair in found], spec


def test_sparse_ids_and_their_cost_are_reported_with_a_remap(tmp_path):
    found = labels(tmp_path, grey(0, 38), grey(0, 75))
    lines = warning(found)
    assert lines[0] == "warned: 3 of 76 ids occur: 0, 38, 75; the net gets 76 channels, 73 of them for classes that " \
                       "never occur"
    assert lines[1].endswith("another --run)") and "--classes classes.json (" in lines[1]
    assert json.loads(lines[2]) == {"names": ["class 0", "class 38", "class 75"], "remap": {"0": 0, "38": 1, "75": 2}}
    ids, spec = mapped(tmp_path, lines, found)
    assert ids == [[0, 1], [0, 2]] and spec.class_names == ("class 0", "class 38", "class 75")
    assert not warning(found, spec)  # and then it is not said again


def test_ignored_values_stay_ignored(tmp_path):
    found = labels(tmp_path, grey(0, 38, 75, 255))
    ids, spec = mapped(tmp_path, warning(found), found)
    assert ids == [[0, 1, 2, 255]] and spec.ignored_ids == (255,) and spec.num_classes == 3


def test_a_flag_that_overrides_the_file_is_to_be_left_out(tmp_path):
    found = labels(tmp_path, grey(0, 38, 75))
    spec = DatasetSpec(ignored_ids=(0,))
    lines = warning(found, spec, (0,))
    assert "--classes classes.json, without --ignore-label (" in lines[1]
    assert mapped(tmp_path, lines, found)[0] == [[0, 1, 255]]


@pytest.mark.parametrize("kind", ["palette", "16 bits", "rgb", "blue", "wide"])
def test_remap_holds_the_ids_of_the_files(tmp_path, kind):
    values = grey(0, 38, 75)
    palette = Image.fromarray(values)
    palette.putpalette([value for i in range(256) for value in (i, 255 - i, 7)])
    image = {"palette": palette, "16 bits": values.astype(np.uint16), "rgb": np.dstack([values] * 3),
             "blue": np.dstack([values // 2, values * 0, values]), "wide": values.astype(np.uint16) * 200}[kind]
    found, encoding = labels(tmp_path, image), "blue" if kind == "blue" else "ids"
    lines = warning(found, DatasetSpec((), (255,), encoding=encoding))
    assert mapped(tmp_path, lines, found, encoding)[0] == [[0, 1, 2]]


@pytest.mark.parametrize("values", [
    (0, 1, 2, 5), (0, 1, 2, 3, 5, 9, 14), tuple(range(0, 60, 2)), (0, 255), (7, 8), (0, 1), (*range(10), 20)])
def test_few_absent_classes_are_not_warned_of(tmp_path, values):
    assert not warning(labels(tmp_path, grey(*values)))


def test_named_classes_may_be_rare(tmp_path):
    spec = DatasetSpec(tuple(f"c{i}" for i in range(151)), (0,))
    assert not warning(labels(tmp_path, grey(0, 38, 75)), spec)


@pytest.fixture
def grey_data(tmp_path):
    """Folder of two photos whose labels hold the greys 0, 38 and 75."""
    for name in "12":
        save(tmp_path / f"data/images/{name}.png", np.full((32, 96, 3), 90, np.uint8))
        save(tmp_path / f"data/targets/{name}.png", np.repeat(np.repeat([[0, 38, 75]], 32, 1), 32, 0).astype(np.uint8))
    return tmp_path / "data"


def test_inspection_and_a_run_print_the_same(grey_data, tmp_path, capsys):
    errors.run_command(inspect.main, [str(grey_data)])
    said = capsys.readouterr().out.splitlines()
    settings = training_config.Config(layout="paired", data=str(grey_data), size=(32, 96),
                                      cache_dir=str(tmp_path / "c"))
    dataset.prepare_caches(settings, dataset.find_data(settings))
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert lines[0].startswith("warned: 3 of 76") and all(line in said for line in lines)


@pytest.mark.slow
def test_advised_file_trains_a_net_of_three_classes(grey_data, toy, tmp_path, capsys):
    errors.run_command(inspect.main, [str(grey_data)])
    line = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("{"))
    (tmp_path / "classes.json").write_text(line)
    output = call(command("train_fcn.py", "--data", grey_data, "--weights", toy / "vgg.mat", "--cache-dir",
                          tmp_path / "c", "--run", tmp_path / "run", *SMALL, "--batch", "1", "--steps", "1",
                          "--classes", tmp_path / "classes.json")).stdout
    assert "warned" not in output and "ln 3 = 1.099" in output and "done:" in output
    content = json.loads((tmp_path / "run/config.json").read_text())
    assert content["model"]["num_classes"] == 3
    assert content["spec"]["class_names"] == ["class 0", "class 38", "class 75"]
