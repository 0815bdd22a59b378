"""Variables of a net: initialisers, conversion to a layer's dtype, and the distinction from the optimizer's variables.

Kernels, biases, gamma and beta are trained; the moving averages of batch normalisation are not. Both belong to the net
(of_net) and are in checkpoints, transfers to other runs and exported files. Variables of the optimizer are only in
checkpoints.
"""

import math
import zlib

from fcn.models.tf_compat import tf

# Keys of graph collections. They are tuples, as TensorFlow's private keys, so that exported files do not list them.
_FINAL = ("weights are final",)
_OPTIMIZER = ("variables of the optimizer",)
_CHANGES = ("changes of moving averages",)


def of_net():
    """Return the net's variables in the default graph, trained or not, in the order of their creation."""
    others = {variable.op.name for variable in tf.get_collection(_OPTIMIZER)}
    return [variable for variable in tf.global_variables() if variable.op.name not in others]


def in_groups(variables, limit=1 << 24):
    """Yield lists of these variables in order, of at most `limit` bytes each; a larger variable is alone.

    A session prepares each set of fetches and feeds once; that takes as long for one variable as for hundreds, 0.1 s in
    a large graph.
    """
    group: list = []
    size = 0
    for variable in variables:
        own = variable.dtype.base_dtype.size * variable.shape.num_elements()
        if group and size + own > limit:
            yield group
            group, size = [], 0
        group.append(variable)
        size += own
    if group:
        yield group


def mark_optimizer_variables(variables):
    """Mark variables of the default graph as the optimizer's, such as Adam's averages; of_net() leaves them out."""
    for variable in variables:
        tf.add_to_collection(_OPTIMIZER, variable)


def add_change(variable, change, momentum=None):
    """Register what a training batch adds to a moving average of the default graph, a tensor that is 0 otherwise.

    With momentum, the batch adds (1 - momentum) * change, and --norm-momentum may replace it.
    """
    tf.add_to_collection(_CHANGES, (variable, change, momentum))


def momenta(given=None):
    """Return {moving average of the default graph that training changes: share that it keeps of itself, or None}.

    given: --norm-momentum, which replaces those of the layers. None: registered without momentum.
    """
    return {variable: momentum if momentum is None or given is None else given
            for variable, _, momentum in tf.get_collection(_CHANGES)}


def apply_changes(given=None):
    """Return the operations that add the registered changes to the moving averages. given: as in momenta()."""
    return [variable.assign_add(change if momentum is None else
                                (1 - (momentum if given is None else given)) * change).op
            for variable, change, momentum in tf.get_collection(_CHANGES)]


def in_type(variable, x, arrange=tf.identity):
    """Return arrange(variable cast to the dtype of x).

    After keep_prepared(), the result is computed once and kept in a local variable; run preparation() after loading the
    weights. Otherwise every session.run computes it.
    """
    unchanged = variable.dtype.base_dtype == x.dtype and arrange is tf.identity
    if unchanged or not tf.get_collection(_FINAL):
        return arrange(tf.cast(variable, x.dtype))
    kept = tf.Variable(lambda: arrange(tf.cast(variable, x.dtype)), trainable=False, dtype=x.dtype,
                       collections=[tf.GraphKeys.LOCAL_VARIABLES], name="prepared")
    return kept.read_value()


def are_final():
    """Return whether keep_prepared() was called in the default graph."""
    return bool(tf.get_collection(_FINAL))


def keep_prepared():
    """Declare the weights of the default graph final: layers convert and rearrange them once, not in every run."""
    tf.add_to_collection(_FINAL, True)


def preparation(outputs):
    """Return operations that compute the prepared weights which these tensors need (in_type), to be run in this order.

    Each also frees the net's variables that nothing needs afterwards. Prepared weights that `outputs` do not need stay
    without memory: kernels that batch normalisation has replaced by scaled ones.
    """
    needed = _sources(outputs)
    groups = list(in_groups([variable for variable in tf.local_variables() if variable.op in needed]))
    read = [_sources([variable.initializer.inputs[1] for variable in group]) for group in groups]
    steps = []
    for number, group in enumerate(groups):
        later = needed.union(*read[number + 1:])
        computed = [variable.initializer for variable in group]
        with tf.control_dependencies(computed):
            freed = [tf.raw_ops.DestroyResourceOp(resource=variable.handle) for variable in tf.global_variables()
                     if variable.op in read[number] and variable.op not in later]
        steps.append(tf.group(*computed, *freed))
    return steps


def _sources(tensors):
    """Return all operations that are needed to compute these tensors."""
    found, waiting = set(), [tensor.op for tensor in tensors]
    while waiting:
        operation = waiting.pop()
        if operation not in found:
            found.add(operation)
            waiting += [tensor.op for tensor in operation.inputs]
    return found


def zeros(shape, seed):
    """Initial value 0."""
    return tf.zeros(shape)


def he(shape, seed):
    """He initialisation (He et al. 2015): normal with variance 2 / fan-in, truncated at two standard deviations."""
    return truncated_normal(math.sqrt(2 / math.prod(shape[:3])))(shape, seed)


def truncated_normal(stddev):
    """Return an initialiser: normal with this standard deviation, truncated at two standard deviations."""
    def draw(shape, seed):
        return tf.random.stateless_truncated_normal(shape, seed, stddev=stddev)
    return draw


def normal(stddev):
    """Return an initialiser: normal with this standard deviation."""
    return lambda shape, seed: tf.random.stateless_normal(shape, seed, stddev=stddev)


def he_uniform(shape, seed):
    """He initialisation (He et al. 2015): uniform with variance 2 / fan-in."""
    return _uniform(shape, seed, math.sqrt(6 / math.prod(shape[:3])))


def glorot_uniform(shape, seed):
    """Glorot & Bengio (2010): uniform with variance 2 / (fan-in + fan-out), the default of Keras."""
    size = math.prod(shape[:2])
    return _uniform(shape, seed, math.sqrt(6 / (size * (shape[2] + shape[3]))))


def _uniform(shape, seed, limit):
    return tf.random.stateless_uniform(shape, seed, -limit, limit)


def initializer(function, name):
    """Wrap `function(shape, seed)` for tf.get_variable. The seed combines the run's seed and the layer's name."""
    def make(shape, dtype=None, partition_info=None):
        seed = tf.stack([run_seed(), zlib.crc32(name.encode()) & 0x7FFFFFFF])
        return function([int(side) for side in shape], seed)
    return make


def run_seed():
    """Return the graph's seed as set by tf.set_random_seed, or 0."""
    return tf.get_default_graph().seed or 0
