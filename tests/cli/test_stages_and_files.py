"""Stages, weights that travel between runs and files, recipes on the command line: as a user starts the scripts."""

import json
import sys

import numpy as np
import pytest
import scripts_help

from fcn.config import training_config
from fcn.metrics import confusion
from fcn.runs import checkpoint_files, run_log, stages
from fcn.weights import demo, detection

pytestmark = pytest.mark.slow

WIDTHS = dict.fromkeys(range(1, 6), 4)
COMMON = ('layout = "ade20k"\nsize = "33x47"\nbatch = 2\nsteps = 2\neval_every = 2\nsave_every = 2\n'
          'learning_rate = 1e-3\n')


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    """Folder with scenes/, vgg.mat, and 32s.toml, 16s.toml, 8s.toml: the settings of three stages of two steps."""
    folder = tmp_path_factory.mktemp("stages")
    demo.write_scenes(folder / "scenes", 4, 2, 0)
    demo.write_mat(folder / "vgg.mat", demo.narrow_vgg(0, WIDTHS, 4))
    for name in ("32s", "16s", "8s"):
        (folder / f"{name}.toml").write_text(f'net = "fcn{name}"\n{COMMON}')
    return folder


def call(*words, code=0):
    return scripts_help.call([sys.executable, *map(str, words)], code)


def train(toy, *words, code=0):
    return call("train_fcn.py", "--data", toy / "scenes", "--weights", toy / "vgg.mat", "--cache-dir", toy / "cache",
                *words, code=code)


@pytest.fixture(scope="module")
def staged(toy):
    """Folder of a finished plan of three stages, and what the script printed."""
    stages = ",".join(str(toy / f"{name}.toml") for name in ("32s", "16s", "8s"))
    return toy / "plan", train(toy, "--stages", stages, "--run", toy / "plan").stdout


def test_stage_starts_from_the_previous_with_a_new_layer_at_zero(staged):
    folder, _ = staged
    for number, name, fresh in ((1, "32s", "score_fr"), (2, "16s", "score_pool4"), (3, "8s", "score_pool3")):
        rows = json.loads((folder / f"{number}-{name}/transplant.json").read_text())
        assert [row["layer"] for row in rows if row["fate"] == "fresh"] == [fresh]
        assert [row["norm"] for row in rows if row["fate"] == "fresh"] == [0.0]
        copied = {row["layer"] for row in rows if row["fate"] == "copied"}
        assert {"conv1_1", "conv5_4", "fc6", "fc7"} <= copied and (number == 1 or "score_fr" in copied)


def test_stage_records_its_source_checkpoint_and_own_seed(staged):
    folder, said = staged
    content = [json.loads((folder / name / "config.json").read_text()) for name in ("1-32s", "2-16s", "3-8s")]
    state = checkpoint_files.read_state(folder / "1-32s/checkpoints/step-000002")
    found = content[1]["weights"]
    assert (found["run"], found["checkpoint"], found["step"]) == (str(folder / "1-32s"), "step-000002", 2)
    assert found["files"] == {name: facts["sha256"] for name, facts in state["files"].items()}
    assert f"step-000002 (step 2, validation mean IoU {state['score']:.4f}, the best and the newest)" in said
    assert content[0]["weights"]["sha256"] and "files" not in content[0]["weights"]
    assert [one["config"]["seed"] for one in content] == [0, stages.seed_of(0, 2), stages.seed_of(0, 3)]
    assert "; seed 0: default" in said and f"; seed {stages.seed_of(0, 2)}: stage 2 of seed 0 (default)" in said


def test_finished_plan_trains_nothing_and_a_longer_one_continues(staged, toy):
    folder, _ = staged
    stages = ",".join(str(toy / f"{name}.toml") for name in ("32s", "16s"))
    again = train(toy, "--stages", stages, "--run", folder).stdout
    assert again.count("finished before") == 2 and "step 0 of" not in again
    longer = train(toy, "--stages", str(toy / "32s.toml"), "--run", folder, "--steps", "3").stdout
    assert "resumed at step 2" in longer
    assert [e["step"] for e in run_log.read_entries(folder / "1-32s/log.jsonl") if "loss" in e][-1] == 3


