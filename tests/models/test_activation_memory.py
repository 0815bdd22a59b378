"""Which activations a backward pass reads, for small graphs whose answer is known."""

from fcn.models import activation_memory, layers
from fcn.models.tf_compat import tf


def test_silu_keeps_its_sigmoid_and_its_output():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, (1, 4, 6, 2))
        y = layers.silu(layers.conv(x, "first", 3, 5, bias=False))
        layers.conv(y, "second", 3, 7, bias=False)
        found = activation_memory.activations(graph)
    assert sorted(found.values()) == [(4, 6, 2), (4, 6, 5), (4, 6, 5)]  # the input; sigmoid; output


def test_relu_shares_its_output_with_the_next_convolution():
    with tf.Graph().as_default() as graph:
        x = tf.placeholder(tf.float32, (1, 4, 6, 2))
        y = tf.nn.relu(layers.conv(x, "first", 3, 5, bias=False))
        layers.conv(y, "second", 3, 7, bias=False)
        found = activation_memory.activations(graph)
    assert sorted(found.values()) == [(4, 6, 2), (4, 6, 5)]
