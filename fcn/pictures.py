"""Label maps as pictures: coloured, and beside the photo and the truth with a legend."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

GAP, ROW, SWATCH = 4, 16, 11  # pixels


def colour(label, palette):
    """uint8 (h, w) ids -> (h, w, 3). palette: 256 (r, g, b)."""
    return np.asarray(palette, np.uint8)[label]


def panel(photo, label, prediction, spec):
    """photo | label | prediction side by side over a legend of the classes that occur: uint8 (h', w', 3).

    label may be None, for a photo without one. Pixels whose label is ignored are black in the label.
    """
    maps = [label, prediction] if label is not None else [prediction]
    gap = np.full((len(photo), GAP, 3), 255, np.uint8)
    parts = [photo] + [part for m in maps for part in (gap, colour(m, spec.palette()))]
    row = np.concatenate(parts, axis=1)
    return np.concatenate([row, legend(classes_in(maps, spec), row.shape[1])])


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
