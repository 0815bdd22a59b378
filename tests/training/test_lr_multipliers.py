"""Factors on the rate of every variable: patterns, frozen layers and new ones, by hand."""

import pytest
from nets_help import THIN, THIN16

from fcn.core import errors
from fcn.models import published_nets
from fcn.models.encoders import vgg
from fcn.training import lr_multipliers

HEAD = ("score_fr", "score_pool4", "upscore2", "deconv1")
VGG16 = tuple(f"{layer}/{part}" for layer in (*THIN16, *HEAD) for part in ("kernel", "bias"))
VGG19 = tuple(f"{layer}/{part}" for layer in (*THIN, *HEAD) for part in ("kernel", "bias"))


def layers_with(found, factor):
    """Layers whose kernel and bias both have this factor."""
    layers = dict.fromkeys(name.split("/")[0] for name in found)
    return [layer for layer in layers if found[f"{layer}/kernel"] == found[f"{layer}/bias"] == factor]


def test_default_factors_are_1():
    assert lr_multipliers.factors(VGG16, tuple(THIN16)) == dict.fromkeys(VGG16, 1.0)


def test_matching_patterns_multiply_their_factors():
    found = lr_multipliers.factors(["conv1_1/kernel", "conv1_1/bias", "fc6/bias"], ("conv1_1", "fc6"),
                                   [("*/bias", 2.0), ("conv1_*", 0.5)])
    assert found == {"conv1_1/kernel": 0.5, "conv1_1/bias": 1.0, "fc6/bias": 2.0}


def test_pattern_matches_the_whole_name_with_case():
    assert lr_multipliers.factors(["a/kernel", "aa/kernel"], (), [("a/*", 3.0)]) == {"a/kernel": 3.0, "aa/kernel": 1.0}
    with pytest.raises(errors.UsageError):
        lr_multipliers.factors(["a/kernel"], (), [("A/*", 3.0)])


def test_pattern_without_match_is_answered_with_variable_names():
    with pytest.raises(errors.UsageError) as caught:
        lr_multipliers.factors(VGG16, tuple(THIN16), [("score_fr/*", 2.0), ("scores/*", 0.0)])
    for word in ("--rate-factors", "'scores/*'", "deconv1/kernel", "deconv1/bias"):
        assert word in str(caught.value)


@pytest.mark.parametrize(("freeze", "expected"), [
    ("conv1", ["conv1_1", "conv1_2"]),
    ("conv1_1", ["conv1_1"]),
    ("conv2_1", ["conv1_1", "conv1_2", "conv2_1"]),
    ("conv3", ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2", "conv3_3"]),
    ("conv3_2", ["conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1", "conv3_2"]),
    ("conv5", [layer for layer in THIN16 if layer.startswith("conv")]),
    ("fc6", [layer for layer in THIN16 if layer != "fc7"]),
    ("fc7", list(THIN16))])
def test_frozen_layer_and_the_encoder_before_it_stay_unchanged(freeze, expected):
    found = lr_multipliers.factors(VGG16, tuple(THIN16), freeze=freeze)
    assert layers_with(found, 0) == expected
    assert layers_with(found, 1) == [layer for layer in (*THIN16, *HEAD) if layer not in expected]


def test_whole_encoder_is_frozen_by_its_name():
    found = lr_multipliers.factors(VGG16, tuple(THIN16), freeze="encoder")
    assert layers_with(found, 0) == list(THIN16) and layers_with(found, 1) == list(HEAD)


def test_layer_is_frozen_if_none_of_its_variables_is_trained():
    factor_of = {"a_bn/gamma": 0.0, "a_bn/beta": 0.0, "b/kernel": 0.0, "b/bias": 2.0, "c/kernel": 1.0}
    assert lr_multipliers.frozen_layers(factor_of) == ["a_bn"]


def test_fourth_convolution_of_a_stage_is_frozen_where_it_exists():
    assert layers_with(lr_multipliers.factors(VGG19, tuple(THIN), freeze="conv3"), 0)[-1] == "conv3_4"
    assert layers_with(lr_multipliers.factors(VGG19, tuple(THIN), freeze="conv3_4"), 0)[-1] == "conv3_4"


@pytest.mark.parametrize("freeze", ["conv3_4", "conv4_4", "conv5_4", "conv2_3", "conv6", "conv", "score_fr", "fc"])
def test_missing_encoder_layer_is_answered_with_the_existing(freeze):
    with pytest.raises(errors.UsageError) as caught:
        lr_multipliers.factors(VGG16, tuple(THIN16), freeze=freeze)
    for word in (f"--freeze {freeze}", "conv3_3", "fc7"):
        assert word in str(caught.value)
    assert "score" not in caught.value.fix


def test_layers_are_ordered_by_the_encoder_not_by_name():
    assert layers_with(lr_multipliers.factors(VGG16[::-1], tuple(THIN16), freeze="conv1"), 0) == ["conv1_2", "conv1_1"]


def test_weights_file_tells_what_can_be_frozen_before_any_graph():
    assert lr_multipliers.frozen(vgg.layer_names(published_nets.widths(THIN16)), "conv1") == ["conv1_1", "conv1_2"]
    assert lr_multipliers.frozen(vgg.layer_names(published_nets.widths(THIN16)), "") == []
    with pytest.raises(errors.UsageError, match="--freeze conv3_4"):
        lr_multipliers.frozen(vgg.layer_names(published_nets.widths(THIN16)), "conv3_4")


def test_new_layers_are_those_outside_the_encoder():
    found = lr_multipliers.factors(VGG16, tuple(THIN16), [("new", 10.0)])
    assert layers_with(found, 10) == list(HEAD)
    assert layers_with(found, 1) == list(THIN16)


def test_patterns_frozen_and_new_layer_factors_are_multiplied():
    found = lr_multipliers.factors(VGG16, tuple(THIN16), [("*/bias", 2.0), ("fc7/*", 0.5), ("new", 10.0)],
                                   freeze="fc6")
    assert {name: found[name] for name in ("conv1_1/bias", "fc6/kernel", "fc7/kernel", "fc7/bias", "score_fr/kernel",
                                           "upscore2/bias")} == {
        "conv1_1/bias": 0, "fc6/kernel": 0, "fc7/kernel": 0.5, "fc7/bias": 1, "score_fr/kernel": 10,
        "upscore2/bias": 20}


@pytest.mark.parametrize("options", [{"rate_factors": [("*", 0.0)]}, {"freeze": "fc7", "rate_factors": [("new", 0.0)]},
                                     {"freeze": "fc7", "rate_factors": [(f"{layer}/*", 0.0) for layer in HEAD]}])
def test_run_with_everything_frozen_is_refused(options):
    with pytest.raises(errors.UsageError, match=r"all variables are frozen(.|\n)*--rate-factors"):
        lr_multipliers.factors(VGG16, tuple(THIN16), **options)
