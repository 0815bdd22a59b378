"""config.json of a run folder: what the run is made of, so that evaluation and resuming need nothing else."""

import datetime
import importlib.metadata
import json
import os
import pathlib
import platform
import shlex
import subprocess
import sys

from fcn.core import atomic_io, errors, file_kinds, machine, ownership, registry
from fcn.data.spec import DatasetSpec
from fcn.runs import checkpoint_files, run_log

FILES = ("config.json", "log.jsonl", "speed.jsonl", "curves.png", "transplant.json", "split.csv", "skipped.txt",
         "bad_batch.npz")  # of a run's folder, but its checkpoints, events and evaluations
OWN, FORKED = "the run in this folder", "the run whose checkpoint this one starts from"
DIFFERS = {OWN: "give another --run, or the same settings.",
           FORKED: "give the same settings; or --weights instead of --resume, to start from its weights alone."}
PACKAGES = ("tensorflow", "numpy", "scipy", "h5py", "imageio", "pillow")


def write_record(run, content):
    atomic_io.write_json(pathlib.Path(run) / "config.json", content)


def read_record(run):
    """The content of a run's config.json; its plugin folders are used. Raises UsageError if this is no run folder."""
    path = pathlib.Path(run) / "config.json"
    try:
        content = json.loads(path.read_text())
        old = "channels" in content and "model" not in content
        content["spec"], content["config"], old or content["model"]["channels"]
    except (FileNotFoundError, NotADirectoryError):
        raise errors.UsageError("is not a run folder: it has no config.json", where=run,
                                fix="--run names a folder that train_fcn.py has written.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise errors.UsageError("is damaged", where=path, why=file_kinds.why_unreadable(path, repr(error))) from None
    registry.add_recorded(content["config"])
    if old:
        raise errors.UsageError("was made by an older version, whose nets were built otherwise", where=run,
                                fix="use the commit that its config.json names, or train anew.")
    return content


def to_go_on_with(run, resume):
    """config.json's content of the run in this folder; None if there is none, or none with a checkpoint.

    A start that failed before the first one binds nobody. Raises UsageError or WeightsError.
    """
    run = pathlib.Path(run)
    begun = checkpoint_files.paths(run / "checkpoints")
    if not begun:
        check_folder(run)
    elif not os.path.lexists(run / "config.json"):
        raise errors.UsageError("holds checkpoints, and no config.json of a run of this program", where=run,
                                fix=f"give --run {shlex.quote(str(ownership.free(run)))}.")
    if resume == "never" and (begun or (run / "config.json").exists()):
        raise errors.UsageError("there is a run in this folder", where=run, fix="give another --run.")
    if resume not in ("auto", "never"):
        if pathlib.Path(resume).resolve() in [path.resolve() for path in begun[1:]]:
            raise errors.UsageError("this run has later checkpoints, and goes on from its newest one", where=resume,
                                    fix="leave out --resume; or give another --run, to start from this checkpoint.")
        if not begun:  # later it may have been swept
            checkpoint_files.read_state(resume)
    if not begun and run_log.read_entries(run / "log.jsonl"):
        raise errors.UsageError("there is a run in this folder, whose checkpoints are gone", where=run,
                                fix="give another --run, or delete this one.")
    return _current(run) if begun else None


def check_folder(run):
    """Raise UsageError if a file that a run would write is in this folder, but no config.json of a run beside it."""
    run = pathlib.Path(run)
    if os.path.lexists(run) and not run.is_dir():
        raise errors.UsageError("is no folder", where=run, fix=f"give --run {shlex.quote(str(ownership.free(run)))}.")
    found = [run / name for name in FILES if os.path.lexists(run / name)]
    if found and not _is_config(run / "config.json"):
        raise errors.UsageError("exists already, but not from a run of this program; nothing is overwritten",
                                where=found[0],
                                fix=f"give --run {shlex.quote(str(ownership.free(run)))}, or move it away.")


def _is_config(path):
    """Whether this config.json was written by this program, of any version."""
    try:
        content = json.loads(path.read_bytes())
        return isinstance(content, dict) and {"config", "spec"} <= content.keys()
    except (OSError, ValueError, RecursionError):
        return False


def of_checkpoint(resume):
    """config.json's content of the run that --resume PATH, a checkpoint, belongs to; None for "auto" and "never"."""
    return None if resume in ("auto", "never") else _current(pathlib.Path(resume).absolute().parent.parent)


def _current(run):
    content = read_record(run)
    if "fingerprints" not in content:
        raise errors.UsageError("was begun by an older version, which drew its samples in another way and kept less",
                                where=run, fix="eval_fcn.py evaluates it as it is; to train, give another --run.")
    return content


def check_unchanged(run, old, content, same=(), of=OWN):
    """Raise UsageError if what content has of the run's config.json is not as it was. same: settings that must be."""
    changes = differences(old["config"], content.get("config", {}), same)
    changes += differences(old, content, [key for key in ("spec",) if key in content])
    graph = content.get("model", {})
    changes += differences(old["model"], graph, [key for key in ("channels", "mean_rgb", "num_classes", "class_weights")
                                                 if key in graph])
    if any(old.get(key) != content[key] for key in ("files", "pixels") if key in content):
        changes.append("the files in --data are not those that the run began with")
    if changes:
        raise errors.UsageError(f"{of} was made with other settings or data", where=run,
                                why=changes, fix=DIFFERS[of])


def begin(run, content, old, before=None):
    """Write config.json of a run that starts, or goes on as it was: old is its content then.

    before: content of the run that it must be like, its own or that of the checkpoint that it starts from.
    """
    if before:
        check_unchanged(run, before, content, of=OWN if old else FORKED)
    if old:
        content["starts"] = old.get("starts", []) + content["starts"]
    write_record(run, content)


def fingerprints(content, same):
    """What tells this run from others, for its checkpoints: digests of the settings that may not change (`same`), of
    the lists of files, and of both caches' pixels.
    """
    settings = {key: content["config"][key] for key in same} | {"model": content["model"], "spec": content["spec"]}
    return {"settings": checkpoint_files.digest(settings),
            "files": content["files"], "pixels": content["pixels"]}


def other_machine(old):
    """Lines on what is not as it was at the last start and may change the last bits of results, but nothing else."""
    last, now = old["starts"][-1], provenance()
    changes = differences(last["versions"], now["versions"], now["versions"])
    changes += differences(last, now, ["machine"])
    return [f"note: {change}; results may differ in their last bits" for change in changes]


def on_device(content, device, before):
    """Put the name of the device into the entry of this start; lines on a device that is not that of the last one."""
    content["starts"][-1]["device"] = device
    last = before["starts"][-1] if before else {}
    changes = differences(last, {"device": device}, ["device"]) if "device" in last else []
    return [f"note: {change}; results may differ in their last bits" for change in changes]


def spec_to_dict(spec):
    return {"class_names": list(spec.class_names), "ignored_ids": list(spec.ignored_ids),
            "colours": [list(c) for c in spec.colours], "encoding": spec.encoding,
            "mask_threshold": spec.mask_threshold}


def spec_from_dict(content):
    """A DatasetSpec; a run from before labels had encodings has the default one."""
    return DatasetSpec(tuple(content["class_names"]), tuple(content["ignored_ids"]),
                       tuple(tuple(c) for c in content["colours"]),
                       **{key: content[key] for key in ("encoding", "mask_threshold") if key in content})


def provenance():
    """Command, commit, versions, machine and time: what a number needs beside it."""
    return {"command": shlex.join(["python", *sys.argv]), "commit": commit(),
            "versions": {"python": platform.python_version(),
                         **{name: importlib.metadata.version(name) for name in PACKAGES}},
            "machine": machine.description(),
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}


def commit():
    """The commit of this source tree, "+changes" if it was edited since; None outside a repository."""
    def git(*words):
        return subprocess.run(["git", "-C", str(pathlib.Path(__file__).parent), *words], capture_output=True,
                              text=True, check=True).stdout.strip()
    try:
        git("ls-files", "--error-unmatch", pathlib.Path(__file__).name)  # else the commit is of something around us
        changed = git("status", "--porcelain", "--untracked-files=no")
        return git("rev-parse", "--short=12", "HEAD") + ("+changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def differences(old, new, keys):
    """['batch: 2 in the run, 4 now', ...] for the keys whose values differ."""
    def plain(value):
        return json.loads(json.dumps(value))
    return [f"{key}: {plain(old.get(key))} in the run, {plain(new.get(key))} now" for key in keys
            if plain(old.get(key)) != plain(new.get(key))]
