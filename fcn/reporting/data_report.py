"""The page of `fcn inspect --html`: a data set before training, as one self-contained HTML file.

It has the style and script of report.html (html_report.py) and templates of its own, sections/_data_*.html.
"""

import dataclasses
import pathlib

import markupsafe
import numpy as np

from fcn.core import atomic_io, errors, ownership
from fcn.data.spec import MOST_IDS, Listing
from fcn.reporting import html_report
from fcn.reporting.sections import _chart, _html
from fcn.reporting.survey import ALL_IGNORED, ONE_CLASS, PER_CLASS

GENERATOR = "fcn inspect"
MARK = f'<meta name="generator" content="{GENERATOR}">'.encode()
MOST_EXAMPLES = 120  # of all classes together, so that the page stays below 3 MB, but at least one of each class
MOST_CLASSES = 200  # with examples; the rarest are shown
NAMED, MOST_SIZES, MOST_DOTS = 10, 8, 300  # names in a warning; rows of the table of sizes; dots of its chart
RARE_SIZE = 0.01  # a size of fewer images is listed as unusual, if one size has USUAL_SIZE of them
USUAL_SIZE = 0.8


@dataclasses.dataclass(frozen=True)
class Inspection:
    """What `fcn inspect` prints. data: the folder. layout, notes, conversions, problems: lines. command: of a training.

    listings: {split: Listing}. notes: warnings.
    """

    data: pathlib.Path
    layout: str
    listings: dict[str, Listing]
    conversions: list[str]
    notes: list[str]
    problems: list[errors.Problem]
    command: str


def check_place(path):
    """Raise UsageError if the page cannot be written: another file is there, or there is no such folder."""
    ownership.check_free(path, "--html", _is_page)
    if not pathlib.Path(path).parent.is_dir():
        raise errors.UsageError("there is no such folder", where=pathlib.Path(path).parent,
                                fix="create it, or give another --html.")


def _is_page(path):
    try:
        with path.open("rb") as file:
            return MARK in file.read(4096)
    except OSError:
        return False


def write_page(path, survey, found):
    """Write the page of a survey.Survey and an Inspection. An earlier page of this command is replaced."""
    check_place(path)
    page = build_page(survey, found).encode("utf-8", "backslashreplace")
    atomic_io.write_whole(path, page, new=not pathlib.Path(path).exists())


def build_page(survey, found):
    """Build the page (str)."""
    classes = Classes(survey, found.listings)
    sections = [("overview", "", _overview(survey, found, classes)), ("classes", "Classes", _class_table(classes)),
                ("images", "Images", _samples(survey, found, classes)),
                ("examples", "Examples of each class", _examples(survey, classes)),
                ("files", "Sizes and unusual files", _files(survey, found))]
    name = found.data.absolute().name or str(found.data)
    return _html.render("page.html", title=f"{name}: data set", generator=GENERATOR, data={"names": [], "ignored": []},
                        sections=[{"name": key, "title": title, "link": title.lower(), "body": body}
                                  for key, title, body in sections],
                        style=markupsafe.Markup((html_report.SECTIONS / "style.css").read_text()),
                        script=markupsafe.Markup((html_report.SECTIONS / "script.js").read_text()))


class Classes:
    """Counts of each class over all splits and in each, for the sections.

    pixels, images: int64 (65536,). scored, present: class ids, most pixels first. ids: all that occur, ignored ones
    last.
    """

    def __init__(self, survey, listings):
        self.splits = [split for split in listings if listings[split].pairs]
        self.of_split = {split: survey.pixels[split] for split in self.splits}
        self.pixels = sum(self.of_split.values(), np.zeros(MOST_IDS, np.int64))
        self.images = sum((survey.images[split] for split in self.splits), np.zeros(MOST_IDS, np.int64))
        self.spec = survey.spec.counted(self.pixels)
        self.palette = self.spec.palette()
        self.scored = sorted(self.spec.scored_ids, key=lambda i: -self.pixels[i])
        self.present = [i for i in self.scored if self.pixels[i]]
        self.ids = self.present + [i for i in np.flatnonzero(self.pixels).tolist() if i not in self.present]

    def name(self, i):
        """The name of an id; "id 255" without one."""
        return self.spec.class_names[i] if i < self.spec.num_classes else f"id {i}"

    def colour(self, i):
        """(r, g, b) of an id."""
        return self.palette[i] if i < len(self.palette) else (0, 0, 0)

    def only_in(self, split, other):
        """Names of the classes that occur in one split and not in another."""
        if split not in self.of_split or other not in self.of_split:
            return []
        return [self.name(i) for i in self.scored if self.of_split[split][i] and not self.of_split[other][i]]


def _overview(survey, found, classes):
    number = sum(map(len, (listing.pairs for listing in found.listings.values())))
    ignored = sum(int(classes.pixels[i]) for i in classes.ids if i in classes.spec.ignored_ids)
    cards = [(split, f"{len(listing.pairs):,}", "pairs, drawn" if listing.drawn else "pairs")
             for split, listing in found.listings.items()]
    cards += [("classes", f"{len(classes.present)}", f"of {len(classes.scored)} occur"),
              ("ignored", _html.percent(ignored / max(int(classes.pixels.sum()), 1)), "of all pixels"),
              ("problems", f"{len(found.problems):,}", "files that cannot be used")]
    return _html.render("_data_overview.html", cards=cards, layout=found.layout, command=found.command,
                        warnings=_warnings(survey, found, classes), number=number)


