"""Optimizers, one file each. The name of the file is the value of --optimizer. An optimizer module defines

    apply(grads, rate_of, momentum) -> operation
        Return an operation that updates every variable once, after all gradients have been computed. grads: list of
        (gradient, variable). rate_of: {variable name: learning rate, float32 scalar tensor}; variables with equal rates
        share a tensor. momentum: float, value of --momentum. Create state variables with _slots.slot() or an optimizer
        of tf.train, so that checkpoints contain them.

Optional:

    SLOTS
        int, state variables per weight, for the memory estimate. Default: 2.
    COPIES
        int, temporary copies of all trained weights during an update, as measured, for the memory estimate. Default: 0.
    DECOUPLED_WEIGHT_DECAY
        bool. True: --weight-decay is applied separately, w = w - rate * decay * w. False: it is added to the gradient.
        Default: False.
"""

REQUIRED = ("apply(grads, rate_of, momentum)",)
OPTIONAL = {"SLOTS": 2, "COPIES": 0, "DECOUPLED_WEIGHT_DECAY": False}