@pytest.mark.parametrize("suffix", [".mat", ".npz"])
def test_exported_net_predicts_like_the_run(staged, toy, tmp_path, suffix):
    run, file = staged[0] / "3-8s", tmp_path / f"net{suffix}"
    assert "read back bit-equal" in call("-m", "fcn", "export", "--run", run, "--to", file).stdout
    photos = toy / "scenes/images/validation"
    size = ("--size", "33x47", "--images", photos)
    call("eval_fcn.py", "--run", run, *size, "--out", tmp_path / "of_run")
    call("eval_fcn.py", "--weights", file, *size, "--out", tmp_path / "of_file")
    found = sorted((tmp_path / "of_run/predictions").iterdir())
    assert len(found) == 2
    np.testing.assert_array_equal(_pixels(found), _pixels(sorted((tmp_path / "of_file/predictions").iterdir())))


def _pixels(paths):
    from PIL import Image
    return np.concatenate([np.asarray(Image.open(path)).ravel() for path in paths])


def test_exported_file_is_evaluated_like_a_run(staged, toy, tmp_path):
    run, file = staged[0] / "3-8s", tmp_path / "net.npz"
    call("-m", "fcn", "export", "--run", run, "--to", file)
    call("eval_fcn.py", "--run", run, "--checkpoint", "latest", "--out", tmp_path / "a", "--outputs", "none")
    call("eval_fcn.py", "--weights", file, "--layout", "ade20k", "--data", toy / "scenes", "--size", "33x47",
         "--out", tmp_path / "b", "--outputs", "none")
    a, b = (confusion.load(tmp_path / name / "confusion.npz") for name in "ab")
    assert (a.total() == b.total()).all() and a.total().sum() > 0


def test_file_with_learned_and_fixed_upsampling_is_evaluated(toy, tmp_path):
    """The scheme of the CVPR paper and of the published FCN-8s: the last interpolation is fixed, the others learned."""
    train(toy, "--config", toy / "8s.toml", "--learn-upsampling", "--rate-factors", "upscore8/*=0",
          "--init-stddev", "0.1", "--run", tmp_path / "run")
    call("-m", "fcn", "export", "--run", tmp_path / "run", "--to", tmp_path / "net.mat")
    photos = ("--size", "33x47", "--images", toy / "scenes/images/validation")
    call("eval_fcn.py", "--weights", tmp_path / "net.mat", *photos, "--out", tmp_path / "a")
    call("eval_fcn.py", "--run", tmp_path / "run", *photos, "--out", tmp_path / "b")
    one, other = (sorted((tmp_path / name / "predictions").iterdir()) for name in "ab")
    np.testing.assert_array_equal(_pixels(one), _pixels(other))


def test_error_in_a_later_stage_is_reported_before_training(toy, tmp_path):
    for slip in (f"{toy / '32s.toml'}, long2015_fcn99", f"{toy / '32s.toml'},", f"{toy / '32s.toml'},no.toml"):
        error = train(toy, "--stages", slip, "--run", tmp_path / "plan", code=2).stderr
        assert "Traceback" not in error and not (tmp_path / "plan").exists()


def test_missing_last_layer_is_reported_before_caching(toy, tmp_path):
    vgg16 = {name: pair for name, pair in demo.narrow_vgg(0, WIDTHS, 4).items() if not name.endswith("_4")}
    demo.write_mat(tmp_path / "vgg16.mat", vgg16)
    for flag, layer, words in (("--last-layer", "relu5_4", "the VGG-16 in these weights has no such layer"),
                               ("--freeze", "conv3_4", "--freeze conv3_4: the encoder has no such layer")):
        error = call("train_fcn.py", "--data", toy / "scenes", "--weights", tmp_path / "vgg16.mat", "--cache-dir",
                     tmp_path / "cache", flag, layer, "--run", tmp_path / "run", code=2).stderr
        assert words in error and not (tmp_path / "cache").exists()


def test_failed_start_can_be_repeated_with_other_settings(toy, tmp_path):
    wrong = train(toy, "--config", toy / "8s.toml", "--rate-factors", "conv9*=0", "--run", tmp_path / "run", code=2)
    assert "no variable matches 'conv9*'" in wrong.stderr
    train(toy, "--config", toy / "8s.toml", "--rate-factors", "conv1_*=0", "--batch", "1", "--run", tmp_path / "run")


def test_run_resumes_without_its_weights_file(toy, tmp_path):
    words = ("train_fcn.py", "--data", toy / "scenes", "--cache-dir", toy / "cache", "--config", toy / "8s.toml",
             "--run", tmp_path / "run")
    call(*words, "--weights", toy / "vgg.mat")
    before = json.loads((tmp_path / "run/config.json").read_text())
    assert "resumed at step 2" in call(*words, "--weights", tmp_path / "gone.mat", "--steps", "3").stdout
    after = json.loads((tmp_path / "run/config.json").read_text())
    assert after["weights"] == before["weights"] and after["config"]["weights"] == before["config"]["weights"]


