"""What a data set says of itself: its classes, their colours, and its image and label files."""

import dataclasses
import pathlib

from fcn.core.errors import Problem

MAX_PIXELS = 64_000_000  # far above ADE20K's largest; a larger header is more likely an attack or an accident
NUM_IDS = 256  # values that a pixel of a label can have: 0 to 255
VOID_ID = 255  # the id of pixels of no class, where a data set does not say another


def stored_size(size_px: tuple[int, int] | None) -> list[int]:
    """A size (height, width) as files hold it; [0, 0] for None, which is each image's own size."""
    return list(size_px or (0, 0))


def size_of(stored):
    """The size (height, width) that stored_size() has written; None for each image's own. Anything else stays."""
    return None if stored in ([0, 0], (0, 0)) else stored


@dataclasses.dataclass(frozen=True)
class Pair:
    """One photo and its label map. name: the common stem."""

    name: str
    image: pathlib.Path
    label: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Listing:
    """What a layout finds of one split: its pairs sorted by name, files that are in the way, and facts worth a line.

    drawn: the split was drawn by us, as the data set has none of its own; it is then written into the run's folder.
    """

    pairs: list[Pair]
    problems: list[Problem] = dataclasses.field(default_factory=list)
    notes: list[str] = dataclasses.field(default_factory=list)
    drawn: bool = False


@dataclasses.dataclass(frozen=True)
class DatasetSpec:
    """The classes of a data set. Labels are never shifted: a class id is the value in the label file, the channel
    of the net and the value in a written prediction.

    class_names: indexed by id; empty while unknown, then counted in the labels. ignored_ids: values that the loss
    and the metrics leave out and that a prediction never holds (but with --train-ignored); they may lie among the
    class ids (ADE20K's 0) or beyond them (CamVid's 11, VOC's 255). colours: (r, g, b) per id, 0-255; empty for a
    generated palette. encoding: how a label file holds its ids, a file in fcn/data/label_formats; mask_threshold: grey
    values above it are foreground, for the encoding "binary".
    """

    class_names: tuple[str, ...] = ()
    ignored_ids: tuple[int, ...] = ()
    colours: tuple[tuple[int, int, int], ...] = ()
    encoding: str = "ids"
    mask_threshold: int = 127

    @property
    def num_classes(self):
        """Channels of the net: ignored ids among the classes keep theirs, so that ids and channels agree."""
        return len(self.class_names)

    @property
    def scored_ids(self):
        """Ids that count in loss and metrics."""
        return tuple(i for i in range(self.num_classes) if i not in self.ignored_ids)

    def as_asked(self, encoding, mask_threshold):
        """This spec with the encoding and threshold that were asked for; None leaves its own."""
        asked = {"encoding": encoding, "mask_threshold": mask_threshold}
        return dataclasses.replace(self, **{key: value for key, value in asked.items() if value is not None})

    def counted(self, class_pixels):
        """This spec with class names made up from the ids that occur, where a data set names none.

        class_pixels: (256,) pixel counts by id. Ids below the highest that never occur are classes too.
        """
        if self.class_names:
            return self
        seen = [i for i, count in enumerate(class_pixels) if count and i not in self.ignored_ids]
        return dataclasses.replace(self, class_names=tuple(f"class {i}" for i in range(max(seen, default=0) + 1)))

    def palette(self):
        """(r, g, b) for each of the 256 values a label can take; ignored ids are black."""
        table = [bit_colour(i) for i in range(NUM_IDS)]
        for i, colour in enumerate(self.colours):
            table[i] = tuple(colour)
        for i in self.ignored_ids:
            table[i] = (0, 0, 0)
        return table


def bit_colour(index):
    """PASCAL VOC's colour of an id (VOCdevkit's labelcolormap): the bits of the id, spread over red, green and blue."""
    red = green = blue = 0
    bits = index + 1  # VOC's 0 is black, which here means ignored
    for shift in range(7, -1, -1):
        red |= (bits & 1) << shift
        green |= (bits >> 1 & 1) << shift
        blue |= (bits >> 2 & 1) << shift
        bits >>= 3
    return red, green, blue
