"""Decoders of the U-Nets against Keras, their alignment, padding of images, and one sigmoid output."""

import numpy as np
import pytest
from nets_help import fresh, put, start, values

from fcn.cli import export
from fcn.core import errors, registry
from fcn.data import label_policy
from fcn.data.spec import DatasetSpec
from fcn.models import blocks, components, graph_builder, variables
from fcn.models.architecture import Architecture, BuildSettings
from fcn.models.batch_loss import LossSettings
from fcn.models.blocks import Blocks
from fcn.models.decoders import _skips
from fcn.models.tf_compat import tf
from fcn.runs import record
from fcn.training import checkpoint

STRIDES = {"a": 2, "b": 4, "c": 8, "d": 16, "e": 32}
CHANNELS = {"a": 3, "b": 4, "c": 5, "d": 6, "e": 7}
NARROW = {f"conv{stage}_{i}": 3 + i for stage, count in enumerate((2, 2, 4, 4, 4), 1) for i in range(1, count + 1)}


def features_of(size=64, seed=1):
    """{name: float32 (2, size / stride, size / stride, channels)}."""
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=(2, size // stride, size // stride, CHANNELS[name])).astype(np.float32)
            for name, stride in STRIDES.items()}


def randomise_kernels(session, rng, deviation):
    put(session, {v.op.name: rng.normal(0, deviation, v.shape) for v in tf.trainable_variables()
                  if "kernel" in v.op.name})


def unet_in_keras(keras, inputs, classes):
    """The decoder of segmentation_models' Unet: DecoderUpsamplingX2Block, written from its definition."""
    x = inputs["e"]
    for number, (skip, channels) in enumerate(zip(["d", "c", "b", "a", None], (256, 128, 64, 32, 16), strict=True)):
        x = keras.layers.UpSampling2D(2)(x)
        if skip:
            x = keras.layers.Concatenate()([x, inputs[skip]])
        for part in "ab":
            x = keras.layers.Conv2D(channels, 3, padding="same", use_bias=False,
                                    name=f"decoder_stage{number}{part}_conv")(x)
            x = keras.layers.ReLU()(keras.layers.BatchNormalization(name=f"decoder_stage{number}{part}_bn")(x))
    return keras.layers.Conv2D(classes, 3, padding="same", name="final_conv")(x)


def pix2pix_in_keras(keras, inputs, classes):
    """The up-blocks of the tutorial "Getting Started With Semantic Segmentation", pix2pix.upsample(filters, 3)."""
    x = inputs["e"]
    for number, (skip, channels) in enumerate(zip("dcba", (512, 256, 128, 64), strict=True), 1):
        x = keras.layers.Conv2DTranspose(channels, 3, strides=2, padding="same", use_bias=False,
                                         name=f"up{number}_conv")(x)
        x = keras.layers.ReLU()(keras.layers.BatchNormalization(name=f"up{number}_bn")(x))
        x = keras.layers.Concatenate()([x, inputs[skip]])
    return keras.layers.Conv2DTranspose(classes, 3, strides=2, padding="same", name="final_upconv")(x)


def randomised(model, rng):
    """Give a Keras model random weights; return them as {variable of ours: array}."""
    found = {}
    for layer in model.layers:
        for variable in layer.weights:
            shape = variable.shape
            scale = np.sqrt(2 / np.prod(shape[:3])) if len(shape) == 4 else 0.3
            array = rng.uniform(0.5, 1.5, shape) if "variance" in variable.path or "gamma" in variable.path else (
                rng.normal(0, scale, shape))
            variable.assign(array.astype(np.float32))
            found[f"{layer.name}/{variable.name}"] = array.astype(np.float32)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("decoder", "reference"), [("unet", unet_in_keras), ("unet_pix2pix", pix2pix_in_keras)])
def test_unet_decoder_equals_the_same_net_in_keras(decoder, reference, training):
    import keras
    inputs = {name: keras.Input((None, None, channels)) for name, channels in CHANNELS.items()}
    model = keras.Model(list(inputs.values()), reference(keras, inputs, 3))
    weights, features = randomised(model, np.random.default_rng(0)), features_of()
    expected = np.array(model(list(features.values()), training=training))
    averages = {f"{layer.name}/{v.name}": v.numpy() for layer in model.layers for v in layer.weights}
    with fresh() as session:
        tensors = {name: tf.placeholder(tf.float32, (None, None, None, CHANNELS[name])) for name in features}
        settings = BuildSettings(None, {}, None, None, None, None, tf.constant(training), STRIDES)
        logits = registry.load("decoders", decoder).build(tensors, 3, settings)
        start(session)
        assert {v.op.name: tuple(v.shape.as_list()) for v in tf.global_variables()} == {
            name: array.shape for name, array in weights.items()}
        put(session, weights)
        with tf.control_dependencies(variables.apply_changes()):
            found = session.run(tf.identity(logits), {tensors[name]: array for name, array in features.items()})
        after = values()
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(found, expected, atol=1e-4)
    for name, array in after.items():
        np.testing.assert_allclose(array, averages[name], atol=1e-5, err_msg=name)


