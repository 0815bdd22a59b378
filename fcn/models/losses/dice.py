"""Dice loss (Milletari et al. 2016), in general 1 - F-score: segmentation_models' DiceLoss.

    1 - ((1 + beta^2) TP + smooth) / ((1 + beta^2) TP + beta^2 FN + FP + smooth)

for each class, where TP, FP, FN are sums of probabilities. Options shared by all losses over regions: docs/training.md.
"""

from fcn.models.losses import _regions

LIMITS = {"beta": (0.001, 1000), "smooth": (1e-12, 1e9), "classes": ("all", "present")}


def build(logits, labels, policy, *, beta=1.0, smooth=1e-5, per_image=True, classes="all", class_weights=None,
          sigmoid=False):
    """Return (objective, normalizer). Arguments: see fcn/models/losses."""
    def score(tp, fp, fn):
        return ((1 + beta ** 2) * tp + smooth) / ((1 + beta ** 2) * tp + beta ** 2 * fn + fp + smooth)

    regions = _regions.build(logits, labels, policy, sigmoid)
    return _regions.of_overlap(score, regions, per_image, classes, class_weights)
