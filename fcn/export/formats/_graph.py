"""What .pb, .tflite and .onnx are made of: a graph without variables, and a checkpoint's weights put into it."""

from fcn.core import errors
from fcn.models import graph_builder, layers
from fcn.models.tf_compat import tf
from fcn.weights import checkpoint_reader

OUTPUTS = ("logits", "prediction")


def without_weights(model):
    """(graph_builder.InferenceGraph, {variable: placeholder}) in the default graph, which has no variables.

    A converter that copies its graph a dozen times then copies no weights.
    """
    weights = {}
    layers.use_implementation("product")  # whatever the device here, a file is the same, and small

    def placeholder(getter, name, shape, dtype, **_):
        weights[name] = tf.placeholder(dtype, shape, name)
        return weights[name]
    with tf.variable_scope("", custom_getter=placeholder):
        return graph_builder.inference_of_run(model), weights


def arrays(folder, weights):
    """{placeholder's name: array} of a checkpoint. Raises WeightsError if one is missing or misshapen."""
    stored, found = checkpoint_reader.read_variables(folder), {}
    for name, placeholder in weights.items():
        array = stored.get(name)
        if array is None or list(array.shape) != placeholder.shape.as_list():
            raise errors.WeightsError(f"lacks {name} of shape {placeholder.shape.as_list()}", where=folder)
        found[placeholder.op.name] = array
    return found


def frozen(folder, model):
    """(GraphDef from "images" to OUTPUTS whose weights are constants, the InferenceGraph that it was made of)."""
    with tf.Graph().as_default() as graph:
        net, weights = without_weights(model)
    graph_def = tf.graph_util.extract_sub_graph(graph.as_graph_def(), OUTPUTS)
    values = arrays(folder, weights)
    for node in graph_def.node:
        if node.name in values:
            node.op = "Const"
            del node.attr["shape"]
            node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(values.pop(node.name)))
    return graph_def, net
