"""Shared by .pb, .tflite and .onnx: an inference graph without variables, and a checkpoint's weights as constants."""

from fcn.core import errors
from fcn.models import graph_builder, layers
from fcn.models.tf_compat import tf
from fcn.weights import checkpoint_reader

OUTPUTS = ("logits", "prediction")


def without_weights(model):
    """Build the inference graph in the default graph, with a placeholder for each variable.

    Returns (graph_builder.InferenceGraph, {variable name: placeholder}). Converters copy their graph many times;
    placeholders keep the weights out of these copies.
    """
    weights = {}
    layers.use_implementation("product")  # the same small graph on every device

    def placeholder(getter, name, shape, dtype, **_):
        weights[name] = tf.placeholder(dtype, shape, name)
        return weights[name]
    with tf.variable_scope("", custom_getter=placeholder):
        return graph_builder.inference_of_run(model), weights


def arrays(folder, weights):
    """Read {placeholder name: array} from a checkpoint. Raises WeightsError if one is missing or has another shape."""
    stored, found = checkpoint_reader.read_variables(folder), {}
    for name, placeholder in weights.items():
        array = stored.get(name)
        if array is None or list(array.shape) != placeholder.shape.as_list():
            raise errors.WeightsError(f"has no variable {name} of shape {placeholder.shape.as_list()}", where=folder)
        found[placeholder.op.name] = array
    return found


def frozen(folder, model):
    """Return (GraphDef from "images" to OUTPUTS with the weights as constants, the InferenceGraph it was made from)."""
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
