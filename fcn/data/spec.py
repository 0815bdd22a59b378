"""Specification of a data set: its classes, their colours, and pairs of image and label files."""

import dataclasses
import functools
import pathlib

import numpy as np

from fcn.core.errors import Problem

MAX_PIXELS = 64_000_000  # far above the largest image of ADE20K; a header with more is probably damaged or an attack
NUM_IDS = 256  # number of ids of 8 bits, 0 to 255; enough for most data sets
MOST_IDS = 65536  # number of ids of 16 bits, and of possible values in a label file
MOST_CLASSES = 4096  # a confusion matrix of so many classes takes 134 MB
VOID_ID = 255  # label of pixels without a class, unless a data set defines another
WIDE_VOID_ID = 65535  # the same where 255 is a class


def id_dtype(num_classes, ignored_ids=()):
    """dtype of class ids and labels: uint16 if a class or an ignored id is above 255, else uint8."""
    return np.uint8 if max(num_classes - 1, 0, *ignored_ids) < NUM_IDS else np.uint16


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

    Labels are never shifted: a class id is the channel of the net and the value in a written prediction. Without
    `remap`, it is the value in the label file too.

    class_names: indexed by id; empty if unknown, then made from the ids in the labels. ignored_ids: values that loss
    and scores ignore and that predictions never contain (except with --train-ignored); they may be among the class ids
    (0 of ADE20K) or beyond them (11 of CamVid, 255 of VOC). colours: (r, g, b) per id, 0-255; empty for a generated
    palette. encoding: the label format, a file in fcn/data/label_formats. mask_threshold: grey values (0-255) above it
    are foreground; used by the label format "binary". remap: (value in a label file, id) pairs, one per value; all
    other values become the first ignored id. Without pairs, values are ids. channels: of the images; 3 is RGB.
    """

    class_names: tuple[str, ...] = ()
    ignored_ids: tuple[int, ...] = ()
    colours: tuple[tuple[int, int, int], ...] = ()
    encoding: str = "ids"
    mask_threshold: int = 127
    remap: tuple[tuple[int, int], ...] = ()
    channels: int = 3

    @property
    def num_classes(self):
        """Number of classes and of channels of the net. Ignored ids among the classes have a channel too."""
        return len(self.class_names)

    @property
    def id_dtype(self):
        """The dtype of labels and predictions, uint8 or uint16."""
        return id_dtype(self.num_classes, self.ignored_ids)

    @property
    def num_ids(self):
        """Number of ids of that dtype: 256 or 65536."""
        return int(np.iinfo(self.id_dtype).max) + 1

    @property
    def void_id(self):
        """The id of pixels without a class where the data set names none: 255, or 65535 if 255 is a class."""
        return VOID_ID if self.num_classes <= VOID_ID else WIDE_VOID_ID

    @property
    def prediction_format(self):
        """Label format of written predictions. Class ids of a remapped data set are not values of its label files."""
        return "ids" if self.remap else self.encoding

    @property
    def scored_ids(self):
        """Ids of the classes that are not ignored."""
        return tuple(i for i in range(self.num_classes) if i not in self.ignored_ids)

    def remapped(self, values):
        """Ids of the values of a label file, uint8 or uint16 (h, w), by `remap`. Unchanged without one."""
        if not self.remap:
            return values
        ids = np.array([i for _, i in self.remap])
        unlisted = self.ignored_ids[0] if self.ignored_ids else self.void_id
        table = np.full(MOST_IDS, unlisted, id_dtype(max(ids) + 1, (unlisted,)))
        table[[value for value, _ in self.remap]] = ids
        return table[values]

    def with_overrides(self, encoding, mask_threshold, channels=None):
        """A copy with the given encoding, threshold and number of channels. None keeps the value."""
        asked = {"encoding": encoding, "mask_threshold": mask_threshold, "channels": channels}
        return dataclasses.replace(self, **{key: value for key, value in asked.items() if value is not None})

    def counted(self, class_pixels):
        """A copy with class names "class 0", "class 1", ... up to the highest id that occurs, if there are no names.

        class_pixels: (ids,) number of pixels of each id. Ids below the highest that do not occur are classes too.
        """
        if self.class_names:
            return self
        seen = [i for i, count in enumerate(class_pixels) if count and i not in self.ignored_ids]
        return dataclasses.replace(self, class_names=tuple(f"class {i}" for i in range(max(seen, default=0) + 1)))

    def palette(self):
        """List of 256 colours (r, g, b), 0-255, by id. Ignored ids are black.

        For ids of 16 bits, the last colour is black, and is that of all ids beyond the list (render.colour).
        """
        wide = self.num_ids > NUM_IDS
        table = [bit_colour(i) for i in range(max(NUM_IDS, self.num_classes + wide, len(self.colours) + wide))]
        for i, colour in enumerate(self.colours):
            table[i] = tuple(colour)
        for i in [*self.ignored_ids, *([len(table) - 1] if wide else [])]:
            table[min(i, len(table) - 1)] = (0, 0, 0)
        return table


@functools.cache
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
