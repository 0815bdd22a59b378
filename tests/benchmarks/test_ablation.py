"""The variants of the ablation: their flags, and learning rates that mean the same with and without pool scaling."""

import argparse
import functools
import sys
from pathlib import Path

import pytest
from nets_help import THIN

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import ablation

from fcn.config import command_line, parsers, training_config, variants
from fcn.models import graph_builder, published_nets
from fcn.models.architecture import Architecture
from fcn.training import lr_multipliers


def settings_of(flags):
    parser = command_line.Parser([], prog="test")
    command_line.add_flags(parser)
    return training_config.resolve(vars(parser.parse_args([*ablation.COMMON, *flags.format(size="36x48").split()])))


@functools.cache
def layers_of(net):
    return graph_builder.layers_of(Architecture(net, 3, THIN))


def variant_of(settings):
    return variants.variants_of(settings.net, **{name: getattr(settings, name) for name in variants.NAMES})


def adam_rates(settings):
    """{variable: learning rate times the scale of the features that the layer reads}."""
    variant = variant_of(settings)
    names, layers = layers_of(settings.net)
    factors = lr_multipliers.factors(names, layers, parsers.factors(settings.rate_factors), settings.freeze)
    scales = {f"score_{pool}/kernel": scale for pool, scale in published_nets.POOL_SCALES.items()}
    return {name: settings.learning_rate * factor * (scales.get(name, 1) if variant.pool_scaling else 1)
            for name, factor in factors.items()}


@pytest.mark.parametrize("name", ablation.TRAPS | ablation.OPTIONS)
def test_flags_of_a_variant_are_valid(name):
    assert variant_of(settings_of((ablation.TRAPS | ablation.OPTIONS)[name][1])) is not None


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fcn4s", "camvid"])
def test_rates_without_pool_scaling_are_those_with_it(name):
    flags = ablation.OPTIONS.get(name, ("", ""))[1]
    found = adam_rates(settings_of(flags) if flags else training_config.resolve({}, recipe=name))
    expected = adam_rates(settings_of(ablation.OPTIONS["rates"][1]))
    assert found.pop("score_pool2/kernel") == pytest.approx(1e-5 * 50 * 0.03)
    assert found.pop("score_pool2/bias") == expected["score_pool3/bias"]
    assert {name: rate for name, rate in found.items() if rate} == pytest.approx(
        {name: rate for name, rate in expected.items() if found[name]})


def test_table_of_one_seed_has_differences_without_an_error():
    results = [{"variant": name, "seed": 0, "first_loss": 2.4, "pixel_accuracy": 0.8, "mean_iou": score}
               for name, score in (("paper", 0.35), ("rates", 0.4))]
    assert ablation.table(results, ablation.OPTIONS).splitlines()[3].endswith("| **0.400** | 0.400 | +0.050 |")


def test_table_without_the_paper_has_no_differences():
    results = [{"variant": "rates", "seed": 0, "first_loss": 2.4, "pixel_accuracy": 0.8, "mean_iou": 0.4}]
    assert ablation.table(results, ablation.OPTIONS).splitlines()[2:] == [
        "| the same, score_pool4 x5, score_pool3 x100 | 2.4 | 0.800 | **0.400** | 0.400 |  |"]


def test_runs_of_other_settings_are_not_compared():
    asked = argparse.Namespace(steps=100, size="180x240", precision="float32")
    old = {"variant": "paper", "seed": 0, "steps": 100, "flags": ""}  # of the default size and precision
    others = [old | changed for changed in ({"steps": 200}, {"size": "120x160"}, {"precision": "bfloat16"},
                                            {"flags": "--pool avg"}, {"variant": "gone"})]
    variants = {"paper": ("FCN-8s", "")}
    assert ablation.comparable([*others, old], variants, asked) == [old]