@pytest.mark.parametrize(("decoder", "is_aligned"), [("unet", True), ("unet_pix2pix_4x4", True),
                                                      ("unet_pix2pix", False)])
def test_mirrored_features_give_mirrored_scores(decoder, is_aligned):
    """With symmetric kernels, unless the decoder shifts its features. Keras' 3 x 3 up-blocks of pix2pix do."""
    with fresh() as session:
        tensors = {name: tf.placeholder(tf.float32, (None, None, None, CHANNELS[name])) for name in STRIDES}
        settings = BuildSettings(None, {}, None, None, None, None, False, STRIDES)
        logits = registry.load("decoders", decoder).build(tensors, 1, settings)
        start(session)
        rng = np.random.default_rng(3)
        put(session, {v.op.name: np.broadcast_to(rng.normal(0, 0.1, v.shape[2:]), v.shape)
                      for v in tf.trainable_variables() if "kernel" in v.op.name})
        maps = features_of()
        as_is, mirrored = (session.run(logits, {tensors[name]: array[:, ::step, ::step]
                                                for name, array in maps.items()}) for step in (1, -1))
    assert (np.abs(as_is - mirrored[:, ::-1, ::-1]).max() < 1e-4 * np.ptp(as_is)) == is_aligned


def test_skips_are_the_last_features_of_each_stride():
    assert _skips.split({}, {"a": 2, "b": 4, "b2": 4, "c": 8}) == ("c", ["b2", "a", None])
    assert _skips.split({}, {"one": 1, "two": 2, "eight": 8}) == ("eight", [None, "two", "one"])
    with pytest.raises(errors.UsageError, match="has stride 12, a U-Net needs a power of 2"):
        _skips.split({}, {"a": 4, "b": 12})


# --- images of any size ---

@pytest.mark.slow
@pytest.mark.parametrize("net", ["unet_vgg19", "unet_pix2pix_vgg19", "fcn8s_vgg19"])
def test_image_is_padded_with_the_mean_to_whole_strides(net):
    """Scores of 45 x 71 px are those of the image padded by hand to 64 x 96 px, cropped."""
    mean, rng = (10, 20, 30), np.random.default_rng(0)
    images = rng.integers(0, 256, (2, 45, 71, 3)).astype(np.uint8)
    padded = np.broadcast_to(np.uint8(mean), (2, 64, 96, 3)).copy()
    padded[:, :45, :71] = images
    with fresh() as session:
        graph = graph_builder.build(Architecture(net, 3, NARROW, mean))
        start(session)
        randomise_kernels(session, rng, 0.2)
        small, large = (session.run(graph.logits, {graph.images: each}) for each in (images, padded))
        prediction = session.run(graph.prediction, {graph.images: images})
    assert np.ptp(large) > 1e-3
    np.testing.assert_allclose(small, large[:, :45, :71], atol=1e-5 * np.ptp(large))
    np.testing.assert_array_equal(prediction, small.argmax(axis=3))


# --- prediction with final weights ---

@pytest.mark.slow
@pytest.mark.parametrize("net", ["unet_vgg19", "unet_pix2pix_densenet121", "unet_resnet50", "unet_mobilenetv2"])
def test_normalisation_in_the_kernels_gives_the_same_scores(net):
    """With final weights, batch normalisation scales the kernels of the convolutions before it."""
    widths = NARROW if "vgg" in net else {}
    images, found = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3)), []
    for prepared in (False, True):
        with fresh() as session:
            graph = graph_builder.inference(Architecture(net, 3, widths), prepared=prepared)
            session.run(tf.global_variables_initializer())
            rng = np.random.default_rng(1)
            put(session, {v.op.name: rng.uniform(0.7, 1.3, v.shape) if "kernel" not in v.op.name else
                          rng.normal(0, np.sqrt(2 / np.prod(v.shape[:3])), v.shape) for v in tf.global_variables()})
            for step in variables.preparation([graph.logits]):
                session.run(step)
            unused = session.run(tf.report_uninitialized_variables(tf.local_variables()))
            assert (len(unused) > 0) == prepared  # kernels that the scaled ones replace
            found.append(session.run(graph.logits, {graph.images: images}))
            kinds = [operation.type for operation in session.graph.get_operations()]
            assert (kinds.count("FusedBatchNormV3") < 2) == (prepared and "densenet" not in net)
    assert np.ptp(found[0]) > 1e-3
    np.testing.assert_allclose(*found, rtol=0, atol=2e-5 * np.ptp(found[0]))


# --- names ---

def test_every_decoder_goes_with_every_encoder_by_name():
    names = registry.all_names("nets")
    assert {"fcn8s", "unet_vgg19", "unet_pix2pix_vgg16", "fcn8s_vgg19"} <= set(names)
    assert "fcn_vgg19" not in names  # that decoder takes its head from the net's file
    assert (components.of("unet_pix2pix_vgg16").net.DECODER, components.of("unet_pix2pix_vgg16").net.ENCODER) == (
        "unet_pix2pix", "vgg16")
    assert not registry.is_plugin("nets", "unet_vgg19")
    with pytest.raises(errors.UsageError, match=r"unknown net 'unet_vgg91'; available: .*DECODER_ENCODER") as caught:
        registry.load("nets", "unet_vgg91")
    assert caught.value.fix == "did you mean unet_vgg19?"


