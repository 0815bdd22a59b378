"""ONNX, for onnxruntime and everything else that reads it: any N, H and W. Needs the extra: pip install 'fcn[onnx]'."""

import importlib.util
import pathlib

from fcn import errors
from fcn.exports import _graph

OPSET = 17  # of ONNX 1.12 (2022); onnxruntime 1.12 and later read it


def write(path, checkpoint, model):
    missing = [name for name in ("tf2onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if missing:
        raise errors.MachineError(f".onnx needs {' and '.join(missing)}, not installed here",
                                  cure="pip install '.[onnx]' in this project's folder.")
    import tf2onnx

    names = ("images", *_graph.OUTPUTS)
    onnx_model, _ = tf2onnx.convert.from_graph_def(
        _graph.frozen(checkpoint, model), "fcn", ["images:0"], [f"{name}:0" for name in _graph.OUTPUTS], opset=OPSET,
        tensors_to_rename={f"{name}:0": name for name in names})
    pathlib.Path(path).write_bytes(onnx_model.SerializeToString())
    return f"ONNX, opset {OPSET}: images -> {', '.join(_graph.OUTPUTS)}"


def outputs(path, batches):
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    for images in batches:
        yield session.run(_graph.OUTPUTS, {"images": images})
