"""Advice in messages: a flag that is named is one of the command that prints it, and what is advised ends the error."""

import ast
import json
import pathlib
import re
import shlex
import subprocess
import sys

import h5py
import numpy as np
import pytest
from conftest import save
from runs_help import a_run

from fcn.cli import (
    compare,
    convert,
    convert_labels,
    csail,
    evaluate,
    evaluate_flags,
    export,
    inspect,
    launch,
    report,
    score,
    train,
)
from fcn.cli import csv_list as csv_list_command
from fcn.config import command_line, training_config
from fcn.core import errors, registry
from fcn.data import dataset
from fcn.data.cache import cache
from fcn.data.csail import writer
from fcn.data.layouts import _split, csv_list
from fcn.data.spec import DatasetSpec
from fcn.evaluation import inference_config, memory_guard, result_folder
from fcn.reporting import gallery
from fcn.runs import checkpoint_choice, checkpoint_files, record

ROOT = pathlib.Path(__file__).parents[1]
FILES = sorted([*ROOT.glob("*.py"), *ROOT.glob("fcn/**/*.py")])
COMMANDS = {"train": lambda: train.parse([]), "evaluate": lambda: evaluate_flags.parse([], ""),
            "predict": lambda: evaluate_flags.parse_prediction([], ""), "inspect": lambda: inspect.parse([]),
            "export": lambda: export.main([]), "convert": lambda: convert.parse([]), "csail": lambda: csail.parse([]),
            "convert-labels": lambda: convert_labels.parse([]),
            "score": lambda: score.main([]),
    "compare": lambda: compare.parse([]), "report": lambda: report.parse([]), "launch": lambda: launch.parse([])}
FOREIGN = {"--porcelain", "--untracked-files", "--error-unmatch", "--short", "--gpus", "--logdir",  # git, docker, ...
           "--distribution", "--version"}  # srun, fcn itself
FLAG = r"(?<![\w-])--[a-z][a-z-]*[a-z]"
COMMAND_LINE = re.compile(rf"fcn ({'|'.join(COMMANDS)}) .*--[a-z].*")
READERS = "layouts/ label_formats/ label_files images file_checks"  # every command with a data set prints their advice
# inspect lists all problems; neither has a run. --channels is advised with the commands that have it.
NOT_TO = {"inspect": {"--skip-bad", "--run"}, "csail": {"--run", "--channels"}, "evaluate": {"--channels"}}
WITH_FIXES = ("api", "cli", "config", "core", "data", "evaluation", "metrics", "reporting", "runs", "weights")


class Caught(Exception):
    """Ends a command when its parser is complete."""


def flags_of(command, monkeypatch):
    """All flags of a command and of its sub-commands."""
    def catch(parser, *_):
        raise Caught(parser)
    monkeypatch.setattr(command_line.Parser, "parse_args", catch)
    with pytest.raises(Caught) as caught:
        COMMANDS[command]()
    monkeypatch.undo()
    actions = list(caught.value.args[0]._actions)
    subs = [sub for action in actions for sub in (action.choices.values() if isinstance(action.choices, dict) else ())]
    actions += [action for sub in subs for action in sub._actions]
    return {flag for action in actions for flag in action.option_strings}


def flags_in(path):
    """{flag: line} of the texts in a file that are neither docstrings nor help, nor define a flag."""
    tree = ast.parse(path.read_text())
    parts = [part for node in ast.walk(tree) for part in passed_over(node)]
    skipped = {id(inner) for part in parts for inner in ast.walk(part)}
    texts = [node for node in ast.walk(tree)
             if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in skipped]
    return {flag: node.lineno for node in texts for flag in re.findall(FLAG, COMMAND_LINE.sub("", node.value))}


def advised_commands(path):
    """[(command, flags)] of the texts in a file that show the command line of another command."""
    texts = [part for node in ast.walk(ast.parse(path.read_text()))
             if isinstance(node, ast.Constant) and isinstance(node.value, str)
             for part in node.value.split(" -- ")]  # fcn launch --workers 2 -- COMMAND
    return [(found[1], re.findall(FLAG, found[0])) for text in texts for found in COMMAND_LINE.finditer(text)]


def passed_over(node):
    """The parts of a syntax node that no message shows as advice."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return [node]
    if isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in (
            "add_argument", "add_option", "add_parser", "Parser", "rare", "option"):
        return [node]
    return []


def imports(path):
    """Files of this project that a file imports, those of a folder if that is imported."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "fcn":
            folder = ROOT / node.module.replace(".", "/")
            found |= {folder.with_suffix(".py"), *(folder / f"{alias.name}.py" for alias in node.names)}
    return {path for path in found if path.exists()}


