"""Lovasz-softmax (Berman et al. 2018): the Lovasz extension of the Jaccard loss of each class.

With softmax, the error of a pixel is |truth - probability|. With one sigmoid output z, the loss is the paper's Lovasz
hinge: the errors are max(0, 1 - z) for pixels of class 1 and max(0, 1 + z) for those of class 0. Sorting takes
O(pixels log pixels) for each class.
"""

from fcn.models.losses import _regions
from fcn.models.tf_compat import tf

LIMITS = {"classes": ("present", "all")}


def build(logits, labels, policy, *, per_image=True, classes="present", class_weights=None, sigmoid=False):
    """Return (objective, normalizer). Arguments: see fcn/models/losses."""
    regions = _regions.build(logits, labels, policy, sigmoid)
    errors = tf.abs(regions.truth - regions.found)
    if sigmoid:
        z = logits[..., 1:] - logits[..., :1]
        errors = tf.nn.relu(1 - z * (2 * regions.truth - 1))
    uncounted_last = tf.where(tf.broadcast_to(regions.mask > 0, tf.shape(errors)), errors, -tf.ones_like(errors))
    losses = extension(*(_by_class(x, per_image) for x in (uncounted_last, regions.truth)))
    return regions.two_sums(losses, per_image, classes, class_weights)


def extension(errors, truth):
    """Return the Lovasz extension of the Jaccard loss, float32 (G, K).

    errors: float32 (G, K, P), at least 0; negative for pixels that do not count. truth: float32 (G, K, P), 1 for pixels
    of the class and 0 for others. With the errors in descending order, pixel i has as factor the growth of the Jaccard
    loss when the pixels 1 to i instead of 1 to i - 1 are wrong (Berman et al., equation 9): 1 / union for a pixel of
    the class, intersection / (union (union - 1)) for another one.
    """
    errors, order = tf.math.top_k(errors, tf.shape(errors)[-1])
    counts = tf.cast(errors >= 0, tf.float32)
    truth = tf.gather(truth, order, batch_dims=2)
    others = counts - truth
    total = tf.reduce_sum(truth, -1, keepdims=True)
    intersection, union = total - tf.cumsum(truth, -1), total + tf.cumsum(others, -1)
    before = union - others
    factors = tf.where(before > 0, tf.math.divide_no_nan(truth + tf.math.divide_no_nan(others * intersection, before),
                                                         union), others)
    return tf.reduce_sum(errors * counts * tf.stop_gradient(factors), -1)


def _by_class(x, per_image):
    """(N, rows, columns, K) -> (N, K, pixels of an image) or (1, K, pixels of the batch)."""
    images, classes = tf.shape(x)[0] if per_image else 1, int(x.shape[-1])
    return tf.transpose(tf.reshape(x, tf.stack([images, -1, classes])), (0, 2, 1))
