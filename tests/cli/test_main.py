"""The command fcn: its usage, its version, and which checkpoint its commands use."""

import json
import subprocess
import sys

import pytest
from runs_help import a_run

from fcn.cli import evaluate, evaluate_flags, export, main
from fcn.core import errors
from fcn.export import writer
from fcn.runs import record


def test_usage_lists_every_command_in_a_group(capsys):
    assert main.main(["--help"]) == 0
    lines = [line.split()[0] for line in capsys.readouterr().out.splitlines() if line.startswith("  ")]
    assert lines == list(main.COMMANDS) and {"train", "evaluate", "predict", "inspect"} < set(lines)
    assert main.main([]) == 2


def test_unknown_command_names_the_nearest():
    with pytest.raises(errors.UsageError, match=r"unknown command 'eval'(.|\n)*Fix: did you mean fcn evaluate\?"):
        main.main(["eval"])
    with pytest.raises(errors.UsageError, match="Fix: fcn --help"):
        main.main(["zzz"])


def test_help_of_a_command_is_that_of_its_flag(capsys):
    shown = []
    for words in (["inspect", "--help"], ["help", "inspect"]):
        with pytest.raises(SystemExit):
            main.main(words)
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1] and shown[0].startswith("usage: fcn inspect")
    with pytest.raises(errors.UsageError, match="did you mean fcn train"):
        main.main(["help", "trian"])


def test_version_lists_packages_without_loading_tensorflow():
    code = "import sys; from fcn.cli import main; main.main(['--version']); assert 'tensorflow' not in sys.modules"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert said.startswith("fcn ") and ", TensorFlow " in said
    assert said.endswith(f", Python {'.'.join(map(str, sys.version_info[:3]))}\n")


@pytest.mark.slow
def test_help_of_every_command_loads_no_large_package():
    code = """if True:
        import contextlib, sys
        from fcn.cli import main
        for command in main.COMMANDS:
            with contextlib.suppress(SystemExit):
                main.main([command, "--help"])
            large = {"tensorflow", "scipy", "matplotlib", "keras", *(["h5py"] if command != "csail" else [])}
            assert not large & set(sys.modules), (command, large & set(sys.modules))
            sys.modules.pop("h5py", None)  # fcn csail is for HDF5 files
    """
    subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)


@pytest.fixture
def run(tmp_path):
    """A run with scores at three steps; the best is step 2, the newest step 3."""
    return a_run(tmp_path / "run", {1: 0.1, 2: 0.5, 3: 0.3})


BEST = "step-000002 (step 2, validation mean IoU 0.5000, the best; the newest is step 3)"


def test_evaluate_and_predict_use_and_name_the_best_checkpoint(run, capsys):
    for arguments in (evaluate_flags.parse(["--run", str(run)], ""),
                      evaluate_flags.parse_prediction(["photo.png", "--run", str(run)], "")):
        assert evaluate.choose(arguments).step == 2
        assert BEST in capsys.readouterr().out


def test_export_uses_and_names_the_best_checkpoint(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(writer, "export", lambda chosen, *_: [f"written: step {chosen.state['step']}"])
    export.main(["--run", str(run), "--to", str(tmp_path / "net.npz")])
    said = capsys.readouterr().out
    assert BEST in said and "written: step 2" in said


@pytest.mark.parametrize("change, said", [
    (lambda content: content["model"].pop("num_classes"), '"num_classes" in "model" is missing, expected a number'),
    (lambda content: content["model"].update(mean_rgb=[1, 2]), '"mean_rgb" in "model" is [1, 2], expected 3 numbers'),
    (lambda content: content.update(spec=[]), '"class_names" in "spec" is missing, expected a list of texts')])
def test_incomplete_config_json_is_a_damaged_run(run, capsys, change, said):
    content = json.loads((run / "config.json").read_text())
    change(content)
    (run / "config.json").write_text(json.dumps(content))
    for words in (["export", "--to", str(run.parent / "net.npz")], ["evaluate"]):
        assert errors.run_command(main.main, [*words, "--run", str(run)]) == 2
        text = capsys.readouterr().err
        assert said in text and "config.json: is damaged" in text and text.count("Fix: ") == 1
    with pytest.raises(errors.UsageError, match="is damaged"):
        record.record_to_resume(run, "auto")


@pytest.mark.slow
def test_weights_of_a_run_are_its_best_checkpoint(run, monkeypatch):
    from fcn.weights import checkpoint_reader, initialize
    read = []
    monkeypatch.setattr(checkpoint_reader, "read_variables", lambda path: read.append(path.name) or {})
    weights = initialize.from_run(run)
    assert read == ["step-000002"] and BEST in weights.notes[0]
