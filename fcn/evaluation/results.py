"""Results of an evaluation, from its confusion matrices: report.json, per_class.csv, confusion.npz and a text table.

report.json holds facts about the evaluation and the result of `measured`. "protocol" names the protocol of the scores
at its top level; "protocols" holds all protocols with intervals. confusion.npz and confusion_network.npz are
confusion.ConfusionMatrices, from which fcn/cli/report.py computes scores for other classes and images.
"""

import json
import pathlib
import textwrap

import numpy as np

from fcn.core import atomic_io, errors, file_kinds, registry, tables
from fcn.data.label_formats import blue_bits
from fcn.data.spec import MOST_IDS
from fcn.metrics import baselines, class_groups, confidence, diagnostics, iou, protocols, thresholds
from fcn.metrics.confusion import AGAIN
from fcn.metrics.protocols import benchmark
from fcn.weights import transfer

FILES = {"original": "confusion.npz", "network": "confusion_network.npz", "flags": "confusion_flags.npz",
         "boundary": "confusion_boundary.npz", "thresholds": "confusion_thresholds.npz"}
DAMAGE = (OSError, ValueError, RecursionError)
PIXELS = "pixels of ignored ids count nowhere; an ignored id that is predicted is wrong"
SCORE_NAMES = (("pixel_accuracy", "pixel accuracy"), ("mean_accuracy", "mean acc"), ("mean_iou", "mean IoU"),
               ("frequency_weighted_iou", "fw IoU"), ("mean_f_score", "mean F"), ("mean_precision", "prec"))
CLASS_SCORES = {"iou": ">IoU", "accuracy": ">recall", "precision": ">precision", "f_score": ">F-score",
                "boundary_iou": ">boundary IoU"}  # the accuracy of a class is its recall
WITH_INTERVAL = ("pixel_accuracy", "mean_iou")
SCORE_TITLES = [f"<{title}" for _, title in SCORE_NAMES]


def save(folder, original, network, content, others=None):
    """Write the files of an evaluation, the confusion matrices first.

    original, network: ConfusionMatrices at the images' original size and at network size (or None). content: result of
    `measured` plus facts (split, inference, layout, checkpoint_step, ...). others: as in protocols.computed(), and
    "thresholds": those of thresholds.matrix(), for two classes.
    """
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    original.save(folder / FILES["original"])
    if network:
        network.save(folder / FILES["network"])
    for kind, matrices in (others or {}).items():
        matrices.save(folder / FILES[kind])
    for name, entry in content["protocols"].items():
        if "per_class" in entry:
            atomic_io.write_whole(folder / f"per_class_{name}.csv", as_csv(entry["per_class"]).encode())
    atomic_io.write_whole(folder / "per_class.csv", as_csv(content["per_class"]).encode())
    atomic_io.write_json(folder / "report.json", content)


def measured(original, network, spec, layout=None, ids=None, others=None):
    """Return the part of report.json that is computed from the confusion matrices, as a dict.

    original, network, others: as in save(). ids: classes for means and rows; default: all scored classes. With ids,
    there are no published reference scores.
    """
    names = list(transfer.channel_names(spec.class_names, original.num_classes))
    others = others or {}
    found = protocols.computed(original, network, spec.ignored_ids, others)
    scored = {name: _scored(module, sums, ids, names) for name, (module, sums) in found.items()}
    sums = found["benchmark"][1]
    groups = {} if ids else class_groups.groups(names)
    known = [] if ids else baselines.published_results(layout, names)
    content = {
        "protocol": "benchmark", "images": len(original.names), **scored["benchmark"]["scores"],
        **{f"{name}_present": scored["berkeley"]["scores"][name] for name in ("mean_accuracy", "mean_iou")},
        "protocols": scored,
        "anchors": [baselines.best_constant(sums, names, ids), *known],
        "warnings": diagnostics.warnings(original.total(), sums.ids, names) + diagnostics.rare(sums, names),
        "per_class": _per_class(found, names, ids),
        "uncertainty": {"level": confidence.LEVEL, "over": "images", "method": confidence.METHOD},
        "conventions": {"pixels": PIXELS, **{name: module.TEXT for name, (module, _) in found.items()}},
        "ignored_ids": [i for i in spec.ignored_ids if "flags" not in others or i not in blue_bits.BOUNDARY_IDS],
        "class_names": names,
        "colours": [list(colour) for colour in spec.palette()[:len(names)]],
        "per_image": _per_image(original.names, sums, ids),
    }
    if "thresholds" in others:
        classes = thresholds.pair(len(names), spec.ignored_ids)
        content["threshold"] = thresholds.summary(others["thresholds"], names, classes)
    if groups:
        content["subsets"] = {group: {key: value for key, value in _scored(benchmark, sums, part, names).items()
                                      if key in ("scores", "intervals")} for group, part in groups.items()}
    return content


