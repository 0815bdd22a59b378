"""The images of an evaluation: pairs of a split, or photos and videos without labels."""

import collections
import dataclasses
import difflib
import glob
import os
import pathlib
import sys

import numpy as np

from fcn.core import errors, file_kinds
from fcn.data import file_checks, folders, images, label_files, video
from fcn.data.spec import Pair
from fcn.evaluation import manifest

MOST_FOLDERS = 10  # number of folders to list


@dataclasses.dataclass(frozen=True)
class Sample:
    """One image.

    photo: uint8 (h, w, channels) at its original size. label: uint8 (h, w), or None. network_input, network_label: the
    same at network size, resized as in the training cache; the originals if the net takes images at their own size.
    fps: frame rate of the video whose frame this is; "" for an image.
    """

    name: str
    photo: np.ndarray
    label: np.ndarray | None
    network_input: np.ndarray
    network_label: np.ndarray | None
    fps: str = ""


@dataclasses.dataclass(frozen=True)
class Source:
    """Where to read one image, or the frames of a video.

    name: stem of its output files. photo: path of the image or video. pair: None without label. clip: None for an
    image.
    """

    name: str
    photo: pathlib.Path
    pair: Pair | None = None
    clip: video.Video | None = None


def from_pairs(found):
    """A Source for each Pair."""
    return [Source(pair.name, pair.image, pair) for pair in found]


def from_photos(where):
    """([Source], Problems, lines to print) of a photo, a folder with its sub-folders, a pattern, or a list of these.

    Photos are in natural order. The name of one is its path in the folder that holds all of them, without its ending
    (cam2/11); if two names would be the same, all keep their endings. Folders of results (manifest.py) are left out.
    Videos are read if they are given by name or pattern, not in folders. Raises DataError if there is no photo.
    """
    places = [place for one in ([where] if isinstance(where, (str, pathlib.Path)) else where) for place in _places(one)]
    if len(places) == 1 and not places[0].is_dir():
        _check_exists(places[0])
        found = _source(places[0].stem, places[0])
        if not found.clip:
            images.image_header(places[0], sys.maxsize, None)  # its size and bands are checked later
        return [found], [], _about_videos([found])
    found = _found(places)
    base = places[0] if len(places) == 1 else pathlib.Path(
        os.path.commonpath([place if place.is_dir() else place.parent for place in places]))
    if not found.files and not found.odd:
        raise errors.DataError(f"no photo is here ({' '.join(images.IMAGE_SUFFIXES)})", where=base,
                               why=folders.not_read(found.others, images.IMAGE_SUFFIXES), fix=_fix(found, base))
    paths = [path.relative_to(base) for path in found.files]
    names = [(path.with_suffix("") if _are_unique(paths) else path).as_posix() for path in paths]
    counts = collections.Counter(path.parent.as_posix() for path in paths)
    lines = [f"photos in {base / folder}: {count:,}" for folder, count in list(counts.items())[:MOST_FOLDERS]]
    lines = lines if len(counts) > 1 else []
    lines += [f"... and in {len(counts) - MOST_FOLDERS:,} more folders"] if len(counts) > MOST_FOLDERS else []
    lines += folders.not_read(found.others, images.IMAGE_SUFFIXES)
    sources, problems = [], list(found.odd)
    for name, path in zip(names, found.files, strict=True):
        try:
            sources.append(_source(name, path))
        except errors.DataError as error:
            problems.append(file_checks.problem(error, path))
    return sources, problems, lines + _about_videos(sources)


def _are_unique(paths):
    """Whether names without endings differ, on Windows too, and none is that of the folder of a video's frames."""
    stems = {path.with_suffix("").as_posix().casefold() for path in paths}
    of_frames = {path.with_suffix("").as_posix().casefold() for path in paths if video.is_video(path)}
    inside = {path.parent.as_posix().casefold() for path in paths}
    return len(stems) == len(paths) and not of_frames & inside


def _source(name, path):
    """The Source of a file. Raises DataError for a video that cannot be opened."""
    return Source(name, path, clip=video.probe(path) if video.is_video(path) else None)


def _about_videos(sources):
    return [str(source.clip) for source in sources if source.clip]


def _check_exists(path):
    """Raise DataError, with the nearest name, for a photo that does not exist."""
    if os.path.lexists(path):
        return
    beside = [entry.name for entry in folders.entries(path.parent)] if folders.is_folder(path.parent) else []
    near = difflib.get_close_matches(path.name, beside, 1)
    raise errors.DataError("this photo is missing", where=path, fix=f"did you mean {path.with_name(near[0])}?" if near
                           else "give a photo, a folder with photos, or a pattern such as 'photos/*.jpg'.")


def _places(where):
    """The paths that a path or a pattern such as photos/*.jpg names, in natural order. Raises DataError."""
    if os.path.lexists(where) or not glob.has_magic(str(where)):
        return [pathlib.Path(where)]
    matching = glob.glob(str(where), recursive=True)  # noqa: PTH207  (pathlib's takes no absolute pattern)
    found = sorted(map(pathlib.Path, matching), key=folders.natural_path)
    if not found:
        raise errors.DataError("no file matches this pattern", where=where, fix="give a folder with photos, or a "
                               "pattern that matches some, such as 'photos/*.jpg'.")
    return found


def _found(places):
    """folders.Found of all photos in these files and folders, each photo once."""
    parts = []
    for place in places:
        if place.is_dir():
            parts.append(folders.walk(place, images.IMAGE_SUFFIXES, manifest.read_manifest))
        elif why := folders.irregular(place):
            parts.append(folders.Found([], [errors.Problem(place, why, "give the path of a photo")], {}, []))
        elif place.suffix.lower() in (*images.IMAGE_SUFFIXES, *video.SUFFIXES):
            parts.append(folders.Found([place], [], {}, []))
        else:
            parts.append(folders.Found([], [], {place.suffix.lower(): [place]}, []))
    others: dict = {}
    for ending, paths in (item for part in parts for item in part.others.items()):
        others.setdefault(ending, []).extend(paths)
    files = dict.fromkeys(path for part in parts for path in part.files)
    return folders.Found(sorted(files, key=folders.natural_path), [odd for part in parts for odd in part.odd], others,
                         [folder for part in parts for folder in part.folders])


def _fix(found, where):
    """Return the fix for a folder without photos, which depends on the files that it holds."""
    videos = [path for ending, paths in found.others.items() if ending in video.SUFFIXES for path in paths]
    return file_kinds.to_png(found.others, where) or (videos and f"give a video by its name: {videos[0]}") or \
        "give a photo, or a folder with photos."


def read_sample(source, spec, size_px, max_pixels):
    """Read the Sample of a Source. size_px: (height, width) of the network input, None for the photo's own size.

    max_pixels: limit for the decoded photo. Raises DataError.
    """
    if source.pair:
        (photo, label), network = label_files.read_at_both(source.pair, spec, size_px, max_pixels)
        return Sample(source.name, photo, label, *network)
    with images.image_file(source.photo, max_pixels, spec.channels) as (image, header):
        photo, network_input = images.decoded_at_both(image, header, True, size_px)
    return Sample(source.name, photo, None, network_input, None)
