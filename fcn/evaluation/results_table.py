"""The content of report.json as text of at most 110 columns: classes, protocols with intervals, anchors, warnings."""

import textwrap

from fcn.core import tables

NAMES = (("pixel_accuracy", "pixel accuracy"), ("mean_accuracy", "mean acc"), ("mean_iou", "mean IoU"),
         ("frequency_weighted_iou", "fw IoU"))
WITH_INTERVAL = ("pixel_accuracy", "mean_iou")
SCORES = [f"<{title}" for _, title in NAMES]


def render(content):
    """The whole table."""
    return "\n".join([*classes(content), "", *numbers(content), *anchors(content), *warnings(content)])


def classes(content):
    """Every class that occurs, most frequent first."""
    rows = content["per_class"]
    total = max(sum(row["pixels"] for row in rows), 1)
    shown = [[str(row["id"]), row["name"], f"{row['pixels'] / total:.1%}", _score(row["iou"], 3),
              _score(row["accuracy"], 3)] for row in sorted(rows, key=lambda row: -row["pixels"])
             if row["iou"] is not None]
    lines = tables.lines([">id", "class", ">share", ">IoU", ">acc"], shown)
    absent = [row["name"] for row in rows if row["iou"] is None]
    if absent:
        lines.append(f"      {len(absent)} of {len(rows)} classes are in neither labels nor predictions (count 0);"
                     f" mean IoU of the others {content['mean_iou_present']:.4f}")
    return lines


def numbers(content):
    """What was evaluated and how, a row for each protocol, and one for each known part of the classes."""
    said = [content.get("split"), f"{content['images']} images", content.get("inference")]
    rows = [[name, entry["size"], *_scores(entry)] for name, entry in content["protocols"].items()]
    rows += [[f"  {name} only", "", *_scores(entry)] for name, entry in content.get("subsets", {}).items()]
    lines = [*_wrapped(", ".join(text for text in said if text), 0),
             *tables.lines(["<protocol", "<size", *SCORES], rows)]
    if any(entry["intervals"]["mean_iou"] for entry in content["protocols"].values()):
        lines += _wrapped(f"[...]: 95% intervals over the {content['images']} images, for the classes in their labels; "
                          "other classes are counted as the protocol says", 2)
    return lines


def anchors(content):
    """What the numbers can be held against, each with its source."""
    rows = [[*(_score(row[key]) for key, _ in NAMES), f"{row['name']}: {row['source']}"] for row in content["anchors"]]
    return ["", *tables.lines([*SCORES, "for comparison"], rows)]


def warnings(content):
    return [line for text in content["warnings"] for line in ["", *_wrapped(f"warning: {text}", 0)]]


def _scores(entry):
    """One protocol's numbers; intervals may be missing."""
    cells = []
    for key, _ in NAMES:
        between = entry["intervals"][key] if key in WITH_INTERVAL else None
        cells.append(_score(entry["scores"][key]) + (f" [{between[0]:.4f}, {between[1]:.4f}]" if between else ""))
    return cells


def _wrapped(text, indent):
    return textwrap.wrap(text, tables.WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2),
                         break_on_hyphens=False)


def _score(value, digits=4):
    return "-" if value is None else f"{value:.{digits}f}"
