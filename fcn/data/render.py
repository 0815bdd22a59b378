"""Pictures of labels and predictions: colours, overlays, error maps, panels; the picture of --show-batch."""

import io
import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from fcn.core import atomic_io, ownership
from fcn.data import images

GAP, ROW, SWATCH = 4, 16, 11  # pixels
WRONG, NOT_SCORED = (200, 0, 0), (128, 128, 128)  # colours of the error map
LONGEST = 1024  # limit of height and width of each part of a panel, in pixels
KEYWORD = "Software"  # keyword of the PNG text chunk that names the command
# --show-batch
CELL, LIGHT, DARK = 6, 200, 150  # checkerboard of ignored pixels: side of a cell in pixels, two greys
MOST_PX = 480    # limit of height and width of a sample
LEGEND_PX = 320  # minimum width, for long names under small samples
PREVIEW_MAKER = "fcn --show-batch"


def colour(label, palette):
    """Colours of class ids: (h, w) -> uint8 (h, w, 3). palette: of DatasetSpec."""
    ids = label if label.dtype == np.uint8 else np.minimum(label, len(palette) - 1)
    return np.asarray(palette, np.uint8).take(ids, axis=0)  # a third of the time of an index


def overlay(image, label, palette):
    """Colours of class ids, half transparent, over an image uint8 (h, w, 3). Returns uint8 (h, w, 3)."""
    return (image // 2) + (colour(label, palette) // 2)


def error_map(image, label, prediction, spec):
    """uint8 (h, w, 3): wrong pixels red, ignored pixels grey, correct pixels a pale grey version of the image."""
    grey = image.mean(axis=2, keepdims=True)
    picture = np.broadcast_to(192 + grey / 4, image.shape).astype(np.uint8)
    picture[label != prediction] = WRONG
    picture[np.isin(label, spec.ignored_ids)] = NOT_SCORED
    return picture


def panel(image, label, prediction, spec):
    """image | label | prediction | error map, side by side, above a legend of the classes: uint8 (h', w', 3).

    label: None gives image | prediction. Ignored pixels of the label are black. Each part is reduced to LONGEST px.
    """
    image, label, prediction = (shrunk(array, LONGEST) for array in (image, label, prediction))
    maps = [prediction] if label is None else [label, prediction]
    parts = [image, *(colour(ids, spec.palette()) for ids in maps)]
    entries = classes_in(maps, spec)
    if label is not None:
        parts.append(error_map(image, label, prediction, spec))
        entries += [("wrong", WRONG), *([("not scored", NOT_SCORED)] if np.isin(label, spec.ignored_ids).any() else [])]
    gap = np.full((len(image), GAP, 3), 255, np.uint8)
    row = np.concatenate([parts[0], *(part for other in parts[1:] for part in (gap, other))], axis=1)
    return np.concatenate([row, legend(entries, row.shape[1])])


def shrunk(array, longest):
    """Reduce an image uint8 (h, w, 3) or class ids (h, w) to at most `longest` pixels per side.

    Class ids are resized by nearest neighbour. Smaller arrays, and None, are returned unchanged.
    """
    if array is None or max(array.shape[:2]) <= longest:
        return array
    size_px = [max(1, round(side * longest / max(array.shape[:2]))) for side in array.shape[:2]]
    return (images.resize_image if array.ndim == 3 else images.resize_label)(array, size_px)


def classes_in(maps, spec):
    """[(name, colour)] of the scored classes that occur in arrays of class ids."""
    present = set(np.unique(np.concatenate([m.ravel() for m in maps]))) & set(spec.scored_ids)
    palette = spec.palette()
    return [(spec.class_names[i], tuple(palette[i])) for i in sorted(present)]


def legend(entries, width):
    """Legend with colour swatches and names: uint8 (h, width, 3). entries: list of (name, colour)."""
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
    """PNG file, as bytes, of uint8 (h, w, 3) with a text chunk that names its maker, such as "fcn.compare"."""
    text, file = PngImagePlugin.PngInfo(), io.BytesIO()
    text.add_text(KEYWORD, maker)
    Image.fromarray(array).save(file, "PNG", pnginfo=text)
    return file.getvalue()


def png_made_by(path, maker):
    """Whether a file is a PNG that names this maker. The image is not decoded."""
    try:
        if not path.is_file() or path.is_symlink():
            return False
        with Image.open(path, formats=("PNG",)) as image:
            return image.info.get(KEYWORD) == maker
    except images.DAMAGE:
        return False


def write_preview(path, photos, labels, spec, weights=None):
    """Write batch_panel(...) as a PNG. An earlier picture of this command is replaced. Raises UsageError."""
    check_preview_place(path)
    picture = encode_png(batch_panel(photos, labels, spec, weights), PREVIEW_MAKER)
    atomic_io.write_whole(path, picture, new=not path.exists())


def check_preview_place(path):
    """Raise UsageError if `path` exists and this command has not written it."""
    ownership.check_free(path, "--show-batch", lambda path: png_made_by(path, PREVIEW_MAKER))


def batch_panel(photos, labels, spec, weights=None):
    """image | label | overlay (| weights) of all samples, above a legend of the classes: uint8 (h', w', 3).

    photos: uint8 (n, h, w, channels). labels: (n, h, w) of class ids. Ignored pixels are a checkerboard in the
    label, and show the image in the overlay. weights: float32 (n, h, w) of border_weights.py, shown in grey: 1 is
    black, the largest one of the batch white.
    """
    strips = [_strip(images.as_rgb(photo), label, spec) for photo, label in zip(photos, labels, strict=True)]
    if weights is not None:
        most = max(float(weights.max()), 1 + 1e-6)
        maps = [shrunk(np.uint8(255 * (one - 1) / (most - 1)), MOST_PX) for one in weights]
        strips = [np.concatenate([strip, np.full((len(strip), GAP, 3), 255, np.uint8),
                                  np.repeat(grey[..., None], 3, axis=2)], axis=1)
                  for strip, grey in zip(strips, maps, strict=True)]
    height, width = strips[0].shape[:2]
    columns = min(len(strips), max(1, round(math.sqrt(len(strips) * height / width))))
    rows = -(-len(strips) // columns)
    grid = np.full((rows * (height + GAP), max(LEGEND_PX, columns * (width + 3 * GAP) - 3 * GAP), 3), 255, np.uint8)
    for number, strip in enumerate(strips):
        top, left = number // columns * (height + GAP), number % columns * (width + 3 * GAP)
        grid[top:top + height, left:left + width] = strip
    entries = [*classes_in(labels, spec), ("checkerboard: ignored", (LIGHT,) * 3)]
    entries += [] if weights is None else [("border weight 1", (0, 0, 0)), (f"{most:.3g}", (255, 255, 255))]
    return np.concatenate([grid, legend(entries, grid.shape[1])])


def _strip(image, label, spec):
    """image | label | overlay of one sample, each reduced to MOST_PX."""
    image, label = shrunk(image, MOST_PX), shrunk(label, MOST_PX)
    ignored = ~np.isin(label, spec.scored_ids)
    coloured = colour(label, spec.palette())
    down, right = np.indices(label.shape) // CELL
    chequers = np.where((down + right) % 2, LIGHT, DARK).astype(np.uint8)
    both = (image.astype(np.uint16) + coloured) // 2
    gap = np.full((len(label), GAP, 3), 255, np.uint8)
    return np.concatenate([image, gap, np.where(ignored[..., None], chequers[..., None], coloured),
                           gap, np.where(ignored[..., None], image, both).astype(np.uint8)], axis=1)
