"""Label maps as pictures: coloured, over the image, with errors marked, side by side; the picture of --show-batch."""

import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from fcn.core import atomic_io, ownership
from fcn.data import images

GAP, ROW, SWATCH = 4, 16, 11  # pixels
WRONG, NOT_SCORED = (200, 0, 0), (128, 128, 128)  # in the picture of errors; what is right shows the photo, pale
LONGEST = 1024  # a panel's parts are shrunk to this many pixels
KEYWORD = "Software"  # of a PNG's text that names its maker
# --show-batch
CELL, LIGHT, DARK = 6, 200, 150  # the chequers that stand for ignored pixels: side in pixels, two greys
MOST_PX = 480    # longer samples are shown smaller
LEGEND_PX = 320  # least width, for long names under small samples
PREVIEW_MAKER = "fcn --show-batch"


def colour(label, palette):
    """uint8 (h, w) ids -> (h, w, 3). palette: 256 (r, g, b)."""
    return np.asarray(palette, np.uint8)[label]


def overlay(photo, label, palette):
    """The colours of the ids, half transparent, over the photo: uint8 (h, w, 3)."""
    return (photo // 2) + (colour(label, palette) // 2)


def error_map(photo, label, prediction, spec):
    """uint8 (h, w, 3): red where the prediction is wrong, grey where the label is ignored, else the photo, pale."""
    grey = photo.mean(axis=2, keepdims=True)
    picture = np.broadcast_to(192 + grey / 4, photo.shape).astype(np.uint8)
    picture[label != prediction] = WRONG
    picture[np.isin(label, spec.ignored_ids)] = NOT_SCORED
    return picture


def panel(photo, label, prediction, spec):
    """photo | label | prediction | error side by side over a legend of the classes that occur: uint8 (h', w', 3).

    label may be None, for a photo without one: photo | prediction. Pixels whose label is ignored are black in the
    label. Each part is shrunk to LONGEST px.
    """
    photo, label, prediction = (shrunk(array, LONGEST) for array in (photo, label, prediction))
    maps = [prediction] if label is None else [label, prediction]
    parts = [photo, *(colour(ids, spec.palette()) for ids in maps)]
    entries = classes_in(maps, spec)
    if label is not None:
        parts.append(error_map(photo, label, prediction, spec))
        entries += [("wrong", WRONG), *([("not scored", NOT_SCORED)] if np.isin(label, spec.ignored_ids).any() else [])]
    gap = np.full((len(photo), GAP, 3), 255, np.uint8)
    row = np.concatenate([parts[0], *(part for other in parts[1:] for part in (gap, other))], axis=1)
    return np.concatenate([row, legend(entries, row.shape[1])])


def shrunk(array, longest):
    """uint8: a photo (h, w, 3) or a map of ids (h, w), in its proportions, with at most `longest` pixels a side.

    Smaller ones, and None, are returned as they are.
    """
    if array is None or max(array.shape[:2]) <= longest:
        return array
    size_px = [max(1, round(side * longest / max(array.shape[:2]))) for side in array.shape[:2]]
    return (images.resize_photo if array.ndim == 3 else images.resize_label)(array, size_px)


def classes_in(maps, spec):
    """[(name, colour)] of the scored classes that occur in one of the maps."""
    seen = set(np.unique(np.concatenate([m.ravel() for m in maps]))) & set(spec.scored_ids)
    return [(spec.class_names[i], tuple(spec.palette()[i])) for i in sorted(seen)]


def legend(entries, width):
    """A strip of colour swatches and names, as many rows as it takes: uint8 (h, width, 3). entries: (name, colour)."""
    font = ImageFont.load_default(10)
    places, x, y = [], GAP, GAP
    for name, shade in entries:
        length = SWATCH + 4 + int(font.getlength(name)) + 12
        if x + length > width and x > GAP:
            x, y = GAP, y + ROW
        places.append((x, y, name, shade))
        x += length
    strip = Image.new("RGB", (width, y + ROW), "white")
    pen = ImageDraw.Draw(strip)
    for x, y, name, shade in places:
        pen.rectangle((x, y, x + SWATCH, y + SWATCH), fill=shade, outline="black")
        pen.text((x + SWATCH + 4, y), name, fill="black", font=font)
    return np.asarray(strip)


def encode_png(array, maker):
    """The bytes of a PNG of uint8 (h, w, 3) that says its maker, such as "fcn.compare"."""
    said, file = PngImagePlugin.PngInfo(), io.BytesIO()
    said.add_text(KEYWORD, maker)
    Image.fromarray(array).save(file, "PNG", pnginfo=said)
    return file.getvalue()


def png_made_by(path, maker):
    """Whether a file is a PNG that says this maker. Nothing of it is decoded."""
    try:
        if not path.is_file() or path.is_symlink():
            return False
        with Image.open(path, formats=("PNG",)) as image:
            return image.info.get(KEYWORD) == maker
    except images.DAMAGE:
        return False


def write_preview(path, images, labels, spec):
    """Write batch_panel(...) as a PNG, in the place of an earlier picture of this command. Raises UsageError."""
    check_preview_place(path)
    atomic_io.write_whole(path, encode_png(batch_panel(images, labels, spec), PREVIEW_MAKER), new=not path.exists())


def check_preview_place(path):
    """Raise UsageError if a file is there that this command has not made."""
    ownership.check_free(path, "--show-batch", lambda path: png_made_by(path, PREVIEW_MAKER))


def batch_panel(images, labels, spec):
    """uint8 (h', w', 3): photo | label | both over each other, of all samples, over a legend of the classes that occur.

    images: uint8 (n, h, w, 3). labels: uint8 (n, h, w). Ignored pixels are chequered in the label and plain photo in
    what lies over it.
    """
    strips = [_strip(image, label, spec) for image, label in zip(images, labels, strict=True)]
    height, width = strips[0].shape[:2]
    columns = min(len(strips), max(1, round(math.sqrt(len(strips) * height / width))))
    rows = -(-len(strips) // columns)
    grid = np.full((rows * (height + GAP), max(LEGEND_PX, columns * (width + 3 * GAP) - 3 * GAP), 3), 255, np.uint8)
    for number, strip in enumerate(strips):
        top, left = number // columns * (height + GAP), number % columns * (width + 3 * GAP)
        grid[top:top + height, left:left + width] = strip
    entries = [*classes_in(labels, spec), ("chequered: ignored", (LIGHT,) * 3)]
    return np.concatenate([grid, legend(entries, grid.shape[1])])


def _strip(image, label, spec):
    """Photo | label | both, of one sample, none longer than MOST_PX."""
    image, label = shrunk(image, MOST_PX), shrunk(label, MOST_PX)
    ignored = ~np.isin(label, spec.scored_ids)
    coloured = colour(label, spec.palette())
    down, right = np.indices(label.shape) // CELL
    chequers = np.where((down + right) % 2, LIGHT, DARK).astype(np.uint8)
    both = (image.astype(np.uint16) + coloured) // 2
    gap = np.full((len(label), GAP, 3), 255, np.uint8)
    return np.concatenate([image, gap, np.where(ignored[..., None], chequers[..., None], coloured),
                           gap, np.where(ignored[..., None], image, both).astype(np.uint8)], axis=1)
