"""One file per optimizer: the rule by which a gradient moves a weight.

    apply(grads, rate_of, momentum) -> op       moves every variable once, after all gradients have been computed
grads: [(gradient, variable)]. rate_of: {name of a variable: its learning rate, a scalar tensor}; variables of one rate
share a tensor. momentum: the flag, for rules that have one. Everything that a rule remembers is made by
_slots.slot() or by tf.train's optimizers, so that checkpoints hold it.
Optional:
    SLOTS       numbers kept beside each weight, for the estimate of memory
    COPIES      copies of all trained weights during an update, for the same, as measured
    DECOUPLED_WEIGHT_DECAY      --weight-decay shrinks the weights apart from the rule (w = w - rate decay w), instead
                                of being added to the gradient
"""

REQUIRED = ("apply(grads, rate_of, momentum)",)
OPTIONAL = {"SLOTS": 2, "COPIES": 0, "DECOUPLED_WEIGHT_DECAY": False}
