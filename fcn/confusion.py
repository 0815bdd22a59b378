"""Label and prediction maps -> one int64 matrix. Matrices of several images add up."""

import numpy as np


def matrix(label, prediction, num_classes, ignored_ids=()):
    """int64 (num_classes, num_classes): entry [i, j] counts pixels of class i that were called j.

    label, prediction: integer arrays of one shape. Pixels whose label is ignored or no class count nowhere.
    """
    label, prediction = np.asarray(label).ravel(), np.asarray(prediction).ravel()
    counted = (label < num_classes) & ~np.isin(label, list(ignored_ids))
    cells = label[counted].astype(np.int64) * num_classes + prediction[counted]
    return np.bincount(cells, minlength=num_classes ** 2).reshape(num_classes, num_classes)
