"""Recipes: every number with its source, the published ones by hand; origins of settings; two recipes compared."""

import dataclasses
import re
import tomllib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fcn.cli.main import main
from fcn.config import provenance, training_config
from fcn.config.setting import GROUPS
from fcn.core import registry

NAMES = registry.names("recipes")
PUBLISHED = [name for name in NAMES if name not in ("camvid", "demo", "nyud_best_stage1", "nyud_best")]
BERKELEY = ["long2015_fcn32s", "long2015_fcn16s", "long2015_fcn8s", "long2017_fcn8s_atonce"]

# As read in the files that the recipes name; typed by hand, not taken from the recipes.
NUMBERS = [
    ("long2015_fcn32s", {"net": "fcn32s", "learning_rate": 1e-10, "steps": 100_000}),
    ("long2015_fcn16s", {"net": "fcn16s", "learning_rate": 1e-12, "steps": 100_000}),
    ("long2015_fcn8s", {"net": "fcn8s", "learning_rate": 1e-14, "steps": 100_000}),
    ("long2017_fcn8s_atonce", {"net": "fcn8s_atonce", "learning_rate": 1e-10, "steps": 300_000}),
    *((name, {"momentum": 0.99, "weight_decay": 5e-4, "optimizer": "momentum", "loss_reduction": "sum",
              "schedule": "fixed", "batch": 1, "batches_per_step": 1, "average_loss": 20, "rate_factors": "*/bias=2",
              "keep_prob": 0.5, "alignment": "pad100", "init_stddev": 0, "augment": (), "size": None,
              "replacement": True, "seed": 1337,
              "mean_rgb": (122.67892, 116.66877, 104.00699), "ignore_label": (255,), "save_every": 4000})
      for name in BERKELEY),
    ("long2015_nyud_rgbd", {"net": "fcn32s", "channels": 4, "extra_channels": "mean", "learning_rate": 1e-10,
                            "steps": 100_000, "momentum": 0.99, "loss_reduction": "sum", "alignment": "pad100",
                            "mean_rgb": (92.318, 97.203, 116.190, 118.016), "ignore_label": (255,), "batch": 1,
                            "weights": "weights/imagenet-vgg-verydeep-16.mat", "size": None, "eval_every": 2000}),
    ("nyud_fcn32s", {"net": "fcn32s", "train_split": "trainval", "momentum": 0.99, "weight_decay": 5e-4,
                     "loss_reduction": "sum", "schedule": "fixed", "batch": 1, "augment": (), "replacement": True,
                     "size": (240, 320), "mean_rgb": (92.318, 97.203, 116.190), "rate_factors": "*/bias=2",
                     "learning_rate": 3.1e-10, "seed": 1337}),
    *((name, {"net": "fcn8s_atonce", "train_split": "trainval", "optimizer": "adam", "learning_rate": 1e-5, "batch": 4,
              "rate_factors": "new=50, score_pool4/kernel=5, score_pool3/kernel=100", "freeze": "conv2"})
      for name in ("nyud_best_stage1", "nyud_best")),
    ("sceneparsing_fcn8s", {"net": "fcn8s_atonce", "size": (384, 384), "learning_rate": 1e-10, "momentum": 0.99,
                            "weight_decay": 5e-4, "loss_reduction": "sum", "ignore_label": (0,), "steps": 160_000,
                            "mean_rgb": (124.6901, 118.6897, 109.5388), "alignment": "pad100", "pool_scaling": True}),
    ("matconvnet_fcn8s", {"net": "fcn8s", "size": (384, 384), "batch": 2, "batches_per_step": 10, "epochs": 50,
                          "learning_rate": 1e-4, "momentum": 0.9, "weight_decay": 5e-4, "alignment": "same",
                          "loss_reduction": "mean-per-image", "augment": ("hflip", "scale"),
                          "rate_factors": "*/bias=2, score_pool4/kernel=0.1, score_pool3/kernel=0.01"}),
    ("tutorial", {"net": "fcn8s_tutorial", "size": (224, 224), "batch": 3, "optimizer": "adam", "learning_rate": 1e-4,
                  "keep_prob": 0.85, "init_stddev": 1e-4, "pool": "avg", "last_layer": "relu5_3", "fc": "random",
                  "fusion": "features", "score_relu": True, "train_ignored": True}),
    ("shekkizh", {"net": "fcn8s_shekkizh", "size": (224, 224), "batch": 2, "optimizer": "adam", "learning_rate": 1e-4,
                  "keep_prob": 0.85, "init_stddev": 0.02, "pool": "avg1to4", "last_layer": "conv5_3", "fc": "random",
                  "fusion": "features", "score_relu": False, "steps": 100_001, "eval_every": 500,
                  "eval_batches": 1, "train_ignored": True}),
    ("keras_io_fcn8s", {"optimizer": "adamw", "learning_rate": 1e-3, "weight_decay": 1e-4, "batch": 32, "epochs": 20,
                        "size": (224, 224), "rate_factors": "conv*=0, fc*=0", "keep_prob": 0.5, "score_relu": True}),
    ("unet_ccp", {"net": "unet_pix2pix_densenet121", "size": (128, 128), "batch": 64, "optimizer": "rmsprop",
                  "learning_rate": 1e-3, "freeze": "encoder", "steps": 600, "eval_every": 12, "schedule": "fixed"}),
    ("unet_nails", {"net": "unet_efficientnetb4", "size": (384, 384), "output": "sigmoid",
                    "loss": "dice(per_image=false)+focal", "optimizer": "radam", "learning_rate": 1e-3, "freeze": ""}),
    ("unet_isbi", {"channels": 1, "size": None, "crop_size": (388, 388), "batch": 1, "optimizer": "momentum",
                   "momentum": 0.99, "border_weight": 10, "class_weights": "inverse", "weights": "none",
                   "augment": ("turn", "brightness", "elastic", "gamma")}),
    ("camvid", {"size": (360, 480), "crop_size": (216, 288), "net": "fcn4s", "batch": 4, "learning_rate": 1e-5,
                "freeze": "conv2", "loss": "cross_entropy+lovasz", "steps": 1300}),
    ("demo", {"size": (96, 96), "batch": 8, "learning_rate": 1e-3, "steps": 2200}),
]


