"""A written DagNN, run layer by layer as MatConvNet's manual says, gives the logits of our own net."""

import numpy as np
import pytest
import scipy.io
from formats_help import thin_fcn

from fcn.models import graph_builder, published_nets
from fcn.models.architecture import Architecture
from fcn.models.tf_compat import tf
from fcn.weights.formats import _heads, dagnn


def padded(x, pad, value=0.0):
    top, bottom, left, right = (int(side) for side in pad)
    return tf.pad(x, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=value)


def layer(kind, options, params, inputs):
    """One MatConvNet layer on (1, height, width, channels) tensors; pads and crops are top, bottom, left, right."""
    x, number = inputs[0], {key: np.ravel(value) for key, value in options.items()}
    if kind == "Conv":
        return tf.nn.conv2d(padded(x, number["pad"]), params[0], 1, "VALID") + params[1].ravel()
    if kind == "Pooling":
        if number["method"][0] == "max":
            return tf.nn.max_pool2d(padded(x, number["pad"], -np.inf), 2, 2, "VALID")
        total, count = (tf.nn.avg_pool2d(padded(y, number["pad"]), 2, 2, "VALID") for y in (x, tf.ones_like(x)))
        return total / count
    if kind == "ConvTranspose":
        stride, size, (_, height, width, depth) = int(number["upsample"][0]), params[0].shape[0], x.shape
        kernel = params[0] if number["numGroups"][0] == 1 else params[0] * np.eye(depth, dtype=np.float32)
        full = [stride * (int(side) - 1) + size for side in (height, width)]
        y = tf.nn.conv2d_transpose(x, kernel, (1, *full, depth), stride, "VALID")
        top, bottom, left, right = (int(side) for side in number["crop"])
        return y[:, top:full[0] - bottom, left:full[1] - right]
    if kind == "Crop":
        (top, left), (height, width) = number["crop"].astype(int), inputs[1].shape[1:3]
        return x[:, top:top + height, left:left + width]
    if kind == "Scale":
        return x * params[0].ravel()[0]
    return {"ReLU": tf.nn.relu, "DropOut": tf.identity, "Sum": lambda x: x + inputs[1]}[kind](x)


def run(path, images):
    """The tensor "score" of the DagNN in a file; images: (1, height, width, 3) less the mean."""
    content = scipy.io.loadmat(path)
    values = {row["name"][0]: row["value"].reshape(row["value"].shape + (1,) * (4 - row["value"].ndim))
              for row in content["params"].ravel()}
    tensors = {"data": images}
    for row in content["layers"].ravel():
        names = {key: [item[0] for item in row[key].ravel()] for key in ("inputs", "outputs", "params")}
        block = row["block"]
        options = {key: block[key][0, 0] for key in block.dtype.names or ()}
        tensors[names["outputs"][0]] = layer(row["type"][0].removeprefix("dagnn."), options,
                                             [values[name] for name in names["params"]],
                                             [tensors[name] for name in names["inputs"]])
    return tensors["score"]


CASES = [(net, *case) for net in _heads.NETS
         for case in (("vgg16", {"alignment": "pad100"}), ("vgg19", {"alignment": "same"}))]
CASES += [("fcn16s", "vgg16", {"pool": "avg1to4", "last_layer": "conv5_3", "pool_scaling": True})]


@pytest.mark.slow
@pytest.mark.parametrize(("net", "backbone", "variant"), CASES)
def test_exported_fcn_run_by_the_manual_matches_our_logits(tmp_path, net, backbone, variant):
    learned = tuple(_heads.NETS[net][1]) if backbone == "vgg16" else ()
    weights = thin_fcn(net, backbone, learned=learned, first_width=8, **variant)
    dagnn.write(tmp_path / "net.mat", weights)
    image = np.random.default_rng(0).integers(0, 256, (1, 39, 45, 3)).astype(np.uint8)
    with tf.Graph().as_default(), tf.Session() as session:
        ours = graph_builder.build(Architecture(net, 3, published_nets.widths(weights.widths),
                                                weights.mean_rgb.tolist(),
                                                weights.variant))
        session.run(tf.global_variables_initializer())
        for variable in tf.trainable_variables():
            name, part = variable.op.name.split("/")
            if name in weights.layers:
                variable.load(weights.layers[name][part == "bias"], session)
        by_the_manual = run(tmp_path / "net.mat", tf.constant(image.astype(np.float32) - weights.mean_rgb))
        found, expected = session.run([by_the_manual, ours.logits], {ours.images: image})
    assert found.shape == (1, 39, 45, 3)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
