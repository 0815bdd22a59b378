"""Layouts, one file each: where a data set has its image and label files.

A file defines

    EXPECTED                                        one sentence for messages: the files that the layout needs
    recognise(root) -> str                          why the folder `root` has this layout ("it has images/ and ..."),
                                                    or ""; cheap, and never raises
    spec(root, classes, ignore_label) -> spec.DatasetSpec
                                                    classes: path of a file of class names, "" for none.
                                                    ignore_label: tuple of ids, None unless given. Give both defaults
    listing(root, split) -> spec.Listing            pairs of an image and a label file, sorted by name, and a Problem
                                                    for each file that cannot be used

split is "training", "validation", "test", or another name that the user gave. spec and listing raise DataError if the
data set cannot be used at all.

A file may define

    NARROWER_THAN = ()                              names of more general layouts that fit wherever this one fits; this
                                                    one is chosen
    with_patterns(images, labels)                   a layout with the patterns of --images and --labels: an object with
                                                    the functions spec and listing. Without it, these flags are refused
    RIM = ""                                        default of --rim for labels in the format blue_bits
"""

REQUIRED = ("EXPECTED", "recognise(root)", "spec(root, classes, ignore_label)", "listing(root, split)")
OPTIONAL = {"NARROWER_THAN": (), "with_patterns": None, "RIM": ""}