def reached(command):
    """Files that a command imports, itself among them."""
    waiting, found = [ROOT / f"fcn/cli/{command.replace('-', '_')}.py"], set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting += imports(path)
    return found


@pytest.mark.slow
def test_flags_in_messages_belong_to_a_command_that_prints_them(monkeypatch):
    flags = {command: flags_of(command, monkeypatch) for command in COMMANDS}
    files = {command: reached(command) for command in COMMANDS}
    wrong = []
    for path in FILES:
        printers = [command for command in COMMANDS if path in files[command] and path.parent.name != "layouts"]
        printers = printers or list(COMMANDS)  # of a file that is loaded by its name, as layouts are
        known = FOREIGN.union(*(flags[command] for command in printers))
        known |= {flag.replace("--", "--no-", 1) for flag in known}
        wrong += [f"{path.relative_to(ROOT)}:{line}: {flag}" for flag, line in flags_in(path).items()
                  if flag not in known]
        wrong += [f"{path.relative_to(ROOT)}: {command} {flag}" for command, given in advised_commands(path)
                  for flag in given if flag not in flags[command] | {"--help"}]
    assert not wrong


@pytest.mark.parametrize("command", ["train", "evaluate", "csail", "inspect"])
def test_advice_on_dataset_files_fits_every_command(monkeypatch, command):
    known = flags_of(command, monkeypatch) | NOT_TO.get(command, set())
    readers = [path for path in FILES if re.search(rf"fcn/data/({'|'.join(READERS.split())})", path.as_posix())
               and path.name not in ("_csv_rows.py", "csv_list.py")]  # of the command csv_list too
    assert len(readers) > 30
    wrong = {(path.name, flag) for path in readers for flag in flags_in(path) if flag not in known}
    assert not wrong


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_the_advised_debug_flag(monkeypatch, command):
    assert "--debug" in flags_of(command, monkeypatch)


@pytest.mark.slow
def test_every_error_of_input_and_results_has_a_fix():
    kinds = {kind.__name__ for kind in errors.FcnError.__subclasses__()} - {"Stopped"}
    without = []
    for path in FILES:
        if path.relative_to(ROOT).parts[:1] == ("fcn",) and path.relative_to(ROOT).parts[1] in WITH_FIXES:
            calls = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)]
            without += [f"{path.name}:{call.lineno}" for call in calls if getattr(call.func, "attr", "") in kinds
                        and "fix" not in [keyword.arg for keyword in call.keywords]]
    assert not without


def said(capsys, main, *words, code=0):
    """What a command printed, run in this process."""
    assert errors.run_command(main, [str(word) for word in words]) == code, capsys.readouterr()
    return "".join(capsys.readouterr())


def run(command_line):
    subprocess.run(command_line.replace("python ", f"{shlex.quote(sys.executable)} ", 1), shell=True, check=True)


def fix_of(call, *words, kind=errors.FcnError, **options):
    with pytest.raises(kind) as problem:
        call(*words, **options)
    return problem.value.fix


def paired(folder, labels, split=True):
    """A data set with these labels, as `paired` has it, half of them for validation."""
    for i, label in enumerate(labels):
        part = folder / ("train" if i % 2 else "val") if split else folder
        save(part / f"images/{i}.png", np.full((*label.shape[:2], 3), 99, np.uint8))
        save(part / f"{'targets' if split else 'masks'}/{i}.png", label)
    return folder


IDS = np.array([[0, 1, 2, 1]], np.uint8).repeat(4, 0)


def test_csail_export_takes_the_advised_label_format(tmp_path, capsys):
    data = paired(tmp_path / "a b", [np.dstack([0 * IDS, 0 * IDS, IDS])] * 4)
    words = ["export", "--layout", "paired", "--data", data, "--size", "32", "--ignore-label", "0", "--cache-dir",
             tmp_path / "c", "--out", tmp_path / "data.h5"]
    text = said(capsys, csail.main, *words, code=3)
    advised = re.search(r"or give (--label-encoding blue),", text)[1]
    assert "data.h5 and" in said(capsys, csail.main, *words, *advised.split())


def test_csail_export_takes_a_larger_pixel_limit(tmp_path, capsys):
    data = paired(tmp_path / "d", [IDS] * 4)
    words = ["export", "--layout", "paired", "--data", data, "--size", "32", "--ignore-label", "0", "--cache-dir",
             tmp_path / "c", "--out", tmp_path / "data.h5", "--max-pixels"]
    assert "raise --max-pixels" in said(capsys, csail.main, *words, "15", code=3)
    said(capsys, csail.main, *words, "16")


