"""A net over the batches of a validation -> its loss and scores, at network size, while training."""

import numpy as np

from fcn.metrics import confidence, confusion, iou
from fcn.models.tf_compat import run

SHOWN = 3  # samples of a validation that are shown as pictures


def validate(session, model, batches, ignored_in_scores, stopped=lambda: False):
    """(numbers, samples): loss (mean over labelled pixels of all batches, with its standard error) and scores, at
    network size, and the first few (photo, label, prediction). None as soon as stopped() says so.

    batches: an iterable of (images, labels). mean IoU here is over the classes that occur, as few images may hold few.
    Images without a single labelled pixel have no score: loss and scores are None, and "unlabelled_images" says how
    many images were seen. (The loss alone is None if every labelled pixel is of a class of weight 0.)
    """
    sums, counts, total, images = [], [], np.zeros((model.num_classes, model.num_classes), np.int64), 0
    samples: list[tuple] = []
    for photos, labels in batches:
        if stopped():
            return None
        loss_sum, pixels, prediction = run(session, [model.loss_sum, model.pixels, model.prediction],
                                           {model.images: photos, model.labels: labels})
        sums.append(loss_sum.tolist())
        counts.append(pixels.tolist())
        images += len(photos)
        samples += list(zip(photos, labels, prediction, strict=True))[:SHOWN - len(samples)]
        total += confusion.matrix(labels, prediction, model.num_classes, ignored_in_scores)
    loss, error = confidence.mean_loss(sums, counts)
    numbers = {"val_loss": loss if np.all(np.sum(counts, axis=0)) else None, "val_loss_se": error}
    hits, labelled, called = iou.counts(total, ignored_in_scores)
    if not labelled.any():
        return numbers | {"val_pixel_accuracy": None, "val_mean_iou": None, "unlabelled_images": images}, samples
    scores = iou.numbers(hits, labelled, called, absent="nan")
    return numbers | {"val_pixel_accuracy": float(scores["pixel_accuracy"]),
                      "val_mean_iou": float(scores["mean_iou"])}, samples
