"""--layout auto, if no layout fits: propose patterns for --images and --labels from the files in a folder.

An image and its label have the same path, apart from one or more folders at its start (Images/1/a.png, Masks/1/a.png),
and a prefix or suffix of the name (a.jpg, a_mask.png). All pairs of folders and all prefixes and suffixes that files
share are compared; the patterns that pair most files are proposed. What is an image and what a label is decided by
words in their paths, then by their content.
"""

import collections
import dataclasses
import functools
import pathlib
import re
import shlex

import numpy as np
from PIL import Image

from fcn.data import folders, images
from fcn.data.layouts import _affix, _folders, _split

MOST_BASES = 24  # folders that are compared with each other, those with most files
MOST_SIBLINGS = 8  # of more folders in a folder, none starts a pattern: they are part of {name}
SAMPLE = 200  # images of a folder that are compared at first
MOST_SEPARATORS = 8  # of a name that are considered
DEEPEST = 4  # folders of a pattern's start
LEAST_PAIRS, LEAST_SHARE = 2, 0.5  # fewer pairs, or pairs of a smaller share of the images, are not proposed
FEW_VALUES = 64  # a file of more values is an image, not a label
SPLIT_WORDS = sorted(_split.SPLIT_OF, key=len, reverse=True)
LABEL_WORDS = ("mask", "label", "gt", "truth", "annot", "target", "segment", "seg", "class", "manual", "lbl", "msk")
IMAGE_WORDS = ("image", "img", "photo", "picture", "rgb", "input", "data", "raw", "frame", "leftimg8bit", "jpeg")
NOT_LABELS = ("instance", "color", "colour", "edge", "preview", "overlay", "visual", "depth", "disparity", "polygon",
              "parts")
PREFERRED = ("trainids",)  # of several labels of each image
NOT_LABEL_COST = 5
WORDS = re.compile("[a-z]+")


@dataclasses.dataclass(frozen=True)
class Proposal:
    """Patterns that fit a folder.

    images, labels: the patterns. pairs: number of pairs. of_images: number of files that the pattern of images matches.
    examples: the first pairs of paths, relative to the folder. others: patterns of labels that fit as well.
    """

    images: str
    labels: str
    pairs: int
    of_images: int
    examples: list[tuple[str, str]]
    others: list[str]

    def is_in_one_folder(self):
        """Whether all pairs are in one sub-folder, as after unpacking an archive."""
        first = self.images.split("/")[0]
        return "{" not in first and first == self.labels.split("/")[0]

    def lines(self):
        """Lines for messages: how many files match, three pairs, and other patterns."""
        found = [f"--images {shlex.quote(self.images)} --labels {shlex.quote(self.labels)}",
                 f"{self.pairs:,} of {self.of_images:,} images have a label, such as"]
        found += [f"  {image} and {label}" for image, label in self.examples]
        return found + [f"also possible: --labels '{other}'" for other in self.others]


@dataclasses.dataclass(frozen=True)
class _File:
    """A file. parts: its folders, with {split} for the name of a split. split: that name, or "". stem, suffix."""

    path: str
    parts: tuple[str, ...]
    split: str
    stem: str
    suffix: str


@dataclasses.dataclass(frozen=True)
class _Side:
    """The files below `base` whose stem starts with `before`, ends with `after`, and whose suffix is one of these."""

    base: tuple[str, ...]
    before: str
    after: str
    suffixes: tuple[str, ...]

    def pattern(self):
        """The pattern of these files."""
        suffix = self.suffixes[0] if len(self.suffixes) == 1 else ".*"
        return "/".join([*self.base, f"{self.before}{{name}}{self.after}{suffix}"])

    def key(self, file):
        """What a file has in common with its partner: (split, folders below the base, name); None if it is none."""
        inside, stem = file.parts[len(self.base):], file.stem
        if (file.suffix not in self.suffixes or file.parts[:len(self.base)] != self.base or _has_split(inside) or
                not (stem.startswith(self.before) and stem.endswith(self.after)) or
                len(stem) <= len(self.before) + len(self.after)):
            return None
        return file.split, inside, stem[len(self.before):len(stem) - len(self.after)]


