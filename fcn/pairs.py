"""A photo and its label -> two arrays that lie over each other; or a reason why not."""

import numpy as np

from fcn import errors, images, label_files


def read(pair, spec, size_px=None, max_pixels=images.MAX_PIXELS):
    """(photo uint8 (h, w, 3), label uint8 (h, w)) of a Pair, resized to size_px if given. Both may be read-only.

    The photo is turned as its EXIF orientation says if its label is, see `turned`. Raises DataError if one of the two
    cannot be read, the sizes differ, or the label holds an id that is none.
    """
    label = _label(pair, spec, max_pixels)
    with images.photo_file(pair.image, max_pixels) as (image, header):
        upright = turned(header, label.shape, pair.label)
        photo = images.decoded(image, header, upright, size_px)
    return photo, label if size_px is None else images.resize_label(label, size_px)


def read_at_both(pair, spec, size_px, max_pixels=images.MAX_PIXELS):
    """((photo, label), (photo, label) at size_px): what two calls of read() return, the files being decoded once.

    images.decoded_at_both says for which photos they are not. Raises as read() does.
    """
    label = _label(pair, spec, max_pixels)
    with images.photo_file(pair.image, max_pixels) as (image, header):
        upright = turned(header, label.shape, pair.label)
        photo, resized = images.decoded_at_both(image, header, upright, size_px)
    return (photo, label), (resized, images.resize_label(label, resized.shape[:2]))


def _label(pair, spec, max_pixels):
    label = label_files.read(pair.label, spec, max_pixels)
    check_ids(label, spec, pair.label)
    return label


def turned(header, label_size, label_path):
    """Whether the label, of label_size (height, width), was drawn on the photo turned upright: its size tells.

    Raises DataError if neither the photo of this Header nor the turned one has that size.
    """
    if images.is_turned(header, label_size):
        return True
    if tuple(label_size) != (header.height, header.width):
        raise errors.DataError(f"is {label_size[1]} x {label_size[0]}, its photo is {header.width} x {header.height}",
                               where=label_path, cure="a label has the size of its photo.")
    return False


def check_ids(label, spec, path):
    """Raise DataError if a label holds an id that is neither a class nor ignored."""
    if not spec.class_names:
        return
    beyond = label[label >= spec.num_classes]
    wrong = [i for i in np.flatnonzero(np.bincount(beyond)).tolist() if i not in spec.ignored_ids]
    if wrong:
        raise errors.DataError(
            f"label id {', '.join(map(str, wrong))} is out of range; classes are 0 to {spec.num_classes - 1}, "
            f"ignored: {', '.join(map(str, spec.ignored_ids)) or 'none'}", where=path,
            cure="if such pixels mean nothing, give --ignore-label "
                 f"{','.join(map(str, [*spec.ignored_ids, *wrong]))}; otherwise name the class.")
