"""One weight update from the batches of a step: gradients are summed and divided by the normalizer once.

Every labelled pixel of a step has the same weight, so a step of several small batches equals a step of one large batch.
(A mean of batch means would give too much weight to batches with few labelled pixels.) The batches of a step may be
divided among several workers, whose sums are added in the same way.
"""

import dataclasses

from fcn.core import errors, registry
from fcn.models import variables
from fcn.models.tf_compat import tf
from fcn.training.loss_scale import LossScale
from fcn.training.weight_average import WeightAverage


@dataclasses.dataclass(frozen=True)
class Rule:
    """Settings of the weight update.

    optimizer: name of a file in fcn/training/optimizers.
    momentum: for optimizers that use it.
    weight_decay: of kernels only; added to the gradient (L2) unless the optimizer sets DECOUPLED_WEIGHT_DECAY.
    clip_norm: largest norm of the gradient over all variables; larger gradients are scaled down to it before weight
        decay is added (Pascanu et al. 2013, algorithm 1). 0 turns clipping off.
    factor_of: {trainable variable: factor of its learning rate} (lr_multipliers.factors); None means 1 for all. A
        variable with factor 0 is frozen.
    held: {trainable variable: bool scalar, True while its learning rate is 0} (--freeze-steps).
    loss_scaling: whether the loss is scaled, for float16 (loss_scale.py).
    average: decay of the averages of the weights (weight_average.py). 0: none.
    norm_momentum: share that moving averages of batch normalisation keep at each batch; None: as each layer says.
    """

    optimizer: str = "adam"
    momentum: float = 0.9
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    factor_of: dict[str, float] | None = None
    held: dict[str, tf.Tensor] = dataclasses.field(default_factory=dict)
    loss_scaling: bool = False
    average: float = 0.0
    norm_momentum: float | None = None


@dataclasses.dataclass(frozen=True)
class Step:
    """Operations of a training step.

    learning_rate: placeholder, float32 scalar.
    collect: operation for every batch of a step except the last; None if a step is one batch.
    update: operation for the last batch. It adds the batch, divides, clips, updates the weights and clears the sums.
    grads: list of (gradient, variable) as applied.
    norm: norm of the step's gradient over all variables before clipping, scalar; fetch it together with update.
    average: WeightAverage, None without.
    loss_scale: scale of the step, scalar; a step whose norm is not finite is skipped. None without loss scaling.
    """

    learning_rate: tf.Tensor
    collect: tf.Operation | None
    update: tf.Operation
    grads: list[tuple[tf.Tensor, tf.Variable]]
    norm: tf.Tensor
    average: WeightAverage | None = None
    loss_scale: tf.Tensor | None = None


