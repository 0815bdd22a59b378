"""What losses over regions share: probabilities and truth of counted classes, and means over classes and images.

Counted classes are the channels that the policy does not ignore; with one sigmoid output, class 1 alone.
"""

import dataclasses

from fcn.models import batch_loss
from fcn.models.tf_compat import tf


@dataclasses.dataclass(frozen=True)
class Regions:
    """The pixels of a batch as regions.

    found, truth: float32 (N, rows, columns, K), probabilities and one-hot labels of the K counted classes, 0 for pixels
    that do not count. mask: float32 (N, rows, columns, 1), 1 for pixels that count. labelled: float32 (N,), 1 for
    images with pixels that count. ids: of the counted classes. sigmoid: whether the net has one sigmoid output.
    """

    found: tf.Tensor
    truth: tf.Tensor
    mask: tf.Tensor
    labelled: tf.Tensor
    ids: tuple
    sigmoid: bool

    def totals(self, x, per_image):
        """Sum x (N, rows, columns, K) over the pixels of each image, (N, K), or of the batch, (1, K)."""
        of_images = tf.reduce_sum(x, (1, 2))
        return of_images if per_image else tf.reduce_sum(of_images, 0, keepdims=True)

    def two_sums(self, losses, per_image, classes, class_weights):
        """Return (objective, normalizer) of losses (N, K) of images or (1, K) of the batch.

        The loss of an image is the mean, weighted by class_weights, over all counted classes or over those that are
        present. The normalizer is the number of labelled images; a loss of the batch counts once for each of them.
        """
        given = [1.0 if class_weights is None else class_weights[i] for i in self.ids]
        weights = tf.ones_like(losses) * tf.constant(given, tf.float32)
        if classes == "present" and not self.sigmoid:
            weights *= tf.cast(self.totals(self.truth, per_image) > 0, tf.float32)
        means = tf.math.divide_no_nan(tf.reduce_sum(losses * weights, 1), tf.reduce_sum(weights, 1))
        return tf.reduce_sum(means * self.labelled), tf.reduce_sum(self.labelled)


def build(logits, labels, policy, sigmoid):
    """Build the Regions of logits and labels. Arguments: see fcn/models/losses."""
    num_classes = int(logits.shape[-1])
    ids = (1,) if sigmoid else policy.trained_ids(num_classes)
    counts = batch_loss.counted(labels, num_classes, policy)
    mask = tf.cast(counts, tf.float32)[..., None]
    truth, found = (tf.gather(x, ids, axis=-1) * mask for x in (tf.one_hot(labels, num_classes), tf.nn.softmax(logits)))
    return Regions(found, truth, mask, tf.cast(tf.reduce_any(counts, (1, 2)), tf.float32), ids, sigmoid)


def of_overlap(score, regions, per_image, classes, class_weights):
    """Return (objective, normalizer) of 1 - score(TP, FP, FN), four tensors (N, K), or (1, K) of the batch."""
    true_positives, found, truth = (regions.totals(x, per_image) for x in (
        regions.found * regions.truth, regions.found, regions.truth))
    losses = 1 - score(true_positives, found - true_positives, truth - true_positives)
    return regions.two_sums(losses, per_image, classes, class_weights)
