"""The worst and the best images: photo, label, prediction and error map, with the classes of a pixel on hover."""

import numpy as np

from fcn.data.render import colour
from fcn.data.spec import NUM_IDS
from fcn.reporting import gallery
from fcn.reporting.sections._html import data_uri, fixed, render

ORDER, TITLE, LINK = 40, "Images", "images"
CORRECT, WRONG, LEFT_OUT = range(3)  # values of the error map
RARE, GREY = -1, (128, 128, 128)
ERROR_COLOURS, ERROR_OPACITY = ((0, 0, 0), (224, 30, 50), (128, 128, 128)), (0, 225, 215)
TITLES = {"worst": "Worst images", "best": "Best images"}


def build(report):
    """HTML of the section, as the contract of fcn/reporting/sections says."""
    scores = {row["name"]: row for row in report.content.get("per_image") or []}
    groups = [(title, [_template_values(report.spec, picture, scores.get(picture.name))
                       for picture in report.pictures.get(key, ())]) for key, title in TITLES.items()]
    groups = [(title, pictures) for title, pictures in groups if pictures]
    return render("images.html", groups=groups, wrong=ERROR_COLOURS[WRONG],
                  left_out=ERROR_COLOURS[LEFT_OUT]) if groups else ""


def errors_of(label, prediction, spec):
    """Return the error map, uint8 (h, w): CORRECT, WRONG, or LEFT_OUT where the label is ignored or not a class id."""
    left_out = (label >= spec.num_classes) | np.isin(label, spec.ignored_ids)
    return np.where(left_out, LEFT_OUT, np.where(label == prediction, CORRECT, WRONG)).astype(np.uint8)


def _template_values(spec, picture, scores):
    """Return the values of one picture for images.html. scores: its row of per_image, or None."""
    label, prediction = gallery.ids(picture.label), gallery.ids(picture.prediction)
    error = gallery.id_png(errors_of(label, prediction, spec), ERROR_COLOURS, ERROR_OPACITY)
    *indices, table, palette = _indexed(label, prediction, spec)
    maps = {name: gallery.id_png(index, palette) for name, index in zip(("label", "prediction"), indices, strict=True)}
    maps["error"] = error
    caption = f"mean IoU {fixed(scores.get('mean_iou'))}, pixel accuracy {fixed(scores.get('pixel_accuracy'))}" if (
        scores) else f"score {fixed(picture.score)}"
    height, width = label.shape
    return {"name": picture.name, "caption": caption, "width": width, "height": height,
            "maps": {"photo": data_uri(picture.photo, "image/jpeg"),
                     **{kind: data_uri(png, "image/png") for kind, png in maps.items()}},
            "legend": _legend(spec, label, prediction), "table": table}


def _indexed(label, prediction, spec):
    """Return (label, prediction, table, palette) with the ids as uint8 indices of a palette.

    table: id of each index, or None if they are the same. Where two pictures have more than 256 ids, the rarest ones
    share the last index, with id RARE.
    """
    if spec.id_dtype == np.uint8:
        return label, prediction, None, spec.palette()
    ids, pixels = np.unique(np.concatenate([label.ravel(), prediction.ravel()]), return_counts=True)
    few = len(ids) <= NUM_IDS
    kept = ids if few else np.sort(ids[np.argsort(-pixels, kind="stable")[:NUM_IDS - 1]])
    place = np.full(spec.num_ids, NUM_IDS - 1, np.uint8)
    place[kept] = np.arange(len(kept))
    rare_id, its_colour = ([], []) if few else ([RARE], [GREY])
    return place[label], place[prediction], kept.tolist() + rare_id, colour(kept, spec.palette()).tolist() + its_colour


def _legend(spec, label, prediction):
    """Return [(colour, name)] of the scored classes in label or prediction, most pixels first."""
    pixels = np.bincount(np.concatenate([label.ravel(), prediction.ravel()]), minlength=spec.num_ids)
    palette = spec.palette()
    return [(palette[i], spec.class_names[i]) for i in np.argsort(-pixels, kind="stable").tolist()
            if pixels[i] and i in spec.scored_ids]
