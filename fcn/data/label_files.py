"""One label file -> class ids; where its encoding refuses it, the message names an encoding that does read it.

An encoding is advised only after it has read the very file, and only if the ids that it found could be classes.
"""

import numpy as np

from fcn.core import errors, registry
from fcn.data import images
from fcn.data.label_formats import _rgb
from fcn.data.spec import NUM_IDS, VOID_ID

MOST_UNNAMED = 64  # ids; more of them without names are rather grey edges of masks, or a photo
NEAR_PX_VALUES, MOSTLY = 48, 0.9  # a mask is black and white: this share of it is that near to 0 or 255
OF_ONE_DATA_SET = ("blue_bits", "ade20k_full")  # encodings whose layouts take no other classes


def _encoding(name):
    return registry.load("label_formats", name)


def label_size(path, spec, max_pixels=images.MAX_PIXELS):
    """(height, width) of a label by its header. Raises DataError, with advice."""
    try:
        return _encoding(spec.encoding).size(path, max_pixels)
    except errors.DataError as error:
        raise _advised(error, path, spec, max_pixels) from None


def read_label(path, spec, max_pixels=images.MAX_PIXELS):
    """uint8 (height, width) of ids. Raises DataError, with advice."""
    try:
        return _encoding(spec.encoding).read(path, spec, max_pixels)
    except errors.DataError as error:
        raise _advised(error, path, spec, max_pixels) from None


def are_masks(paths, spec, most=20):
    """Whether the encoding "binary" reads the first of these labels, and finds foreground and background in them."""
    try:
        masks = [_encoding("binary").read(path, spec) for path in paths[:most]]
    except errors.DataError:
        return False
    return any(mask.any() for mask in masks) and not all(mask.all() for mask in masks)


def _advised(error, path, spec, max_pixels):
    """The DataError with the first of the other encodings that reads this file in its fix, if there is one."""
    found = next((advice for name, tried in TRIED.items() if name != spec.encoding
                  if (advice := _advice(tried, path, spec, max_pixels))), "")
    if not found:
        return error
    own = f"{error.fix.rstrip('.')}; or give " if error.fix else "give "
    return errors.DataError(error.what, where=error.where, why=error.why, fix=f"{own}{found}.")


def _advice(tried, path, spec, max_pixels):
    try:
        return tried(path, spec, max_pixels)
    except errors.DataError:
        return ""


def _ids(path, spec, max_pixels, name="ids"):
    """The flags under which these ids are read, or ""."""
    label = _encoding(name).read(path, spec, max_pixels)
    seen = np.flatnonzero(np.bincount(label.ravel(), minlength=NUM_IDS)).tolist()
    classes = [i for i in seen if i != VOID_ID]
    if not classes or seen == [0, VOID_ID]:  # a mask
        return ""
    fits = set(classes) <= set(spec.scored_ids) if spec.class_names else len(classes) <= MOST_UNNAMED
    if not fits and (spec.encoding != "binary" or len(classes) > MOST_UNNAMED):
        return ""
    flags = [] if fits else ["--layout paired"]  # it has the folders of masks, and counts its classes
    if fits or name != "ids":
        flags.append(f"--label-encoding {name}")
    return f"{' '.join(flags)}, which reads it as ids {_rgb.listed(seen)}"


def _matlab(path, spec, max_pixels):
    return _ids(path, spec, max_pixels, "mat_groundtruth")


def _blue(path, spec, max_pixels):
    """Only where the other two channels are 0: blue alone says something."""
    return "" if _rgb.read(path, max_pixels)[..., :2].any() else _ids(path, spec, max_pixels, "blue")


def _binary(path, spec, max_pixels):
    binary = _encoding("binary")
    mask = binary.read(path, spec, max_pixels)
    with images.opened(path, binary.FORMATS, "mask", max_pixels) as image:
        grey = binary.read_grey(image, path)
    black_or_white = (grey <= NEAR_PX_VALUES) | (grey >= 255 - NEAR_PX_VALUES)
    if not mask.any() or black_or_white.mean() < MOSTLY:
        return ""
    return f"--label-encoding binary, which reads {mask.mean():.1%} of it as foreground"


def _full_ade20k(path, spec, max_pixels):
    full = _encoding("ade20k_full")
    pixels = _rgb.read(path, max_pixels)
    known = np.count_nonzero(np.unique(full.read(path, spec, max_pixels)))
    if known < 2 or not pixels[..., 0].any() or not pixels[..., 2].any():  # class high and low, number of the object
        return ""
    return "the folder above images/ as --data, if it is the full ADE20K's"


def _colours(path, spec, max_pixels):
    if spec.colours and spec.encoding != "binary":
        _encoding("colours").read(path, spec, max_pixels)
        return "--label-encoding colours"
    pixels = _rgb.read(path, max_pixels)
    found = [tuple(colour) for colour in np.unique(pixels.reshape(-1, 3), axis=0).tolist()]
    if not 2 <= len(found) <= MOST_UNNAMED or spec.encoding in OF_ONE_DATA_SET:
        return ""
    layout = "--layout paired " if spec.encoding == "binary" else ""
    return f"{layout}--label-encoding colours --classes FILE.csv, which names (name,r,g,b) the colours " \
           f"{_rgb.listed(found)}"


TRIED = {"ids": _ids, "mat_groundtruth": _matlab, "binary": _binary, "blue": _blue, "ade20k_full": _full_ade20k,
         "colours": _colours}


def read_pair(pair, spec, size_px=None, max_pixels=images.MAX_PIXELS):
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
    label = read_label(pair.label, spec, max_pixels)
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
                               where=label_path, fix="a label has the size of its photo.")
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
            fix="if such pixels mean nothing, give --ignore-label "
                 f"{','.join(map(str, [*spec.ignored_ids, *wrong]))}; otherwise name the class.")
