"""The contracts of encoders, decoders and nets: every file of these folders, and what they may leave unsaid."""

import inspect
import types

import nets_help
import numpy as np
import pytest
from nets_help import THIN, fresh, start

from fcn.config import variants
from fcn.config.variants import ALLOWED, Variants
from fcn.core import errors, registry
from fcn.evaluation import tiling
from fcn.models import components, graph_builder, layers, published_nets
from fcn.models.architecture import Architecture, BuildSettings
from fcn.models.encoders import vgg
from fcn.models.tf_compat import tf

BARE = {name: width for name, width in THIN.items() if name.startswith("conv")}
BARE16 = {name: width for name, width in BARE.items() if not name.endswith("_4")}
KNOWN_WIDTHS = {"vgg": THIN, "vgg19": BARE, "vgg16": BARE16}  # of encoders that take widths from the weights' file


def settings(widths, images, net=None, training=False):
    return BuildSettings(net, widths, None, layers.height_width(images), None, np.zeros(2, np.int32), training)


def promised(name):
    """(encoder module, widths, ((name, stride, channels), ...))."""
    encoder = registry.load("encoders", name)
    widths = KNOWN_WIDTHS.get(name, {})
    return encoder, widths, encoder.features(widths, None) if hasattr(encoder, "features") else encoder.FEATURES


