"""python keras_help.py FOLDER: what Keras itself saves, for test_formats_keras.py.

A process of its own, because fcn/models/tf_compat.py puts TensorFlow into graph mode for good, in which Keras 3 does
not work.
"""

import pathlib
import sys

import numpy as np
from formats_help import thin_vgg


def keras_name(layer):
    return f"fc{int(layer[2]) - 5}" if layer.startswith("fc") else f"block{layer[4]}_conv{layer[-1]}"


def bgr(layers):
    kernel, bias = layers["conv1_1"]
    return layers | {"conv1_1": (kernel[:, :, ::-1], bias)}


def keras_net(keras, layers, named):
    """A Keras model of these layers (height, width, BGR, out), with or without keras.applications' names."""
    net = keras.Sequential([keras.layers.Input((7, 7, 3))])  # pools do not change what is saved
    for layer, (kernel, _) in layers.items():
        name = {"name": keras_name(layer)} if named else {}
        if layer == "fc6":
            net.add(keras.layers.Flatten())
        if layer.startswith("fc"):
            net.add(keras.layers.Dense(kernel.shape[3], **name))
        else:
            net.add(keras.layers.Conv2D(kernel.shape[3], 3, padding="same", **name))
    net.set_weights([array for layer, (kernel, bias) in layers.items() for array in (
        kernel.reshape(-1, kernel.shape[3]) if layer.startswith("fc") else kernel, bias)])
    return net


def main(folder):
    import keras
    for backbone in ("vgg16", "vgg19"):
        for named in (True, False):
            net = keras_net(keras, bgr(thin_vgg(backbone)), named)
            net.save_weights(folder / f"{backbone}-{named}.weights.h5")
            net.save(folder / f"{backbone}-{named}.h5")
    real = keras.applications.VGG19(weights=None, include_top=False)
    real.save_weights(folder / "real.weights.h5")
    np.savez(folder / "real.npz", **{f"{layer.name}/{i}": array for layer in real.layers
                                     for i, array in enumerate(layer.get_weights())})


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
