"""3 x 3 convolutions with fewer multiplications: F(4 x 4, 3 x 3) of Lavin & Gray (2016), section 4.3.

A block of 4 x 4 outputs is computed from a tile of 6 x 6 inputs with 36 multiplications for each pair of channels
instead of 144; the rest are products with small constant matrices. oneDNN's float32 convolutions are direct ones, so
that this takes about half their time (benchmarks/RESULTS.md). Rounding errors of outputs and gradients are about 1e-5
of the largest number, those of direct convolutions 1e-6. A NaN or infinity makes whole blocks NaN; numbers above 1e36
overflow. The gradients are written out: they compute the transformed tiles again instead of keeping them. Whether an
image is large enough depends on its own size, so that it has the same scores in batches of any size.
"""

import numpy as np

from fcn.models import tf_compat
from fcn.models.tf_compat import tf

NAME, BLOCK, TILE, SIZE = "FcnWinograd", 4, 6, 3
LEAST_TILES = 48  # in an image; with fewer, the transformed kernels take longer to read than the products save
# Transforms of a row of inputs, of a row of a kernel, and of a row of products.
INPUT = np.array([[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
                  [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]])
KERNEL = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
OUTPUT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])


def convolve(x, kernel):
    """Convolve float32 x (N, H, W, in) with a kernel (3, 3, in, out), stride 1, padding SAME."""
    y, = tf_compat.either(_is_large(x), _convolved, lambda x, kernel: [tf.nn.conv2d(x, kernel, 1, "SAME")],
                          *_after(x, x, kernel))
    with tf.get_default_graph().gradient_override_map({"IdentityN": NAME}):
        return tf.raw_ops.IdentityN(input=[tf.stop_gradient(y), x, kernel])[0]


@tf.RegisterGradient(NAME)
def _gradient(operation, dy, *_):
    return None, *tf_compat.either(_is_large(dy), _fast_gradients, _direct_gradients,
                                   *_after(dy, *operation.inputs[1:], dy))


def _fast_gradients(x, kernel, dy):
    to_kernel = _kernel_gradient(x, dy, kernel.shape)
    dy, kernel = _after(to_kernel, dy, kernel)  # one after the other, for less memory
    return *_convolved(dy, tf.transpose(tf.reverse(kernel, (0, 1)), (0, 1, 3, 2))), to_kernel


def _direct_gradients(x, kernel, dy):
    sizes = {"strides": [1, 1, 1, 1], "padding": "SAME", "out_backprop": dy}
    return (tf.raw_ops.Conv2DBackpropInput(input_sizes=tf.shape(x), filter=kernel, **sizes),
            tf.raw_ops.Conv2DBackpropFilter(input=x, filter_sizes=tf.shape(kernel), **sizes))


def _after(first, *tensors):
    """Return the tensors, which nobody uses before `first` is there.

    Else the kernels of all layers would be transformed at the start of a step, and kept until they are needed.
    """
    with tf.control_dependencies([first]):
        return [tf.identity(tensor) for tensor in tensors]


def workspace(height, width, depth, channels):
    """Return how many numbers the convolution of one image holds at most beside its input and its output."""
    share = (TILE / BLOCK) ** 2  # of tiles to pixels
    return int(height * width * max(2 * share * depth, share * (depth + channels), (share + 1) * channels))


def _is_large(x):
    """Return whether images of x have at least LEAST_TILES tiles, of which padding is at most half."""
    tiles, pixels = tf.reduce_prod(_grid(x)[1:]), tf.reduce_prod(tf.shape(x)[1:3])
    return (tiles >= LEAST_TILES) & (2 * pixels >= BLOCK * BLOCK * tiles)


def _grid(x):
    """Return the number of tiles of x: (images, rows, columns)."""
    return tf.add(tf.shape(x)[:3], (0, BLOCK - 1, BLOCK - 1)) // (1, BLOCK, BLOCK)


def _padded(x, before, grid):
    """Pad x by `before` px at the top and left, and below and on the right to `grid` blocks and `before` px."""
    shape, before = tf.shape(x), np.array([0, before, before, 0], np.int32)
    wanted = tf.concat([tf.add(grid * (1, BLOCK, BLOCK), 2 * before[:3]), shape[3:]], 0)
    return tf.pad(x, tf.stack([before, wanted - shape - before], 1)), wanted


def _twice(matrix):
    """Return the constant that transforms rows and columns of squares which are flattened to vectors."""
    return tf.constant(np.kron(matrix, matrix), tf.float32)


def _inputs(x, depth):
    """Return the transformed tiles of x (N, H, W, depth): (36, tiles, depth)."""
    grid = _grid(x)
    x, shape = _padded(x, 1, grid)
    image, row, column = (tf.range(number) for number in tf.unstack(grid, 3))
    _, height, width, _ = tf.unstack(shape, 4)
    # Numbers of the first pixel of every tile, and of a tile's pixels relative to its first, among all pixels of x.
    first = (image[:, None, None] * height + BLOCK * row[:, None]) * width + BLOCK * column
    others = np.arange(TILE)[:, None] * width + np.arange(TILE)
    tiles = tf.gather(tf.reshape(x, (-1, depth)), tf.reshape(others, (-1, 1)) + tf.reshape(first, (1, -1)))
    return tf.reshape(tf.matmul(_twice(INPUT), tf.reshape(tiles, (TILE * TILE, -1))), (TILE * TILE, -1, depth))


def _convolved(x, kernel):
    """Return [convolution of x (N, H, W, in) with the kernel: (N, H, W, out)]."""
    depth, channels = (int(side) for side in kernel.shape[2:])
    kernels = tf.matmul(_twice(KERNEL), tf.reshape(kernel, (SIZE * SIZE, -1)))
    products = tf.matmul(_inputs(x, depth), tf.reshape(kernels, (TILE * TILE, depth, channels)))
    blocks = tf.matmul(_twice(OUTPUT), tf.reshape(products, (TILE * TILE, -1)))
    grid, shape = _grid(x), tf.shape(x)
    y = tf.transpose(tf.reshape(blocks, tf.concat([(BLOCK, BLOCK), grid, (channels,)], 0)), (2, 3, 0, 4, 1, 5))
    y = tf.reshape(y, tf.concat([grid * (1, BLOCK, BLOCK), (channels,)], 0))
    return [tf.slice(y, (0, 0, 0, 0), tf.concat([shape[:3], (channels,)], 0))]


def _kernel_gradient(x, dy, shape):
    """Return the gradient to a kernel of this shape, (3, 3, in, out), from x and the gradient dy to the output."""
    grid, (depth, channels) = _grid(dy), (int(side) for side in shape[2:])
    count, rows, columns = tf.unstack(grid, 3)
    dy, _ = _padded(dy, 0, grid)
    blocks = tf.transpose(tf.reshape(dy, tf.stack([count, rows, BLOCK, columns, BLOCK, channels])), (2, 4, 0, 1, 3, 5))
    blocks = tf.matmul(_twice(OUTPUT.T), tf.reshape(blocks, (BLOCK * BLOCK, -1)))
    kernels = tf.matmul(_inputs(x, depth), tf.reshape(blocks, (TILE * TILE, -1, channels)), transpose_a=True)
    kernel = tf.matmul(_twice(KERNEL.T), tf.reshape(kernels, (TILE * TILE, -1)))
    return tf.reshape(kernel, shape)
