"""DIVA-HisDB from training to scores, several runs with one command, and `fcn score`, as a user starts them."""

import json
import sys

import numpy as np
import pytest
import scripts_help
from PIL import Image

import fcn
from fcn.cli import score
from fcn.core import errors
from fcn.weights import demo

FLAGS = {"steps": 2, "eval-every": 2, "eval-batches": 1, "size": "native", "crop-size": 40, "learning-rate": 1e-3}


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """Folder with pages/{train,val}/{data,gt} of DIVA-HisDB, and vgg.mat."""
    folder = tmp_path_factory.mktemp("diva")
    label = np.zeros((48, 64, 3), np.uint8)
    label[..., 2] = 1
    label[10:30, 8:40, 2] = 8
    label[20:40, 30:60, 2] |= 2  # with main text, and with background, which is replaced
    label[..., 2][label[..., 2] == 3] = 2
    label[10:13, 8:40, 0] = 128
    for split in ("train", "val"):
        for kind, array in (("data", 255 - label), ("gt", label)):
            (folder / "pages" / split / kind).mkdir(parents=True)
            Image.fromarray(array).save(folder / "pages" / split / kind / "page.png")
    demo.write_mat(folder / "vgg.mat", demo.narrow_vgg(0, dict.fromkeys(range(1, 6), 4), 4))
    return folder


def call(script, *words, code=0):
    return scripts_help.call([sys.executable, script, *map(str, words)], code).stdout


def train(folder, name, *words):
    flags = [word for flag, value in FLAGS.items() for word in (f"--{flag}", value)]
    return call("train_fcn.py", "--data", folder / "pages", "--weights", folder / "vgg.mat", "--cache-dir",
                folder / "cache", "--run", folder / name, *flags, *words)


@pytest.fixture(scope="module")
def evaluated(pages):
    """Folder of an evaluation of a run with the default --rim."""
    train(pages, "run")
    call("eval_fcn.py", "--run", pages / "run", "--out", pages / "scores")
    return pages / "scores"


@pytest.mark.slow
def test_an_evaluation_has_the_scores_of_the_written_predictions(pages, evaluated):
    found = fcn.score_layout(pages / "pages/val/gt", evaluated / "predictions", pages / "errors")
    content = json.loads((evaluated / "report.json").read_text())
    entry = content["protocols"]["diva_layout"]
    assert {name: entry["scores"][name] for name in found["scores"]} == pytest.approx(found["scores"])
    assert entry["per_class"] == found["per_class"]
    assert "iou,f1,precision,recall,frequency" in (evaluated / "per_class_diva_layout.csv").read_text()
    assert "main text" in (evaluated / "report.html").read_text() and "Classes by diva_layout" in (
        evaluated / "report.html").read_text()
    assert (evaluated / "errors/page.png").read_bytes() == (pages / "errors/page.png").read_bytes()
    assert sum(row["pixels"] for row in content["per_class"]) == 48 * 64  # boundary pixels too
    assert not set(content["ignored_ids"]) & {130, 136}


@pytest.mark.slow
def test_stored_matrices_give_the_same_scores(evaluated):
    shown = scripts_help.call([sys.executable, "-m", "fcn", "report", str(evaluated), "--images", "page"]).stdout
    entry = json.loads((evaluated / "report.json").read_text())["protocols"]["diva_layout"]
    assert f"hamming score {entry['scores']['hamming_score']:.4f}" in shown


@pytest.mark.slow
def test_rim_changes_the_loss_and_not_the_cache(pages, evaluated):
    train(pages, "ignore", "--rim", "ignore")
    configs = [json.loads((pages / name / "config.json").read_text()) for name in ("run", "ignore")]
    assert [config["config"]["rim"] for config in configs] == ["background", "ignore"]
    assert configs[0]["pixels"] == configs[1]["pixels"]
    losses = [json.loads((pages / name / "log.jsonl").read_text().splitlines()[-1]) for name in ("run", "ignore")]
    assert losses[0]["step"] == losses[1]["step"] and losses[0] != losses[1]


@pytest.mark.slow
def test_several_runs_are_trained_once(pages):
    said = train(pages, "many", "--multi-run", 2, "--seed", 5)
    assert "run 2 of 2" in said and "seed 6" in said and "deviation" in said
    assert [json.loads((pages / f"many/{n}/config.json").read_text())["config"]["seed"] for n in (1, 2)] == [5, 6]
    again = train(pages, "many", "--multi-run", 2, "--seed", 5)
    assert again.count("finished before") == 2 and again.splitlines()[-4:] == said.splitlines()[-4:]


def write(path, blue):
    Image.fromarray(np.full((2, 2, 3), (0, 0, blue), np.uint8)).save(path)
    return str(path)


def test_score_prints_and_writes_the_numbers(tmp_path, capsys):
    label, prediction = write(tmp_path / "a_gt.png", 8), write(tmp_path / "a.png", 1)
    score.main([label, prediction, "--json", str(tmp_path / "a.json"), "--pictures", str(tmp_path / "errors")])
    assert "a      0.0000   0.5000" in capsys.readouterr().out
    assert json.loads((tmp_path / "a.json").read_text())["scores"]["hamming_score"] == 0.5
    assert [path.name for path in (tmp_path / "errors").iterdir()] == ["a.png"]


def test_score_overwrites_nothing(tmp_path):
    label = write(tmp_path / "a.png", 8)
    for flag, path in (("--json", tmp_path / "a.png"), ("--pictures", tmp_path)):
        with pytest.raises(errors.UsageError, match="exists already"):
            score.main([label, label, flag, str(path)])
