"""Diagnose frequent errors from the confusion matrix: shifted labels, predictions collapsed to a few classes.

shifted, few and worse_than_constant take the confusion matrix of an evaluation, int64 (C, C) with labels as rows, the
scored ids and the class names. They return a sentence with numbers, or "". A low score alone does not cause a warning.
"""

import numpy as np

from fcn.metrics import baselines, iou
from fcn.metrics.confusion import Sums
from fcn.metrics.protocols import benchmark

FACTOR = 2      # shifted: the shift matches at least so many times the pixels that match without it
VOTES = 3       # shifted: at least so many classes match better, and so many times those that match worse
FEW = 1 / 3     # few: at most this share of the classes in the labels is predicted
MOST = 0.99     # share of pixels that counts as most
FEW_IMAGES, MANY_RARE = 5, 1 / 4  # rare: limit of images for a rare class; share of rare classes for a warning
MANY = 4        # few: least number of classes that have most pixels of the labels


def warnings(confusion, ids, class_names):
    """Sentences of shifted, few and worse_than_constant, without empty ones. Arguments as there."""
    if not confusion[list(ids)].sum():
        return []
    found = (diagnose(confusion, ids, class_names) for diagnose in (shifted, few, worse_than_constant))
    return [text for text in found if text]


def shifted(confusion, ids, class_names):
    """Detect labels that start at 0 for a net whose classes start at 1, or the reverse.

    The mean IoU is about 0.0007 then: hszhao/semseg issue 90; mmsegmentation's reduce_zero_label. A class votes for a
    shift if more of its pixels are predicted as the adjacent id than as its own, and against it if fewer are.
    """
    rows = confusion[list(ids)]
    own, total = np.diag(confusion)[list(ids)], rows.sum()
    for shift in (1, -1):
        at = np.array(ids) + shift
        inside = (at >= 0) & (at < len(confusion))
        beside = np.where(inside, rows[np.arange(len(ids)), np.where(inside, at, 0)], 0)
        pro, contra = (beside > own).sum(), (own > beside).sum()
        if beside.sum() >= FACTOR * own.sum() and pro >= VOTES and pro >= VOTES * contra:
            return (f"these labels look shifted by one: {beside.sum() / total:.1%} of the pixels are predicted as the "
                    f"id {'after' if shift == 1 else 'before'} their label, {own.sum() / total:.1%} as their label; "
                    f"{pro} of {pro + contra} classes match better with the shift. Check the first class id of the net")
    return ""


def few(confusion, ids, class_names):
    """Detect predictions that collapsed to a few of many classes."""
    rows = confusion[list(ids)]
    target_pixels, predicted_pixels = rows.sum(axis=1), rows.sum(axis=0)
    present = int((target_pixels > 0).sum())
    predicted = int((predicted_pixels[list(ids)][target_pixels > 0] > 0).sum())
    most_labels, most_predictions = _most(target_pixels), _most(predicted_pixels)
    names = [f"'{class_names[i]}'" for i in np.argsort(-predicted_pixels, kind="stable")[:min(most_predictions, 3)]]
    if present > 1 and predicted <= max(1, present * FEW):
        return (f"the net predicts {predicted} of the {present} classes in the labels; "
                f"{predicted_pixels.max() / predicted_pixels.sum():.1%} of all pixels are predicted as {names[0]}")
    if most_labels >= MANY and most_predictions <= max(1, most_labels * FEW):
        return (f"{MOST:.0%} of the pixels are predicted as {most_predictions} classes ({', '.join(names)}"
                f"{', ...' if most_predictions > 3 else ''}); the labels have {most_labels} classes on as many pixels")
    return ""


def worse_than_constant(confusion, ids, class_names):
    """Detect predictions with lower pixel accuracy and mean IoU than a constant prediction."""
    counts = iou.counts(confusion, [i for i in range(len(confusion)) if i not in ids])
    sums = Sums(tuple(ids), *(pixels[None] for pixels in counts))
    scores, least = benchmark.compute(sums, np.ones((1, 1))), baselines.best_constant(sums, class_names)
    if all(scores[name][0] < least[name] for name in ("pixel_accuracy", "mean_iou")):
        return (f"worse than a constant prediction: {least['name']} has pixel accuracy {least['pixel_accuracy']:.4f} "
                f"and mean IoU {least['mean_iou']:.4f}, the net {scores['pixel_accuracy'][0]:.4f} and "
                f"{scores['mean_iou'][0]:.4f}")
    return ""


def rare(sums, class_names):
    """[a sentence] if many classes are labelled in few images, so that means over classes are uncertain; or [].

    sums: confusion.Sums of the scored classes.
    """
    images = (sums.target_pixels > 0).sum(axis=0)
    present, is_rare = images > 0, (images > 0) & (images < FEW_IMAGES)
    if (sums.target_pixels.sum(axis=1) > 0).sum() < FEW_IMAGES or is_rare.sum() < max(2, MANY_RARE * present.sum()):
        return []
    names = [f"'{class_names[i]}'" for i, one_is_rare in zip(sums.ids, is_rare, strict=True) if one_is_rare][:3]
    missing = f" {(~present).sum()} scored classes are in no image." if not present.all() else ""
    return [f"means over classes depend on few images: {is_rare.sum()} of the {present.sum()} labelled classes are in "
            f"fewer than {FEW_IMAGES} images each ({', '.join(names)}{', ...' if is_rare.sum() > 3 else ''}).{missing} "
            "More images of these classes would make the intervals narrower"]


def _most(pixels):
    """Smallest number of classes that contain MOST of the pixels."""
    share = np.cumsum(np.sort(pixels)[::-1]) / max(pixels.sum(), 1)
    return int(np.searchsorted(share, MOST - 1e-12) + 1)
