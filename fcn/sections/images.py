"""The worst and the best images: photo, label, prediction and error, of which every pixel can be asked."""

import numpy as np

from fcn import gallery
from fcn.sections._html import data_uri, fixed, section, swatch, text
from fcn.spec import NUM_IDS

RIGHT, WRONG, LEFT_OUT = range(3)  # of the map of errors
ERROR_COLOURS, ERROR_OPACITY = ((0, 0, 0), (224, 30, 50), (128, 128, 128)), (0, 225, 215)
TITLES = {"worst": "Worst images", "best": "Best images"}


def build(report):
    scores = {row["name"]: row for row in report.content.get("per_image") or []}
    numbers, body = iter(range(1000)), ""
    for key, title in TITLES.items():
        found = "".join(_row(report.spec, picture, scores.get(picture.name), next(numbers))
                        for picture in report.pictures.get(key, ()))
        body += f"<h3>{title}</h3>\n{found}" if found else ""
    note = ("<p>Point at a picture or tap it: the classes at this place are named below it. In the error, wrong "
            f"pixels are {swatch(ERROR_COLOURS[WRONG])}red, those whose label is ignored "
            f"{swatch(ERROR_COLOURS[LEFT_OUT])}grey.</p>\n")
    return section("images", "Images", note + body) if body else ""


def errors_of(label, prediction, spec):
    """uint8 (h, w): RIGHT, WRONG, or LEFT_OUT where the label is ignored or no class."""
    left_out = (label >= spec.num_classes) | np.isin(label, spec.ignored_ids)
    return np.where(left_out, LEFT_OUT, np.where(label == prediction, RIGHT, WRONG)).astype(np.uint8)


def _row(spec, picture, scores, number):
    label, prediction = gallery.ids(picture.label), gallery.ids(picture.prediction)
    error = gallery.id_png(errors_of(label, prediction, spec), ERROR_COLOURS, ERROR_OPACITY)
    known = f"mean IoU {fixed(scores.get('mean_iou'))}, pixel accuracy {fixed(scores.get('pixel_accuracy'))}" if (
        scores) else f"score {fixed(picture.score)}"
    shown = {"photo": _image(picture.photo, "image/jpeg", f' id="photo-{number}"'),
             "label": _image(gallery.id_png(label, spec.palette()), "image/png"),
             "prediction": _image(gallery.id_png(prediction, spec.palette()), "image/png"),
             "error": f'<use href="#photo-{number}" class="dim"/>' + _image(error, "image/png")}
    height, width = label.shape
    figures = "".join(f'<figure class="{kind}"><svg viewBox="0 0 {width} {height}" role="img" aria-label="{kind}">'
                      f'{content}<circle class="here" r="{max(width, height) / 50:.1f}" visibility="hidden"/></svg>'
                      f"<figcaption>{kind}</figcaption></figure>" for kind, content in shown.items())
    return (f'<article class="images" data-size="{width} {height}"><p><b>{text(picture.name)}</b> · {known}</p>'
            f'<div class="four">{figures}</div><p class="says" aria-live="polite"></p>'
            f"{_legend(spec, label, prediction)}</article>\n")


def _image(data, kind, more=""):
    return f'<image{more} href="{data_uri(data, kind)}" width="100%" height="100%"/>'


def _legend(spec, label, prediction):
    """The classes that occur in label or prediction, the largest first."""
    pixels = np.bincount(np.concatenate([label.ravel(), prediction.ravel()]), minlength=NUM_IDS)
    shown = [i for i in np.argsort(-pixels, kind="stable").tolist() if pixels[i] and i in spec.scored_ids]
    palette = spec.palette()
    return "".join(["<p class=legend>", *(f"<span>{swatch(palette[i])}{text(spec.class_names[i])}</span> "
                                          for i in shown), "</p>"])
