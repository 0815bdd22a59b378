"""Label maps as pictures: coloured, laid over the photo, what is wrong in them, and all beside each other."""

import io

import numpy as np
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from fcn.data import images

GAP, ROW, SWATCH = 4, 16, 11  # pixels
WRONG, NOT_SCORED = (200, 0, 0), (128, 128, 128)  # in the picture of errors; what is right shows the photo, pale
LONGEST = 1024  # a panel's parts are shrunk to this many pixels


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


KEYWORD = "Software"


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
