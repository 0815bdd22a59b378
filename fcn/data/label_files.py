"""Read a label file as class ids. If its label format fails, the message names a label format that can read the file.

A label format is advised only if it reads this file and the ids that it finds can be classes.
"""

import numpy as np

from fcn.core import errors, registry
from fcn.data import images
from fcn.data.label_formats import _rgb
from fcn.data.spec import NUM_IDS, VOID_ID

MOST_UNNAMED = 64  # ids without names; more are probably grey edges of masks, or a photo
NEAR_PX_VALUES, MOSTLY = 48, 0.9  # in a mask, at least this share of pixels is that close to 0 or 255
OF_ONE_DATA_SET = ("blue_bits", "ade20k_full")  # label formats whose layouts have fixed classes


def _encoding(name):
    return registry.load("label_formats", name)


def label_size(path, spec, max_pixels=images.MAX_PIXELS):
    """(height, width) of a label, from its header. Raises DataError with advice."""
    try:
        return _encoding(spec.encoding).size(path, max_pixels)
    except errors.DataError as error:
        raise _advised(error, path, spec, max_pixels) from None


def read_label(path, spec, max_pixels=images.MAX_PIXELS):
    """Class ids of a label as uint8 or uint16 (height, width), after the spec's remap. Raises DataError with advice."""
    try:
        return spec.remapped(_encoding(spec.encoding).read(path, spec, max_pixels))
    except errors.DataError as error:
        raise _advised(error, path, spec, max_pixels) from None


def are_masks(paths, spec, most=20):
    """Whether the label format "binary" can read the first `most` labels, and they have foreground and background."""
    try:
        masks = [_encoding("binary").read(path, spec) for path in paths[:most]]
    except errors.DataError:
        return False
    return any(mask.any() for mask in masks) and not all(mask.all() for mask in masks)


def _advised(error, path, spec, max_pixels):
    """The DataError, with the first other label format that can read this file added to its fix."""
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
    """The flags that read this file as ids, or ""."""
    label = _encoding(name).read(path, spec, max_pixels)
    present = np.flatnonzero(np.bincount(label.ravel(), minlength=NUM_IDS)).tolist()
    classes = [i for i in present if i != VOID_ID]
    if not classes or present == [0, VOID_ID]:  # a mask
        return ""
    fits = set(classes) <= set(spec.scored_ids) if spec.class_names else len(classes) <= MOST_UNNAMED
    if not fits and (spec.encoding != "binary" or len(classes) > MOST_UNNAMED):
        return ""
    flags = [] if fits else ["--layout paired"]  # it has the same folders as binary_masks and counts its classes
    if fits or name != "ids":
        flags.append(f"--label-encoding {name}")
    return f"{' '.join(flags)}, which reads it as ids {_rgb.listed(present)}"


def _groundtruth(path, spec, max_pixels):
    return _ids(path, spec, max_pixels, "mat_groundtruth")


def _matlab(path, spec, max_pixels):
    return _ids(path, spec, max_pixels, "mat")


def _blue(path, spec, max_pixels):
    """The flags that read the blue channel as ids, if red and green are 0."""
    return "" if _rgb.read(path, max_pixels)[..., :2].any() else _ids(path, spec, max_pixels, "blue")


def _binary(path, spec, max_pixels):
    binary = _encoding("binary")
    mask = binary.read(path, spec, max_pixels)
    grey, _ = binary.read_grey(path, max_pixels)
    black_or_white = (grey <= NEAR_PX_VALUES) | (grey >= 255 - NEAR_PX_VALUES)
    if not mask.any() or black_or_white.mean() < MOSTLY:
        return ""
    return f"--label-encoding binary, which reads {mask.mean():.1%} of it as foreground"


def _full_ade20k(path, spec, max_pixels):
    full = _encoding("ade20k_full")
    pixels = _rgb.read(path, max_pixels)
    known = np.count_nonzero(np.unique(full.read(path, spec, max_pixels)))
    if known < 2 or not pixels[..., 0].any() or not pixels[..., 2].any():  # red is a part of the class, blue the object
        return ""
    return "the folder above images/ as --data, if this is the full ADE20K"


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


TRIED = {"ids": _ids, "mat_groundtruth": _groundtruth, "mat": _matlab, "binary": _binary, "blue": _blue,
         "ade20k_full": _full_ade20k, "colours": _colours}


def read_pair(pair, spec, size_px=None, max_pixels=images.MAX_PIXELS):
    """Read a Pair: (image uint8 (h, w, spec.channels), label uint8 or uint16 (h, w) of class ids).

    Both may be read-only. size_px: (height, width) to resize to, or None. The image is rotated by its EXIF orientation
    if its label is rotated too, see `turned`. Raises DataError if a file cannot be read, the sizes differ, or the label
    contains an unknown id.
    """
    label = _label(pair, spec, max_pixels)
    with images.image_file(pair.image, max_pixels, spec.channels) as (file, header):
        upright = turned(header, label.shape, pair.label)
        image = images.decoded(file, header, upright, size_px)
    return image, label if size_px is None else images.resize_label(label, size_px)


def read_at_both(pair, spec, size_px, max_pixels=images.MAX_PIXELS):
    """((image, label), (image, label) at size_px): the results of two calls of read_pair().

    The files are decoded once, except for the images that images.decoded_at_both names. Raises as read_pair().
    """
    label = _label(pair, spec, max_pixels)
    with images.image_file(pair.image, max_pixels, spec.channels) as (file, header):
        upright = turned(header, label.shape, pair.label)
        image, resized = images.decoded_at_both(file, header, upright, size_px)
    return (image, label), (resized, images.resize_label(label, resized.shape[:2]))


def _label(pair, spec, max_pixels):
    """Checked ids of a pair's label, in the spec's dtype; without class names uint16 if an id is above 255."""
    label = read_label(pair.label, spec, max_pixels)
    check_ids(label, spec, pair.label)
    dtype = spec.id_dtype if spec.class_names else np.promote_types(label.dtype, spec.id_dtype)
    return label.astype(dtype, copy=False)


def turned(header, label_size, label_path):
    """Whether a label of label_size (height, width) belongs to the image rotated by its EXIF orientation.

    Raises DataError if neither the stored nor the rotated image of this Header has that size.
    """
    if images.is_turned(header, label_size):
        return True
    if tuple(label_size) != (header.height, header.width):
        raise errors.DataError(f"is {label_size[0]}x{label_size[1]}, its image is {header.height}x{header.width} "
                               "(height x width)", where=label_path, fix="a label has the size of its image.")
    return False


def check_ids(label, spec, path):
    """Raise DataError if a label contains an id that is neither a class nor ignored."""
    if not spec.class_names:
        return
    beyond = label[label >= spec.num_classes]
    wrong = [i for i in np.flatnonzero(np.bincount(beyond)).tolist() if i not in spec.ignored_ids]
    if wrong:
        raise errors.DataError(
            f"label id {', '.join(map(str, wrong))} is out of range; classes are 0 to {spec.num_classes - 1}, "
            f"ignored: {', '.join(map(str, spec.ignored_ids)) or 'none'}", where=path,
            fix="if these pixels have no class, give --ignore-label "
                f"{','.join(map(str, [*spec.ignored_ids, *wrong]))}; otherwise name the class.")
