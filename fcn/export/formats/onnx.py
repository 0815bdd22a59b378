"""ONNX with dynamic N, H and W. Needs the extra [onnx] (setup.cfg).

tf2onnx copies the whole graph before each of its optimisers; with the weights of a VGG-19 as constants that took more
than 21 GB. It therefore converts a graph with weights as inputs, which become constants (initializers) afterwards.
"""

import collections
import importlib.util
import pathlib

from fcn.core import errors
from fcn.export.formats import _graph
from fcn.models.tf_compat import tf

OPSET = 17  # ONNX 1.12 (2022)


def write(path, checkpoint, model):
    """Write the file, as the contract of fcn/export/formats says."""
    missing = [name for name in ("tf2onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise errors.MachineError(f".onnx needs {' and '.join(missing)}: not installed",
                                  fix="pip install -e '.[onnx]' in this project's folder.")
    content = _converted(checkpoint, model)
    pathlib.Path(path).write_bytes(content.SerializeToString())
    return f"ONNX, opset {OPSET}: images -> {', '.join(_graph.OUTPUTS)}"


def _converted(checkpoint, model):
    """Return the onnx.ModelProto of a checkpoint."""
    import tf2onnx

    with tf.Graph().as_default() as graph:
        _, weights = _graph.without_weights(model)
    arrays = _graph.arrays(checkpoint, weights)
    inputs = ["images", *arrays]
    content, _ = tf2onnx.convert.from_graph_def(
        graph.as_graph_def(), "fcn", [f"{name}:0" for name in inputs], [f"{name}:0" for name in _graph.OUTPUTS],
        opset=OPSET, tensors_to_rename={f"{name}:0": name for name in (*inputs, *_graph.OUTPUTS)})
    _fill(content.graph, arrays)
    return content


def _fill(graph, arrays):
    """Turn the inputs that `arrays` names into initializers. A Transpose or Reshape of one is applied to the array."""
    from onnx import numpy_helper

    uses = collections.Counter(name for node in graph.node for name in node.input)
    constants = {tensor.name: tensor for tensor in graph.initializer}
    folded = {}
    for node in [node for node in graph.node if node.op_type in ("Transpose", "Reshape")]:
        name = node.input[0]
        if name in arrays and uses[name] == 1:
            arrays[name] = (arrays[name].transpose(node.attribute[0].ints) if node.op_type == "Transpose" else
                            arrays[name].reshape(numpy_helper.to_array(constants[node.input[1]])))
            folded[node.output[0]] = name
            graph.node.remove(node)
    for node in graph.node:
        node.input[:] = [folded.get(name, name) for name in node.input]
    for item in [item for item in graph.input if item.name in arrays]:
        graph.input.remove(item)
        graph.initializer.append(numpy_helper.from_array(arrays.pop(item.name), item.name))
    used = {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in used]:
        graph.initializer.remove(tensor)


def outputs(path, batches):
    """Yield the outputs of the file, as the contract of fcn/export/formats says."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for images in batches:
        yield session.run(_graph.OUTPUTS, {"images": images})