def build(objective, normalizer, rule, batches_per_step=1, workers=None):
    """Build the Step that minimises sum(objective) / sum(normalizer) over the batches of a step. rule: Rule.

    batches_per_step: on this worker. workers: distributed.workers.Workers, which add their gradients once a step; None
    for a process that trains alone.

    objective, normalizer: float32 scalars or (K,); for (K,), the sum of the K quotients is minimised. With several
    batches per step, each of the K terms needs its own backward pass and running sum, because its normalizer is only
    known after the last batch.

    Variables on which the objective does not depend stay unchanged. If the loss or gradient is not finite, the
    operations raise InvalidArgumentError before any trained variable changes; with loss scaling, only at its least
    scale: before, update changes the scale and nothing else. Moving averages (variables.add_change) are changed with
    every batch of a step, before the weights. A step without labelled pixels has gradient 0 and is otherwise an
    ordinary step, as in Caffe: weight decay and the optimizer's state still change the weights.
    """
    rate, before = tf.placeholder(tf.float32, (), "learning_rate"), {v.op.name for v in tf.global_variables()}
    trained = [v for v in tf.trainable_variables() if not rule.factor_of or rule.factor_of[v.op.name]]
    scale = LossScale() if rule.loss_scaling else None
    if scale or workers:
        normalizer += 0 * tf.reduce_sum(objective)  # NaN if the loss is not finite; the gradient is so then, too
    # One worker alone must not end here while the others wait for its gradients: all of them find NaN in the sums.
    with tf.control_dependencies([] if workers else [_checked(objective, "loss", scale)]):
        if batches_per_step == 1:
            collect, running = None, []
            total = workers.total([normalizer])[0] if workers else normalizer
            means, trained = _gradients(objective, trained, _seed(total, scale))
            means = [g / scale.value for g in means] if scale else means
        else:
            collect, means, trained, running = _summed(objective, normalizer, trained, scale, workers,
                                                        lambda: variables.apply_changes(rule.norm_momentum))
    means = workers.total(means) if workers else means
    average = WeightAverage([*trained, *variables.momenta()], rule.average) if rule.average else None
    norm = _norm(means, [rule.held.get(v.op.name) for v in trained])
    grads = list(zip(means, trained, strict=True))
    if rule.clip_norm:
        factor = rule.clip_norm / tf.maximum(norm, rule.clip_norm)  # exactly 1 if the norm is not larger than clip_norm
        grads = [(g * factor, v) for g, v in grads]
    # The batches before the last one have changed the moving averages of each worker, also if the step is skipped.
    skipped = (lambda: tf.group(*_same_averages(workers, []))) if workers and batches_per_step > 1 else tf.no_op
    # The operations wait for the check, not copies of the gradients: TensorFlow would cast those from bfloat16 again.
    with tf.control_dependencies([_checked(norm, "gradient", scale)]):
        changed = _unless_skipped(lambda: _changed(rule, grads, rate, average, workers), skipped, norm, scale)
    with tf.control_dependencies([changed]):  # otherwise the sums might be cleared before they are read
        update = tf.group(changed, *[v.assign(tf.zeros(v.shape)) for v in running])
    variables.mark_optimizer_variables([v for v in tf.global_variables() if v.op.name not in before])
    return Step(rate, collect, update, grads, norm, average, scale and scale.value)


def _checked(x, what, scale):
    """Return an operation that raises InvalidArgumentError if x, the loss or gradient, is not finite."""
    return tf.debugging.assert_all_finite(scale.fatal(x) if scale else x, f"the {what} is not finite")


def _norm(gradients, held):
    """Return the norm of the gradients, without those whose bool scalar in `held` is True; not finite if one is not."""
    whole = tf.global_norm(gradients)
    if not any(one is not None for one in held):
        return whole
    squares = [2 * tf.nn.l2_loss(g) for g in gradients]
    counted = [x if one is None else tf.where_v2(one, 0.0, x) for x, one in zip(squares, held, strict=True)]
    return tf.where_v2(tf.math.is_finite(whole), tf.sqrt(tf.add_n(counted)), whole)


def _seed(normalizer, scale):
    """Return where the backward pass of objective / normalizer starts. scale: LossScale, None without."""
    seed = tf.math.divide_no_nan(1.0, normalizer)
    return seed * scale.value if scale else seed


def _changed(rule, grads, rate, average, workers):
    """Return the operation of a step that is not skipped: moving averages, then weights, then their averages.

    Raises UsageError if the optimizer gives no operation.
    """
    with tf.control_dependencies(_same_averages(workers, variables.apply_changes(rule.norm_momentum))):
        applied = apply(rule, grads, rate)
    if not isinstance(applied, tf.Operation | tf.Tensor):
        raise errors.UsageError(f"apply() gives {applied!r}, expected an operation such as that of tf.group()",
                                where=registry.path("optimizers", rule.optimizer))
    if average is None:
        return applied
    with tf.control_dependencies([applied]):
        return average.update()


def _same_averages(workers, changes):
    """Return operations that set the moving averages to the means of those of all workers, after `changes` on each.

    changes: operations, also returned without workers.
    """
    moving = list(variables.momenta())
    if not workers or not moving:
        return changes
    with tf.control_dependencies(changes):
        sums = workers.total([v.read_value() for v in moving])
    return [v.assign(x / workers.count).op for v, x in zip(moving, sums, strict=True)]


