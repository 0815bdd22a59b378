"""What the tests of the nets share: a fresh graph, a thin VGG-19, random weights, and the layers once more in NumPy.

The NumPy layers are written from the definitions, one image (h, w, channels) in float64, and share nothing with
fcn/layers.py.
"""

import contextlib

import numpy as np
from scipy.signal import correlate2d

from fcn.tf1 import session as new_session
from fcn.tf1 import tf
from fcn.vgg_table import CONVOLUTIONS

# Neighbours differ, so that a layer that takes the wrong input does not fit.
THIN = dict(zip(CONVOLUTIONS, (2, 3, 3, 4, 4, 3, 5, 4, 4, 6, 5, 6, 6, 4, 5, 6), strict=True)) | {"fc6": 5, "fc7": 4}


@contextlib.contextmanager
def fresh(seed=7):
    """A session in a graph of its own, with the run's seed set."""
    with tf.Graph().as_default() as graph, new_session(graph) as session:
        tf.set_random_seed(seed)
        yield session


def start(session):
    session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])


def values():
    """{name: array} of all variables of the default session, those that are not saved included."""
    session = tf.get_default_session()
    variables = tf.global_variables() + tf.local_variables()
    return dict(zip([v.op.name for v in variables], session.run(variables), strict=True))


def randomise(session, seed=0, gains=None):
    """Give every trainable variable random values that keep activations alive; returns {name: array}.

    gains: {layer: factor on its kernel}, 1 unless named.
    """
    rng, drawn = np.random.default_rng(seed), {}
    for variable in tf.trainable_variables():
        name, shape = variable.op.name, variable.shape.as_list()
        if name.endswith("/bias"):
            array = rng.uniform(0, 0.2, shape)
        else:
            fan_in = np.prod(shape[:3]) if "deconv" not in name else 4 * shape[3]
            array = rng.normal(0, np.sqrt(2 / fan_in), shape) * (gains or {}).get(name.split("/")[0], 1)
        drawn[name] = array.astype(np.float32)
    put(session, drawn)
    return drawn


def put(session, arrays):
    """Give variables these values, {name: array}, all at once."""
    variables = [v for v in tf.global_variables() if v.op.name in arrays]
    session.run([v.initializer for v in variables], {v.initializer.inputs[1]: arrays[v.op.name] for v in variables})


def conv(x, kernel, bias):
    """SAME, stride 1. kernel (size, size, in, out)."""
    return np.stack([sum(correlate2d(x[..., i], kernel[..., i, o], "same") for i in range(x.shape[2])) + bias[o]
                     for o in range(kernel.shape[3])], axis=-1)


def pool(x):
    """2 x 2 maximum, sizes rounded up."""
    high, wide = (-(-side // 2) for side in x.shape[:2])
    return np.array([[x[2 * i:2 * i + 2, 2 * j:2 * j + 2].max(axis=(0, 1)) for j in range(wide)] for i in range(high)])


def scatter(x, kernel, stride, output_hw):
    """Transposed convolution: every input pixel lays its kernel (size, size, out, in) over the output, centred on
    the stride x stride block that the pixel stands for; what falls outside of output_hw is lost.
    """
    size, edge = len(kernel), (len(kernel) - stride) // 2
    canvas = np.zeros((len(x) * stride + 2 * edge, x.shape[1] * stride + 2 * edge, kernel.shape[2]))
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            canvas[i * stride:i * stride + size, j * stride:j * stride + size] += kernel @ x[i, j]
    return canvas[edge:edge + output_hw[0], edge:edge + output_hw[1]]


def bilinear(factor, channels):
    """Kernel (2 factor, 2 factor, channels, channels): weight 1 - distance / factor along either axis."""
    distance = np.abs(np.arange(2 * factor) + 0.5 - factor)
    line = 1 - distance / factor
    return np.einsum("i,j,ab->ijab", line, line, np.eye(channels))


def body(x, weights):
    """{name: array} of pool3, pool4 and fc7 of a VGG-19 with these weights ({layer/kernel, layer/bias: array})."""
    ends = {}
    for name in CONVOLUTIONS:
        if name.endswith("_1") and name != "conv1_1":
            x = pool(x)
            ends[f"pool{int(name[4]) - 1}"] = x
        x = np.maximum(conv(x, weights[f"{name}/kernel"], weights[f"{name}/bias"]), 0)
    x = pool(x)
    for name in ("fc6", "fc7"):
        x = np.maximum(conv(x, weights[f"{name}/kernel"], weights[f"{name}/bias"]), 0)
    return ends | {"fc7": x}
