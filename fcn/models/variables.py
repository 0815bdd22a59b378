"""Variables of a net: how they start, in which type a layer uses them, and which ones belong to the net.

Kernels, biases, gamma and beta are trained; the moving averages of batch normalisation are not. Both belong to the net:
checkpoints, weights for another run and exported files hold them (of_net). What an optimizer remembers does not.
"""

import math
import zlib

from fcn.models.tf_compat import tf

# Collections of a graph. Their keys are tuples, as those of TensorFlow's own private ones: no exported file lists them.
_FINAL = ("weights are final",)
_OPTIMIZER = ("variables of the optimizer",)


def of_net():
    """The variables of the net in the default graph, trained or not, in the order in which they were made."""
    others = {variable.op.name for variable in tf.get_collection(_OPTIMIZER)}
    return [variable for variable in tf.global_variables() if variable.op.name not in others]


def belong_to_optimizer(variables):
    """Mark saved variables of the default graph that are no part of its net, such as Adam's averages."""
    for variable in variables:
        tf.add_to_collection(_OPTIMIZER, variable)


def in_type(variable, x, arrange=tf.identity):
    """arrange(the variable in the type of x), as its layer uses it. A step of training makes it anew.

    Where weights are final (keep_prepared) it is made once and kept, in a local variable: run
    tf.local_variables_initializer() after the weights are in.
    """
    is_as_used = variable.dtype.base_dtype == x.dtype and arrange is tf.identity
    if is_as_used or not tf.get_collection(_FINAL):
        return arrange(tf.cast(variable, x.dtype))
    kept = tf.Variable(lambda: arrange(tf.cast(variable, x.dtype)), trainable=False, dtype=x.dtype,
                       collections=[tf.GraphKeys.LOCAL_VARIABLES], name="prepared")
    return kept.read_value()


def keep_prepared():
    """Weights are final in the default graph: what its layers make of them is made once, not for every image."""
    tf.add_to_collection(_FINAL, True)


def zeros(shape, seed):
    return tf.zeros(shape)


def he(shape, seed):
    """Normal with variance 2 / fan-in (He et al. 2015), cut at two standard deviations."""
    return truncated_normal(math.sqrt(2 / math.prod(shape[:3])))(shape, seed)


def truncated_normal(stddev):
    """Initialiser: normal with this standard deviation, cut at two of them."""
    def draw(shape, seed):
        return tf.random.stateless_truncated_normal(shape, seed, stddev=stddev)
    return draw


def initializer(function, name):
    """`function(shape, seed)` as get_variable wants it; the seed is made of the run's seed and the layer's name."""
    def make(shape, dtype=None, partition_info=None):
        seed = tf.stack([run_seed(), zlib.crc32(name.encode()) & 0x7FFFFFFF])
        return function([int(side) for side in shape], seed)
    return make


def run_seed():
    """The graph's own seed as set by tf.set_random_seed, or 0."""
    return tf.get_default_graph().seed or 0
