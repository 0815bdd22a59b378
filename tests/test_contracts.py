"""Every file of a plugin folder keeps the contract of its kind: a new one is tested by being there."""

import inspect

import numpy as np
import pytest

from fcn.config import loss_terms, training_config
from fcn.core import registry
from fcn.data.spec import DatasetSpec
from fcn.metrics import iou
from fcn.metrics.confusion import Sums


@pytest.mark.parametrize("name", registry.names("layouts"))
def test_a_layout_has_recognise_spec_and_listing(name, tmp_path):
    layout = registry.load("layouts", name)
    assert list(inspect.signature(layout.recognise).parameters) == ["root"]
    assert list(inspect.signature(layout.spec).parameters) == ["root", "classes", "ignore_label"]
    assert list(inspect.signature(layout.listing).parameters) == ["root", "split"]
    assert f"the {name} layout" in layout.EXPECTED
    assert layout.recognise(tmp_path) == ""
    if layout.with_patterns:
        return  # --images and --labels say the rest
    assert isinstance(layout.spec(tmp_path), DatasetSpec)
    assert {3} <= set(layout.spec(tmp_path, ignore_label=(3,)).ignored_ids)
    assert layout.spec(tmp_path).encoding in registry.names("label_formats")


@pytest.mark.parametrize("name", registry.names("label_formats"))
def test_label_format_has_suffixes_size_read_and_write(name):
    encoding = registry.load("label_formats", name)
    assert all(suffix == suffix.lower() and suffix.startswith(".") for suffix in encoding.SUFFIXES)
    assert encoding.SUFFIX in encoding.SUFFIXES
    assert list(inspect.signature(encoding.size).parameters) == ["path", "max_pixels"]
    assert list(inspect.signature(encoding.read).parameters) == ["path", "spec", "max_pixels"]
    assert list(inspect.signature(encoding.write).parameters) == ["path", "ids", "spec"]


@pytest.mark.parametrize("name", registry.names("losses"))
def test_loss_is_per_pixel_or_per_image(name):
    module = registry.load("losses", name)
    per_pixel, of_images = (getattr(module, function, None) for function in ("per_pixel", "build"))
    assert bool(per_pixel) != bool(of_images)
    wanted = ["logits", "labels"] if per_pixel else ["logits", "labels", "policy"]
    parameters = inspect.signature(per_pixel or of_images).parameters.values()
    assert [one.name for one in parameters if one.kind != one.KEYWORD_ONLY] == wanted
    options = loss_terms.known_options(name)
    assert options == {one.name: one.default for one in parameters if one.kind == one.KEYWORD_ONLY
                       and one.name not in loss_terms.NOT_OPTIONS}
    given = ",".join(f"{option}={str(default).lower()}" for option, default in options.items())
    assert loss_terms.parse(f"{name}({given})")[0].values() == options
    assert set(getattr(module, "LIMITS", ())) <= set(options)


@pytest.mark.parametrize("name", [name for name in registry.names("protocols")
                                  if "flag_sums" not in registry.functions("protocols", name)])
def test_protocol_has_a_source_and_scores_perfect_predictions_1(name):
    protocol, pixels = registry.load("protocols", name), np.array([[5.0, 7.0], [1.0, 2.0]])
    assert protocol.SIZE in ("original", "network") and len(protocol.TEXT) > 50
    assert set(protocol.scored(3, (0,))) >= {1, 2}
    scores = protocol.compute(Sums((1, 2), pixels, pixels, pixels), np.ones((4, 2)))
    assert set(scores) == {*iou.NAMES, *iou.MORE_NAMES}
    assert all(values.tolist() == [1, 1, 1, 1] for values in scores.values())


@pytest.mark.parametrize("name", registry.names("recipes"))
def test_recipe_holds_known_settings_with_their_sources(name):
    training_config.resolve({}, recipe=name)
    assert registry.path("recipes", name).read_text().startswith("#")


@pytest.mark.parametrize("kind", [kind for kind in registry.KINDS if kind != "recipes"])
def test_every_file_of_a_kind_meets_its_contract(kind):
    modules = registry.load_all(kind)
    assert modules and all(module.__doc__ for module in modules.values())


def test_convention_of_the_headline_scores_is_named():
    assert "an absent class counts 0" in registry.load("protocols", "benchmark").TEXT
