"""Frozen graph: one GraphDef with the weights as constants, from "images" to "logits" and "prediction"."""

import pathlib

from fcn.export.formats import _graph
from fcn.models.tf_compat import run, tf


def write(path, checkpoint, model):
    """Write the file, as the contract of fcn/export/formats says."""
    graph_def, _ = _graph.frozen(checkpoint, model)
    pathlib.Path(path).write_bytes(graph_def.SerializeToString())
    return f"a frozen graph of {len(graph_def.node)} operations: images -> {', '.join(_graph.OUTPUTS)}"


def outputs(path, batches):
    """Yield the outputs of the file, as the contract of fcn/export/formats says."""
    config = tf.ConfigProto()  # the graph optimiser would copy the constants of a VGG until they take 8 GB
    config.graph_options.rewrite_options.disable_meta_optimizer = True
    with tf.Graph().as_default() as graph, tf.Session(graph=graph, config=config) as session:
        tf.import_graph_def(tf.GraphDef.FromString(pathlib.Path(path).read_bytes()), name="")
        for images in batches:
            yield run(session, [f"{name}:0" for name in _graph.OUTPUTS], {"images:0": images})