def _has_split(parts):
    return any("{split}" in part for part in parts)


def propose(root):
    """The Proposal for a folder, or None."""
    root = pathlib.Path(root)
    files = _files(root)
    bases = _bases(files)
    labels = {base: _label_index(base, below) for base, below in bases.items()}
    hits: dict[tuple[_Side, _Side], float] = {}
    for image_side in (side for base, below in bases.items() for side in _image_sides(base, below)):
        of_side = [(key, file.path) for file in bases[image_side.base] if (key := image_side.key(file))]
        sample = of_side[::max(1, len(of_side) // SAMPLE)]
        for base, index in labels.items():
            counts = collections.Counter(side for key, path in sample for side, label in index.get(key, {}).items()
                                         if label != path)
            for affix, count in counts.items():
                hits[image_side, _Side(base, *affix)] = count / len(sample) * len(of_side)
    best = _best(root, files, hits)
    return best if best and best.pairs >= LEAST_PAIRS and best.pairs >= LEAST_SHARE * best.of_images else None


def _files(root):
    """The _Files in `root` that could be images or labels, sorted by path."""
    paths = folders.walk(root, tuple({*images.IMAGE_SUFFIXES, *_folders.label_suffixes()})).files
    split_parts = {path: _with_split(path.relative_to(root).parts[:-1]) for path in paths}
    has_splits = len({split for _, split in split_parts.values() if split}) > 1
    result = []
    for path in paths:
        parts, split = split_parts[path] if has_splits else (path.relative_to(root).parts[:-1], "")
        result.append(_File(path.relative_to(root).as_posix(), parts, split, path.stem, path.suffix.lower()))
    return result


def _with_split(parts):
    """(folders with {split} for the first name of a split, that name as SPLIT_OF has it)."""
    for i, part in enumerate(parts):
        masked, split = _split_in(part)
        if split:
            return (*parts[:i], masked, *parts[i + 1:]), split
    return tuple(parts), ""


@functools.cache
def _split_in(part):
    """("{split}_images", "training") of the folder train_images; (part, "") without the name of a split."""
    lower = part.lower()
    for word in SPLIT_WORDS:
        if lower == word or (lower.startswith(word) and (lower[len(word)] in _affix.SEPARATORS or
                                                         lower[len(word):].startswith(LABEL_WORDS))):
            return "{split}" + part[len(word):], _split.SPLIT_OF[word]
        if lower.endswith(word) and lower[-len(word) - 1] in _affix.SEPARATORS:
            return part[:-len(word)] + "{split}", _split.SPLIT_OF[word]
    return part, ""


def _bases(files):
    """{folders at the start of paths: files below them}, those with most files."""
    found = collections.defaultdict(list)
    for file in files:
        for depth in range(min(len(file.parts), DEEPEST) + 1):
            found[file.parts[:depth]].append(file)
    siblings = collections.Counter(base[:-1] for base in found if base)
    few = [base for base in found if all(siblings[base[:depth]] <= MOST_SIBLINGS for depth in range(len(base)))]
    most = sorted(few, key=lambda base: (-len(found[base]), base))[:MOST_BASES]
    return {base: found[base] for base in most}


def _image_sides(base, files):
    """The _Sides that the images of a folder may be: with and without the prefix or suffix that all stems share."""
    stems = collections.defaultdict(set)
    for file in files:
        if file.suffix in images.IMAGE_SUFFIXES:
            stems[file.suffix].add(file.stem)
    sides = [_Side(base, before, after, (suffix,)) for suffix, some in stems.items()
             for before, after in [("", ""), *(_affix.candidates(some) if len(some) > 1 else [])]]
    return sides + ([_Side(base, "", "", tuple(sorted(stems)))] if len(stems) > 1 else [])


def _label_index(base, files):
    """{key: {(prefix, suffix, endings): path}}: what each of these files may be the label of."""
    index: dict = collections.defaultdict(dict)
    for file in files:
        inside = file.parts[len(base):]
        for before, middle, after in _cuts(file.stem) if not _has_split(inside) else ():
            index[file.split, inside, middle][before, after, (file.suffix,)] = file.path
    return index


def _cuts(stem):
    """(prefix, rest, suffix) of a stem: each of prefix and suffix is "", or ends or starts with a separator."""
    at = [i for i, letter in enumerate(stem) if letter in _affix.SEPARATORS][:MOST_SEPARATORS]
    for start in (0, *(i + 1 for i in at)):
        for end in (*at, len(stem)):
            if start < end:
                yield stem[:start], stem[start:end], stem[end:]


def _best(root, files, hits):
    """The Proposal of the most pairs, or None. Of several, that of the likelier names is chosen, see _order()."""
    most = max(hits.values(), default=0)
    likely = sorted((sides for sides, count in hits.items() if count >= LEAST_SHARE * most), key=lambda sides: (
        -hits[sides], -_likeliness(*sides), -len(sides[0].base)))[:MOST_BASES]
    measured = sorted(((*_measured(files, *sides), sides) for sides in likely), key=_order)
    for pairs, of_images, (image_side, label_side) in measured:
        if pairs and (_likeliness(image_side, label_side) > 0 or _contents_fit(root, *pairs[0])):
            others = [labels.pattern() for some, _, (same, labels) in measured if len(some) == len(pairs) and
                      same == image_side and labels != label_side and _likeliness(same, labels) > 0]
            shown = [pairs[i] for i in sorted({0, len(pairs) // 2, len(pairs) - 1})]
            return Proposal(image_side.pattern(), label_side.pattern(), len(pairs), of_images, shown, others)
    return None


def _order(entry):
    """Sort key: most pairs, likelier names, fewer other images, then the deepest folders and the shortest affixes."""
    pairs, of_images, sides = entry
    return (-len(pairs), -_likeliness(*sides), of_images - len(pairs), [-len(side.base) for side in sides],
            [len(side.before + side.after) for side in sides], len(sides[0].suffixes),
            [side.pattern() for side in sides])


def _measured(files, image_side, label_side):
    """(pairs of paths, number of images) of two sides."""
    labels = {key: file.path for file in files if (key := label_side.key(file))}
    image_files = {key: file.path for file in files if (key := image_side.key(file))}
    taken = set(labels.values())
    image_files = {key: path for key, path in image_files.items() if path not in taken}
    return [(path, labels[key]) for key, path in image_files.items() if key in labels], len(image_files)


def _likeliness(image_side, label_side):
    """Number of words in the two patterns that say which of them are labels, less those that say the opposite."""
    ours, theirs = (set(WORDS.findall(side.pattern().lower())) for side in (image_side, label_side))
    image_words, label_words = " ".join(ours - theirs), " ".join(theirs - ours)
    return (_count(LABEL_WORDS, label_words) + _count(IMAGE_WORDS, image_words) + _count(PREFERRED, label_words)
            - _count(LABEL_WORDS, image_words) - _count(IMAGE_WORDS, label_words)
            - NOT_LABEL_COST * _count(NOT_LABELS, label_words))


def _count(words, text):
    return sum(bool(re.search(rf"\b{word}" if len(word) < len("mask") else word, text)) for word in words)


def _contents_fit(root, image, label):
    """Whether the label has few values and the image many."""
    image_values, label_values = _num_values(root / image), _num_values(root / label)
    return label_values <= FEW_VALUES < image_values


def _num_values(path):
    """Number of different pixel values; 0 for an array file, which is no image, and for a damaged file."""
    try:
        with Image.open(path) as image:
            values = np.asarray(image)
    except (OSError, ValueError, Image.DecompressionBombError):
        return 0
    return len(np.unique(values.reshape(-1, *values.shape[2:]), axis=0))
