"""Which activations a backward pass reads, for small graphs whose answer is known."""

import pytest

from fcn.core import machine
from fcn.models import activation_memory, graph_builder, layers, winograd
from fcn.models.architecture import Architecture
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


def test_winograd_keeps_its_input_and_needs_room_for_tiles():
    with tf.Graph().as_default() as graph:
        x = tf.nn.relu(tf.placeholder(tf.float32, (1, 4, 6, 2)))
        tf.nn.relu(winograd.convolve(x, tf.zeros((3, 3, 2, 5))))
        found, workspace = activation_memory.activations(graph), activation_memory.workspace(graph)
    assert sorted(found.values()) == [(4, 6, 2), (4, 6, 5)]
    assert workspace == 24 * 3.25 * 5  # 36 numbers of 4 x 4 pixels before the last transform, and the output


def test_tiles_of_deep_inputs_are_held_twice():
    assert winograd.workspace(4, 4, 8, 1) == 2 * 36 * 8
    assert winograd.workspace(4, 4, 8, 6) == 36 * (8 + 8)
    assert winograd.workspace(4, 4, 2, 8) == (36 + 16) * 8


def test_direct_convolutions_need_no_room():
    with tf.Graph().as_default() as graph:
        layers.conv(tf.placeholder(tf.float32, (1, 4, 6, 2)), "first", 3, 5)
        assert activation_memory.workspace(graph) == 0


@pytest.mark.slow
def test_memory_of_a_net_counts_tiles_in_float32_only(monkeypatch):
    """Other sizes than in other tests: graph_builder keeps its answers."""
    monkeypatch.setattr(machine, "instructions", lambda: frozenset({"avx512f"}))
    nets = [Architecture("unet_squeezenet11", 3, precision=precision) for precision in ("float32", "bfloat16")]
    of_float32, of_bfloat16 = (graph_builder.memory_map(net, (70, 74)).workspace for net in nets)
    assert of_float32 > 0
    assert of_bfloat16 == 0