def _unless_skipped(change, skipped, norm, scale):
    """Return the operation change(); with a LossScale, skipped() if norm is not finite, and an update of the scale."""
    if scale is None:
        return change()
    finite = tf.math.is_finite(norm)
    return tf.group(tf.cond(finite, change, skipped), scale.update(finite))


def apply(rule, grads, rate):
    """Return the operation that updates all variables by a Rule. grads: list of (gradient, variable). rate: scalar."""
    optimizer, decay = registry.load("optimizers", rule.optimizer), rule.weight_decay
    factor_of = rule.factor_of or {v.op.name: 1.0 for _, v in grads}
    rates: dict = {}
    for _, v in grads:
        factor, held = key = factor_of[v.op.name], rule.held.get(v.op.name)
        if key not in rates:
            rates[key] = rate * factor if held is None else tf.where_v2(held, 0.0, rate * factor)
    rate_of = {v.op.name: rates[factor_of[v.op.name], rule.held.get(v.op.name)] for _, v in grads}
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


def _summed(objective, normalizer, trained, scale, workers, averages):
    """Return (collect, means, variables, running sums) for a step of several batches.

    collect: operation that adds the gradients of a batch to the running sums. means: gradients of the step, with the
    current batch as its last. scale: LossScale, or None. averages: function that makes the operations which change the
    moving averages. A scaled backward pass starts from the mean of a batch; a sum over pixels would not fit into
    float16. With workers, the means are this worker's part: its sums, divided by the normalizer of all.
    """
    ones = tf.unstack(tf.eye(objective.shape[0])) if objective.shape.rank else [1.0]  # each selects one of the K terms
    seed = _seed(normalizer, scale) if scale else 1.0
    by_term = [_gradients(objective, trained, one * seed) for one in ones]
    if scale:
        sizes = tf.unstack(tf.reshape(normalizer / scale.value, (len(ones),)))
        by_term = [([g * size for g in found], own) for (found, own), size in zip(by_term, sizes, strict=True)]
    gradients, trained = [g for of_term, _ in by_term for g in of_term], by_term[0][1]
    with tf.variable_scope("sum"):
        sums = [_running_sum(f"{term}/{v.op.name}", v.shape) for term in range(len(ones)) for v in trained]
        count = _running_sum("pixels", normalizer.shape)
    size = tf.global_norm(gradients)
    checks = [] if workers else [_checked(size, "gradient", scale)]  # per batch: the batch is saved for inspection
    with tf.control_dependencies(checks):
        moved = (tf.cond(tf.math.is_finite(size), lambda: tf.group(*averages()), tf.no_op) if scale
                 else tf.group(*averages()))
        collect = tf.group(*[s.assign_add(g) for s, g in zip(sums, gradients, strict=True)],
                           count.assign_add(normalizer), moved)
    total = workers.total([count + normalizer])[0] if workers else count + normalizer
    share = tf.reshape(tf.math.divide_no_nan(1.0, total), (len(ones),))
    scaled = [(s + g) * share[i // len(trained)] for i, (s, g) in enumerate(zip(sums, gradients, strict=True))]
    means = [tf.add_n(scaled[i::len(trained)]) for i in range(len(trained))]
    return collect, means, trained, [*sums, count]


def all_finite():
    """Return a scalar bool tensor: whether all variables are finite. Call it once per graph and fetch it repeatedly."""
    return tf.reduce_all([tf.reduce_all(tf.math.is_finite(v)) for v in tf.global_variables() if v.dtype.is_floating])


def _running_sum(name, shape):
    """Create a float32 running sum. It is not saved, because it is zero between steps, when checkpoints are written."""
    return tf.get_variable(name, shape, initializer=tf.zeros_initializer(), trainable=False,
                           collections=[tf.GraphKeys.LOCAL_VARIABLES])
