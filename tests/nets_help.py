"""What the tests of the nets share: a fresh graph, a thin VGG, random weights, and the nets once more in NumPy.

The NumPy nets are written from the definitions (SciPy's correlation, one image (h, w, channels) in float64) and share
nothing with fcn/models/layers.py, fcn/models/encoders/_vgg_graph.py and fcn/models/decoders/fcn.py.
"""

import contextlib

import numpy as np
from scipy.signal import correlate2d

from fcn.models import components, layers
from fcn.models.architecture import BuildSettings
from fcn.models.tf_compat import new_session, tf

# Neighbours differ, so that a layer that takes the wrong input does not fit.
THIN = {"conv1_1": 2, "conv1_2": 3,
        "conv2_1": 3, "conv2_2": 4,
        "conv3_1": 4, "conv3_2": 3, "conv3_3": 5, "conv3_4": 4,
        "conv4_1": 4, "conv4_2": 6, "conv4_3": 5, "conv4_4": 6,
        "conv5_1": 6, "conv5_2": 4, "conv5_3": 5, "conv5_4": 6,
        "fc6": 5, "fc7": 4}  # a VGG-19
THIN16 = {name: width for name, width in THIN.items() if not name.endswith("_4")}


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


def scores(net, images, num_classes, widths, variant=None):
    """Blocks of a net's scores for float32 images as they are, without preprocessing. variant: a Choices, or the net's.
    """
    parts = components.of(net)
    settings = BuildSettings(parts.net, widths, variant or getattr(parts.net, "VARIANT", None),
                             layers.height_width(images), None, np.zeros(2, np.int32), False)
    return parts.decoder.build(parts.encoder.build(images, settings), num_classes, settings)


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
            fan_in = 4 * shape[3] if name.startswith(("deconv", "upscore")) else np.prod(shape[:3])
            array = rng.normal(0, np.sqrt(2 / fan_in), shape) * (gains or {}).get(name.split("/")[0], 1)
        drawn[name] = array.astype(np.float32)
    put(session, drawn)
    return drawn


def put(session, arrays):
    """Give variables these values, {name: array}, all at once."""
    variables = [v for v in tf.global_variables() if v.op.name in arrays]
    session.run([v.initializer for v in variables], {v.initializer.inputs[1]: arrays[v.op.name] for v in variables})


def conv(x, kernel, bias, pad=None):
    """Stride 1, of x with `pad` px of zeros on every side (default: as many as keep its size)."""
    pad = len(kernel) // 2 if pad is None else pad
    x = np.pad(x, ((pad, pad), (pad, pad), (0, 0)))
    return np.stack([sum(correlate2d(x[..., i], kernel[..., i, o], "valid") for i in range(x.shape[2])) + bias[o]
                     for o in range(kernel.shape[3])], axis=-1)


def relu(x):
    return np.maximum(x, 0)


