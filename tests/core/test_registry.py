"""Names come from folders, those of the program and those of the user; each fault of a plugin is one clear message."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

from fcn.config import command_line, training_config
from fcn.core import errors, registry
from fcn.runs import record

EXAMPLES = pathlib.Path(__file__).parents[1] / "plugins"
SCHEDULE = '"""It stays."""\n\n\ndef factor(t, step, settings):\n    return 1.0\n'


@pytest.fixture(autouse=True)
def no_plugins(monkeypatch):
    monkeypatch.delenv(registry.ENVIRONMENT, raising=False)
    yield
    monkeypatch.undo()
    registry.use()


def plugin(root, place, text=SCHEDULE):
    """A file of a plugin folder; the folder."""
    path = root / place
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return root


def test_a_plugin_folder_adds_names_to_each_kind():
    registry.use([EXAMPLES])
    kinds = [path.name for path in EXAMPLES.iterdir()]
    assert set(kinds) == set(registry.KINDS) - {"recipes"}
    assert all("example" in registry.names(kind) and registry.is_plugin(kind, "example") for kind in kinds)
    assert not registry.is_plugin("schedules", "poly")
    registry.use()
    assert not any("example" in registry.names(kind) for kind in kinds)


@pytest.mark.parametrize("kind", [path.name for path in EXAMPLES.iterdir()])
def test_every_example_meets_the_contract_of_its_kind(kind):
    registry.use([EXAMPLES])
    assert registry.load(kind, "example").__file__ == str(EXAMPLES / kind / "example.py")


@pytest.mark.slow
def test_names_are_listed_without_tensorflow():
    code = ("import sys; from fcn.core import registry; registry.use(sys.argv[1:]); "
            "[registry.names(kind) for kind in registry.KINDS]; sys.exit('tensorflow' in sys.modules)")
    assert subprocess.run([sys.executable, "-c", code, str(EXAMPLES)], timeout=60).returncode == 0


def test_optional_name_has_its_default():
    registry.use([EXAMPLES])
    assert registry.load("augmentations", "example").MOVES_LABEL is False
    assert registry.load("augmentations", "hflip").MOVES_LABEL is True


def test_plugins_import_other_plugins_and_helpers(tmp_path):
    plugin(tmp_path, "schedules/_half.py", "HALF = 0.5\n")
    plugin(tmp_path, "augmentations/nothing.py",
           "def draw(rng):\n    return 0\n\n\ndef change(array, value):\n    return array\n")
    plugin(tmp_path, "schedules/mine.py",
           "from fcn.data.augmentations import nothing\nfrom fcn.training.schedules import cosine\n"
           "from fcn.training.schedules._half import HALF\n\n\ndef factor(t, step, settings):\n"
           "    return HALF * cosine.factor(t, step, settings) + nothing.draw(None)\n")
    registry.use([tmp_path])
    assert registry.names("schedules") == ["cosine", "fixed", "mine", "one_cycle", "poly", "step"]
    assert registry.load("schedules", "mine").factor(0, 0, None) == 0.5


def test_recipe_can_be_a_plugin(tmp_path):
    registry.use([plugin(tmp_path, "recipes/mine.toml", "batch = 3\n")])
    assert training_config.resolve({}, recipe="mine").batch == 3


def test_plugin_folders_in_the_environment_are_used(tmp_path, monkeypatch):
    one, two = plugin(tmp_path / "1", "schedules/one.py"), plugin(tmp_path / "2", "schedules/two.py")
    monkeypatch.setenv(registry.ENVIRONMENT, os.pathsep.join([str(one), str(two)]))
    registry.use([one])
    assert {"one", "two"} <= set(registry.names("schedules"))
    assert registry.folders() == (str(one), str(two))


def refusal(folder):
    with pytest.raises(errors.UsageError) as caught:
        registry.use([folder])
    return str(caught.value)


def test_missing_or_empty_folder_is_named(tmp_path):
    assert f"{tmp_path / 'gone'}: there is no such plugin folder" in refusal(tmp_path / "gone")
    (tmp_path / "net").mkdir()
    said = refusal(tmp_path)
    assert f"{tmp_path}: holds no plugins" in said and "nets" in said


def test_existing_name_is_refused_with_both_files(tmp_path):
    said = refusal(plugin(tmp_path, "schedules/poly.py"))
    assert str(tmp_path / "schedules/poly.py") in said and str(pathlib.Path("schedules", "poly.py")) in said
    assert "the schedule 'poly' exists already" in said


def test_two_plugin_folders_may_not_have_the_same_name(tmp_path):
    folders = [plugin(tmp_path / name, "schedules/mine.py") for name in "ab"]
    with pytest.raises(errors.UsageError, match="the schedule 'mine' exists already"):
        registry.use(folders)


def test_syntax_error_is_reported_with_its_line(tmp_path):
    said = refusal(plugin(tmp_path, "nets/mine.py", "ENCODER = 'vgg'\ndef build(:\n"))
    assert f"{tmp_path / 'nets/mine.py'}:2: cannot be read as Python" in said


def broken(tmp_path, text):
    """What is said of a schedule with this text."""
    registry.use([plugin(tmp_path, "schedules/mine.py", text)])
    with pytest.raises(errors.UsageError) as caught:
        registry.load("schedules", "mine")
    return str(caught.value)


def test_a_plugin_that_cannot_be_imported_is_named_with_its_line(tmp_path):
    said = broken(tmp_path, "import math\n\nhalf = math.hlaf\n")
    assert f"{tmp_path / 'schedules/mine.py'}:3: cannot be imported: AttributeError" in said


def test_missing_name_is_reported_with_all_required(tmp_path):
    said = broken(tmp_path, "def rate(step):\n    return 1.0\n")
    assert f"{tmp_path / 'schedules/mine.py'}: lacks factor(t, step, settings)" in said


def test_wrong_function_parameters_are_reported_with_the_line(tmp_path):
    said = broken(tmp_path, "\ndef factor(t):\n    return 1.0\n")
    assert f"{tmp_path / 'schedules/mine.py'}:2: factor cannot be called as factor(t, step, settings)" in said


def test_plugin_of_another_folder_replaces_one_of_equal_name(tmp_path):
    for name, value in (("a", 1.0), ("b", 2.0)):
        registry.use([plugin(tmp_path / name, "schedules/mine.py", SCHEDULE.replace("1.0", str(value)))])
        assert registry.load("schedules", "mine").factor(0, 0, None) == value


def flags(*arguments):
    parser = command_line.Parser(list(arguments), prog="test")
    command_line.add_flags(parser)
    return vars(parser.parse_args(arguments))


def test_flags_accept_plugins_wherever_the_flag_is(tmp_path, capsys):
    plugin(tmp_path, "schedules/mine.py")
    assert flags("--schedule", "mine", "--plugins", str(tmp_path)) == {"schedule": "mine", "plugins": (str(tmp_path),)}
    with pytest.raises(SystemExit):
        flags("--schedule", "mine")
    with pytest.raises(SystemExit):
        flags("--plugins")
    assert "--plugins: expected one argument" in capsys.readouterr().err


def test_settings_file_can_name_plugin_folders(tmp_path):
    plugin(tmp_path / "p", "schedules/mine.py")
    path = tmp_path / "settings.toml"
    path.write_text(f"schedule = 'mine'\nplugins = ['{tmp_path / 'p'}']\n")
    assert training_config.resolve({}, path).schedule == "mine"


def test_plugin_folders_of_a_run_are_reused_unless_overridden(tmp_path):
    one, two = plugin(tmp_path / "1", "schedules/one.py"), plugin(tmp_path / "2", "schedules/two.py")
    registry.add_recorded({"plugins": [str(one)]})
    assert "one" in registry.names("schedules")
    registry.use([two])
    registry.add_recorded({"plugins": [str(one)]})
    assert "one" not in registry.names("schedules") and "two" in registry.names("schedules")


def test_missing_recorded_folder_is_named_if_a_plugin_is_missing(tmp_path):
    registry.add_recorded({"plugins": [str(tmp_path / "gone")]})
    assert registry.load("schedules", "poly")
    with pytest.raises(errors.UsageError, match=re.escape(f"plugin folder {tmp_path / 'gone'}, which")):
        registry.load("schedules", "mine")


@pytest.mark.parametrize("recorded", [None, [], {"plugins": 3}, {"plugins": [3]}, {"plugins": ["relative"]}])
def test_damaged_record_or_relative_folder_loads_no_plugin(recorded, tmp_path, monkeypatch):
    plugin(tmp_path / "relative", "schedules/mine.py")
    monkeypatch.chdir(tmp_path)
    registry.add_recorded(recorded)
    assert registry.folders() == ()


def test_reading_a_run_loads_its_plugins(tmp_path):
    folder = plugin(tmp_path / "p", "schedules/mine.py")
    record.write_record(tmp_path, {"spec": {}, "config": {"plugins": [str(folder)]}, "model": {"channels": {}}})
    record.read_record(tmp_path)
    assert registry.folders() == (str(folder),)


@pytest.mark.parametrize("kind", [path.name for path in EXAMPLES.iterdir()])
def test_documentation_shows_the_tested_example(kind):
    text = (pathlib.Path(__file__).parents[2] / "docs/plugins.md").read_text()
    assert f"```python\n{(EXAMPLES / kind / 'example.py').read_text()}```" in text
