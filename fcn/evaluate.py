"""A trained net over images -> confusion matrix: at network size while training, at original size afterwards."""

import numpy as np

from fcn import averages, confusion, images
from fcn.metrics import iou
from fcn.tf1 import run

SHOWN = 3  # samples of a validation that are shown as pictures


def validate(session, model, batches, ignored_ids, stopped=lambda: False):
    """(numbers, samples): loss (mean over labelled pixels of all batches, with its standard error) and scores, at
    network size, and the first few (photo, label, prediction). None as soon as stopped() says so.

    batches: an iterable of (images, labels). mean IoU here is over the classes that occur, as few images may hold few.
    """
    sums, counts, total = [], [], np.zeros((model.num_classes, model.num_classes), np.int64)
    samples: list[tuple] = []
    for photos, labels in batches:
        if stopped():
            return None
        loss_sum, pixels, prediction = run(session, [model.loss_sum, model.pixels, model.prediction],
                                           {model.images: photos, model.labels: labels})
        sums.append(float(loss_sum))
        counts.append(float(pixels))
        samples += list(zip(photos, labels, prediction, strict=True))[:SHOWN - len(samples)]
        total += confusion.matrix(labels, prediction, model.num_classes, ignored_ids)
    loss, error = averages.weighted(sums, counts)
    scores = iou.compute(total, ignored_ids)
    return {"val_loss": loss, "val_loss_se": error, "val_pixel_accuracy": scores["pixel_accuracy"],
            "val_mean_iou": scores["mean_iou_present"]}, samples


def predict(session, model, photo, size_px):
    """uint8 ids of size_px = (height, width), that of the original. photo: uint8 (h, w, 3), of the network's size.

    The prediction is resized by nearest neighbour, as in the benchmark's own demoSegmentation.m.
    """
    prediction = run(session, model.prediction, {model.images: photo[None]})[0]
    return images.resize_label(prediction, size_px)
