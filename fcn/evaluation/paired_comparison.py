"""Paired comparison of two evaluations of the same images: differences of scores, intervals and p-values."""

import numpy as np

from fcn.core import errors, tables
from fcn.metrics import confidence, iou, protocols

SHOWN = (("mean_iou", "mean IoU"), ("pixel_accuracy", "pixel accuracy"), ("mean_f_score", "mean F-score"))
CHANGED = 10  # number of classes to list


def compare(one, other, ids=None, samples=confidence.SAMPLES, only=None):
    """Compare two Evaluations (stored.py) of the same images and classes.

    ids: classes over which means are taken, all by default. samples: number of random permutations. only: name of a
    single protocol. Returns (one dict per protocol and score, one dict per class as in changed(), notes). Raises
    DataError if images, classes or labels differ.
    """
    other = _matched(one, other)
    rows, notes = [], []
    theirs = protocols.computed(other.original, other.network, other.spec.ignored_ids, other.others)
    mine = protocols.computed(one.original, one.network, one.spec.ignored_ids, one.others)
    for name, (module, sums) in mine.items():
        if only in (None, name) and name in theirs:
            if not _same_labels(sums, theirs[name][1]):
                notes.append(f"{name}: not compared, because the two evaluations used labels of different sizes")
                continue
            found = confidence.paired_test(module, sums, theirs[name][1], ids, samples)
            rows += [{"protocol": name, "number": number, **found[number]} for number, _ in SHOWN if number in found]
    return rows, changed(one, other, ids), notes


def changed(one, other, ids=None):
    """Return one dict per labelled class, largest difference of IoU first: id, name, share, one, other, difference."""
    both = [protocols.computed(e.original, None, e.spec.ignored_ids)["benchmark"][1] for e in (one, other)]
    ious = [iou.per_class(*(array.sum(axis=0) for array in sums.of(ids)))[0] for sums in both]
    labelled = both[0].of(ids)[1].sum(axis=0)
    rows = [{"id": i, "name": one.spec.class_names[i], "share": labelled[k] / max(labelled.sum(), 1),
             "one": float(ious[0][k]), "other": float(ious[1][k]), "difference": float(ious[0][k] - ious[1][k])}
            for k, i in enumerate(ids or both[0].ids) if labelled[k]]
    return sorted(rows, key=lambda row: -abs(row["difference"]))


def _matched(one, other):
    """Return `other` with its images in the order of `one`. Raises DataError if images, classes or labels differ."""
    def fail(why):
        return errors.DataError("are evaluations of different data, which cannot be compared in pairs",
                                where=f"{one.folder} and {other.folder}", why=why,
                                fix="evaluate both on the same split, with the same classes.")
    mine, theirs = one.original.names, other.original.names
    unpaired = sorted({*mine} ^ {*theirs})
    if unpaired:
        raise fail(f"{len(unpaired)} images are in only one of them: {', '.join(unpaired[:5])}")
    if len({*mine}) < len(mine) or len(mine) != len(theirs):
        raise fail("several images have the same name")
    if one.scored_names() != other.scored_names():
        raise fail("their scored classes differ")
    other = other.select([theirs.index(name) for name in mine])
    sums = [protocols.computed(e.original, None, e.spec.ignored_ids)["benchmark"][1] for e in (one, other)]
    if not _same_labels(*sums):
        wrong = np.flatnonzero((sums[0].target_pixels != sums[1].target_pixels).any(axis=1))
        raise fail(f"{len(wrong)} images have different labels: {', '.join(mine[i] for i in wrong[:5])}")
    return other


def _same_labels(one, other):
    return one.ids == other.ids and np.array_equal(one.target_pixels, other.target_pixels)


def text(one, other, rows, classes, notes):
    """Format the result of compare() as text."""
    titles = dict(SHOWN)
    scores = [[row["protocol"], titles[row["number"]], f"{row['one']:.4f}", f"{row['other']:.4f}",
               f"{row['difference']:+.4f}", "[{:+.4f}, {:+.4f}]".format(*row["interval"]) if row["interval"] else "-",
               f"{row['p']:.3f}"] for row in rows]
    changed = [[str(row["id"]), f"{row['share']:.1%}", f"{row['one']:.3f}", f"{row['other']:.3f}",
                f"{row['difference']:+.3f}", row["name"]] for row in classes[:CHANGED]]
    both = [">this", ">other", ">difference"]
    return "\n".join([
        f"this:  {one.folder}", f"other: {other.folder}", "",
        *tables.lines(["<protocol", "<number", *both, "<95% interval", ">p"], scores),
        *notes, "", "classes whose IoU differs most:",
        *tables.lines([">id", ">share", *both, "class"], changed)])
