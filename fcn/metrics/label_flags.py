"""Labels whose pixels are sets of flags (DIVA-HisDB): counting with the boundary rule, and the picture of the errors.

The blue value of a pixel is a set of classes, one per bit: 1 background, 2 comment, 4 decoration, 8 main text. Red 128
or more marks a boundary pixel of a component, where annotators disagree.

The boundary rule: a boundary pixel has its own classes and background. If its prediction has one of these, it has all
of them. Other predicted classes stay and are wrong.
Source: DIVA-DIA/DIVA_Layout_Analysis_Evaluator, LayoutAnalysisEvaluator.java; Alberti et al., ICDAR 2017.
"""

import numpy as np

from fcn.metrics import confusion

SETS, BACKGROUND = 256, 1  # number of sets of flags in a byte; the flag of background
RIGHT, WRONG_CLASS, BACKGROUND_RIGHT, ADDED, MISSED, CONTRADICTION = range(6)
PALETTE = ((0, 127, 0), (255, 255, 0), (0, 0, 0), (255, 0, 0), (0, 255, 255), (255, 255, 255))


def matrix(label, boundary, prediction):
    """int64 (256, 256): entry [i, j] is the number of pixels with flags i and prediction j, after the boundary rule.

    label, prediction: uint8 arrays of flags of the same shape. boundary: bool, of that shape.
    """
    parts = [array.ravel() for array in (label, boundary, prediction)]
    counts = np.zeros(2 * SETS * SETS, np.int64)
    for start in range(0, parts[0].size, confusion.STRIP):
        counts += np.bincount(_cell(*(part[start:start + confusion.STRIP] for part in parts)), minlength=counts.size)
    label, boundary, prediction = _sets_of(np.flatnonzero(counts))
    label, prediction = by_boundary_rule(label, boundary, prediction)
    total = np.zeros((SETS, SETS), np.int64)
    np.add.at(total, (label, prediction), counts[counts > 0])
    return total


def _cell(label, boundary, prediction):
    """int32: a number for each combination of label, boundary and prediction."""
    cell = boundary.astype(np.int32)
    for flags in (label, prediction):
        cell *= SETS
        cell += flags
    return cell


def _sets_of(cell):
    """(label, boundary, prediction) of the numbers of _cell()."""
    return cell // SETS % SETS, cell >= SETS * SETS, cell % SETS


def by_boundary_rule(label, boundary, prediction):
    """(label, prediction), integer arrays of flags, after the boundary rule. boundary: bool."""
    label = np.where(boundary, label | BACKGROUND, label)
    return label, np.where(boundary & (label & prediction > 0), label | prediction, prediction)


def num_classes(largest):
    """Number of classes, 1 to 8, from the largest blue value of a label: the place of its highest bit, at least 1.

    largest: integer array. Predicted flags of other classes do not count.
    """
    return np.frexp(np.maximum(largest, 1))[1]


def hamming_score(label, boundary, prediction):
    """Share of the flags of all pixels that are right, by the boundary rule. Arguments as in matrix(), but (h, w).

    The original adds the wrong shares of the pixels one after the other, column by column. For 3, 5, 6 or 7 classes its
    rounding errors reach 1e-11 on a page, so they are repeated here.
    """
    classes = int(num_classes(label.max(initial=0)))
    seen, found = by_boundary_rule(*_sets_of(np.arange(2 * SETS * SETS)))
    wrong = np.bitwise_count((seen ^ found) & (1 << classes) - 1) / classes
    shares = wrong[_cell(*(array.T.ravel() for array in (label, boundary, prediction)))]
    shares = shares[shares > 0]
    return 1 - (np.cumsum(shares)[-1] if shares.size else 0.0) / label.size


def errors(label, boundary, prediction):
    """uint8 array of the labels' shape: an index of PALETTE for each pixel. Arguments as in matrix().

    Green: the right foreground. Yellow: other foreground. Black: background, also on a boundary. Red: foreground in
    place of background. Blue: background in place of foreground. White: background and another class at once.
    """
    seen, edge, found = _sets_of(np.arange(2 * SETS * SETS))
    found &= (1 << num_classes(label.max(initial=0))) - 1
    table = np.select(
        [(found & BACKGROUND > 0) & (found != BACKGROUND), (seen & found & BACKGROUND > 0), seen & BACKGROUND > 0,
         (found & BACKGROUND > 0) & edge, found & BACKGROUND > 0, seen == found],
        [CONTRADICTION, BACKGROUND_RIGHT, ADDED, BACKGROUND_RIGHT, MISSED, RIGHT], WRONG_CLASS).astype(np.uint8)
    return table[_cell(label, boundary, prediction)]
