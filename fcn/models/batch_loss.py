"""The loss of a batch, as sums that add up over the batches of a step and over machines.

fcn/models/losses has a file for each loss; its __init__.py says what such a file holds.
"""

import dataclasses
import functools
from collections.abc import Sequence

from fcn.config import checks, parsers
from fcn.core import errors, registry
from fcn.models.tf_compat import tf


@dataclasses.dataclass(frozen=True)
class LossSettings:
    """name: a file of fcn/models/losses, or a sum of several (parsers.loss_terms). reduction: as in reduce().
    class_weights: a number for each channel of the net, or None for 1 each. Raises UsageError for a reduction or
    weights without a loss of each pixel.
    """

    name: str = "cross_entropy"
    reduction: str = "mean"
    class_weights: Sequence[float] | None = None

    @classmethod
    def from_dict(cls, model: dict) -> "LossSettings":
        """The LossSettings in "model" of a run's config.json."""
        return cls(model.get("loss", "cross_entropy"), model.get("reduction", "mean"), model.get("class_weights"))

    def __post_init__(self):
        checks.check_loss(self.name, self.reduction, self.class_weights is not None)


@dataclasses.dataclass(frozen=True)
class BatchLoss:
    """Four float32 tensors, each a sum over the batch: scalars, or (K,) for a sum of losses with K normalizers.

    Training minimises sum(objective / normalizer), both summed over the batches of a step, and shows
    sum(loss_sum / pixels), which of a per-pixel loss is the mean of the labelled pixels.
    """

    objective: tf.Tensor
    normalizer: tf.Tensor
    loss_sum: tf.Tensor
    pixels: tf.Tensor


def build(logits, labels, policy, settings):
    """The BatchLoss of logits, float32 (N, rows, columns, C), and labels, int32 (N, rows, columns).

    Losses of each pixel are added pixel by pixel, as they have the same normalizer; each loss over images has its own.
    Pixels come in any order within their image (blocks.py). policy: a label_policy.LabelPolicy; settings: LossSettings.
    """
    terms = [(factor, registry.load("losses", name)) for factor, name in parsers.loss_terms(settings.name)]
    of_images = [(factor, module) for factor, module in terms if hasattr(module, "build")]
    of_pixels = [term for term in terms if term not in of_images]
    found = []
    if of_pixels:
        losses, weights = weighted(functools.partial(_pixel_sum, of_pixels), logits, labels, policy,
                                   settings.class_weights)
        found.append((*reduce(losses, weights, settings.reduction), tf.reduce_sum(losses), tf.reduce_sum(weights)))
    for factor, module in of_images:
        objective, normalizer = _two_sums(module.build(logits, labels, policy), module)
        found.append((_times(factor, objective), normalizer) * 2)
    return BatchLoss(*(found[0] if len(found) == 1 else map(tf.stack, zip(*found, strict=True))))


def _pixel_sum(terms, logits, labels):
    """The sum of factor * per_pixel(logits, labels) over terms, [(factor, module)]. Raises UsageError for a wrong type.
    """
    found = []
    for factor, module in terms:
        losses = module.per_pixel(logits, labels)
        if not isinstance(losses, tf.Tensor) or losses.dtype != tf.float32 or losses.shape.rank != labels.shape.rank:
            raise errors.UsageError(f"per_pixel() gives {losses!r}, expected a float32 tensor (N, rows, columns)",
                                    where=module.__file__)
        found.append(_times(factor, losses))
    return found[0] if len(found) == 1 else tf.add_n(found)


def _times(factor, x):
    return x if factor == 1 else factor * x


def _two_sums(found, module):
    """(objective, normalizer) of a loss over images. Raises UsageError if they are no two scalars."""
    if not isinstance(found, tuple) or len(found) != 2 or any(
            not isinstance(one, tf.Tensor) or one.dtype != tf.float32 or one.shape.rank != 0 for one in found):
        raise errors.UsageError(f"build() gives {found!r}, expected (objective, normalizer), two float32 scalars",
                                where=module.__file__)
    return found


def counted(labels, num_classes, policy):
    """bool, of labels' shape: whether a pixel counts in the loss. Its label is a channel, and not ignored."""
    found = labels < num_classes
    for ignored in policy.ignored_in_loss:
        found &= tf.not_equal(labels, ignored)
    return found


def weighted(per_pixel, logits, labels, policy, class_weights=None):
    """(losses, weights): float32 (N, rows, columns), every pixel's loss times its weight, and its weight: that of its
    class, 0 where it does not count. sum(losses) / sum(weights) is PyTorch's mean of a weighted cross entropy.

    per_pixel(logits, labels): of a file of fcn/models/losses; all its labels are channels, 0 where a pixel does not
    count.
    """
    labels = tf.cast(labels, tf.int32)
    counts = counted(labels, int(logits.shape[-1]), policy)
    labels = tf.where(counts, labels, tf.zeros_like(labels))
    losses = per_pixel(logits, labels)
    weights = tf.cast(counts, tf.float32)
    if class_weights is not None:
        weights *= tf.gather(tf.constant(class_weights, tf.float32), labels)
    return losses * weights, weights


def reduce(losses, weights, reduction):
    """(objective, normalizer) of losses and weights, float32 (N, rows, columns), as weighted() gives them.

    "mean": over all labelled pixels of the step. "sum": summed over pixels, divided by the number of images, those
    without labelled pixels too: Caffe's `normalize: false` (softmax_loss_layer.cpp, get_normalizer: BATCH_SIZE is
    outer_num_), to which the paper's learning rates of 1e-10 to 1e-14 belong. "mean-per-image": the mean over each
    image's labelled pixels, then the mean over the images that have any. (matconvnet-fcn's SegmentationLoss.m adds 1 to
    the pixels of an image, and divides by all images of the batch.)
    """
    if reduction == "mean":
        return tf.reduce_sum(losses), tf.reduce_sum(weights)
    of_image = tf.reduce_sum(losses, (1, 2))
    if reduction == "sum":
        return tf.reduce_sum(of_image), tf.cast(tf.shape(losses)[0], tf.float32)
    pixels = tf.reduce_sum(weights, (1, 2))
    return tf.reduce_sum(tf.math.divide_no_nan(of_image, pixels)), tf.reduce_sum(tf.cast(pixels > 0, tf.float32))
