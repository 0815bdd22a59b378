"""Whether an exported file says what the checkpoint says: both are given the same images."""

import numpy as np

from fcn.core import errors
from fcn.models import graph_builder
from fcn.models.tf_compat import new_session, run, tf
from fcn.weights import checkpoint_reader

# (images, height, width): odd sizes, other than the next ones, and more than one image.
SIZES = ((1, 97, 75), (2, 64, 96))
# Largest difference of two logits, in units of all logits' spread: other programs add float32 in other orders.
TOLERANCE = 1e-4


def images():
    """A batch of each of SIZES, uint8 (n, h, w, 3): noise over patches of colour, the same ones every time."""
    rng, batches = np.random.default_rng(0), []
    for count, height, width in SIZES:
        patches = rng.integers(0, 224, (count, height // 16 + 1, width // 16 + 1, 3))
        patches = patches.repeat(16, axis=1).repeat(16, axis=2)[:, :height, :width]
        batches.append((patches + rng.integers(0, 32, patches.shape)).astype(np.uint8))
    return batches


def of_checkpoint(folder, model, batches):
    """[(logits, prediction)] of the graph that training and evaluation use."""
    with tf.Graph().as_default() as graph, new_session(graph) as session:
        net = graph_builder.of_run(model)
        checkpoint_reader.restore(session, folder)
        return [run(session, [net.logits, net.prediction], {net.images: batch}) for batch in batches]


def compare(expected, found, never_predicted):
    """{"largest_difference", "equal_predictions"} of what a file gives, `found`, and what its checkpoint gives: pairs
    (logits, prediction), one a batch. never_predicted: of label_policy.LabelPolicy.

    The difference is that of logits, relative to the spread of the checkpoint's; the other number is a share of all
    pixels. Raises WeightsError if the difference is over TOLERANCE, or if predictions differ where the best two logits
    do not lie as near to each other.
    """
    differences, equal = [], []
    for (logits, prediction), (other_logits, other) in zip(expected, found, strict=True):
        kinds = [f"{array.dtype} {array.shape}" for array in (logits, other_logits, prediction, other)]
        if kinds[0::2] != kinds[1::2]:
            raise refusal(f"gives {kinds[1]} and {kinds[3]}, the checkpoint {kinds[0]} and {kinds[2]}")
        spread = float(np.ptp(logits)) or 1.0
        differences.append(float(np.abs(other_logits - logits).max()) / spread)
        if not differences[-1] <= TOLERANCE:  # nor if it is NaN
            raise refusal(f"gives logits {differences[-1]:.2g} of their spread away from the checkpoint's; "
                          f"{TOLERANCE:.0e} is allowed")
        equal.append((other == prediction).ravel())
        allowed = np.delete(logits, never_predicted, axis=3)
        best_two = np.sort(allowed, axis=3)[..., -2:]
        near = best_two[..., -1] - best_two[..., 0] <= 2 * TOLERANCE * spread
        if ((other != prediction) & ~near).any():
            raise refusal(f"predicts other classes than its logits on {np.mean(other != prediction):.2%} of the pixels")
    return {"largest_difference": max(differences), "equal_predictions": float(np.concatenate(equal).mean())}


def probabilities(logits, prediction, found):
    """Check `found`, float32 (N, H, W, C), against the logits that were compared, or are about to be.

    It adds up to 1, leaves the order of the classes that it does not exclude, and its best is the prediction. Raises
    WeightsError.
    """
    allowed = (found > 0).any(axis=(0, 1, 2))
    expected = np.where(allowed, logits, -np.inf)
    expected = np.exp(expected - expected.max(axis=3, keepdims=True))
    expected /= expected.sum(axis=3, keepdims=True)
    best = np.take_along_axis(found, prediction[..., None].astype(np.int64), axis=3)[..., 0]
    if not (np.abs(found - expected) <= TOLERANCE).all() or (found.max(axis=3) - best > TOLERANCE).any():
        raise refusal("gives probabilities that are not those of its logits")


def refusal(what):
    return errors.WeightsError(f"what was written {what}", why="it was deleted",
                               fix="export to another format, and report it with the run's config.json.")


def text(result):
    """The numbers of compare() for a person."""
    sizes = " and ".join(" x ".join(map(str, size)) for size in SIZES)
    return (f"read back and verified on images of {sizes} px: logits within {result['largest_difference']:.1e} of "
            f"their spread, {result['equal_predictions']:.2%} of the predictions equal")
