"""The images of an evaluation: pairs of a split, or photos without labels."""

import collections
import dataclasses
import pathlib
import sys

import numpy as np

from fcn.core import errors, file_kinds
from fcn.data import folders, images, label_files
from fcn.data.spec import Pair
from fcn.evaluation import manifest

MOST_FOLDERS = 10  # number of folders to list


@dataclasses.dataclass(frozen=True)
class Sample:
    """One image.

    photo: uint8 (h, w, 3) RGB at its original size. label: uint8 (h, w), or None. seen, seen_label: network input and
    its label, resized as in the training cache; the originals if the net takes images at their own size.
    """

    name: str
    photo: np.ndarray
    label: np.ndarray | None
    seen: np.ndarray
    seen_label: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class Source:
    """Where to read one image. name: stem of its output files. pair: None for a photo without label."""

    name: str
    photo: pathlib.Path
    pair: Pair | None = None


def from_pairs(found):
    return [Source(pair.name, pair.image, pair) for pair in found]


def from_photos(where):
    """List a photo, or all photos in a folder and its subfolders, in natural order.

    Returns (list of Source, Problems of unusable files, lines that describe what was found). A name is the path in the
    folder without suffix (cam2/11); if two names would be equal, all keep their suffix. Folders of results
    (manifest.py) are skipped. Raises DataError if there is no photo.
    """
    where = pathlib.Path(where)
    if not where.is_dir():
        images.header(where, images.PHOTO_FORMATS, "photo", sys.maxsize)  # the limit on pixels is checked later
        return [Source(where.stem, where)], [], []
    found = folders.walk(where, images.PHOTO_SUFFIXES, manifest.read_manifest)
    if not found.files and not found.odd:
        raise errors.DataError(f"holds no photos ({' '.join(images.PHOTO_SUFFIXES)})", where=where,
                               why=folders.not_read(found.others, images.PHOTO_SUFFIXES), fix=_fix(found, where))
    paths = [path.relative_to(where) for path in found.files]
    unique = len({path.with_suffix("").as_posix().casefold() for path in paths}) == len(paths)  # casefold: for Windows
    names = [(path.with_suffix("") if unique else path).as_posix() for path in paths]
    counts = collections.Counter(path.parent.as_posix() for path in paths)
    lines = [f"photos in {where / folder}: {count:,}" for folder, count in list(counts.items())[:MOST_FOLDERS]]
    lines = lines if len(counts) > 1 else []
    lines += [f"... and in {len(counts) - MOST_FOLDERS:,} more folders"] if len(counts) > MOST_FOLDERS else []
    lines += folders.not_read(found.others, images.PHOTO_SUFFIXES)
    return [Source(name, path) for name, path in zip(names, found.files, strict=True)], found.odd, lines


def _fix(found, where):
    """Return the fix for a folder without photos, which depends on the files that it holds."""
    videos = [path for ending, paths in found.others.items() if ending in file_kinds.VIDEO_ENDINGS for path in paths]
    return file_kinds.to_png(found.others, where) or (videos and file_kinds.frames(videos[0])) or \
        "give a photo, or a folder with photos."


def read_sample(source, spec, size_px, max_pixels):
    """Read the Sample of a Source. size_px: (height, width) of the network input, None for the photo's own size.

    max_pixels: limit for the decoded photo. Raises DataError.
    """
    if source.pair:
        (photo, label), (seen, seen_label) = label_files.read_at_both(source.pair, spec, size_px, max_pixels)
        return Sample(source.name, photo, label, seen, seen_label)
    with images.photo_file(source.photo, max_pixels) as (image, header):
        photo, seen = images.decoded_at_both(image, header, True, size_px)
    return Sample(source.name, photo, None, seen, None)