def read_report(folder):
    """Read an evaluation's report.json and register the plugin folders that it names. Raises DataError."""
    path = pathlib.Path(folder) / "report.json"
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise errors.DataError("is not an evaluation: it has no report.json", where=folder, fix=AGAIN) from None
    except DAMAGE as error:
        raise errors.DataError("is damaged", where=path, why=file_kinds.why_unreadable(path, error),
                               fix=AGAIN) from None
    if isinstance(content, dict):
        registry.add_recorded(content.get("settings"))
    if isinstance(content, dict) and "per_class" in content and "protocols" not in content:
        raise errors.DataError("was written by an older version, which knew one protocol", where=path, fix=AGAIN)
    try:
        table(content)
        if not _is_sound(content):
            raise ValueError("invalid ids, colours or intervals")
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise errors.DataError("is damaged or not a report of an evaluation", where=path, why=repr(error),
                               fix=AGAIN) from None
    return content


def _is_sound(content):
    """Return whether ids, colours and intervals have the types that `measured` returns."""
    ids = [*content["ignored_ids"], *(row["id"] for row in content["per_class"])]
    colours = [tuple(map(type, colour)) for colour in content["colours"]]
    intervals_ = [between for entry in content["protocols"].values() for between in entry["intervals"].values()]
    return (all(type(i) is int and 0 <= i < MOST_IDS for i in ids) and all(kinds == (int,) * 3 for kinds in colours)
            and all(between is None or tuple(map(type, between)) == (float,) * 2 for between in intervals_))


def as_csv(rows):
    """Format a list of dicts with equal keys as CSV, in full precision. None becomes an empty cell."""
    return tables.csv_text([list(rows[0]), *([row[key] for key in rows[0]] for row in rows)])


def _scored(module, sums, ids, names):
    """Return {"size", "text", "scores", "intervals"} of one protocol, and "per_class" if it has rows of its own."""
    plain = module.compute(sums, np.ones((1, len(sums.true_positives))), ids)
    scores, terms = {name: float(value[0]) for name, value in plain.items()}, module.ratios(sums, ids)
    rows = {"per_class": module.per_class(sums, names, ids)} if hasattr(module, "per_class") else {}
    return {"size": module.SIZE, "text": module.TEXT, "scores": scores,
            "intervals": {name: confidence.interval(score, terms[name]) for name, score in scores.items()}, **rows}


def _per_class(found, names, ids):
    """Return a row per class, by the protocol benchmark and, where it was computed, boundary."""
    sums = found["benchmark"][1]
    true_positives, target_pixels, predicted_pixels = (array.sum(axis=0) for array in sums.of(ids))
    images = (sums.of(ids)[1] > 0).sum(axis=0)
    ious, accuracies = iou.per_class(true_positives, target_pixels, predicted_pixels)
    columns = dict(zip(("f_score", "precision"), iou.f_score_and_precision(true_positives, target_pixels,
                                                                           predicted_pixels), strict=True))
    if "boundary" in found:
        columns["boundary_iou"] = iou.per_class(*(array.sum(axis=0) for array in found["boundary"][1].of(ids)))[0]
    return [{"id": i, "name": names[i], "iou": _number(ious[k]), "accuracy": _number(accuracies[k]),
             "pixels": int(target_pixels[k]), "predicted": int(predicted_pixels[k]), "images": int(images[k]),
             **{name: _number(values[k]) for name, values in columns.items()}}
            for k, i in enumerate(ids or sums.ids)]


def _per_image(names, sums, ids):
    """Return scores of each image over the classes in its label or prediction; None without labelled pixels."""
    labelled = sums.of(ids)[1].sum(axis=1) > 0
    scores = iou.numbers(*sums.of(ids), absent="nan")
    return [{"name": name, **{key: float(scores[key][k]) if labelled[k] else None
                              for key in ("pixel_accuracy", "mean_iou")}} for k, name in enumerate(names)]


def _number(value):
    return None if np.isnan(value) else float(value)


