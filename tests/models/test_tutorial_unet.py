"""The whole net of the tutorial on Clothing Co-Parsing against the same net in Keras: outputs, one step of RMSprop."""

import numpy as np
import pytest
from nets_help import fresh, put, start, values

from fcn.models import graph_builder
from fcn.models.architecture import Architecture
from fcn.models.encoders import _imagenet
from fcn.models.tf_compat import tf
from fcn.training import lr_multipliers, weight_update

pytestmark = pytest.mark.slow

NET, CLASSES, RATE = "unet_pix2pix_densenet121", 59, 1e-3
SKIPS = ("conv1_relu", "pool2_relu", "pool3_relu", "pool4_relu", "relu")


def in_keras(keras):
    """The tutorial's code, without its pretrained weights. pix2pix.upsample(filters, 3) is written out."""
    base = keras.applications.DenseNet121(input_shape=(64, 64, 3), include_top=False, weights=None)
    downstack = keras.Model(base.input, [base.get_layer(name).output for name in SKIPS])
    downstack.trainable = False
    inputs = keras.Input((64, 64, 3))
    *skips, out = downstack(inputs)
    for number, (channels, skip) in enumerate(zip((512, 256, 128, 64), reversed(skips), strict=True), 1):
        out = keras.layers.Conv2DTranspose(channels, 3, strides=2, padding="same", use_bias=False,
                                           kernel_initializer=keras.initializers.RandomNormal(0, 0.02),
                                           name=f"up{number}_conv")(out)
        out = keras.layers.ReLU()(keras.layers.BatchNormalization(name=f"up{number}_bn")(out))
        out = keras.layers.Concatenate()([out, skip])
    out = keras.layers.Conv2DTranspose(CLASSES, 3, strides=2, padding="same", name="final_upconv")(out)
    model = keras.Model(inputs, out)
    model.compile(loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                  optimizer=keras.optimizers.RMSprop(learning_rate=RATE))
    return model, downstack


def weights_of(*models):
    return {f"{layer.name}/{v.name}": v.numpy() for model in models for layer in model.layers
            if not hasattr(layer, "layers") for v in layer.weights}


def test_tutorial_net_and_its_first_step_equal_keras():
    import keras
    keras.utils.set_random_seed(0)
    model, downstack = in_keras(keras)
    rng = np.random.default_rng(0)
    for layer in downstack.layers:
        for v in layer.weights:
            if "moving" in v.name:
                v.assign(rng.uniform(0.5, 1.5, v.shape) if "variance" in v.name else rng.normal(0, 0.1, v.shape))
    images = rng.integers(0, 256, (2, 64, 64, 3)).astype(np.uint8)
    labels = rng.integers(0, CLASSES, (2, 64, 64)).astype(np.uint8)
    given = ((images / 255 - _imagenet.MEAN) / _imagenet.DEVIATION).astype(np.float32)
    at_first, logits = weights_of(model, downstack), model(given, training=False).numpy()
    for number in (1, 2, 3, 4):  # larger kernels have smaller gradients, whose rounding RMSprop multiplies by up to 3
        kernel = model.get_layer(f"up{number}_conv").kernel
        kernel.assign(25 * kernel)
    before = weights_of(model, downstack)
    loss = float(model.train_on_batch(given, labels))
    after = weights_of(model, downstack)
    architecture = Architecture(NET, CLASSES)
    names, encoder_layers = graph_builder.layers_of(architecture)
    factor_of = lr_multipliers.factors(names, encoder_layers, freeze="encoder")
    with fresh() as session:
        graph = graph_builder.build(architecture, frozen=lr_multipliers.frozen_layers(factor_of))
        step = weight_update.build(graph.objective, graph.normalizer,
                                   weight_update.Rule("rmsprop", factor_of=factor_of))
        start(session)
        assert {v.op.name for v in tf.global_variables() if "RMSProp" not in v.op.name} == before.keys()
        feed = {graph.images: images, graph.labels: labels}
        put(session, at_first)
        np.testing.assert_allclose(session.run(graph.logits, feed), logits, rtol=0, atol=1e-4)
        put(session, before)
        found = session.run([step.update, graph.loss_sum, graph.pixels],
                            feed | {graph.training: True, step.learning_rate: RATE})
        held = values()
    assert found[1] / found[2] == pytest.approx(loss, rel=1e-5)
    moved = [name for name, array in after.items() if (array != before[name]).any()]
    assert {name.split("_")[0] for name in moved} == {"up1", "up2", "up3", "up4", "final"}
    for name, array in after.items():
        np.testing.assert_allclose(held[name], array, rtol=0, atol=1e-5, err_msg=name)