@pytest.mark.slow
@pytest.mark.parametrize("name", registry.names("encoders"))
def test_features_have_the_declared_strides_and_channels(name):
    encoder, widths, features = promised(name)
    sizes = (96, 128), (97, 33), (1, 1), (1, 70)
    with fresh() as session:
        images = tf.placeholder(tf.float32, (None, None, None, 3))
        built = encoder.build(images, settings(widths, images))
        start(session)
        found = [session.run(built, {images: np.zeros((2, *size, 3))}) for size in sizes]
    for (height, width), of_size in zip(sizes, found, strict=True):
        assert {name: array.shape for name, array in of_size.items()} == {
            name: (2, -(-height // stride), -(-width // stride), channels) for name, stride, channels in features}
    strides = [stride for _, stride, _ in features]
    assert strides == sorted(strides)


@pytest.mark.parametrize("name", registry.names("encoders"))
def test_encoder_lists_its_layers_in_forward_order(name):
    encoder, widths, _ = promised(name)
    with fresh():
        encoder.build(tf.zeros((1, 32, 32, 3)), settings(widths, tf.zeros((1, 32, 32, 3))))
        made = tuple(dict.fromkeys(v.op.name.rpartition("/")[0] for v in tf.trainable_variables()))
    assert not hasattr(encoder, "layer_names") or encoder.layer_names(widths) == made


@pytest.mark.parametrize("name", registry.names("encoders"))
def test_encoder_uses_the_image_type_and_preprocesses_in_float32(name):
    encoder, widths, _ = promised(name)
    with fresh():
        images = encoder.preprocess(tf.zeros((1, 32, 32, 3)), (1.0, 2.0, 3.0))
        assert images.dtype == tf.float32 and images.shape[3] == 3
        built = encoder.build(tf.cast(images, tf.bfloat16), settings(widths, images))
        assert {tensor.dtype for tensor in built.values()} == {tf.bfloat16}


@pytest.mark.parametrize("folder, arguments", [
    ("encoders", ["images", "settings"]), ("decoders", ["features", "num_classes", "settings"])])
def test_encoders_and_decoders_take_the_arguments_of_the_model(folder, arguments):
    for name in registry.names(folder):
        assert list(inspect.signature(registry.load(folder, name).build).parameters) == arguments


@pytest.mark.parametrize("name", registry.names("nets"))
def test_net_has_an_encoder_a_decoder_and_allowed_variants(name):
    parts = components.of(name)
    assert callable(parts.encoder.build) and callable(parts.decoder.build)
    of_head = parts.net if parts.net.DECODER == "fcn" else parts.decoder
    assert list(inspect.signature(of_head.head).parameters) == ["features", "fcn"]
    features = parts.features(Architecture(name, 2, published_nets.widths()))
    assert set(of_head.FUSED) < {feature for feature, _, _ in features}
    if hasattr(parts.net, "VARIANT"):
        assert isinstance(parts.net.VARIANT, Variants)
        values = vars(parts.net.VARIANT).items()
        assert {field: value for field, value in values if value not in ALLOWED.get(field, (value,))} == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fcn8s", "fcn8s_tutorial"])
def test_graph_lists_the_encoder_layers(name):
    with fresh():
        graph = graph_builder.build(Architecture(name, 3, THIN))
    assert graph.encoder_layers == tuple(THIN)
    assert list(graph.features) == ["pool1", "pool2", "pool3", "pool4", "pool5", "fc7"]


# --- a net of a tiny encoder, with nothing but what it must have ---

def tiny_encoder(images, settings):
    half = tf.nn.relu(layers.conv(layers.max_pool(images), "conv_a", 3, 4))
    return {"half": half, "quarter": tf.nn.relu(layers.conv(layers.max_pool(half), "conv_b", 3, 6))}


TINY = {
    "encoders": types.SimpleNamespace(FEATURES=(("half", 2, 4), ("quarter", 4, 6)), build=tiny_encoder,
                                      preprocess=lambda images, mean_rgb: images / 255),
    "nets": types.SimpleNamespace(
        ENCODER="tiny", DECODER="fcn",
        head=lambda features, fcn: fcn.crop(fcn.conv2d_transpose("up", fcn.score("score", features["quarter"]), 4), 4)),
}


@pytest.fixture
def tiny(monkeypatch):
    """The net "tiny" on the encoder "tiny"; returns their modules, {"encoders": ..., "nets": ...}, to be changed.
    """
    pick, modules = registry.load, {folder: types.SimpleNamespace(**vars(module)) for folder, module in TINY.items()}
    monkeypatch.setattr(registry, "load",
                        lambda folder, name: modules[folder] if name == "tiny" else pick(folder, name))
    return modules


def test_tiny_net_scores_align_with_images_of_any_size(tiny):
    with fresh() as session:
        graph = graph_builder.inference(Architecture("tiny", 3))
        start(session)
        nets_help.randomise(session)
        for size in ((1, 1), (8, 8), (33, 46)):
            images = np.random.default_rng(0).integers(0, 256, (2, *size, 3), np.uint8)
            assert session.run(graph.logits, {graph.images: images}).shape == (2, *size, 3)


def test_unspecified_facts_of_a_tiny_net_are_unknown(tiny):
    architecture, parts = Architecture("tiny", 3), components.of("tiny")
    assert components.margin(architecture) is None
    assert parts.layer_names({}) is None and parts.widths({"conv1_1": 64}) == {}
    assert parts.score_count(architecture, (40, 41)) == 3 * 44 * 48  # blocks of 4 px, 2 px over the sides
    assert parts.strides(architecture) == {"images": 1, "half": 2, "quarter": 4, "score_fr": 32, "score_pool4": 16,
                                 "score_pool3": 8, "logits": 1}


def test_memory_of_a_net_without_a_map_is_read_from_its_graph(tiny):
    """Of the tiny net: the inputs of its convolutions and of both pools, and the outputs of its ReLUs."""
    found = components.of("tiny").memory_map(Architecture("tiny", 3), (40, 56)).activations
    assert list(found.values())[:6] == [(40, 56, 3), (20, 28, 3), (20, 28, 4), (10, 14, 4), (10, 14, 6), (10, 14, 6)]


@pytest.mark.slow
def test_map_read_from_a_graph_equals_that_of_vgg():
    """Of the encoder up to pool5: the outputs of all convolutions and pools."""
    read = graph_builder.memory_map(Architecture("unet_vgg19", 3, BARE), (40, 56)).activations
    stated = list(vgg.memory_map(THIN, (64, 64), None).activations.values())[:-2]
    assert list(read.values())[1:1 + len(stated)] == stated


def test_receptive_field_is_known_once_both_halves_define_theirs(tiny):
    def receptive_field(spans, widths, variant):
        first, last = spans["quarter"][0] - 1, spans["quarter"][1] + 1  # conv_b
        return 4 * first - 2, 4 * last + 3 + 2                           # both pools, and conv_a at "half" between them
    tiny["encoders"].receptive_field, tiny["nets"].FUSED = receptive_field, ()
    cells = components.of("tiny").decoder.cells(1, Architecture("tiny", 3))
    assert cells == {"quarter": (-1, 0)}  # pixel 1 lies in cell 0, nearer to cell -1 than to cell 1
    assert components.of("tiny").receptive_field(1, Architecture("tiny", 3)) == (4 * -2 - 2, 4 * 1 + 3 + 2)
    assert components.margin(Architecture("tiny", 3)) == 11  # of pixel 1, from -10


def test_tiles_need_features_whose_strides_divide_32(tiny):
    def check(net):
        tiling.check_strides(components.common_stride(Architecture(net, 3, nets_help.THIN)), net)
    check("fcn8s")
    check("tiny")  # 2 and 4
    tiny["encoders"].FEATURES = (("half", 8, 4), ("quarter", 12, 6))
    with pytest.raises(errors.UsageError, match="features of the net tiny repeat every 24 px"):
        check("tiny")


def test_net_without_variant_refuses_options_of_published_fcns(tiny):
    assert variants.variants_of("tiny", pool=None) is None
    with pytest.raises(errors.UsageError, match="the net tiny has no --last-layer"):
        variants.variants_of("tiny", last_layer="conv5_3", pool=None)


def test_encoder_with_undeclared_features_is_reported(tiny):
    tiny["encoders"].FEATURES, tiny["encoders"].__file__ = (("half", 2, 4), ("quarter", 4, 7)), "tiny.py"
    with fresh(), pytest.raises(errors.UsageError, match=r"tiny.py: build\(\) gives features .*'quarter': 6"):
        graph_builder.inference(Architecture("tiny", 3))


def test_architecture_round_trips_through_config_json():
    architecture = Architecture("fcn8s", 3, {"conv1_1": 2}, (1.0, 2.0, 3.0), {"pool": "avg"}, "bfloat16")
    assert Architecture.from_dict(architecture.to_dict()) == architecture
    old = {"net": "fcn32s", "num_classes": 2, "ignored_ids": [], "channels": {}, "mean_rgb": [1, 2, 3],
           "choices": {"pool": None}, "loss": "cross_entropy"}
    assert Architecture.from_dict(old) == Architecture("fcn32s", 2, {}, (1, 2, 3), {"pool": None})


def test_vgg_subtracts_the_mean_in_float32():
    with fresh() as session:
        images = vgg.preprocess(tf.constant([[[[10.0, 20.0, 30.0]]]]), (1.5, 2.5, 3.0))
        np.testing.assert_array_equal(session.run(images), [[[[8.5, 17.5, 27.0]]]])
