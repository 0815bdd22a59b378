"""Tversky loss (Salehi et al. 2017), which weights false positives and false negatives.

    1 - (TP + smooth) / (TP + alpha FP + beta FN + smooth)

for each class, where TP, FP, FN are sums of probabilities. alpha = beta = 0.5 is Dice with twice the smooth, alpha =
beta = 1 Jaccard. Options shared by all losses over regions: docs/training.md.
"""

from fcn.models.losses import _regions

LIMITS = {"alpha": (1e-6, 1000), "beta": (1e-6, 1000), "smooth": (1e-12, 1e9), "classes": ("all", "present")}


def build(logits, labels, policy, *, alpha=0.3, beta=0.7, smooth=1e-5, per_image=True, classes="all",
          class_weights=None, sigmoid=False):
    """Return (objective, normalizer). Arguments: see fcn/models/losses."""
    regions = _regions.build(logits, labels, policy, sigmoid)
    return _regions.of_overlap(lambda tp, fp, fn: (tp + smooth) / (tp + alpha * fp + beta * fn + smooth), regions,
                               per_image, classes, class_weights)
