"""One weight update from the batches of a step: gradients are summed over pixels and divided once.

Every labelled pixel of a step weighs the same, whichever batch it came in, so a step of several small batches is the
step of one large one. (A mean of the batches' means would weigh a batch with few labelled pixels too much.) This is
also the seam for several machines: sums and counts add up over them, and are divided after.
"""

import dataclasses

from fcn.core import errors, registry
from fcn.models import variables
from fcn.models.tf_compat import tf


@dataclasses.dataclass(frozen=True)
class Rule:
    """How the gradient of a step moves the weights.

    optimizer: a name in fcn/training/optimizers. momentum: of the optimizers that have one. weight_decay: on kernels
    alone; it is part of the gradient (L2) unless the optimizer has DECOUPLED_WEIGHT_DECAY. clip_norm: a gradient whose
    norm over all variables is larger is scaled down to this one (Pascanu et al. 2013, algorithm 1), before decay is
    added; 0: never. factor_of: {name of a trainable variable: factor on its rate} (lr_multipliers.factors), all 1 if
    None; a variable with factor 0 is frozen.
    """

    optimizer: str = "adam"
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    factor_of: dict[str, float] | None = None


@dataclasses.dataclass(frozen=True)
class Step:
    """learning_rate: placeholder. collect: op for every batch but the last of a step, or None if a step is one batch.
    update: op for the last batch, which adds it, divides, clips, applies and clears. grads: [(gradient, variable)]
    applied. norm: scalar, that of the step's gradient over all variables before clipping; fetch it with update.
    """

    learning_rate: tf.Tensor
    collect: tf.Operation | None
    update: tf.Operation
    grads: list[tuple[tf.Tensor, tf.Variable]]
    norm: tf.Tensor


def build(objective, parts, rule, batches_per_step=1):
    """The Step that minimises sum(objective) / sum(parts) over batches_per_step batches by a Rule.

    objective, parts: scalars, or (K,): then the sum of the K quotients is minimised. With several batches a step, each
    of the K takes a backward pass and a running sum of its own, as its divisor is known after the last batch only.

    A variable that the objective does not depend on is left as it is. A loss or gradient that is not finite stops the
    update before any trained variable is touched (InvalidArgumentError). Moving averages (tf.GraphKeys.UPDATE_OPS)
    move with every batch of a step, before the weights do. A step without a labelled pixel has the gradient 0 and
    is a step like any other, as in Caffe: weight decay and what the optimizer remembers still move the weights.
    """
    rate, before = tf.placeholder(tf.float32, (), "learning_rate"), {v.op.name for v in tf.global_variables()}
    trained = [v for v in tf.trainable_variables() if not rule.factor_of or rule.factor_of[v.op.name]]
    with tf.control_dependencies([tf.debugging.assert_all_finite(objective, "the loss is not finite")]):
        if batches_per_step == 1:
            collect, running = None, []
            means, trained = _gradients(objective, trained, tf.math.divide_no_nan(1.0, parts))
        else:
            collect, means, trained, running = _summed(objective, parts, trained)
    norm, moved = tf.global_norm(means), tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    with tf.control_dependencies([tf.debugging.assert_all_finite(norm, "the gradient is not finite"), *moved]):
        grads = [(tf.identity(g), v) for g, v in zip(means, trained, strict=True)]
    if rule.clip_norm:
        shrink = rule.clip_norm / tf.maximum(norm, rule.clip_norm)  # exactly 1 for a norm that may stay
        grads = [(g * shrink, v) for g, v in grads]
    applied = apply(rule, grads, rate)
    if not isinstance(applied, tf.Operation | tf.Tensor):
        raise errors.UsageError(f"apply() gives {applied!r}, expected an operation such as that of tf.group()",
                                where=registry.path("optimizers", rule.optimizer))
    with tf.control_dependencies([applied]):  # the zeros are made in here, or they might come before the sums are read
        update = tf.group(applied, *[v.assign(tf.zeros(v.shape)) for v in running])
    variables.belong_to_optimizer([v for v in tf.global_variables() if v.op.name not in before])
    return Step(rate, collect, update, grads, norm)


def apply(rule, grads, rate):
    """The op that moves all variables by a Rule. grads: [(gradient, variable)]. rate: scalar tensor."""
    optimizer, decay = registry.load("optimizers", rule.optimizer), rule.weight_decay
    factor_of = rule.factor_of or {v.op.name: 1.0 for _, v in grads}
    rates = {factor: rate * factor for factor in dict.fromkeys(factor_of[v.op.name] for _, v in grads)}
    rate_of = {v.op.name: rates[factor_of[v.op.name]] for _, v in grads}
    decaying = [v for _, v in grads if decay and v.op.name.endswith("/kernel")]
    if optimizer.DECOUPLED_WEIGHT_DECAY:
        with tf.control_dependencies([g for g, _ in grads]):  # nothing reads the old weights after that
            shrunk = [v.assign_sub(rate_of[v.op.name] * decay * v) for v in decaying]
        with tf.control_dependencies(shrunk):
            return optimizer.apply(grads, rate_of, rule.momentum)
    names = {v.op.name for v in decaying}
    grads = [(g + decay * v if v.op.name in names else g, v) for g, v in grads]
    return optimizer.apply(grads, rate_of, rule.momentum)


def _gradients(objective, variables, scale):
    """(gradients of scale * objective, variables): of those variables that it depends on.

    Scaled at the start of the backward pass: at its end it would be a pass over every weight's gradient.
    """
    found = [(g, v) for g, v in zip(tf.gradients(objective, variables, scale), variables, strict=True) if g is not None]
    return [g for g, _ in found], [v for _, v in found]


def _summed(objective, parts, variables):
    """(op that adds a batch's gradients to the step's, means over the step with this batch as its last, variables,
    the running sums).
    """
    ones = tf.unstack(tf.eye(objective.shape[0])) if objective.shape.rank else [1.0]  # one of the K terms each
    by_term = [_gradients(objective, variables, one) for one in ones]
    gradients, variables = [g for of_term, _ in by_term for g in of_term], by_term[0][1]
    with tf.variable_scope("sum"):
        sums = [_running_sum(f"{term}/{v.op.name}", v.shape) for term in range(len(ones)) for v in variables]
        count = _running_sum("pixels", parts.shape)
    # Of this batch alone: it is the one to be kept and looked at.
    size = tf.debugging.assert_all_finite(tf.global_norm(gradients), "the gradient is not finite")
    with tf.control_dependencies([size]):
        collect = tf.group(*[s.assign_add(g) for s, g in zip(sums, gradients, strict=True)], count.assign_add(parts),
                           *tf.get_collection(tf.GraphKeys.UPDATE_OPS))
    scale = tf.reshape(tf.math.divide_no_nan(1.0, count + parts), (len(ones),))
    scaled = [(s + g) * scale[i // len(variables)] for i, (s, g) in enumerate(zip(sums, gradients, strict=True))]
    means = [tf.add_n(scaled[i::len(variables)]) for i in range(len(variables))]
    return collect, means, variables, [*sums, count]


def all_finite():
    """Scalar bool tensor: whether all that a checkpoint would hold is finite. Call it once a graph, fetch it often."""
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(v)) for v in tf.global_variables() if v.dtype.is_floating])


def _running_sum(name, shape):
    """A float32 running sum that is not saved: checkpoints are made between steps, where it is zero."""
    return tf.get_variable(name, shape, initializer=tf.zeros_initializer(), trainable=False,
                           collections=[tf.GraphKeys.LOCAL_VARIABLES])
