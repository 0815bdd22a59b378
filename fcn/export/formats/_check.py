"""Check that an exported file gives the same outputs as its checkpoint for the same images."""

import numpy as np

from fcn.core import errors
from fcn.models import graph_builder
from fcn.models.tf_compat import new_session, run, tf
from fcn.weights import checkpoint_reader

# (images, height, width): an odd size, then a second size with more than one image.
SIZES = ((1, 97, 75), (2, 64, 96))
# Largest allowed difference of logits, relative to their range. Runtimes add float32 numbers in different orders.
TOLERANCE = 1e-4


def images(channels=3):
    """Return one batch per size in SIZES, uint8 (n, h, w, channels): coloured patches with noise, from a fixed seed."""
    rng, batches = np.random.default_rng(0), []
    for count, height, width in SIZES:
        patches = rng.integers(0, 224, (count, height // 16 + 1, width // 16 + 1, channels))
        patches = patches.repeat(16, axis=1).repeat(16, axis=2)[:, :height, :width]
        batches.append((patches + rng.integers(0, 32, patches.shape)).astype(np.uint8))
    return batches


def of_checkpoint(folder, model, batches):
    """Return [(logits, prediction)] of a checkpoint, from the graph that training and evaluation use."""
    with tf.Graph().as_default() as graph, new_session(graph) as session:
        net = graph_builder.of_run(model)
        checkpoint_reader.restore(session, folder)
        return [run(session, [net.logits, net.prediction], {net.images: batch}) for batch in batches]


def compare(expected, found, never_predicted):
    """Compare the outputs of a file (`found`) with those of its checkpoint (`expected`).

    expected, found: one (logits, prediction) per batch. never_predicted: see label_policy.LabelPolicy.
    Returns {"largest_difference": of the logits, relative to the range of the checkpoint's logits,
    "equal_predictions": share of the pixels, 0 to 1}. Raises WeightsError if the difference exceeds TOLERANCE, or if a
    prediction differs although its two highest logits are farther apart than that.
    """
    differences, equal = [], []
    for (logits, prediction), (other_logits, other) in zip(expected, found, strict=True):
        kinds = [f"{array.dtype} {array.shape}" for array in (logits, other_logits, prediction, other)]
        if kinds[0::2] != kinds[1::2]:
            raise refusal(f"outputs {kinds[1]} and {kinds[3]}, expected {kinds[0]} and {kinds[2]} as from the "
                          "checkpoint")
        if not np.isfinite(logits).all():
            raise errors.WeightsError("the checkpoint's logits are not finite", why="the training diverged",
                                      fix="export an earlier --checkpoint.")
        spread = float(np.ptp(logits)) or 1.0
        differences.append(float(np.abs(other_logits - logits).max()) / spread)
        if not differences[-1] <= TOLERANCE:  # also true for NaN
            raise refusal(f"outputs logits that differ from the checkpoint's by {differences[-1]:.2g} of their range, "
                          f"expected at most {TOLERANCE:.0e}")
        equal.append((other == prediction).ravel())
        allowed = np.delete(logits, never_predicted, axis=3)
        best_two = np.sort(allowed, axis=3)[..., -2:]
        near = best_two[..., -1] - best_two[..., 0] <= 2 * TOLERANCE * spread
        if ((other != prediction) & ~near).any():
            raise refusal("predicts a class that is not the argmax of its logits on "
                          f"{np.mean(other != prediction):.2%} of the pixels")
    return {"largest_difference": max(differences), "equal_predictions": float(np.concatenate(equal).mean())}


def probabilities(logits, prediction, found):
    """Check that `found`, float32 (N, H, W, C), is the softmax of the logits and that its argmax is the prediction.

    Classes with probability 0 everywhere count as excluded. Raises WeightsError.
    """
    allowed = (found > 0).any(axis=(0, 1, 2))
    expected = np.where(allowed, logits, -np.inf)
    expected = np.exp(expected - expected.max(axis=3, keepdims=True))
    expected /= expected.sum(axis=3, keepdims=True)
    best = np.take_along_axis(found, prediction[..., None].astype(np.int64), axis=3)[..., 0]
    if not (np.abs(found - expected) <= TOLERANCE).all() or (found.max(axis=3) - best > TOLERANCE).any():
        raise refusal("outputs probabilities that are not the softmax of its logits")


def refusal(what):
    return errors.WeightsError(f"the exported net {what}", why="the export was deleted",
                               fix="export to another format, and report it with the run's config.json.")


def text(result):
    """Format the result of compare() as one line."""
    sizes = " and ".join(" x ".join(map(str, size)) for size in SIZES)
    return (f"read back and verified on images of {sizes} px: logits within {result['largest_difference']:.1e} of "
            f"their range, {result['equal_predictions']:.2%} of the predictions equal")
