"""One weight update from the batches of a step: gradients are summed and divided by the normalizer once.

Every labelled pixel of a step has the same weight, so a step of several small batches equals a step of one large batch.
(A mean of batch means would give too much weight to batches with few labelled pixels.) Sums from several machines could
be added in the same way.
"""

import dataclasses

from fcn.core import errors, registry
from fcn.models import variables
from fcn.models.tf_compat import tf


@dataclasses.dataclass(frozen=True)
class Rule:
    """Settings of the weight update.

    optimizer: name of a file in fcn/training/optimizers.
    momentum: for optimizers that use it.
    weight_decay: of kernels only; added to the gradient (L2) unless the optimizer sets DECOUPLED_WEIGHT_DECAY.
    clip_norm: largest norm of the gradient over all variables; larger gradients are scaled down to it before weight
    decay
        is added (Pascanu et al. 2013, algorithm 1). 0 turns clipping off.
    factor_of: {trainable variable: factor of its learning rate} (lr_multipliers.factors); None means 1 for all. A
    variable
        with factor 0 is frozen.
    """

    optimizer: str = "adam"
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    factor_of: dict[str, float] | None = None


@dataclasses.dataclass(frozen=True)
class Step:
    """Operations of a training step.

    learning_rate: placeholder, float32 scalar.
    collect: operation for every batch of a step except the last; None if a step is one batch.
    update: operation for the last batch. It adds the batch, divides, clips, updates the weights and clears the sums.
    grads: list of (gradient, variable) as applied.
    norm: norm of the step's gradient over all variables before clipping, scalar; fetch it together with update.
    """

    learning_rate: tf.Tensor
    collect: tf.Operation | None
    update: tf.Operation
    grads: list[tuple[tf.Tensor, tf.Variable]]
    norm: tf.Tensor


def build(objective, normalizer, rule, batches_per_step=1):
    """Build the Step that minimises sum(objective) / sum(normalizer) over the batches of a step. rule: Rule.

    objective, normalizer: float32 scalars or (K,); for (K,), the sum of the K quotients is minimised. With several
    batches per step, each of the K terms needs its own backward pass and running sum, because its normalizer is only
    known after the last batch.

    Variables on which the objective does not depend stay unchanged. If the loss or gradient is not finite, the
    operations raise InvalidArgumentError before any trained variable changes. Moving averages (tf.GraphKeys.UPDATE_OPS)
    are updated with every batch of a step, before the weights. A step without labelled pixels has gradient 0 and is
    otherwise an ordinary step, as in Caffe: weight decay and the optimizer's state still change the weights.
    """
    rate, before = tf.placeholder(tf.float32, (), "learning_rate"), {v.op.name for v in tf.global_variables()}
    trained = [v for v in tf.trainable_variables() if not rule.factor_of or rule.factor_of[v.op.name]]
    with tf.control_dependencies([tf.debugging.assert_all_finite(objective, "the loss is not finite")]):
        if batches_per_step == 1:
            collect, running = None, []
            means, trained = _gradients(objective, trained, tf.math.divide_no_nan(1.0, normalizer))
        else:
            collect, means, trained, running = _summed(objective, normalizer, trained)
    norm, moved = tf.global_norm(means), tf.get_collection(tf.GraphKeys.UPDATE_OPS)
    with tf.control_dependencies([tf.debugging.assert_all_finite(norm, "the gradient is not finite"), *moved]):
        grads = [(tf.identity(g), v) for g, v in zip(means, trained, strict=True)]
    if rule.clip_norm:
        scale = rule.clip_norm / tf.maximum(norm, rule.clip_norm)  # exactly 1 if the norm is not larger than clip_norm
        grads = [(g * scale, v) for g, v in grads]
    applied = apply(rule, grads, rate)
    if not isinstance(applied, tf.Operation | tf.Tensor):
        raise errors.UsageError(f"apply() gives {applied!r}, expected an operation such as that of tf.group()",
                                where=registry.path("optimizers", rule.optimizer))
    with tf.control_dependencies([applied]):  # otherwise the sums might be cleared before they are read
        update = tf.group(applied, *[v.assign(tf.zeros(v.shape)) for v in running])
    variables.mark_optimizer_variables([v for v in tf.global_variables() if v.op.name not in before])
    return Step(rate, collect, update, grads, norm)


