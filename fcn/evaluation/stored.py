"""Reading of stored evaluations: report.json and confusion matrices, of all images or a selection."""

import dataclasses
import difflib
import fnmatch
import json
import pathlib
import shlex

from fcn.core import errors
from fcn.data.spec import DatasetSpec
from fcn.evaluation import result_folder, results
from fcn.metrics import confusion

REPRODUCTION = "reproduction"  # folder in a run: the evaluation by fcn reproduce


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """A stored evaluation. content: dict of report.json.

    original, network, others: ConfusionMatrices as in results.save(); network may be None.
    """

    folder: pathlib.Path
    content: dict
    spec: DatasetSpec
    original: confusion.ConfusionMatrices
    network: confusion.ConfusionMatrices | None
    others: dict[str, confusion.ConfusionMatrices] = dataclasses.field(default_factory=dict)

    def select(self, indices):
        """Return this evaluation for some of its images. Raises DataError if the files have different images."""
        parts = {"original": self.original, **({"network": self.network} if self.network else {}), **self.others}
        for kind, matrices in parts.items():
            if matrices.names != self.original.names:
                raise errors.DataError("has other images than confusion.npz in the same folder",
                                       where=self.folder / results.FILES[kind], fix=results.AGAIN)
        chosen = {kind: matrices.select(indices) for kind, matrices in parts.items()}
        return dataclasses.replace(self, original=chosen.pop("original"), network=chosen.pop("network", None),
                                   others=chosen)

    def scored_names(self):
        """Return {id: name} of the scored classes."""
        return {i: self.spec.class_names[i] for i in self.spec.scored_ids}


def folder_of(path):
    """Return the folder of an evaluation; for a run, the folder of its newest evaluation. Raises UsageError.

    Unfinished renames of a killed process are completed first (result_folder.settle).
    """
    path = pathlib.Path(path)
    result_folder.restore(path)
    result_folder.restore(path / REPRODUCTION)
    result_folder.restore_all(path / "eval")
    if not path.is_dir():
        raise errors.UsageError("there is no such folder", where=path, fix=_near(path))
    if (path / "report.json").exists():
        return path
    found = [*path.glob("eval/[!.]*/report.json"), *path.glob(f"{REPRODUCTION}/report.json")]  # hidden: unfinished
    if not found:
        runs = sorted(found.parent for found in [*path.glob("config.json"), *path.glob("*/config.json")])
        raise errors.UsageError("holds no evaluation: no report.json, in it or in eval/*", where=path, fix=(
            f"fcn evaluate --run {shlex.quote(str(runs[0]))} makes one." if runs == [path] else
            f"give the folder of one of its runs, such as {runs[-1]}." if runs else
            "give the folder of a run or of an evaluation."))
    return max(found, key=lambda report: (_time(report), report)).parent


def best_threshold(run, step, inference):
    """Return the threshold with the highest F-score in the newest evaluation of a run's validation split.

    step: of the checkpoint. inference: InferenceConfig.describe() without a threshold, which must be the same. Raises
    UsageError without such an evaluation.
    """
    found = []
    for path in pathlib.Path(run).glob("eval/[!.]*/report.json"):
        try:
            content = json.loads(path.read_bytes())
            if (content["split"], content["checkpoint_step"], content["inference"]) == ("validation", step, inference):
                found.append((str(content.get("time")), float(content["threshold"]["best"]["threshold"])))
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue
    if not found:
        raise errors.UsageError(f"--threshold best: there is no evaluation of step {step} on the validation split with "
                                "these inference options", where=run, why=f"sought: {inference}",
                                fix=f"fcn evaluate --run {shlex.quote(str(run))} finds the threshold; give it the same "
                                    "--checkpoint and inference options.")
    return max(found)[1]


def _near(path):
    """What to do about a folder that does not exist."""
    beside = [found.name for found in path.parent.glob("*/")] if path.parent.is_dir() else []
    near = difflib.get_close_matches(path.name, beside, 1)
    return f"did you mean {path.with_name(near[0])}?" if near else "give the folder of a run or of an evaluation."


def _time(report):
    """Return the time that a report states, or "" if it cannot be read."""
    try:
        return str(json.loads(report.read_bytes()).get("time") or "")
    except (OSError, ValueError, RecursionError, AttributeError):
        return ""


def read_evaluation(folder):
    """Read the Evaluation in a folder. Raises DataError."""
    folder = pathlib.Path(folder)
    original = confusion.load(folder / results.FILES["original"])  # distinguishes an older version from a damaged file
    content = results.read_report(folder)
    others = {kind: confusion.load(folder / name) for kind, name in results.FILES.items()
              if kind != "original" and (folder / name).exists()}
    spec = DatasetSpec(tuple(content["class_names"]), tuple(content["ignored_ids"]),
                       tuple(tuple(colour) for colour in content["colours"]))
    if spec.num_classes != original.num_classes:
        raise errors.DataError(f"has {original.num_classes} classes, report.json has {spec.num_classes}",
                               where=folder / results.FILES["original"], fix=results.AGAIN)
    return Evaluation(folder, content, spec, original, others.pop("network", None), others)


def matching(names, selection):
    """Return the sorted indices of selected images.

    names: all images. selection: path of a file with one name per line (with or without suffix), or a pattern such as
    "ADE_val_0000*". Raises UsageError if a listed image was not evaluated or nothing matches.
    """
    path = pathlib.Path(selection)
    if path.is_file():
        listed = {line.strip() for line in path.read_text("utf-8-sig", "replace").splitlines() if line.strip()}
        known = {name: i for i, name in enumerate(names)}
        found = {known.get(line, known.get(pathlib.PurePath(line).stem)) for line in listed}
        unknown = sorted(line for line in listed if line not in known and pathlib.PurePath(line).stem not in known)
        if unknown:
            raise errors.UsageError(f"names {len(unknown)} images that were not evaluated", where=path,
                                    why=errors.several(unknown, 5), fix="remove these lines from the file.")
    else:
        found = {i for i, name in enumerate(names) if fnmatch.fnmatchcase(name, selection)}
    if not found:
        raise errors.UsageError(f"--images {selection}: no evaluated image matches",
                                fix=f"use names such as '{names[0]}'." if names else confusion.AGAIN)
    return sorted(found)
