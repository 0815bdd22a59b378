"""Every encoder of keras.applications against Keras: all features, in inference and in training, and parameters."""

import numpy as np
import pytest
from nets_help import fresh, put, start, values

from fcn.core import registry
from fcn.models import layers, variables
from fcn.models.architecture import BuildSettings
from fcn.models.tf_compat import tf

pytestmark = pytest.mark.slow

NETS = {  # encoder: (name in keras.applications, parameters without the classifier: trained, moving averages)
    "densenet121": ("DenseNet121", 6_953_856, 83_648),
    "resnet50": ("ResNet50", 23_534_592, 53_120),
    "mobilenetv2": ("MobileNetV2", 2_223_872, 34_112),
    "efficientnetb0": ("EfficientNetB0", 4_007_548, 42_016),
    "efficientnetb4": ("EfficientNetB4", 17_548_616, 125_200),
    "vgg16": ("VGG16", 14_714_688, 0),
    "vgg19": ("VGG19", 20_024_384, 0),
}


def keras_name(name):
    """'relu5_4' -> 'block5_conv4', 'pool5' -> 'block5_pool', for VGG, whose layers have the names of the papers."""
    kind, number = name[:4], name[4:]
    if kind == "relu" and number:
        return f"block{number[0]}_conv{number[-1]}"
    return f"block{number}_pool" if kind == "pool" and number.isdigit() else name


def own_name(layer):
    """'block5_conv4' of VGG -> 'conv5_4'; names of other nets are the same in both."""
    block, _, rest = layer.partition("_")
    is_vgg = block[5:].isdigit() and rest.startswith("conv") and rest[4:].isdigit()
    return f"conv{block[5:]}_{rest[4:]}" if is_vgg else layer


def randomise(model, rng):
    """Give a Keras model random weights that keep activations near 1; return {variable of ours: array}."""
    found = {}
    for layer in model.layers:
        for variable in layer.weights if "normalization" not in layer.name else ():
            shape, name = variable.shape, {"depthwise_kernel": "kernel"}.get(variable.name, variable.name)
            fan_in = np.prod(shape[:2] if variable.name == "depthwise_kernel" else shape[:3])
            is_scale = name in ("gamma", "moving_variance")
            array = rng.uniform(0.5, 1.5, shape) if is_scale else rng.normal(
                0, np.sqrt(2 / fan_in) if len(shape) == 4 else 0.1, shape)
            if layer.name.endswith("_3_bn") and name == "gamma":
                array /= 4  # the sums of ResNet's 16 blocks would grow to hundreds
            variable.assign(array.astype(np.float32))
            found[f"{own_name(layer.name)}/{name}"] = array.astype(np.float32)
    return found


def averages(model):
    return {f"{layer.name}/{v.name}": v.numpy() for layer in model.layers for v in layer.weights if "moving" in v.name}


@pytest.mark.parametrize("name", NETS)
def test_encoder_equals_that_of_keras_applications(name, monkeypatch):
    import keras
    whole = getattr(keras.applications, NETS[name][0])(weights=None, include_top=False, input_shape=(None, None, 3))
    encoder = registry.load("encoders", name)
    features = encoder.features(encoder.widths({}), None) if hasattr(encoder, "features") else encoder.FEATURES
    model = keras.Model(whole.input, [whole.get_layer(keras_name(feature)).output for feature, _, _ in features])
    rng = np.random.default_rng(0)
    weights = randomise(model, rng)
    images = rng.normal(size=(4, 96, 128, 3)).astype(np.float32)  # 48 pixels are left at stride 32, for the moments
    # Keras' EfficientNets scale images themselves, then by the mean 0 and variance 1 of a net without weights.
    given = images * 255 if name.startswith("efficientnet") else images
    for layer in model.layers:
        if "drop" in layer.name:
            layer.rate = 0.0  # stochastic depth draws other numbers there
    expected = {on: [tensor.numpy() for tensor in model(given, training=on)] for on in (False, True)}
    updated = averages(model)
    monkeypatch.setattr(layers, "stochastic_depth", lambda x, *_: x)
    with fresh() as session:
        x = tf.placeholder(tf.float32, (None, None, None, 3))
        training = tf.placeholder(tf.bool, ())
        widths = encoder.widths({}) if hasattr(encoder, "widths") else {}
        built = encoder.build(x, BuildSettings(None, widths, None, layers.height_width(x), None, np.zeros(2, np.int32),
                                               training))
        start(session)
        own = {v.op.name: tuple(v.shape.as_list()) for v in tf.global_variables()}
        assert own == {variable: array.shape for variable, array in weights.items()}
        trained = sum(v.shape.num_elements() for v in tf.trainable_variables())
        assert (trained, sum(map(np.prod, own.values())) - trained) == NETS[name][1:]
        put(session, weights)
        for on in (False, True):
            with tf.control_dependencies(variables.apply_changes() if on else []):
                fetches = {feature: tf.identity(tensor) for feature, tensor in built.items()}
            found = session.run(fetches, {x: images, training: on})
            for (feature, _, _), tensor in zip(features, expected[on], strict=True):
                np.testing.assert_allclose(found[feature], tensor, rtol=0, atol=1e-4, err_msg=feature)
        after = values()
    for variable, array in updated.items():
        np.testing.assert_allclose(after[variable], array, rtol=1e-4, atol=1e-5, err_msg=variable)
