"""Specification of a data set: its classes, their colours, and pairs of image and label files."""

import dataclasses
import pathlib

from fcn.core.errors import Problem

MAX_PIXELS = 64_000_000  # far above the largest image of ADE20K; a header with more is probably damaged or an attack
NUM_IDS = 256  # number of possible values of a label pixel: 0 to 255
VOID_ID = 255  # label of pixels without a class, unless a data set defines another


def stored_size(size_px: tuple[int, int] | None) -> list[int]:
    """A size (height, width) as it is stored in files. None, each image's own size, is stored as [0, 0]."""
    return list(size_px or (0, 0))


def size_of(stored):
    """The size (height, width) of a value of stored_size(); None for [0, 0]. Other values are returned unchanged."""
    return None if stored in ([0, 0], (0, 0)) else stored


@dataclasses.dataclass(frozen=True)
class Pair:
    """An image file and its label file. name: the common stem."""

    name: str
    image: pathlib.Path
    label: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Listing:
    """The files of a split.

    pairs: sorted by name. problems: files that cannot be used. notes: lines to print. drawn: whether the split was
    drawn because the data set has none; then it is written to the run folder.
    """

    pairs: list[Pair]
    problems: list[Problem] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    drawn: bool = False


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """The classes of a data set and the format of its labels.

    Labels are never shifted: a class id is the value in the label file, the channel of the net and the value in a
    written prediction.

    class_names: indexed by id; empty if unknown, then made from the ids in the labels. ignored_ids: values that loss
    and scores ignore and that predictions never contain (except with --train-ignored); they may be among the class ids
    (0 of ADE20K) or beyond them (11 of CamVid, 255 of VOC). colours: (r, g, b) per id, 0-255; empty for a generated
    palette. encoding: the label format, a file in fcn/data/label_formats. mask_threshold: grey values (0-255) above it
    are foreground; used by the label format "binary".
    """

    class_names: tuple[str, ...] = ()
    ignored_ids: tuple[int, ...] = ()
    colours: tuple[tuple[int, int, int], ...] = ()
    encoding: str = "ids"
    mask_threshold: int = 127

    @property
    def num_classes(self):
        """Number of classes and of channels of the net. Ignored ids among the classes have a channel too."""
        return len(self.class_names)

    @property
    def scored_ids(self):
        """Ids of the classes that are not ignored."""
        return tuple(i for i in range(self.num_classes) if i not in self.ignored_ids)

    def with_overrides(self, encoding, mask_threshold):
        """A copy with the given encoding and threshold. None keeps the value."""
        asked = {"encoding": encoding, "mask_threshold": mask_threshold}
        return dataclasses.replace(self, **{key: value for key, value in asked.items() if value is not None})

    def counted(self, class_pixels):
        """A copy with class names "class 0", "class 1", ... up to the highest id that occurs, if there are no names.

        class_pixels: (256,) number of pixels of each id. Ids below the highest that do not occur are classes too.
        """
        if self.class_names:
            return self
        seen = [i for i, count in enumerate(class_pixels) if count and i not in self.ignored_ids]
        return dataclasses.replace(self, class_names=tuple(f"class {i}" for i in range(max(seen, default=0) + 1)))

    def palette(self):
        """List of 256 colours (r, g, b), 0-255, by id. Ignored ids are black."""
        table = [bit_colour(i) for i in range(NUM_IDS)]
        for i, colour in enumerate(self.colours):
            table[i] = tuple(colour)
        for i in self.ignored_ids:
            table[i] = (0, 0, 0)
        return table


def bit_colour(index):
    """PASCAL VOC's colour (r, g, b), 0-255, of id `index` + 1: its bits, spread over the channels.

    Source: labelcolormap of VOCdevkit.
    """
    red = green = blue = 0
    bits = index + 1  # VOC's colour of 0 is black, which means ignored here
    for shift in range(7, -1, -1):
        red |= (bits & 1) << shift
        green |= (bits >> 1 & 1) << shift
        blue |= (bits >> 2 & 1) << shift
        bits >>= 3
    return red, green, blue
