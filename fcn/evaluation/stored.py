"""An evaluation read back from its folder, whole or in part: its report's content and its matrices."""

import dataclasses
import fnmatch
import json
import pathlib

from fcn.core import errors
from fcn.data.spec import DatasetSpec
from fcn.evaluation import result_folder, results
from fcn.metrics import confusion


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """content: of report.json. original, network: ConfusionMatrices; network may be None."""

    folder: pathlib.Path
    content: dict
    spec: DatasetSpec
    original: confusion.ConfusionMatrices
    network: confusion.ConfusionMatrices | None

    def select(self, indices):
        """This evaluation of some of its images. Raises DataError if both files are not of the same images."""
        network = self.network
        if network and network.names != self.original.names:
            raise errors.DataError("is of other images than confusion.npz beside it",
                                   where=self.folder / results.FILES["network"], fix=results.AGAIN)
        return dataclasses.replace(self, original=self.original.select(indices),
                                   network=network and network.select(indices))

    def scored_names(self):
        """{id: name} of the scored classes."""
        return {i: self.spec.class_names[i] for i in self.spec.scored_ids}


def folder_of(path):
    """The folder of an evaluation; of a run, that of its newest. Raises UsageError.

    An evaluation that a sudden end has left without its name gets it back first.
    """
    path = pathlib.Path(path)
    result_folder.restore(path)
    result_folder.restore_all(path / "eval")
    if not path.is_dir():
        raise errors.UsageError("there is no such folder", where=path)
    if (path / "report.json").exists():
        return path
    found = sorted(path.glob("eval/[!.]*/report.json"))  # a hidden one is unfinished
    if not found:
        raise errors.UsageError("holds no evaluation: neither report.json nor eval/*/report.json", where=path,
                                fix="python eval_fcn.py makes one.")
    return max(found, key=lambda report: (_time(report), report)).parent


def _time(report):
    """When it was made, as it says itself; "" if it cannot be read."""
    try:
        return str(json.loads(report.read_bytes()).get("time") or "")
    except (OSError, ValueError, RecursionError, AttributeError):
        return ""


def read_evaluation(folder):
    """The Evaluation in a folder. Raises DataError."""
    folder = pathlib.Path(folder)
    original = confusion.load(folder / results.FILES["original"])  # tells an older version from a damaged file
    content = results.read_report(folder)
    beside = folder / results.FILES["network"]
    spec = DatasetSpec(tuple(content["class_names"]), tuple(content["ignored_ids"]),
                       tuple(tuple(colour) for colour in content["colours"]))
    if spec.num_classes != original.num_classes:
        raise errors.DataError(f"has {original.num_classes} classes, report.json {spec.num_classes}",
                               where=folder / results.FILES["original"], fix=results.AGAIN)
    return Evaluation(folder, content, spec, original, confusion.load(beside) if beside.exists() else None)


def matching(names, asked):
    """Indices of the images that a file lists, one name a line, or that a pattern such as "ADE_val_0000*" matches.

    A name may carry its file's ending. Raises UsageError if a listed image is not there, or none matches.
    """
    path = pathlib.Path(asked)
    if path.is_file():
        listed = {line.strip() for line in path.read_text("utf-8-sig", "replace").splitlines() if line.strip()}
        known = {name: i for i, name in enumerate(names)}
        found = {known.get(line, known.get(pathlib.PurePath(line).stem)) for line in listed}
        unknown = sorted(line for line in listed if line not in known and pathlib.PurePath(line).stem not in known)
        if unknown:
            raise errors.UsageError(f"names {len(unknown)} images that were not evaluated", where=path,
                                    why=errors.several(unknown, 5))
    else:
        found = {i for i, name in enumerate(names) if fnmatch.fnmatchcase(name, asked)}
    if not found:
        raise errors.UsageError(f"--images {asked}: no evaluated image matches",
                                fix=f"names are such as '{names[0]}'" if names else None)
    return sorted(found)