def compare(*recipes):
    """What --recipe ONE --diff OTHER prints."""
    return provenance.diff(*((name, training_config.resolve({}, recipe=name), provenance.origins_of(recipe=name))
                             for name in recipes))


@pytest.mark.parametrize(("name", "numbers"), NUMBERS)
def test_published_numbers_are_in_the_recipe(name, numbers):
    settings = dataclasses.asdict(training_config.resolve({}, recipe=name))
    assert {key: settings[key] for key in numbers} == numbers


def test_every_recipe_is_checked():
    assert {name for name, _ in NUMBERS} == set(NAMES)


def flat(text):
    """{setting: value} of TOML text with tables."""
    return {key: value for table in tomllib.loads(text).values() for key, value in table.items()}


@pytest.mark.parametrize("name", NAMES)
def test_every_line_has_a_source_and_fits_the_page(name):
    path = registry.path("recipes", name)
    lines = path.read_text().splitlines()
    assert all(len(line) <= 120 for line in lines)
    for line in lines:
        assert not line or line.startswith("#") or re.fullmatch(r"\[\w+\]", line) or re.search(
            r"  # source: \S", line), line
    sources = provenance.sources(path)
    assert set(sources) == set(flat(path.read_text())) and all(sources.values())


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_recipe_gives_its_score_data_and_departures(name):
    text = registry.path("recipes", name).read_text()
    for word in ("# Published", "# Data:", "# Departures:"):
        assert word in text


def test_freeze_none_trains_what_a_recipe_freezes(capsys):
    assert training_config.resolve({}, recipe="unet_ccp").freeze == "encoder"
    main(["train", "--recipe", "unet_ccp", "--freeze", "none", "--print-config"])
    assert flat(capsys.readouterr().out)["freeze"] == ""


def test_every_stage_starts_from_the_previous_one():
    weights = [training_config.resolve({}, recipe=name).weights for name in BERKELEY[:3]]
    assert weights == ["weights/imagenet-vgg-verydeep-16.mat", f"runs/long2015/1-{BERKELEY[0]}",
                       f"runs/long2015/2-{BERKELEY[1]}"]


