"""The loss of a batch as sums, which can be added over the batches of a step and over machines.

The losses are files in fcn/models/losses; contract: fcn/models/losses/__init__.py.
"""

import dataclasses
import functools
import inspect
from collections.abc import Sequence

from fcn.config import checks, loss_terms
from fcn.core import errors, registry
from fcn.models.tf_compat import tf


@dataclasses.dataclass(frozen=True)
class LossSettings:
    """Settings of the loss.

    name: name of a file in fcn/models/losses, with options, or a sum of several (loss_terms.py). reduction: see
    reduce(). class_weights: one number per channel of the net; None means 1 each. border_weight: w0 of
    data/border_weights.py, 0 for graphs without weight maps. sigmoid: whether the net has one sigmoid output z, so that
    its logits are (0, z). Raises UsageError for an invalid name, and for a reduction or weights that no loss uses.
    """

    name: str = "cross_entropy"
    reduction: str = "mean"
    class_weights: Sequence[float] | None = None
    border_weight: float = 0.0
    sigmoid: bool = False

    @classmethod
    def from_dict(cls, model: dict) -> "LossSettings":
        """Create LossSettings from "model" of a run's config.json."""
        return cls(model.get("loss", "cross_entropy"), model.get("reduction", "mean"), model.get("class_weights"),
                   model.get("border_weight", 0.0), model.get("output") == "sigmoid")

    def __post_init__(self):
        checks.check_loss(self.name, self.reduction, (self.class_weights is not None, bool(self.border_weight)),
                          self.sigmoid)


@dataclasses.dataclass(frozen=True)
class BatchLoss:
    """Four float32 tensors, each a sum over the batch: scalars, or (K,) for a sum of losses with K normalizers.

    Training minimises sum(objective / normalizer), where both are summed over the batches of a step. It displays
    sum(loss_sum / pixels); for a per-pixel loss, that is the mean over labelled pixels.
    """

    objective: tf.Tensor
    normalizer: tf.Tensor
    loss_sum: tf.Tensor
    pixels: tf.Tensor


def build(logits, labels, policy, settings, pixel_weights=None):
    """Build the BatchLoss of logits, float32 (N, rows, columns, C), and labels, int32 (N, rows, columns).

    All per-pixel losses share one normalizer; each loss over images has its own. The pixels of an image may have any
    order (blocks.py). policy: label_policy.LabelPolicy. settings: LossSettings. pixel_weights: float32
    (N, rows, columns) of at least 0, factors of the pixels in per-pixel losses; None means 1 each.
    """
    terms = [(term.factor, _loss(term, settings)) for term in loss_terms.parse(settings.name)]
    image_terms = [(factor, loss) for factor, loss in terms if loss.func.__name__ == "build"]
    pixel_terms = [term for term in terms if term not in image_terms]
    sums = []
    if pixel_terms:
        losses, weights = weighted(functools.partial(_pixel_sum, pixel_terms), logits, labels, policy,
                                   settings.class_weights, pixel_weights)
        sums.append((*reduce(losses, weights, settings.reduction), tf.reduce_sum(losses), tf.reduce_sum(weights)))
    for factor, loss in image_terms:
        objective, normalizer = _two_sums(loss, logits, labels, policy)
        sums.append((_times(factor, objective), normalizer) * 2)
    return BatchLoss(*(sums[0] if len(sums) == 1 else map(tf.stack, zip(*sums, strict=True))))


def _loss(term, settings):
    """The function of a LossTerm, build() or per_pixel(), with its options and with what it takes of the settings."""
    module = registry.load("losses", term.name)
    function = module.build if hasattr(module, "build") else module.per_pixel
    known = {"class_weights": settings.class_weights, "sigmoid": settings.sigmoid}
    taken = loss_terms.parameters(term.name)
    return functools.partial(function, **term.values(), **{name: known[name] for name in known if name in taken})


def _pixel_sum(terms, logits, labels):
    """Return the sum of factor * loss(logits, labels) over terms, a list of (factor, loss).

    Raises UsageError if a loss returns something else than a float32 tensor of the labels' rank.
    """
    found = []
    for factor, loss in terms:
        losses = loss(logits, labels)
        if not isinstance(losses, tf.Tensor) or losses.dtype != tf.float32 or losses.shape.rank != labels.shape.rank:
            raise errors.UsageError(f"per_pixel() gives {losses!r}, expected a float32 tensor (N, rows, columns)",
                                    where=inspect.getfile(loss.func))
        found.append(_times(factor, losses))
    return found[0] if len(found) == 1 else tf.add_n(found)


def _times(factor, x):
    return x if factor == 1 else factor * x


def _two_sums(loss, logits, labels, policy):
    """Return (objective, normalizer) of a loss over images. Raises UsageError unless both are float32 scalars."""
    found = loss(logits, labels, policy)
    if not isinstance(found, tuple) or len(found) != 2 or any(
            not isinstance(one, tf.Tensor) or one.dtype != tf.float32 or one.shape.rank != 0 for one in found):
        raise errors.UsageError(f"build() gives {found!r}, expected (objective, normalizer), two float32 scalars",
                                where=inspect.getfile(loss.func))
    return found


def counted(labels, num_classes, policy):
    """Return a bool tensor of the labels' shape: whether a label is below num_classes and not ignored in the loss."""
    found = labels < num_classes
    for ignored in policy.ignored_in_loss:
        found &= tf.not_equal(labels, ignored)
    return found


def weighted(per_pixel, logits, labels, policy, class_weights=None, pixel_weights=None):
    """Return (weighted losses, weights) of all pixels, both float32 (N, rows, columns).

    The weight of a pixel is that of its class, times its factor in pixel_weights, and 0 where it does not count.
    sum(losses) / sum(weights) equals PyTorch's mean of a weighted cross entropy. per_pixel: function of a file in
    fcn/models/losses; it gets label 0 for pixels that do not count.
    """
    labels = tf.cast(labels, tf.int32)
    counts = counted(labels, int(logits.shape[-1]), policy)
    labels = tf.where(counts, labels, tf.zeros_like(labels))
    losses = per_pixel(logits, labels)
    weights = tf.cast(counts, tf.float32)
    if class_weights is not None:
        weights *= tf.gather(tf.constant(class_weights, tf.float32), labels)
    if pixel_weights is not None:
        weights *= pixel_weights
    return losses * weights, weights


def reduce(losses, weights, reduction):
    """Return (objective, normalizer) of the losses and weights from weighted(), float32 (N, rows, columns).

    reduction "mean": mean over all labelled pixels of the step.
    "sum": sum over pixels, divided by the number of images, including those without labelled pixels. This is Caffe's
        `normalize: false` (softmax_loss_layer.cpp, get_normalizer: BATCH_SIZE is outer_num_). The learning rates of the
        paper, 1e-10 to 1e-14, are for this reduction.
    "mean-per-image": mean over each image's labelled pixels, then over the images that have any. (SegmentationLoss.m of
        matconvnet-fcn adds 1 to the pixels of an image and divides by all images of the batch.)
    """
    if reduction == "mean":
        return tf.reduce_sum(losses), tf.reduce_sum(weights)
    of_image = tf.reduce_sum(losses, (1, 2))
    if reduction == "sum":
        return tf.reduce_sum(of_image), tf.cast(tf.shape(losses)[0], tf.float32)
    pixels = tf.reduce_sum(weights, (1, 2))
    return tf.reduce_sum(tf.math.divide_no_nan(of_image, pixels)), tf.reduce_sum(tf.cast(pixels > 0, tf.float32))