def test_one_file_adds_an_encoder_to_every_decoder(tmp_path):
    (tmp_path / "encoders").mkdir()
    (tmp_path / "encoders/mine.py").write_text('''
from fcn.models import layers

FEATURES = (("half", 2, 4), ("whole", 32, 5))


def preprocess(images, mean_rgb):
    return images


def build(images, settings):
    half = layers.conv(images, "a", layers.Window(3, stride=2), 4)
    return {"half": half, "whole": layers.conv(half, "b", layers.Window(3, stride=16), 5)}
''')
    registry.use([tmp_path])
    try:
        assert {"unet_mine", "unet_pix2pix_mine", "fcn32s_mine"} <= set(registry.all_names("nets"))
        assert components.of("unet_mine").is_plugin()
        for net in ("unet_mine", "fcn32s_mine"):
            with fresh() as session:
                graph = graph_builder.build(Architecture(net, 2))
                start(session)
                assert session.run(graph.logits, {graph.images: np.zeros((1, 33, 40, 3))}).shape == (1, 33, 40, 2)
    finally:
        registry.use()


# --- one sigmoid output ---

@pytest.mark.parametrize("factor", [1, 2])
def test_zeros_come_before_the_single_score(factor):
    tensor = np.arange(1, 1 + 2 * 3 * factor ** 2, dtype=np.float32).reshape(1, 2, 3, factor ** 2)
    with fresh() as session:
        one = Blocks(tf.constant(tensor), factor, 1, 0, (2 * factor, 3 * factor))
        single, pair = session.run([one.pixels(), one.after_zeros().pixels()])
    np.testing.assert_array_equal(pair, np.concatenate([np.zeros_like(single), single], axis=3))


@pytest.mark.slow
@pytest.mark.parametrize("net", ["unet_vgg19", "fcn8s_vgg19"])
def test_sigmoid_output_has_the_binary_cross_entropy(net):
    rng = np.random.default_rng(2)
    images = rng.integers(0, 256, (2, 32, 40, 3))
    labels = rng.choice([0, 1, 255], (2, 32, 40), p=(0.5, 0.4, 0.1))
    with fresh() as session:
        graph = graph_builder.build(Architecture(net, 2, NARROW, output="sigmoid"), label_policy.of_net([255], 2),
                                    LossSettings())
        start(session)
        randomise_kernels(session, rng, 0.1)
        logits, prediction, loss, pixels = session.run(
            [graph.logits, graph.prediction, graph.loss_sum, graph.pixels],
            {graph.images: images, graph.labels: labels})
        channels = [v.shape.as_list() for v in tf.trainable_variables() if "kernel" in v.op.name][-1]
    z, counts = logits[..., 1].astype(np.float64), labels != 255
    assert 1 in channels and (logits[..., 0] == 0).all() and np.ptp(z) > 1e-3
    expected = np.logaddexp(0, np.where(labels == 1, -z, z))[counts].sum()  # -log sigmoid(z), -log(1 - sigmoid(z))
    assert loss == pytest.approx(expected, rel=1e-4) and pixels == counts.sum()
    np.testing.assert_array_equal(prediction, z > 0)


def test_plain_blocks_keep_their_pixels():
    with fresh() as session:
        scores = blocks.plain(tf.constant(np.arange(8, dtype=np.float32).reshape(1, 2, 4, 1)))
        np.testing.assert_array_equal(session.run(scores.crop((1, 3)).pixels())[0, :, :, 0], [[0, 1, 2]])


# --- exports ---

@pytest.mark.slow
@pytest.mark.parametrize(("net", "name"), [
    *(("unet_squeezenet11", name) for name in ("net", "net.npz", "net.tflite", "net.onnx")),
    ("unet_efficientnetb0", "net.tflite")])  # depthwise convolution, squeeze-and-excite, swish
def test_unet_with_one_output_is_exported_for_any_size(tmp_path, net, name):
    """The export compares its outputs for images of two sizes with the net, of which one is padded."""
    if name == "net.onnx":
        pytest.importorskip("tf2onnx")
        pytest.importorskip("onnxruntime")
    model = {"net": net, "num_classes": 2, "ignored_ids": [], "channels": {},
             "mean_rgb": [123.0, 117.0, 104.0], "choices": {}, "loss": "cross_entropy", "output": "sigmoid"}
    with fresh() as session:
        graph_builder.of_run(model)
        start(session)
        checkpoint.Store(tmp_path / "run/checkpoints").save(session, {"step": 1, "score": None, "window": []})
    record.write_record(tmp_path / "run", {"config": {"size": (0, 0), "crop_size": None}, "model": model,
                                           "spec": record.spec_to_dict(DatasetSpec(("other", "nail"), ()))})
    export.main(["--run", str(tmp_path / "run"), "--to", str(tmp_path / name)])
    assert (tmp_path / name).exists()