def test_full_disk_advises_another_output_for_an_export(tmp_path, monkeypatch):
    monkeypatch.setattr(writer.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1}))
    made = type("Cache", (), {"shapes": np.array([[4, 4]]), "__len__": lambda _: 1})()
    advice = fix_of(writer.export, {"training": made}, DatasetSpec(("other", "a"), (0,)), tmp_path / "x.h5")
    assert advice == "free space, or give another --out."


def test_inspect_takes_the_data_flag_that_layouts_advise(tmp_path, capsys):
    paired(tmp_path / "outer/my data", [IDS] * 4)
    text = said(capsys, inspect.main, tmp_path / "outer", code=3)
    advised = shlex.split(re.search(r"did you mean (--data .+) \(", text)[1])
    assert advised == ["--data", str(tmp_path / "outer/my data")]
    assert "problems: none" in said(capsys, inspect.main, *advised)
    for words in ([], [tmp_path, "--data", tmp_path]):
        with pytest.raises(SystemExit):
            inspect.parse(list(map(str, words)))


def test_advised_threshold_and_ids_are_accepted(tmp_path, capsys):
    mask = np.array([[0, 100]], np.uint8).repeat(4, 0)
    masks = ["--layout", "binary_masks", paired(tmp_path / "masks", [mask] * 4)]
    least = int(re.search(r"give --mask-threshold below (\d+)", said(capsys, inspect.main, *masks, code=3))[1])
    assert "problems: none" in said(capsys, inspect.main, *masks, "--mask-threshold", least - 1)
    many = np.arange(0, 200, 10, dtype=np.uint8)[None].repeat(4, 0)
    (tmp_path / "names.txt").write_text("a\nb\n")
    ids = ["--layout", "paired", "--classes", tmp_path / "names.txt", paired(tmp_path / "ids", [many] * 4)]
    advised = re.search(r"--ignore-label [\d,]+", said(capsys, inspect.main, *ids, code=3))[0]
    assert "problems: none" in said(capsys, inspect.main, *ids, *advised.split())


def test_file_at_a_cache_path_is_moved_as_advised(tmp_path):
    data = registry.load("layouts", "paired").listing(paired(tmp_path / "d", [IDS] * 4), "training").pairs
    words = data, DatasetSpec(("a", "b", "c")), (4, 4), tmp_path / "c d", "t"
    path = cache.path_of(*words)
    for content in (b"mine", b"mine too"):  # the second gets a name of its own
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)
        run(fix_of(cache.prepare, *words).partition(" and the same command")[0])
        assert len(cache.prepare(*words)) == 2
        path.unlink()
    assert sorted(file.read_bytes() for file in path.parent.glob("t-*-[23].h5")) == [b"mine", b"mine too"]


def test_packed_array_is_read_from_the_advised_plain_copy(tmp_path, capsys):
    path = tmp_path / "my data.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("images", data=np.ones((3, 3, 4, 4), "u1"), compression="lzf")
        file["annotations"] = np.ones((3, 4, 4), np.uint8)
    entries = [{"split": "train"}, {"split": "val"}, {"split": "train"}]
    path.with_suffix(".json").write_text(json.dumps({"images": entries, "class_names": ["other", "wall"]}))
    text = said(capsys, csail.main, "info", path, code=3)
    run(re.search(r"plain copy: (.*)", text)[1])
    assert "training: 2 images" in said(capsys, csail.main, "info", tmp_path / "my data-plain.h5")


def test_annotations_with_zeros_are_read_with_unshifted(tmp_path, capsys):
    path = tmp_path / "data.h5"
    with h5py.File(path, "w") as file:
        file["images"], file["annotations"] = np.ones((2, 3, 4, 4), "u1"), np.eye(4, dtype="u1")[None].repeat(2, 0)
    path.with_suffix(".json").write_text(json.dumps({"images": [{"split": "train"}, {"split": "val"}],
                                                     "class_names": ["other", "wall"]}))
    assert "give --unshifted" in said(capsys, csail.main, "info", path, code=3)
    said(capsys, csail.main, "info", path, "--unshifted")
    path.with_suffix(".json").rename(tmp_path / "other.json")
    path.rename(tmp_path / "other.h5")
    with h5py.File(tmp_path / "other.h5", "a") as file:
        file["annotations"][...] += 1
    assert "leave --unshifted out" in said(capsys, csail.main, "info", tmp_path / "other.h5", "--unshifted", code=3)
    said(capsys, csail.main, "info", tmp_path / "other.h5")


