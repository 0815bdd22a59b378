"""Jaccard loss (Rahman and Wang 2016), 1 - IoU: segmentation_models' JaccardLoss.

    1 - (TP + smooth) / (TP + FP + FN + smooth)

for each class, where TP, FP, FN are sums of probabilities. Options shared by all losses over regions: docs/training.md.
"""

from fcn.models.losses import _regions

LIMITS = {"smooth": (1e-12, 1e9), "classes": ("all", "present")}


def build(logits, labels, policy, *, smooth=1e-5, per_image=True, classes="all", class_weights=None, sigmoid=False):
    """Return (objective, normalizer). Arguments: see fcn/models/losses."""
    regions = _regions.build(logits, labels, policy, sigmoid)
    return _regions.of_overlap(lambda tp, fp, fn: (tp + smooth) / (tp + fp + fn + smooth), regions, per_image, classes,
                               class_weights)
