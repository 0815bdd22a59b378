"""config.json of a run folder: all that resuming, evaluation and export need to know of a run."""

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys

from fcn.config import old_settings
from fcn.core import atomic_io, errors, file_kinds, machine, ownership, registry
from fcn.data.spec import MOST_CLASSES, MOST_IDS, DatasetSpec
from fcn.runs import checkpoint_files, run_log

FILES = ("config.json", "log.jsonl", "speed.jsonl", "curves.png", "transplant.json", "split.csv", "skipped.txt",
         "bad_batch.npz")  # files in a run folder, without checkpoints, events and evaluations
CLASSES = f"a number from 1 to {MOST_CLASSES}"
NEEDED = {  # what evaluation, export and training need of config.json: {part: {name: a key of KINDS}}
    "spec": {"class_names": "a list of texts", "ignored_ids": "a list of ids", "colours": "a list of colours",
             "remap": "a list of pairs or nothing"},
    "model": {"net": "a text", "num_classes": CLASSES, "channels": "an object",
              "mean_rgb": "a list of numbers", "ignored_ids": "a list of ids", "choices": "an object or null",
              "class_weights": "a list of numbers or null"},
}
KINDS = {
    "a text": lambda value: isinstance(value, str),
    "an object": lambda value: isinstance(value, dict),
    "an object or null": lambda value: isinstance(value, dict | None),
    "a list of numbers or null": lambda value: value is None or _is_list(value, int, float),
    CLASSES: lambda value: type(value) is int and 1 <= value <= MOST_CLASSES,
    "a list of numbers": lambda value: _is_list(value, int, float),
    "a list of texts": lambda value: _is_list(value, str),
    "a list of ids": lambda value: _is_list(value, int) and all(0 <= number < MOST_IDS for number in value),
    "a list of colours": lambda value: _is_list(value, list) and all(
        _is_list(colour, int) and len(colour) == 3 for colour in value),
    "a list of pairs or nothing": lambda value: value is None or (_is_list(value, list) and all(
        _is_list(pair, int) and len(pair) == 2 and 0 <= min(pair) <= max(pair) < MOST_IDS for pair in value)),
}
OWN, FORKED = "the run in this folder", "the run whose checkpoint this one starts from"
DIFFERS = {OWN: "give another --run, or the same settings.",
           FORKED: "give the same settings; or --weights instead of --resume, to start from its weights only."}
PACKAGES = ("tensorflow", "numpy", "scipy", "h5py", "imageio", "pillow")


def write_record(run, content):
    """Write config.json of a run folder. content: a dict."""
    atomic_io.write_json(pathlib.Path(run) / "config.json", content)


def read_record(run):
    """The content of a run's config.json. Adds its plugin folders to the registry.

    Raises UsageError if this is not a run folder, or one of an older version that cannot be used.
    """
    path = pathlib.Path(run) / "config.json"
    try:
        content = json.loads(path.read_text())
        old = "channels" in content and "model" not in content
        content["spec"], old or content["model"]["channels"]
        content["config"] = old_settings.current(content["config"])
    except (FileNotFoundError, NotADirectoryError):
        raise errors.UsageError("is not a run folder: it has no config.json", where=run,
                                fix="give the folder of a run, such as runs/NAME.") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _damaged(path, file_kinds.why_unreadable(path, repr(error))) from None
    registry.add_recorded(content["config"])
    if old:
        raise errors.UsageError("was made by an older version, which built its nets differently", where=run,
                                fix="use the commit that its config.json names, or train again.")
    return content


def check_complete(run, content):
    """Raise UsageError if the content of a run's config.json lacks a value of NEEDED."""
    for part, names in NEEDED.items():
        values = content[part] if isinstance(content[part], dict) else {}
        for name, kind in names.items():
            if not KINDS[kind](values.get(name)):
                found = f"is {json.dumps(values[name])[:60]}" if name in values else "is missing"
                raise _damaged(pathlib.Path(run) / "config.json",
                               f'"{name}" in "{part}" {found}, expected {kind}')
    mean, channels = content["model"]["mean_rgb"], content["spec"].get("channels", 3)
    if len(mean) != channels:
        raise _damaged(pathlib.Path(run) / "config.json",
                       f'"mean_rgb" in "model" is {json.dumps(mean)[:60]}, expected {channels} numbers')


