"""What is wrong with a result is often seen in its matrix at once: shifted labels, a net that says one thing only.

Each detector but `rare` takes the matrix of a whole evaluation, int64 (C, C) with rows labels, the scored ids and the
names of the classes, and gives a sentence with numbers, or "". A sound result, however bad, should get none.
"""

import numpy as np

from fcn.metrics import baselines, iou
from fcn.metrics.confusion import Sums
from fcn.metrics.protocols import benchmark

FACTOR = 2      # a shift explains so many times the pixels
VOTES = 3       # and at least so many classes, and so many times the classes that speak against it
FEW = 1 / 3     # a net says few classes if at most this share of those that it should
MOST = 0.99     # "most pixels"
FEW_IMAGES, MANY_RARE = 5, 1 / 4  # a class in fewer images is rare; this share of rare classes is worth a warning
MANY = 4        # classes that most labels must have, before a net is blamed for most predictions having few


def warnings(confusion, ids, class_names):
    """The sentences of all detectors that have found something."""
    if not confusion[list(ids)].sum():
        return []
    return [text for detector in (shifted, few, worse_than_constant) if (text := detector(confusion, ids, class_names))]


def shifted(confusion, ids, class_names):
    """Labels that are numbered from 0 for a net that counts from 1, or the other way round (mean IoU 0.0007 then:
    hszhao/semseg issue 90; mmsegmentation's reduce_zero_label).

    A class votes for a shift if more of its pixels are called by the next id than by its own, and against it if fewer.
    """
    rows = confusion[list(ids)]
    own, total = np.diag(confusion)[list(ids)], rows.sum()
    for shift in (1, -1):
        at = np.array(ids) + shift
        inside = (at >= 0) & (at < len(confusion))
        beside = np.where(inside, rows[np.arange(len(ids)), np.where(inside, at, 0)], 0)
        pro, contra = (beside > own).sum(), (own > beside).sum()
        if beside.sum() >= FACTOR * own.sum() and pro >= VOTES and pro >= VOTES * contra:
            return (f"these labels look shifted by one: {beside.sum() / total:.1%} of the pixels are called by the id "
                    f"{'after' if shift == 1 else 'before'} that of their label, {own.sum() / total:.1%} by its own; "
                    f"{pro} of {pro + contra} classes fit better so. See with which label the net's classes began")
    return ""


def few(confusion, ids, class_names):
    """A net that says a few classes only, of many that are there: one that has learnt nothing yet, or collapsed."""
    rows = confusion[list(ids)]
    labelled, called = rows.sum(axis=1), rows.sum(axis=0)
    there, said = int((labelled > 0).sum()), int((called[list(ids)][labelled > 0] > 0).sum())
    hold, speak = _most(labelled), _most(called)
    names = [f"'{class_names[i]}'" for i in np.argsort(-called, kind="stable")[:min(speak, 3)]]
    if there > 1 and said <= max(1, there * FEW):
        return (f"of the {there} classes in the labels the net ever says {said}; "
                f"{called.max() / called.sum():.1%} of all pixels are called {names[0]}")
    if hold >= MANY and speak <= max(1, hold * FEW):
        return (f"{MOST:.0%} of the pixels are called by {speak} classes ({', '.join(names)}"
                f"{', ...' if speak > 3 else ''}), where the labels have {hold} on as many")
    return ""


def worse_than_constant(confusion, ids, class_names):
    """Predictions that the same class everywhere would beat, in pixel accuracy and in mean IoU."""
    hits, labelled, called = iou.counts(confusion, [i for i in range(len(confusion)) if i not in ids])
    sums = Sums(tuple(ids), hits[None], labelled[None], called[None])
    scores, least = benchmark.compute(sums, np.ones((1, 1))), baselines.best_constant(sums, class_names)
    if all(scores[name][0] < least[name] for name in ("pixel_accuracy", "mean_iou")):
        return (f"worse than the constant answer: {least['name']} has pixel accuracy {least['pixel_accuracy']:.4f} and "
                f"mean IoU {least['mean_iou']:.4f}, the net {scores['pixel_accuracy'][0]:.4f} and "
                f"{scores['mean_iou'][0]:.4f}")
    return ""


def rare(sums, class_names):
    """[a sentence] if many classes are labelled in few images, so that a mean over classes rests on these; or []."""
    images = (sums.labelled > 0).sum(axis=0)
    there, few_ = images > 0, (images > 0) & (images < FEW_IMAGES)
    if (sums.labelled.sum(axis=1) > 0).sum() < FEW_IMAGES or few_.sum() < max(2, MANY_RARE * there.sum()):
        return []
    shown = [f"'{class_names[i]}'" for i, is_rare in zip(sums.ids, few_, strict=True) if is_rare][:3]
    missing = f" {(~there).sum()} scored classes are in no image." if not there.all() else ""
    return [f"means over classes rest on few images here: {few_.sum()} of the {there.sum()} labelled classes are in "
            f"fewer than {FEW_IMAGES} images each ({', '.join(shown)}{', ...' if few_.sum() > 3 else ''}).{missing} "
            "More images of these classes would make the intervals narrower"]


def _most(pixels):
    """How few classes hold MOST of the pixels."""
    share = np.cumsum(np.sort(pixels)[::-1]) / max(pixels.sum(), 1)
    return int(np.searchsorted(share, MOST - 1e-12) + 1)