@pytest.mark.parametrize("which", ["best", "latest", "path"])
def test_damaged_checkpoint_advises_an_intact_one(tmp_path, which):
    folder = a_run(tmp_path / "a run", {1: 0.1, 2: 0.5, 3: 0.3, 4: 0.2})
    bad = [folder / "checkpoints/step-000002", folder / "checkpoints/step-000004"]
    for path in bad:
        (path / "model.index").write_text("x")
    advice = fix_of(checkpoint_choice.choose, folder, bad[0] if which == "path" else which)
    assert advice.endswith(" instead, which is intact; or move the damaged one out of the run.")
    advised, = shlex.split(re.match(r"give (.+) instead", advice)[1])
    assert checkpoint_choice.choose(advised).state["step"] == 3  # the best of those that are whole
    for path in bad:
        path.rename(tmp_path / path.name)
    assert checkpoint_choice.choose(folder).state["step"] == 3


def test_no_checkpoint_is_advised_if_all_are_damaged(tmp_path):
    folder = a_run(tmp_path / "run", {1: 0.1})
    (folder / "checkpoints/step-000001/model.index").unlink()
    assert "another --run" in fix_of(checkpoint_choice.choose, folder)


def test_evaluating_a_run_reports_that_its_data_flags_are_unused(tmp_path, capsys):
    mask = np.array([[0, 255]], np.uint8).repeat(16, 0).repeat(8, 1)
    data = paired(tmp_path / "d", [mask] * 4)
    for path in data.rglob("targets/*.png"):
        save(path, mask, format="JPEG", quality=95)
    words = ["--run", a_run(tmp_path / "run", {1: 0.1}, layout="paired", data=str(data))]
    text = said(capsys, evaluate.main, *words, code=3)
    assert "give --label-encoding binary" in text and text.endswith(
        "--skip-bad continues without them. With --run labels are read as in its training, without --label-encoding: "
        "change the files, or train another run.\n")
    words_of_data = [*words, "--label-encoding", "binary"]
    assert "--label-encoding needs --weights" in said(capsys, evaluate.main, *words_of_data, code=2)
    for name in data.rglob("targets/*.png"):
        save(name, mask // 255)  # the files are changed
    arguments = evaluate_flags.parse(list(map(str, words)), "")
    found, left_out, _ = evaluate.to_do(arguments, evaluate.choose(arguments))
    assert len(found) == 2 and not left_out


def test_other_evaluation_errors_are_unchanged():
    problem = errors.DataError("a", where="b", fix="--skip-bad continues without them.")
    of_run, of_file = evaluate_flags.parse(["--run", "r"], ""), evaluate_flags.parse(["--weights", "w"], "")
    assert evaluate_flags.advised(problem, of_run) is problem
    problem = errors.DataError("a", fix="give --classes FILE.csv.")
    assert evaluate_flags.advised(problem, of_file) is problem and evaluate_flags.advised(problem,
                                                                                          of_run) is not problem


def test_list_outside_of_the_data_is_written_where_advised(tmp_path, capsys):
    data = paired(tmp_path / "my data", [IDS] * 2, split=False)
    (tmp_path / "other").mkdir()
    for name in ("list.csv", "list-2.csv"):  # the second time the first exists
        advice = fix_of(csv_list.write, data, tmp_path / "other/list.csv")
        advised = shlex.split(re.match("give --out (.+)[.]", advice)[1])
        assert advised == [str(data / name)]
        said(capsys, csv_list_command.main, data, "--out", *advised)


def test_data_set_of_one_pair_is_read_after_the_advised_repair(tmp_path):
    listing, data = registry.load("layouts", "paired").listing, paired(tmp_path / "d", [IDS], split=False)
    assert fix_of(listing, data, "training") == "add another pair."
    save(data / "images/new.png", np.zeros((4, 4, 3), np.uint8))
    assert fix_of(listing, data, "training") == "correct these files, or add another pair."
    save(data / "masks/new.png", IDS)
    assert len(listing(data, "training").pairs) == 1


def test_run_given_as_a_checkpoint_is_answered_with_one(tmp_path):
    folder = a_run(tmp_path / "a run", {1: 0.1, 2: 0.2})
    advised, = shlex.split(re.search("such as (.+)[.]", fix_of(checkpoint_files.read_state, folder))[1])
    assert checkpoint_files.verify(advised)["step"] == 2


def test_list_of_names_is_read_as_advised(tmp_path):
    voc, path = registry.load("layouts", "voc"), tmp_path / "ImageSets/Segmentation/train.txt"
    for name in ("2007_000032", "2007_000039"):
        save(tmp_path / f"JPEGImages/{name}.jpg", np.zeros((4, 4, 3), np.uint8))
        save(tmp_path / f"SegmentationClass/{name}.png", IDS)
    path.parent.mkdir(parents=True)
    path.write_text("<html>")
    path.write_text(re.search("such as (.+)[.]", fix_of(voc.listing, tmp_path, "training"))[1])
    assert [pair.name for pair in voc.listing(tmp_path, "training").pairs] == ["2007_000032"]


def test_split_of_a_run_is_copied_as_advised(tmp_path):
    data = paired(tmp_path / "my data", [IDS] * 12, split=False)
    settings = training_config.Config(layout="paired", data=str(data))
    run_ = a_run(tmp_path / "a run", {1: 0.1})
    names = {str(i): "training" for i in range(12)} | {"0": "validation"}
    _split.write(run_ / "split.csv", names)
    words = settings, DatasetSpec(("a", "b", "c")), "validation", run_
    listed = registry.load("layouts", "paired").listing(str(data), "validation")
    assert [pair.name for pair in listed.pairs] != ["0"]
    run(fix_of(dataset.to_evaluate, *words).partition(" and the same command")[0])
    assert [pair.name for pair in dataset.to_evaluate(*words)[0]] == ["0"]
    save(data / "images/new.png", np.zeros((4, 4, 3), np.uint8))
    save(data / "masks/new.png", IDS)
    with pytest.raises(errors.DataError, match="is not listed in"):
        dataset.to_evaluate(*words)


def test_oversized_gallery_is_not_answered_with_max_pixels(tmp_path):
    made = gallery.Gallery(DatasetSpec(("a", "b", "c")))
    made.offer("x", 0.5, np.zeros((4, 4, 3), np.uint8), IDS, IDS)
    made.write(tmp_path)
    save(tmp_path / "gallery/00-photo.jpg", np.zeros((900, 900, 3), np.uint8))
    assert fix_of(gallery.read_pictures, tmp_path) == gallery.confusion.AGAIN


def test_unfinished_report_advises_no_output_flag(tmp_path):
    with result_folder._locked(tmp_path / "e", tmp_path / "e", result_folder.EVALUATION):
        def write():
            with result_folder.rewriting(tmp_path / "e", "report.html"):
                pass
        assert fix_of(write) == "wait until it is done."


@pytest.mark.parametrize("base, window, advised", [
    ((4000, 300), None, 512), ((400, 300), None, 192), ((400, 300), (256, 256), 128), ((400, 300), (64, 64), None),
    ((400, 300), (512, 512), 192), ((20, 20), None, None)])
def test_tile_is_advised_only_if_smaller_than_the_network_input(base, window, advised):
    text = memory_guard.Room(inference_config.InferenceConfig(None, window), 3, None, None).fix(base)
    assert text.startswith(f"--window {advised} " if advised else "end other programs")
    if advised:
        assert evaluate_flags.parse(["--run", "r", *text.split()[:2]], "").window == (advised, advised)


@pytest.mark.parametrize("main, words, advised", [
    (train.main, "--print-config --size native --batch 2", "--batch 1"),
    (train.main, "--print-config --size native --batch 2", "--crop-size 64"),
    (train.main, "--print-config --warmup 10 --steps 5", "--warmup 3"),
    (train.main, "--print-config --warmup 10 --steps 5", "--steps 20"),
    (convert.main, "--learning-rate 1e-3 --size native --batch 1", "--size 375x500"),
    (convert.main, "--learning-rate 1e-3 --loss-reduction sum --class-weights inverse --to mean",
     "--class-weights none"),
    (lambda argv: evaluate_flags.parse(argv, "") and None, "--run r --window 512 --overlap exact", "--merge centre"),
    (lambda argv: evaluate_flags.parse(argv, "") and None, "--run r --merge max", "--flip"),
    (lambda argv: report.parse(argv) and None, "folder --samples 5", "--against FOLDER"),
], ids=lambda value: value if isinstance(value, str) else "")
def test_advised_flag_is_accepted(capsys, main, words, advised):
    assert advised.split()[0] in said(capsys, main, *words.split(), code=2)
    said(capsys, main, *words.split(), *advised.split())


def test_start_from_a_checkpoint_of_other_settings_takes_weights():
    old = {"config": {"batch": 1}, "model": {}, "spec": {}}
    words = "run", old, {"config": {"batch": 2}}, ("batch",)
    assert "another --run" in fix_of(record.check_unchanged, *words, of=record.OWN)
    assert "--weights instead of --resume" in fix_of(record.check_unchanged, *words, of=record.FORKED)