def _warnings(survey, found, classes):
    lines = [f"there are no pairs for {split}" for split in ("training", "validation")
             if not found.listings[split].pairs]
    if found.problems:
        lines.append(f"{_html.counted(len(found.problems), 'file', 'files')} cannot be used: see below")
    for names, text in ((classes.only_in("validation", "training"), "only in validation, and cannot be learnt"),
                        (classes.only_in("training", "validation"), "not in validation, and get no score there")):
        if names:
            lines.append(f"{_html.counted(len(names), 'class is', 'classes are')} {text}: {_some(names)}")
    if survey.odd[ALL_IGNORED]:
        lines.append(f"{_html.counted(survey.odd[ALL_IGNORED], 'label is', 'labels are')} ignored entirely")
    return lines + [line.strip().removeprefix("warned: ") for line in found.notes]


def _some(names):
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")


def _class_table(classes):
    whole = max(int(classes.pixels.sum()), 1)
    most = {"pixels": max(int(classes.pixels.max()), 1), "images": max(int(classes.images.max()), 1)}
    rows = []
    for i in classes.ids:
        is_ignored = i in classes.spec.ignored_ids
        shares = [(split, int(of[i]) / max(int(of.sum()), 1)) for split, of in classes.of_split.items()]
        rows.append({"id": i, "name": classes.name(i), "colour": classes.colour(i), "ignored": is_ignored,
                     "share": int(classes.pixels[i]) / whole, "images": int(classes.images[i]),
                     "pixel_bar": int(classes.pixels[i]) / most["pixels"],
                     "image_bar": int(classes.images[i]) / most["images"],
                     "shares": [(share, share == 0 and not is_ignored) for _, share in shares]})
    return _html.render("_data_classes.html", rows=rows, splits=classes.splits, count=len(classes.scored),
                        absent=[classes.name(i) for i in classes.scored if not classes.pixels[i]])


def _samples(survey, found, classes):
    groups = [(split, [_shown(thumbnail) for thumbnail in survey.samples(split)]) for split in classes.splits]
    used = [(classes.colour(i), classes.name(i)) for i in classes.present[:40]]
    return _html.render("_data_samples.html", groups=groups, legend=used,
                        ignored=bool(set(classes.spec.ignored_ids) & set(classes.ids)))


def _shown(thumbnail):
    return {"name": thumbnail.name, "split": thumbnail.split, "width": thumbnail.width, "height": thumbnail.height,
            "share": thumbnail.share, "photo": _html.data_uri(thumbnail.photo, "image/jpeg"),
            "mask": _html.data_uri(thumbnail.mask, "image/png")}


def _examples(survey, classes):
    rarest_first = classes.present[::-1][:MOST_CLASSES]
    count = max(1, min(PER_CLASS, MOST_EXAMPLES // max(len(rarest_first), 1)))
    groups = [{"name": classes.name(i), "colour": classes.colour(i), "images": int(classes.images[i]),
               "pictures": [_shown(thumbnail) for thumbnail in survey.examples(i, count)]} for i in rarest_first]
    return _html.render("_data_examples.html", groups=groups, left_out=len(classes.present) - len(rarest_first))


def _files(survey, found):
    sizes = sorted(survey.sizes.items(), key=lambda item: (-item[1][0], item[0]))
    number = max(sum(count for _, (count, _) in sizes), 1)
    by_area = sorted(sizes, key=lambda item: (item[0][0] * item[0][1], item[0]))
    ends = [(text, "x".join(map(str, size)), name) for text, (size, (_, name)) in
            zip(("smallest", "largest"), (by_area[0], by_area[-1]), strict=True)] if len(sizes) > 1 else []
    unusual = [("x".join(map(str, size)), count, name) for size, (count, name) in sizes
               if count < RARE_SIZE * number] if sizes and sizes[0][1][0] >= USUAL_SIZE * number else []
    odd = [(kind, survey.odd[kind], survey.odd_names(kind), [_shown(one) for one in survey.odd_samples(kind)])
           for kind in (ALL_IGNORED, ONE_CLASS) if survey.odd[kind]]
    return _html.render("_data_files.html", sizes=[("x".join(map(str, size)), count, count / number)
                                                   for size, (count, _) in sizes[:MOST_SIZES]],
                        others=len(sizes) - MOST_SIZES, chart=_chart_of(sizes) if len(sizes) > 2 else "", ends=ends,
                        unusual=unusual[:NAMED], more_unusual=len(unusual) - NAMED, odd=odd,
                        conversions=found.conversions,
                        problems=errors.several(found.problems, 100) if found.problems else [])


def _chart_of(sizes):
    """Draw a dot per size, height against width. sizes: [((height, width), (images, name))], most images first."""
    heights, widths = zip(*(size for size, _ in sizes), strict=True)
    chart = _chart.Chart(_chart.linear(0, 1.05 * max(widths)), _chart.linear(0, 1.05 * max(heights)), "width px",
                         "sizes of the images: height px against width px")
    for (height, width), (count, name) in sizes[:MOST_DOTS]:
        chart.dot(width, height, "class", f"{height}x{width}: {_html.counted(count, 'image', 'images')}, {name}",
                  "var(--a)")
    return chart.svg()
