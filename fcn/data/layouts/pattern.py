"""Any folder structure, described by --images and --labels: two patterns of paths relative to the data set's folder.

    --images 'Images/{name}.png' --labels 'Masks/{name}.png'
    --images 'leftImg8bit/{split}/{name}_leftImg8bit.png' --labels 'gtFine/{split}/{name}_gtFine_labelIds.png'

{name} is what an image and its label have in common, and may span folders; {split} is the split (_patterns.py).
Black and white labels are masks of two classes, and MATLAB labels have the label format mat. Other labels hold ids, or
have the label format of --label-encoding. Class names are read as in the layout paired.
"""

import dataclasses

from fcn.core import errors
from fcn.data.label_formats import mat
from fcn.data.layouts import _black_white, _classes, _folders, _patterns, binary_masks

EXPECTED = f"the pattern layout has any folders, with {_patterns.EXAMPLE}"


@dataclasses.dataclass(frozen=True)
class Patterns:
    """The layout with these two patterns. Raises UsageError if one of them is not a pattern."""

    images: str
    labels: str

    def __post_init__(self):
        for text, option in ((self.images, "--images"), (self.labels, "--labels")):
            if not text:
                raise errors.UsageError(f"the layout pattern needs {option}", fix=f"give both, such as "
                                        f"{_patterns.EXAMPLE}")
            _patterns.check(text, option)

    def spec(self, root, classes="", ignore_label=None):
        """The DatasetSpec; see the description of this file for the label format. Raises DataError."""
        named = _classes.spec(root, classes, ignore_label)
        labels = list(_patterns.matched(_folders.existing(root), self.labels, _folders.label_suffixes()).of)
        if named.encoding != "ids" or len(named.class_names) not in (0, 2):
            return named
        if labels and all(path.suffix.lower() in mat.SUFFIXES for path in labels):
            return dataclasses.replace(named, encoding="mat")
        if _black_white.why(labels):
            return _classes.spec(root, classes, ignore_label, **binary_masks.DEFAULTS)
        return named

    def listing(self, root, split):
        """The Listing of a split. Raises DataError."""
        return _patterns.listing(root, split, self.images, self.labels)


def with_patterns(images, labels):
    """The layout with the patterns of --images and --labels. Raises UsageError."""
    return Patterns(images, labels)


def recognise(root):
    """Return "": --layout auto proposes patterns if no other layout fits (_proposal.py)."""
    return ""


def spec(root, classes="", ignore_label=None):
    """Raise UsageError: the patterns are missing."""
    return with_patterns("", "").spec(root, classes, ignore_label)


def listing(root, split):
    """Raise UsageError: the patterns are missing."""
    return with_patterns("", "").listing(root, split)
