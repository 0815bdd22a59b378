"""SIFT Flow (Liu et al. 2009; Tighe & Lazebnik 2010): outdoor scenes of 256x256 pixels with 33 classes.

    Images/spatial_envelope_256x256_static_8outdoorcategories/*.jpg      SiftFlowDataset.zip
    SemanticLabels/spatial_envelope_256x256_static_8outdoorcategories/*.mat
    TestSet1.txt                                                         or trainval.txt and test.txt of FCN's authors

A label is the array `S`: 0 unlabelled, 1 to 33 the classes. They become 0 to 32, the channels of the published nets,
and 0 becomes 255, which is ignored. Validation is the list of 200 test images, training all others, as for FCN. Two
images without annotation are left out. Cow, desert and moon do not occur in the test images. GeoLabels/ is the layout
sift_flow_geometric.
Sources: shelhamer/fcn.berkeleyvision.org, siftflow_layers.py and data/sift-flow; for the lines of TestSet1.txt, the
folder, a backslash and NAME.jpg, SiftFlowDatasetMC.m of matconvnet-calvin.
"""

import dataclasses
import pathlib

from fcn.core import errors
from fcn.data import folders
from fcn.data.label_formats import mat
from fcn.data.layouts import _classes, _folders, _lists
from fcn.data.spec import VOID_ID

NAMES = ("awning", "balcony", "bird", "boat", "bridge", "building", "bus", "car", "cow", "crosswalk", "desert", "door",
         "fence", "field", "grass", "moon", "mountain", "person", "plant", "pole", "river", "road", "rock", "sand",
         "sea", "sidewalk", "sign", "sky", "staircase", "streetlight", "sun", "tree", "window")
REMAP = ((0, VOID_ID), *((i + 1, i) for i in range(len(NAMES))))
INSIDE = "spatial_envelope_256x256_static_8outdoorcategories"
IMAGES, LABELS = f"Images/{INSIDE}", f"SemanticLabels/{INSIDE}"
TEST, TRAINING = ("test.txt", "TestSet1.txt"), "trainval.txt"
NOT_LABELLED = ("highway_bost181", "street_urb506")
EXPECTED = f"the sift_flow layout has Images/{INSIDE}, SemanticLabels/{INSIDE} and {TEST[1]}, or {TEST[0]} and " \
           f"{TRAINING}"


def recognise(root):
    """Why `root` has this layout, or ""."""
    root = pathlib.Path(root)
    return f"it has {IMAGES}/ and SemanticLabels/" if folders.is_folder(root / IMAGES, root / LABELS) else ""


def spec(root, classes="", ignore_label=None):
    """The 33 classes, or those of the file `classes`, whose ids are the values in the files unless it has a remap.

    Raises DataError.
    """
    return _classes.spec(root, classes, ignore_label, (), class_names=NAMES, encoding="mat",
                         remap=REMAP)


def listing(root, split):
    """The Listing of training or validation. Raises DataError if a folder or the list is missing."""
    return listing_of(root, split, LABELS)


def listing_of(root, split, labels):
    """listing() with another folder of labels."""
    root = _folders.existing(root)
    if split not in ("training", "validation"):
        raise errors.DataError(f"the data set has no split '{split}': its test images are the split 'validation'",
                               where=root, fix="use the split validation.")
    whole = _folders.listing(root / IMAGES, root / labels, EXPECTED, partial=True, endings=mat.SUFFIXES)
    tests = next((root / name for name in TEST if not folders.irregular(root / name)), root / TEST[1])
    if split == "validation":
        return _lists.chosen(whole, tests, _name)
    if not folders.irregular(root / TRAINING):
        return _lists.chosen(whole, root / TRAINING, _name)
    others = {*map(_name, _lists.names(tests)), *NOT_LABELLED}
    return dataclasses.replace(whole, pairs=[pair for pair in whole.pairs if pair.name not in others],
                               problems=[problem for problem in whole.problems if problem.path.stem not in others])


def _name(line):
    """The name of a pair in a line: NAME, or NAME.jpg after a folder and a backslash."""
    return pathlib.PureWindowsPath(line).stem