def _is_list(value, *types):
    return isinstance(value, list) and all(type(item) in types for item in value)


def _damaged(path, why):
    return errors.UsageError("is damaged", where=path, why=why,
                             fix="restore this file from a copy of the run, or train it again with another --run.")


def record_to_resume(run, resume):
    """The content of config.json if the run in this folder is resumed; None for a new run.

    A run without a checkpoint is started again. resume: the value of --resume. Raises UsageError or WeightsError if the
    folder cannot be used.
    """
    run = pathlib.Path(run)
    begun = checkpoint_files.paths(run / "checkpoints")
    if not begun:
        check_folder(run)
    elif not os.path.lexists(run / "config.json"):
        raise errors.UsageError("holds checkpoints, but no config.json of a run of this program", where=run,
                                fix=f"give --run {shlex.quote(str(ownership.free(run)))}.")
    if resume == "never" and (begun or (run / "config.json").exists()):
        raise errors.UsageError("holds a run already", where=run, fix="give another --run.")
    if resume not in ("auto", "never"):
        if pathlib.Path(resume).resolve() in [path.resolve() for path in begun[1:]]:
            raise errors.UsageError("this run has later checkpoints, and resumes from its newest one", where=resume,
                                    fix="leave out --resume; or give another --run, to start from this checkpoint.")
        if not begun:  # once this run has a checkpoint, that one may have been deleted
            checkpoint_files.read_state(resume)
    if not begun and run_log.read_entries(run / "log.jsonl"):
        raise errors.UsageError("holds a run whose checkpoints are missing", where=run,
                                fix="give another --run, or delete this one.")
    return _current(run) if begun else None


def check_folder(run):
    """Raise UsageError if this folder has a file that a run would write, but no config.json of a run."""
    run = pathlib.Path(run)
    if os.path.lexists(run) and not run.is_dir():
        raise errors.UsageError("is not a folder", where=run,
                                fix=f"give --run {shlex.quote(str(ownership.free(run)))}.")
    found = [run / name for name in FILES if os.path.lexists(run / name)]
    if found and not _is_config(run / "config.json"):
        raise errors.UsageError("exists already, but not from a run of this program; nothing is overwritten",
                                where=found[0],
                                fix=f"give --run {shlex.quote(str(ownership.free(run)))}, or move it away.")


def _is_config(path):
    """Whether this config.json was written by this program, in any version."""
    try:
        content = json.loads(path.read_bytes())
        return isinstance(content, dict) and {"config", "spec"} <= content.keys()
    except (OSError, ValueError, RecursionError):
        return False


def of_checkpoint(resume):
    """The content of config.json of the run of the checkpoint --resume PATH; None for "auto" and "never"."""
    return None if resume in ("auto", "never") else _current(pathlib.Path(resume).absolute().parent.parent)


def _current(run):
    content = read_record(run)
    check_complete(run, content)
    if "fingerprints" not in content:
        raise errors.UsageError("was started by an older version and cannot be resumed: it drew other samples and "
                                "stored less", where=run,
                                fix="evaluate it with fcn evaluate; to train, give another --run.")
    return content


def check_unchanged(run, old, content, same=(), of=OWN):
    """Raise UsageError if the content of a config.json differs from `old` in what a run may not change.

    content: the new content, or a part of it. same: settings that may not change. of: OWN or FORKED, for the message.
    """
    changes = differences(old["config"], content.get("config", {}), same)
    changes += differences(old, content, [key for key in ("spec",) if key in content])
    graph = content.get("model", {})
    changes += differences(old["model"], graph, [key for key in ("channels", "mean_rgb", "num_classes", "class_weights")
                                                 if key in graph])
    if any(old.get(key) != content[key] for key in ("files", "pixels") if key in content):
        changes.append("the files in --data have changed since the run started")
    if changes:
        raise errors.UsageError(f"{of} has other settings or data", where=run, why=changes, fix=DIFFERS[of])