def test_flags_without_effect_are_refused(staged, toy):
    error = call("eval_fcn.py", "--run", staged[0] / "3-8s", "--classes", "x.txt", code=2).stderr
    assert "--classes needs --weights" in error


def test_vgg_alone_is_not_evaluated(toy):
    error = call("eval_fcn.py", "--weights", toy / "vgg.mat", "--images", toy / "scenes/images", code=4).stderr
    assert "holds a VGG without score layers" in error and "Traceback" not in error


def test_run_starts_from_an_exported_net_with_other_classes(staged, toy, tmp_path):
    """The scenes' classes, in another order and with one that the net has not seen."""
    file = tmp_path / "net.npz"
    call("-m", "fcn", "export", "--run", staged[0] / "3-8s", "--to", file)
    names = list(detection.read_weights(file).class_names)
    from PIL import Image
    for split in ("train", "val"):
        for kind in ("images", "targets"):
            (tmp_path / f"data/{split}/{kind}").mkdir(parents=True)
        Image.new("RGB", (40, 40), (9, 9, 9)).save(tmp_path / f"data/{split}/images/a.png")
        label = Image.new("L", (40, 40), 1)
        label.paste(0, (0, 0, 20, 40))
        label.save(tmp_path / f"data/{split}/targets/a.png")
    (tmp_path / "classes.txt").write_text("\n".join([names[3], "unheard of", names[1]]))
    train(toy, "--layout", "paired", "--data", tmp_path / "data", "--classes", tmp_path / "classes.txt",
          "--net", "fcn8s", "--weights", file, "--size", "32", "--steps", "1", "--batch", "1",
          "--run", tmp_path / "run")
    rows = {row["layer"]: row for row in json.loads((tmp_path / "run/transplant.json").read_text())}
    assert rows["score_fr"]["fate"] == "reshaped" and rows["score_fr"]["why"] == f"2 of {len(names)} classes carried"
    assert rows["score_fr"]["shape"][3] == 3 and rows["conv1_1"]["fate"] == "copied"


def test_ignored_label_can_be_trained_and_is_not_scored(toy, tmp_path):
    output = train(toy, "--config", toy / "8s.toml", "--train-ignored", "--run", tmp_path / "run").stdout
    assert "12 channels" in output and "starts at loss ln 12" in output
    assert run_log.read_entries(tmp_path / "run/log.jsonl")[0]["loss"] == pytest.approx(np.log(12), abs=5e-4)
    content = json.loads((tmp_path / "run/config.json").read_text())
    assert content["model"]["ignored_ids"] == [] and content["spec"]["ignored_ids"] == [0]


def test_class_weights_are_recorded_in_the_run(toy, tmp_path):
    train(toy, "--config", toy / "8s.toml", "--class-weights", "median", "--run", tmp_path / "run")
    weights = json.loads((tmp_path / "run/config.json").read_text())["model"]["class_weights"]
    assert len(weights) == 12 and min(weights) < 1 < max(weights)


def test_settings_are_printed_with_sources_as_usable_toml(tmp_path):
    shown = call("train_fcn.py", "--recipe", "long2015_fcn8s", "--print-config", "--steps", "3").stdout
    assert "learning_rate = 1e-14" in shown and "voc-fcn8s/solver.prototxt" in shown
    (tmp_path / "all.toml").write_text(shown)
    again = training_config.resolve({}, tmp_path / "all.toml")
    assert again.learning_rate == 1e-14 and again.steps == 3 and again.size is None
    assert again.pool == "max" and again.fusion is None


def test_two_recipes_are_compared_line_by_line():
    shown = call("train_fcn.py", "--recipe", "long2017_fcn8s_atonce", "--diff", "tutorial").stdout
    for departure in ("pool\n", "fusion\n", "last_layer\n", "fc\n", "loss_reduction\n", "learning_rate\n"):
        assert f"\n{departure}" in shown
    assert "unknown" not in shown


def test_unknown_recipe_lists_the_known_ones():
    error = call("train_fcn.py", "--recipe", "camvid", "--diff", "long2015", code=2).stderr
    assert "long2015_fcn8s" in error and "Traceback" not in error
