"""Parts of a net whose activations are not kept for the backward pass but computed again in it (--recompute).

It saves little of a VGG: its first stage alone needs about as much in the backward pass as all activations that are
kept. docs/preflight.md has numbers. Half a batch, or bfloat16, saves more.
"""

from fcn.models.tf_compat import tf

_WANTED = "maps are computed again"  # a graph's collection, with something in it or not


def switch_on():
    """For parts that are built in the default graph from now on."""
    tf.add_to_collection(_WANTED, True)


def part(function, x):
    """function(x), a tensor; if switched on, its gradients to x and to its variables by running it once more.

    function: of x alone; it gets its variables by tf.get_variable, so that the second run finds those of the first. The
    second run starts from x under a control dependency on the gradient that has arrived: without one it would be
    merged with the first, or run right after it.
    """
    return _recomputed(function, x) if tf.get_collection(_WANTED) else function(x)


def _recomputed(function, x):
    scope = tf.get_variable_scope()

    @tf.custom_gradient
    def run(x):
        def gradient(dy, variables=()):
            with tf.control_dependencies([dy]):
                again = tf.identity(x)
            with tf.variable_scope(scope, reuse=True):
                found = tf.gradients(function(again), [again, *variables], dy)
            return found[0], found[1:]
        return function(x), gradient
    return run(x)