def test_rate_factors_none_removes_those_of_a_recipe(capsys):
    assert training_config.resolve({}, recipe="camvid").rate_factors.startswith("new=50,")
    main(["train", "--recipe", "camvid", "--rate-factors", "none", "--print-config"])
    assert flat(capsys.readouterr().out)["rate_factors"] == ""


@pytest.mark.parametrize("name", NAMES)
def test_zero_scores_below_a_relu_would_never_train(name):
    settings = training_config.resolve({}, recipe=name)
    assert not (settings.score_relu and settings.init_stddev == 0)


def test_comment_begins_at_the_first_hash_outside_strings(tmp_path):
    path = tmp_path / "a.toml"
    path.write_text('data = "a#b # c"  # source: there, issue #7\n'
                    "weights = '#'\n# batch = 3 # source: x\nbatch=2#x\n")
    assert provenance.sources(path) == {"data": "there, issue #7", "weights": "", "batch": "x"}


def test_every_setting_has_its_source(tmp_path):
    path = tmp_path / "mine.toml"
    path.write_text("batch = 3\nsize = 64  # source: so small\n")
    where = provenance.origins_of({"seed": 9, "run": "is no setting"}, path, "demo", {"steps": 5, "momentum": 0.8})
    assert list(where) == [field.name for field in dataclasses.fields(training_config.Config)]
    assert where["seed"] == "flag"
    assert where["batch"] == f"--config {path}" and where["size"] == f"--config {path}: so small"
    assert where["steps"] == "recipe demo: ours: README.md, 2200 x 8"
    assert where["momentum"] == "the run" and where["data"] == "default"


@pytest.mark.parametrize("name", NAMES)
def test_printed_settings_are_toml_with_the_same_values(name, tmp_path):
    flags = {"data": 'C:\\photos "of" #1', "seed": 5}
    settings, path = training_config.resolve(flags, recipe=name), tmp_path / "shown.toml"
    text = provenance.as_toml(settings, provenance.origins_of(flags, recipe=name))
    path.write_text(text)
    assert training_config.resolve({}, path) == settings
    assert training_config.resolve({}, path, recipe="shekkizh") == settings  # what is left open is said, too
    lines = [line for line in text.splitlines() if line and not line.startswith("[")]
    assert [line.split(" = ")[0] for line in lines] == list(flat(text)) == list(dataclasses.asdict(settings))
    assert all("  # " in line for line in lines)
    assert list(tomllib.loads(text)) == list(GROUPS)


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.recursive(texts | st.booleans() | st.integers(-2 ** 63, 2 ** 63 - 1) |
                      st.floats(allow_nan=False, allow_infinity=False), lambda inner: st.lists(inner, max_size=3))


@given(values)
@example("\x7f")
def test_values_are_written_as_toml(value):
    assert tomllib.loads(f"x = {provenance.toml_value(value)}  # end")["x"] == value


def blocks(text):
    """{setting: its lines} of a comparison."""
    return {block.splitlines()[0]: block.splitlines()[1:] for block in text.split("\n\n")[1:]}


def test_two_stages_differ_in_their_stage_settings():
    text = compare("long2015_fcn32s", "long2015_fcn8s")
    found = blocks(text)
    assert set(found) == {"net", "weights", "learning_rate"}
    assert text.startswith("3 settings differ, ")
    left, right = found["learning_rate"]
    assert left.split() == ["1e-10", "recipe", "long2015_fcn32s:", "voc-fcn32s/solver.prototxt,", "base_lr:", "1e-10"]
    assert right.split()[0] == "1e-14" and "voc-fcn8s/solver.prototxt" in right


def test_defaults_of_a_net_are_compared_too():
    found = blocks(compare("nyud_best", "shekkizh"))
    assert found["pool"][0].split() == ['"max"', "nyud_best:", "the", "net", "fcn8s_atonce"]
    assert found["pool"][1].split()[:3] == ['"avg1to4"', "recipe", "shekkizh:"]
    assert "the net fcn8s_atonce" in found["pool_scaling"][0] and "the net fcn8s_shekkizh" in found["pool_scaling"][1]
    assert "alignment" not in found  # "same" in both, here chosen by the net and there written


def test_recipe_does_not_differ_from_itself():
    count = len(dataclasses.fields(training_config.Config))
    assert compare("demo", "demo") == f"0 settings differ, {count} are the same"
