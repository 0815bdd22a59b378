"""Losses, one file each. --loss takes the name of a file or a weighted sum of several, such as 0.5*dice+focal(gamma=1).

A loss module defines one of two functions.

    per_pixel(logits, labels) -> losses
        For losses of single pixels, such as cross entropy. logits: float32 (N, rows, columns, C). labels: int32
        (N, rows, columns), 0 to C - 1. losses: float32 (N, rows, columns). batch_loss.py excludes ignored pixels and
        applies --class-weights, --border-weight and --loss-reduction.

    build(logits, labels, policy) -> (objective, normalizer)
        For losses over images, such as Dice. labels: int32, any ids. policy: label_policy.LabelPolicy. Exclude pixels
        where batch_loss.counted(labels, C, policy) is False. objective, normalizer: float32 scalars, both sums over the
        images of the batch. Training adds both over the batches of a step and minimises objective / normalizer; the
        normalizer is usually the number of images. --loss-reduction and --border-weight do not apply to these losses.

Keyword-only parameters are the options of a loss; --loss "dice(smooth=1)" calls build(logits, labels, policy,
smooth=1.0). Their defaults are literals: a number, True or False, or a word. The constant LIMITS, if there is one,
gives (lowest, highest) of numbers and all words: LIMITS = {"smooth": (0, 10), "classes": ("all", "present")}.

Two keyword-only parameters are not options. They are passed to a function that has them:

    class_weights   of build(): a number per channel, or None (--class-weights)
    sigmoid         bool: whether the net has one output z (--output sigmoid), so that its logits are (0, z)

A sum of losses minimises the sum of factor * objective / normalizer.

In both functions, the pixels of an image may have any order, and pixels outside the image, which do not count, may be
among them.
"""

REQUIRED = ("per_pixel(logits, labels) or build(logits, labels, policy)",)
