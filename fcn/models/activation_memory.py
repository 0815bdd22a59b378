"""Memory of a net's activations, read from a graph whose images have a known size."""

from fcn.models import gradients, winograd

# What the backward pass of an operation reads: inputs, by position, and whether it reads the output.
READS = {"Conv2D": ((0,), False), "DepthwiseConv2dNative": ((0,), False), "Conv2DBackpropInput": ((2,), False),
         "MatMul": ((0,), False), "FusedBatchNormV3": ((0,), False), "Mul": ((0, 1), False), "Square": ((0,), False),
         "SquaredDifference": ((0, 1), False), "AvgPool": ((), False), "MaxPool": ((0,), True), "Relu": ((), True),
         "Relu6": ((), True), "Sigmoid": ((), True), gradients.SILU: ((1,), True),
         gradients.BATCH_NORM: ((1,), False)}
KERNELS = {"Conv2D": 1, "DepthwiseConv2dNative": 1, "Conv2DBackpropInput": 1}  # position of the kernel
SAME_MEMORY = ("Identity", "Reshape", "Switch")


def activations(graph):
    """Return {name: (height, width, channels)} of one image, in the order of the forward pass.

    graph: tf.Graph of the forward pass for a batch of one image, whose tensors have known shapes. The first tensor
    after a convolution has the name of its layer.
    """
    operations = graph.get_operations()
    kept = {_source(tensor).ref() for operation in operations for tensor in _read_backward(operation)}
    found: dict[str, tuple] = {}
    layer = "images"
    for operation in operations:
        if operation.type in KERNELS:
            layer = _layer(operation.inputs[KERNELS[operation.type]]) or layer
        for tensor in operation.outputs:
            if tensor.ref() in kept and _is_map(tensor):
                name = layer if layer not in found else operation.name
                found[name] = tuple(tensor.shape.as_list()[1:])
    return found


def workspace(graph):
    """Return how many further numbers the largest convolution in Winograd's form holds. graph: as in activations()."""
    maps = [operation.inputs[1].shape[1:] + operation.outputs[0].shape[3:] for operation in graph.get_operations()
            if _kind(operation) == winograd.NAME]
    return max((winograd.workspace(*shape.as_list()) for shape in maps if shape.is_fully_defined()), default=0)


def _kind(operation):
    """Return the name of the operation's gradient."""
    has_own = "_gradient_op_type" in operation.node_def.attr
    return operation.get_attr("_gradient_op_type").decode() if has_own else operation.type


def _read_backward(operation):
    kind = _kind(operation)
    inputs, output = READS.get(kind, READS.get(operation.type, ((), False)))
    return [operation.inputs[i] for i in inputs] + list(operation.outputs[:1]) * output


def _source(tensor):
    """Return the tensor whose memory this one shares, itself if it has its own."""
    while tensor.op.type in SAME_MEMORY:
        tensor = tensor.op.inputs[0]
    return tensor


def _layer(kernel):
    """Return the layer of a kernel, "" for one that is not a variable."""
    while kernel.op.inputs:
        kernel = kernel.op.inputs[0]
    return kernel.op.name.rpartition("/")[0] if kernel.op.type == "VarHandleOp" else ""


def _is_map(tensor):
    """Return whether a tensor has the shape of a feature map, with known sides, and is not a vector per image."""
    return tensor.shape.rank == 4 and tensor.dtype.is_floating and tensor.shape.is_fully_defined() and (
        tensor.shape[1] * tensor.shape[2] > 1) and tensor.op.type not in ("VarHandleOp", "ReadVariableOp") and (
        tensor.shape[0] == 1)