def begin(run, content, old, before=None):
    """Write config.json of a run that starts or resumes.

    content: the new content. old: the previous content of a run that resumes, or None. before: content of the run that
    it must agree with, its own or that of the checkpoint it starts from; or None. Raises UsageError.
    """
    if before:
        check_unchanged(run, before, content, of=OWN if old else FORKED)
    if old:
        content["starts"] = old.get("starts", []) + content["starts"]
    write_record(run, content)


def fingerprints(content, same):
    """Digests that identify a run, for its checkpoints: of settings, lists of files, and pixels of the caches.

    content: of config.json. same: the settings that may not change.
    """
    settings = {key: content["config"][key] for key in same} | {"model": content["model"], "spec": content["spec"]}
    return {"settings": checkpoint_files.digest(settings),
            "files": content["files"], "pixels": content["pixels"]}


def other_machine(old):
    """Notes on changes of packages and machine since the last start, which may change the last bits of results."""
    last, now = old["starts"][-1], provenance()
    changes = differences(last["versions"], now["versions"], now["versions"])
    changes += differences(last, now, ["machine"])
    return [f"note: {change}; results may differ in their last bits" for change in changes]


def on_device(content, device, before):
    """Add the name of the device to the entry of this start. Returns notes if the last start used another device."""
    content["starts"][-1]["device"] = device
    last = before["starts"][-1] if before else {}
    changes = differences(last, {"device": device}, ["device"]) if "device" in last else []
    return [f"note: {change}; results may differ in their last bits" for change in changes]


def spec_to_dict(spec):
    """A DatasetSpec as JSON content."""
    return {"class_names": list(spec.class_names), "ignored_ids": list(spec.ignored_ids),
            "colours": [list(c) for c in spec.colours], "encoding": spec.encoding,
            "mask_threshold": spec.mask_threshold,
            **({"remap": [list(pair) for pair in spec.remap]} if spec.remap else {}),
            **({"channels": spec.channels} if spec.channels != 3 else {})}


def spec_from_dict(content):
    """The DatasetSpec of spec_to_dict(). Fields that older runs lack have their defaults."""
    return DatasetSpec(tuple(content["class_names"]), tuple(content["ignored_ids"]),
                       tuple(tuple(c) for c in content["colours"]),
                       **{key: content[key] for key in ("encoding", "mask_threshold", "channels") if key in content},
                       remap=tuple((value, i) for value, i in content.get("remap", ())))


def provenance():
    """{"command", "commit", "versions", "machine", "time"} of this process, for records and reports."""
    return {"command": shlex.join(["python", *sys.argv]), "commit": commit(),
            "versions": {"python": platform.python_version(),
                         **{name: importlib.metadata.version(name) for name in PACKAGES}},
            "machine": machine.description(),
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}


def commit():
    """The commit of this source tree, with "+changes" for uncommitted changes; None outside a repository."""
    def git(*words):
        return subprocess.run(["git", "-C", str(pathlib.Path(__file__).parent), *words], capture_output=True,
                              text=True, check=True).stdout.strip()
    try:
        git("ls-files", "--error-unmatch", pathlib.Path(__file__).name)  # fails in another project's repository
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def differences(old, new, keys):
    """['batch: 2 in the run, 4 now', ...] for the keys whose values differ. old, new: dicts."""
    def plain(value):
        return json.loads(json.dumps(value))
    return [f"{key}: {plain(old.get(key))} in the run, {plain(new.get(key))} now" for key in keys
            if plain(old.get(key)) != plain(new.get(key))]
