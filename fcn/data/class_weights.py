"""--class-weights: the weight of each class in the loss."""

import json
import pathlib

import numpy as np

from fcn.core import errors

KNOWN = ("none", "inverse", "median")


def resolve(how, training, class_names, channels, policy):
    """List of `channels` weights, or None for "none". Raises UsageError for a file that cannot be used.

    how: "none", "inverse", "median", or the path of a file (see _from_file). training: the Cache of the training split.
    policy: LabelPolicy.

        inverse     pixels / (classes * pixels of the class): all classes have the same total weight
        median      median frequency / frequency of the class; the frequency is the share of the class in the pixels of
                    the images that contain it (Eigen & Fergus 2015, section 4.3.2)

    Classes that do not occur have weight 1.
    """
    if how == "none":
        return None
    if how not in KNOWN:
        return _from_file(pathlib.Path(how), class_names, channels)
    scored = np.array([i not in policy.ignored_in_loss for i in range(channels)])
    pixels = policy.counts_for(policy.for_loss, training.class_pixels)[:channels] * scored
    if how == "inverse":
        share, wanted = pixels / pixels.sum(), 1 / np.count_nonzero(pixels)
    else:
        share = pixels / np.maximum(_pixels_where_present(training, policy, scored), 1)
        wanted = np.median(share[share > 0])
    return [float(wanted / s) if s else 1.0 for s in share]


def _pixels_where_present(training, policy, scored):
    """float64 (channels,): for each class, the labelled pixels of all images that contain it."""
    total = np.zeros(len(scored))
    for index in range(len(training)):
        label = policy.for_loss(training.label(index).ravel())
        counts = np.bincount(label, minlength=len(scored))[:len(scored)] * scored
        total[counts > 0] += counts.sum()
    return total


def _from_file(path, class_names, channels):
    """Weights from a JSON file (a list of numbers, or {class name: weight}) or a text file with one number per line."""
    try:
        content = path.read_text()
        found = json.loads(content) if content.lstrip()[:1] in ("[", "{") else [float(v) for v in content.split()]
        if isinstance(found, dict):
            unknown = sorted(set(found) - set(class_names))
            if unknown:
                raise ValueError(f"unknown class names: {', '.join(unknown)}")
            found = [found.get(name, 1.0) for name in class_names]
        values = [float(v) for v in found]
        if len(values) not in (len(class_names), channels) or not all(0 <= v < 1e9 for v in values) or not any(values):
            raise ValueError(f"found {len(values)} numbers, expected {len(class_names)} from 0 up, not all 0")
    except (OSError, UnicodeDecodeError, ValueError, TypeError, OverflowError) as error:
        raise errors.UsageError("cannot be read as class weights", where=path, why=str(error),
                                fix="write one number per line, or JSON: a list, or {\"class name\": weight}; or give "
                                "none, inverse or median.") from None
    return values + [1.0] * (channels - len(values))
