"""3 x 3 convolutions with fewer multiplications: F(4 x 4, 3 x 3) of Lavin & Gray (2016), section 4.3.

A block of 4 x 4 outputs is computed from a tile of 6 x 6 inputs with 36 multiplications for each pair of channels
instead of 144; the rest are products with small constant matrices. oneDNN's float32 convolutions are direct ones, so
that this takes about half their time (benchmarks/RESULTS.md). Outputs and gradients differ from theirs by about 1e-6 of
the largest number. The gradients are written out: they compute the transformed tiles again instead of keeping them.
"""

import numpy as np

from fcn.models.tf_compat import tf

NAME, BLOCK, TILE, SIZE = "FcnWinograd", 4, 6, 3
LEAST_TILES = 48  # in a batch; with fewer, the transformed kernels take longer to read than the products save
# Transforms of a row of inputs, of a row of a kernel, and of a row of products.
INPUT = np.array([[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
                  [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]])
KERNEL = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
OUTPUT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])


def convolve(x, kernel):
    """Convolve float32 x (N, H, W, in) with a kernel (3, 3, in, out), stride 1, padding SAME."""
    late, = _after(x, kernel)
    y = tf.stop_gradient(_either(x, lambda: _convolved(x, late), lambda: tf.nn.conv2d(x, late, 1, "SAME")))
    with tf.get_default_graph().gradient_override_map({"IdentityN": NAME}):
        return tf.raw_ops.IdentityN(input=[y, x, kernel])[0]


@tf.RegisterGradient(NAME)
def _gradient(operation, dy, *_):
    x, kernel = _after(dy, *operation.inputs[1:])

    def direct():
        sizes = {"strides": [1, 1, 1, 1], "padding": "SAME", "out_backprop": dy}
        return (tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(x), filter=kernel, **sizes),
                tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=tf.shape(kernel), **sizes))

    def fast():
        turned = tf.transpose(tf.reverse(kernel, (0, 1)), (0, 1, 3, 2))
        return _convolved(dy, turned), _kernel_gradient(x, dy)
    return None, *_either(x, fast, direct)


def _after(first, *tensors):
    """Return the tensors, which nobody uses before `first` is there.

    Else the kernels of all layers would be transformed at the start of a step, and kept until they are needed.
    """
    with tf.control_dependencies([first]):
        return [tf.identity(tensor) for tensor in tensors]


def _either(x, fast, direct):
    """Return what fast() gives if x has LEAST_TILES, else what direct() gives; only one of them is computed."""
    count, rows, columns = _tiles(x)
    return tf.cond(count * rows * columns >= LEAST_TILES, fast, direct)


def _tiles(x):
    """Return (images, rows, columns) of the tiles of x."""
    shape = tf.shape(x)
    return shape[0], (shape[1] + BLOCK - 1) // BLOCK, (shape[2] + BLOCK - 1) // BLOCK


def _twice(matrix):
    """Return the constant that transforms rows and columns of squares which are flattened to vectors."""
    return tf.constant(np.kron(matrix, matrix), tf.float32)


def _inputs(x):
    """Return the transformed tiles of x (N, H, W, C): (36, tiles, C)."""
    (count, rows, columns), depth, shape = _tiles(x), int(x.shape[3]), tf.shape(x)
    x = tf.pad(x, ((0, 0), (1, BLOCK * (rows + 1) - 1 - shape[1]), (1, BLOCK * (columns + 1) - 1 - shape[2]), (0, 0)))
    blocks = tf.reshape(x, tf.stack([count, rows + 1, BLOCK, columns + 1, BLOCK, depth]))

    def pixels(i, j):  # (i, j) of every tile; those of 4 and 5 are in the next block
        start = tf.stack([0, i // BLOCK, i % BLOCK, j // BLOCK, j % BLOCK, 0])
        return tf.reshape(tf.slice(blocks, start, tf.stack([count, rows, 1, columns, 1, depth])), (-1,))
    tiles = tf.stack([pixels(i, j) for i in range(TILE) for j in range(TILE)])
    return tf.reshape(tf.matmul(_twice(INPUT), tiles), (TILE * TILE, -1, depth))


def _convolved(x, kernel):
    """Return the convolution of x (N, H, W, in) with the kernel, (N, H, W, out)."""
    depth, channels = (int(side) for side in kernel.shape[2:])
    kernels = tf.matmul(_twice(KERNEL), tf.reshape(kernel, (SIZE * SIZE, -1)))
    products = tf.matmul(_inputs(x), tf.reshape(kernels, (TILE * TILE, depth, channels)))
    blocks = tf.matmul(_twice(OUTPUT), tf.reshape(products, (TILE * TILE, -1)))
    (count, rows, columns), shape = _tiles(x), tf.shape(x)
    y = tf.transpose(tf.reshape(blocks, tf.stack([BLOCK, BLOCK, count, rows, columns, channels])), (2, 3, 0, 4, 1, 5))
    y = tf.reshape(y, tf.stack([count, BLOCK * rows, BLOCK * columns, channels]))
    return tf.slice(y, (0, 0, 0, 0), tf.stack([-1, shape[1], shape[2], -1]))


def _kernel_gradient(x, dy):
    """Return the gradient (3, 3, in, out) to the kernel, from the input x and the gradient dy to the output."""
    (count, rows, columns), shape, channels = _tiles(dy), tf.shape(dy), int(dy.shape[3])
    dy = tf.pad(dy, ((0, 0), (0, BLOCK * rows - shape[1]), (0, BLOCK * columns - shape[2]), (0, 0)))
    blocks = tf.transpose(tf.reshape(dy, tf.stack([count, rows, BLOCK, columns, BLOCK, channels])), (2, 4, 0, 1, 3, 5))
    blocks = tf.matmul(_twice(OUTPUT.T), tf.reshape(blocks, (BLOCK * BLOCK, -1)))
    kernels = tf.matmul(_inputs(x), tf.reshape(blocks, (TILE * TILE, -1, channels)), transpose_a=True)
    kernel = tf.matmul(_twice(KERNEL.T), tf.reshape(kernels, (TILE * TILE, -1)))
    return tf.reshape(kernel, (SIZE, SIZE, int(x.shape[3]), channels))
