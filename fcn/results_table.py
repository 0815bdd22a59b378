"""The content of report.json as text of at most 110 columns: classes, protocols with intervals, anchors, warnings."""

import textwrap

WIDTH = 109
NAMES = (("pixel_accuracy", "pixel accuracy"), ("mean_accuracy", "mean acc"), ("mean_iou", "mean IoU"),
         ("frequency_weighted_iou", "fw IoU"))
WITH_INTERVAL = ("pixel_accuracy", "mean_iou")
NAME_WIDTH = 60


def of(content):
    """The whole table."""
    return "\n".join([*classes(content), "", *numbers(content), *anchors(content), *warnings(content)])


def classes(content):
    """Every class that occurs, most frequent first."""
    rows = content["per_class"]
    total = max(sum(row["pixels"] for row in rows), 1)
    width = min(max(len(row["name"]) for row in rows), NAME_WIDTH)
    lines = [f"{'id':>4}  {'class':<{width}}  {'share':>6}  {'IoU':>6}  {'acc':>6}"]
    for row in sorted(rows, key=lambda row: -row["pixels"]):
        if row["iou"] is not None:
            lines.append(f"{row['id']:>4}  {row['name'][:width]:<{width}}  {row['pixels'] / total:>6.1%}  "
                         f"{_cell(row['iou'])}  {_cell(row['accuracy'])}")
    absent = [row["name"] for row in rows if row["iou"] is None]
    if absent:
        lines.append(f"      {len(absent)} of {len(rows)} classes are in neither labels nor predictions (count 0);"
                     f" mean IoU of the others {content['mean_iou_present']:.4f}")
    return lines


def numbers(content):
    """What was evaluated and how, a row for each protocol, and one for each known part of the classes."""
    said = [content.get("split"), f"{content['images']} images", content.get("inference")]
    lines = _wrapped(", ".join(text for text in said if text), 0)
    lines.append(f"{'':<22}{'pixel accuracy':<24}{'mean acc':<10}{'mean IoU':<24}fw IoU")
    lines += [_row(f"{name:<11}{entry['size']}", entry) for name, entry in content["protocols"].items()]
    lines += [_row(f"  {name} only", entry) for name, entry in content.get("subsets", {}).items()]
    if any(entry["intervals"]["mean_iou"] for entry in content["protocols"].values()):
        lines += _wrapped(f"[...]: 95% intervals over the {content['images']} images, for the classes in their labels; "
                          "other classes are counted as the protocol says", 2)
    return lines


def anchors(content):
    """What the numbers can be held against."""
    lines = ["", f"{'for comparison':<22}" + "".join(f"{title:<{len(title) + 2}}" for _, title in NAMES).rstrip()]
    for row in content["anchors"]:
        cells = "".join(f"{_score(row[key]):<{len(title) + 2}}" for key, title in NAMES)
        lines.append(f"{'':<22}{cells}{row['name']}")
        lines += _wrapped(row["source"], 24)
    return lines


def warnings(content):
    return [line for text in content["warnings"] for line in ["", *_wrapped(f"warning: {text}", 0)]]


def _row(title, entry):
    """One protocol's numbers; intervals may be missing."""
    cells = [f"{title:<22}"]
    for key, _ in NAMES:
        between = entry["intervals"][key] if key in WITH_INTERVAL else None
        cell = _score(entry["scores"][key]) + (f" [{between[0]:.4f}, {between[1]:.4f}]" if between else "")
        cells.append(f"{cell:<{24 if key in WITH_INTERVAL else 10}}")
    return "".join(cells).rstrip()


def _wrapped(text, indent):
    return textwrap.wrap(text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2),
                         break_on_hyphens=False)


def _score(value):
    return "-" if value is None else f"{value:.4f}"


def _cell(value):
    return "     -" if value is None else f"{value:>6.3f}"
