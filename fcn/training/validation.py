"""Validation during training: loss and scores at network size."""

import itertools

import numpy as np

from fcn.metrics import confidence, confusion, iou
from fcn.models.tf_compat import run

NO_SCORES = {"val_pixel_accuracy": None, "val_mean_iou": None, "val_f_score": None}
SHOWN = 3  # samples of a validation that become images for TensorBoard


def validate(session, model, batches, policy, stopped=lambda: False, shared=None):
    """Compute the loss and scores of `batches`, an iterable of (images, labels), at network size. policy: LabelPolicy.

    shared: StepNumbers, if these are the batches of one of several workers; the result is that of all of them.
    Returns (numbers, samples), or None as soon as stopped() returns True. numbers: {"val_loss": mean over all labelled
    pixels, "val_loss_se": its standard error, "val_pixel_accuracy", "val_mean_iou" and "val_f_score": means over
    the classes that occur; the F-score is the Dice coefficient}.
    samples: the first few (photo, label, prediction), uint8.

    Without any labelled pixel, loss and scores are None, and "unlabelled_images" is the number of images. They are also
    None if the loss of an image is not finite, because the net's scores are not; "not_finite" is then True. The loss
    is also None if all labelled pixels belong to classes with weight 0.
    """
    sums, counts, total, images = [], [], np.zeros((model.num_classes, model.num_classes), np.int64), 0
    samples: list[tuple] = []
    for photos, labels in batches:
        if stopped():
            if not shared:
                return None
            break
        loss_sum, pixels, prediction = run(session, [model.loss_sum, model.pixels, model.prediction],
                                           {model.images: photos, model.labels: policy.for_loss(labels)})
        labels = policy.for_scores(labels)
        sums.append(loss_sum.tolist())
        counts.append(pixels.tolist())
        images += len(photos)
        samples += list(zip(photos, labels, prediction, strict=True))[:SHOWN - len(samples)]
        total += confusion.matrix(labels, prediction, model.num_classes, policy.ignored_in_scores)
    if shared:
        sums, counts, total, images = _of_all(shared, sums, counts, total, images)
        if shared.asked.caught:
            return None
    if not np.isfinite(sums).all():
        return {"val_loss": None, "val_loss_se": None, **NO_SCORES, "not_finite": True}, samples
    loss, error = confidence.mean_loss(sums, counts)
    numbers = {"val_loss": loss if np.all(np.sum(counts, axis=0)) else None, "val_loss_se": error}
    true_positives, target_pixels, predicted_pixels = iou.counts(total, policy.ignored_in_scores)
    if not target_pixels.any():
        return numbers | NO_SCORES | {"unlabelled_images": images}, samples
    scores = iou.numbers(true_positives, target_pixels, predicted_pixels, absent="nan")
    return numbers | {"val_pixel_accuracy": float(scores["pixel_accuracy"]),
                      "val_mean_iou": float(scores["mean_iou"]), "val_f_score": float(scores["mean_f_score"])}, samples


def _of_all(shared, sums, counts, total, images):
    """Return these results of the batches of all workers, in the order of the batches; take their signals, too."""
    found = shared.workers.exchange([shared.asked.number, sums, counts, total.tolist(), images], patient=True)
    shared.asked.agree([received for received, *_ in found])
    def in_order(column):
        return [x for of_round in itertools.zip_longest(*[one[column] for one in found]) for x in of_round
                if x is not None]
    total = np.sum([one[3] for one in found], axis=0)
    return in_order(1), in_order(2), total, sum(one[4] for one in found)