def apply(rule, grads, rate):
    """Return the operation that updates all variables by a Rule. grads: list of (gradient, variable). rate: scalar."""
    optimizer, decay = registry.load("optimizers", rule.optimizer), rule.weight_decay
    factor_of = rule.factor_of or {v.op.name: 1.0 for _, v in grads}
    rates = {factor: rate * factor for factor in dict.fromkeys(factor_of[v.op.name] for _, v in grads)}
    rate_of = {v.op.name: rates[factor_of[v.op.name]] for _, v in grads}
    decaying = [v for _, v in grads if decay and v.op.name.endswith("/kernel")]
    if optimizer.DECOUPLED_WEIGHT_DECAY:
        with tf.control_dependencies([g for g, _ in grads]):  # all gradients use the weights before decay
            decayed = [v.assign_sub(rate_of[v.op.name] * decay * v) for v in decaying]
        with tf.control_dependencies(decayed):
            return optimizer.apply(grads, rate_of, rule.momentum)
    names = {v.op.name for v in decaying}
    grads = [(g + decay * v if v.op.name in names else g, v) for g, v in grads]
    return optimizer.apply(grads, rate_of, rule.momentum)


def _gradients(objective, variables, scale):
    """Return (gradients of scale * objective, variables), without variables on which the objective does not depend.

    The scale is applied at the start of the backward pass, which is cheaper than scaling the gradient of every weight.
    """
    found = [(g, v) for g, v in zip(tf.gradients(objective, variables, scale), variables, strict=True) if g is not None]
    return [g for g, _ in found], [v for _, v in found]


def _summed(objective, normalizer, variables):
    """Return (collect, means, variables, running sums) for a step of several batches.

    collect: operation that adds the gradients of a batch to the running sums. means: gradients of the step, with the
    current batch as its last.
    """
    ones = tf.unstack(tf.eye(objective.shape[0])) if objective.shape.rank else [1.0]  # each selects one of the K terms
    by_term = [_gradients(objective, variables, one) for one in ones]
    gradients, variables = [g for of_term, _ in by_term for g in of_term], by_term[0][1]
    with tf.variable_scope("sum"):
        sums = [_running_sum(f"{term}/{v.op.name}", v.shape) for term in range(len(ones)) for v in variables]
        count = _running_sum("pixels", normalizer.shape)
    # Checked per batch, because the batch is saved for inspection.
    size = tf.debugging.assert_all_finite(tf.global_norm(gradients), "the gradient is not finite")
    with tf.control_dependencies([size]):
        collect = tf.group(*[s.assign_add(g) for s, g in zip(sums, gradients, strict=True)],
                           count.assign_add(normalizer), *tf.get_collection(tf.GraphKeys.UPDATE_OPS))
    scale = tf.reshape(tf.math.divide_no_nan(1.0, count + normalizer), (len(ones),))
    scaled = [(s + g) * scale[i // len(variables)] for i, (s, g) in enumerate(zip(sums, gradients, strict=True))]
    means = [tf.add_n(scaled[i::len(variables)]) for i in range(len(variables))]
    return collect, means, variables, [*sums, count]


def all_finite():
    """Return a scalar bool tensor: whether all variables are finite. Call it once per graph and fetch it repeatedly."""
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(v)) for v in tf.global_variables() if v.dtype.is_floating])


def _running_sum(name, shape):
    """Create a float32 running sum. It is not saved, because it is zero between steps, when checkpoints are written."""
    return tf.get_variable(name, shape, initializer=tf.zeros_initializer(), trainable=False,
                           collections=[tf.GraphKeys.LOCAL_VARIABLES])