def pool(x, reduce=np.nanmax):
    """2 x 2 maximum (np.nanmax) or average (np.nanmean) of what is there: odd sizes are rounded up."""
    height, width, depth = x.shape
    even = np.full((height + height % 2, width + width % 2, depth), np.nan)
    even[:height, :width] = x
    return reduce(even.reshape(len(even) // 2, 2, -1, 2, depth), axis=(1, 3))


def spread(x, kernel, stride):
    """Transposed convolution to its full size, stride * (n - 1) + size: every input pixel lays its kernel
    (size, size, out, in) over the output.
    """
    size, high, wide = len(kernel), len(x), x.shape[1]
    canvas = np.zeros((stride * (high - 1) + size, stride * (wide - 1) + size, kernel.shape[2]))
    for i in range(high):
        for j in range(wide):
            canvas[i * stride:i * stride + size, j * stride:j * stride + size] += kernel @ x[i, j]
    return canvas


def crop(x, offset, height_width):
    """The window of this size at row and column `offset`. It must lie within x, as Caffe's Crop layer has it."""
    assert offset + height_width[0] <= x.shape[0]
    assert offset + height_width[1] <= x.shape[1]
    return x[offset:offset + height_width[0], offset:offset + height_width[1]]


def scatter(x, kernel, stride, output_hw):
    """spread() so that a kernel lies centred on the stride x stride block that its pixel stands for."""
    return crop(spread(x, kernel, stride), (len(kernel) - stride) // 2, output_hw)


def bilinear(factor, channels):
    """Kernel (2 factor, 2 factor, channels, channels): weight 1 - distance / factor along either axis."""
    distance = np.abs(np.arange(2 * factor) + 0.5 - factor)
    line = 1 - distance / factor
    return np.einsum("i,j,ab->ijab", line, line, np.eye(channels))


# What tells the nets apart, as arguments of forward().
AVERAGE, MAXIMUM = np.nanmean, np.nanmax
PORT = {"factors": (2, 2, 8), "fuse": "features"}
DEFINITIONS = {
    "fcn32s": {"factors": (32,)},
    "fcn16s": {"factors": (2, 16)},
    "fcn8s": {"factors": (2, 2, 8)},
    "fcn8s_atonce": {"factors": (2, 2, 8), "scales": (0.01, 0.0001)},
    "fcn4s": {"factors": (2, 2, 2, 4)},
    "fcn8s_tutorial": PORT | {"pools": (AVERAGE,) * 5, "last": "relu5_3", "relu_on_scores": True},
    "fcn8s_shekkizh": PORT | {"pools": (AVERAGE,) * 4 + (MAXIMUM,), "last": "conv5_3"},
}
UPSCORES = {(0, 32): "upscore", (0, 2): "upscore2", (1, 16): "upscore16", (1, 2): "upscore_pool4", (2, 8): "upscore8",
            (2, 2): "upscore_pool3", (3, 4): "upscore4"}
CROPS = {32: 19, 16: 27, 8: 31, 4: 33}  # voc-fcn32s, 16s and 8s; of 4s by arithmetic (test_alignment.py)


def forward(x, w, factors, fuse="scores", pools=(MAXIMUM,) * 5, last=None, scales=(1, 1, 1), relu_on_scores=False,
            pad100=False):
    """(logits (h, w, classes), [every summand of the fusions]) of one image (h, w, 3) less its mean.

    w: {layer/kernel, layer/bias: array}. factors: of the upsamplings, the last one to the size of x. fuse, scales,
    relu_on_scores: the head; pools: five functions; last: what goes into pool5. pad100: as voc-fcn*/net.py, `pad: 100`
    in conv1_1, fc6 unpadded, transposed convolutions to their full size, crops 5, 9 and 17, then 19 | 27 | 31 | 33.
    """
    pool2, pool3, pool4, fc7 = body(x, w, pools, last, pad100)
    y, summands = score(fc7, w, "score_fr"), []
    if relu_on_scores:
        y = relu(y)
    skips = (("score_pool4", pool4, scales[0], 5), ("score_pool3", pool3, scales[1], 9),
             ("score_pool2", pool2, scales[-1], 17))[:len(factors) - 1]
    for number, (name, finer, scale, offset) in enumerate(skips):
        if fuse == "scores":
            finer = score(finer * scale, w, name)
        y = upsampled(y, w, number, factors[number], fuse, None if pad100 else finer.shape)
        summands += [y, crop(finer, offset, y.shape) if pad100 else finer]
        y = summands[-2] + summands[-1]
    y = upsampled(y, w, len(skips), factors[-1], fuse, None if pad100 else x.shape)
    return (crop(y, CROPS[factors[-1]], x.shape) if pad100 else y), summands


def body(x, w, pools, last, pad100):
    """pool2, pool3, pool4 and fc7 of the VGG whose convolutions are in w."""
    ends = {}
    for stage, reduce in enumerate(pools, 1):
        for name in (f"conv{stage}_{i}" for i in (1, 2, 3, 4) if f"conv{stage}_{i}/kernel" in w):
            pad = 100 if pad100 and name == "conv1_1" else 1
            ends[name] = conv(x, w[f"{name}/kernel"], w[f"{name}/bias"], pad)
            x = ends[f"relu{name[4:]}"] = relu(ends[name])
        x = ends[f"pool{stage}"] = pool(ends[last] if stage == 5 and last else x, reduce)
    x = relu(conv(x, w["fc6/kernel"], w["fc6/bias"], 0 if pad100 else 3))
    return ends["pool2"], ends["pool3"], ends["pool4"], relu(conv(x, w["fc7/kernel"], w["fc7/bias"], 0))


def score(x, w, name):
    return conv(x, w[f"{name}/kernel"], w[f"{name}/bias"], 0)


def upsampled(y, w, number, factor, fuse, output_hw):
    """To output_hw, or to the full size if that is None; bilinear unless w has a kernel for it."""
    name = f"deconv{number + 1}" if fuse == "features" else UPSCORES[number, factor]
    kernel = w.get(f"{name}/kernel", bilinear(factor, y.shape[2]))
    y = spread(y, kernel, factor) if output_hw is None else scatter(y, kernel, factor, output_hw)
    return y + w.get(f"{name}/bias", 0)
