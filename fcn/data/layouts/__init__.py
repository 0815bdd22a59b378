"""One file per layout: how the folders of a data set hold images and labels.

    EXPECTED                            one sentence: what the layout needs, for messages
    recognise(root) -> str              why the folder looks like this layout, or ""
    spec(root, classes="", ignore_label=None) -> spec.DatasetSpec       classes: a file of class names
    listing(root, split) -> spec.Listing        its pairs of an image and a label file, and a Problem per unusable file
split is "training", "validation", or another name that the user gave.
Optional:
    NARROWER_THAN   names of layouts that fit too wherever this one does, which is then the one meant
"""

REQUIRED = ("EXPECTED", "recognise(root)", "spec(root, classes, ignore_label)", "listing(root, split)")
OPTIONAL = {"NARROWER_THAN": ()}
