"""A frozen graph: one GraphDef, weights included, from "images" to "logits" and "prediction". For TensorFlow 1 and 2,
OpenCV's and others' readers of .pb files.
"""

import pathlib

from fcn.exports import _graph
from fcn.tf1 import run, tf
from fcn.tf1 import session as new_session


def write(path, checkpoint, model):
    graph_def = _graph.frozen(checkpoint, model)
    pathlib.Path(path).write_bytes(graph_def.SerializeToString())
    return f"a frozen graph of {len(graph_def.node)} operations: images -> {', '.join(_graph.OUTPUTS)}"


def outputs(path, batches):
    graph_def = tf.GraphDef.FromString(pathlib.Path(path).read_bytes())
    with tf.Graph().as_default() as graph, new_session(graph) as session:
        tf.import_graph_def(graph_def, name="")
        for images in batches:
            yield run(session, [f"{name}:0" for name in _graph.OUTPUTS], {"images:0": images})