def table(content):
    """Format the content of report.json as text: classes, protocols, references, warnings. At most 110 columns."""
    return "\n".join([*_class_lines(content), "", *_protocol_lines(content), *_threshold_lines(content),
                      *_own_class_lines(content),
                      *_reference_lines(content), *_warning_lines(content)])


def _class_lines(content):
    """Return one line per class that occurs, most frequent first."""
    rows = content["per_class"]
    total = max(sum(row["pixels"] for row in rows), 1)
    known = {key: title for key, title in CLASS_SCORES.items() if any(key in row for row in rows)}
    shown = [[str(row["id"]), row["name"], f"{row['pixels'] / total:.1%}",
              *(_score_text(row[key], 3) for key in known)]
             for row in sorted(rows, key=lambda row: -row["pixels"]) if row["iou"] is not None]
    lines = tables.lines([">id", "class", ">share", *known.values()], shown)
    absent = [row["name"] for row in rows if row["iou"] is None]
    if absent:
        lines.append(f"      {len(absent)} of {len(rows)} classes are in neither labels nor predictions (count as 0);"
                     f" mean IoU of the others {content['mean_iou_present']:.4f}")
    return lines


def _protocol_lines(content):
    """Return what was evaluated and how, then a row per protocol and per group of classes."""
    facts = [content.get("split"), f"{content['images']} images", content.get("inference")]
    rows = [[name, entry["size"], *_score_cells(entry)] for name, entry in content["protocols"].items()]
    rows += [[f"  {name} only", "", *_score_cells(entry)] for name, entry in content.get("subsets", {}).items()]
    lines = [*_wrapped(", ".join(text for text in facts if text), 0),
             *tables.lines(["<protocol", "<size", *SCORE_TITLES], rows)]
    if any(entry["intervals"]["mean_iou"] for entry in content["protocols"].values()):
        lines += _wrapped(f"[...]: 95% intervals over the {content['images']} images, for the classes in their labels; "
                          "the protocol defines how other classes count", 2)
    return lines


def _threshold_lines(content):
    """Return scores of the foreground at 0.5 and at the best threshold, for two classes."""
    found = content.get("threshold")
    if not found:
        return []
    rows = [[title, f"{entry['threshold']:g}", *(_score_text(entry[name]) for name in thresholds.NAMES)]
            for title, entry in (("half", found["at_0.5"]), ("best of these images", found["best"]))]
    used = f", predictions use {found['used']:g}" if found["used"] else ""
    return ["", *_wrapped(f"foreground '{found['name']}' at a threshold of its probability{used}:", 0),
            *tables.lines(["<", ">threshold", ">F-score", ">IoU", ">precision", ">recall"], rows)]


def _reference_lines(content):
    """Return published and baseline scores for comparison, each with its source."""
    rows = [[*(_score_text(row[key]) for key, _ in SCORE_NAMES[:4]), f"{row['name']}: {row['source']}"]
            for row in content["anchors"]]
    return ["", *tables.lines([*SCORE_TITLES[:4], "for comparison"], rows)]


def _warning_lines(content):
    return [line for text in content["warnings"] for line in ["", *_wrapped(f"warning: {text}", 0)]]


def _score_cells(entry):
    """Return the scores of one protocol as text, with intervals where they exist."""
    cells = []
    for key, _ in SCORE_NAMES:
        between = entry["intervals"][key] if key in WITH_INTERVAL else None
        value = _score_text(entry["scores"].get(key))
        cells.append(f"{value} [{between[0]:.4f}, {between[1]:.4f}]" if between else value)
    return cells


def _own_class_lines(content):
    """Return what protocols with rows of their own for the classes print: their other scores, then these rows."""
    lines = []
    for name, entry in content["protocols"].items():
        if rows := entry.get("per_class"):
            others = {key: value for key, value in entry["scores"].items() if key not in (*iou.NAMES, *iou.MORE_NAMES)}
            lines += ["", *_wrapped(f"{name}: " + ", ".join(f"{key.replace('_', ' ')} {value:.4f}"
                                                            for key, value in others.items()), 0)]
            keys = [key for key in rows[0] if key not in ("id", "name")]
            lines += tables.lines([">id", "class", *(f">{key}" for key in keys)],
                                  [[str(row["id"]), row["name"], *(_score_text(row[key]) for key in keys)]
                                   for row in rows])
    return lines


def _wrapped(text, indent):
    return textwrap.wrap(text, tables.WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + 2),
                         break_on_hyphens=False)


def _score_text(value, digits=4):
    return "-" if value is None else f"{value:.{digits}f}"
