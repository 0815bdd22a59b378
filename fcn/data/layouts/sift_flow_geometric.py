"""SIFT Flow with its 3 geometric classes: sky, horizontal, vertical. The folder structure is that of sift_flow.

    GeoLabels/spatial_envelope_256x256_static_8outdoorcategories/*.mat

A label is the array `S`: -1 or 0 void, 1 to 3 the classes. They become 0 to 2, and void becomes 255, which is ignored.
The layout is never detected, because sift_flow fits the same folder.
Sources: shelhamer/fcn.berkeleyvision.org, siftflow_layers.py and data/sift-flow/classes.txt.
"""

from fcn.data.layouts import _classes, sift_flow
from fcn.data.spec import VOID_ID

NAMES = ("sky", "horizontal", "vertical")
REMAP = ((0, VOID_ID), (1, 0), (2, 1), (3, 2))  # the label format reads -1 as 0
LABELS = f"GeoLabels/{sift_flow.INSIDE}"
EXPECTED = f"the sift_flow_geometric layout has {LABELS} beside the folders of sift_flow"


def recognise(root):
    """"": the layout must be asked for."""
    return ""


def spec(root, classes="", ignore_label=None):
    """The 3 classes, or those of the file `classes`, whose ids are the values in the files unless it has a remap.

    Raises DataError.
    """
    return _classes.spec(root, classes, ignore_label, (), class_names=NAMES, encoding="mat",
                         remap=REMAP)


def listing(root, split):
    """The Listing of training or validation. Raises DataError if a folder or the list is missing."""
    return sift_flow.listing_of(root, split, LABELS)
