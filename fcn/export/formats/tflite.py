"""TensorFlow Lite (LiteRT): float32, built-in operators only, any N, H and W.

Call `resize_tensor_input` of the interpreter whenever the size of the images changes.
"""

import pathlib
import warnings

from fcn.core import machine, terminal
from fcn.export.formats import _graph
from fcn.models.tf_compat import tf


def write(path, checkpoint, model):
    """Write the file, as the contract of fcn/export/formats says."""
    graph_def, net = _graph.frozen(checkpoint, model)
    with terminal.native_output_hidden():
        converter = tf.lite.TFLiteConverter(graph_def, [net.images], [net.logits, net.prediction])
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
        content = converter.convert()
    pathlib.Path(path).write_bytes(content)
    return f"TensorFlow Lite, float32, built-in operators only: images -> {', '.join(_graph.OUTPUTS)}"


def outputs(path, batches):
    """Yield the outputs of the file, as the contract of fcn/export/formats says."""
    with warnings.catch_warnings(), terminal.native_output_hidden():  # about the move to the package ai_edge_litert
        warnings.simplefilter("ignore")
        interpreter = tf.lite.Interpreter(str(path), num_threads=machine.cores())
    images_at = interpreter.get_input_details()[0]["index"]
    outputs_at = {details["name"]: details["index"] for details in interpreter.get_output_details()}
    for images in batches:
        interpreter.resize_tensor_input(images_at, images.shape)
        with terminal.native_output_hidden():
            interpreter.allocate_tensors()
        interpreter.set_tensor(images_at, images)
        interpreter.invoke()
        yield tuple(interpreter.get_tensor(outputs_at[name]) for name in _graph.OUTPUTS)
