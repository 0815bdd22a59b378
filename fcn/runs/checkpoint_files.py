"""Which checkpoints a run has. They are found by looking, not by trusting a list in a file; no TensorFlow is needed.

    checkpoints/step-000123/   Saver's files (variables and optimizer slots) and state.json

state.json holds all that a run needs besides the variables (loop.Position.state), the fingerprints of its run
(record.fingerprints), size and SHA-256 of the files beside it, and a SHA-256 of itself.
"""

import contextlib
import hashlib
import json
import pathlib
import re
import shutil

from fcn.core import atomic_io, errors, file_kinds, ownership

OWN_FILES = re.compile(r"model\.(index|data-\d{5}-of-\d{5})|state\.json")


def name(step):
    return f"step-{step:06d}"


def seal(folder, state):
    """Write state.json with the checksums of all other files in `folder`, and have all of it on the disk."""
    folder = pathlib.Path(folder)
    facts = {}
    for path in sorted(p for p in folder.iterdir() if p.name != "state.json"):
        atomic_io.sync_path(path)
        facts[path.name] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    write_state(folder, state | {"files": facts})


def write_state(folder, state):
    """Write state.json, whole or not at all. state: with its "files"."""
    state = {key: value for key, value in state.items() if key != "sha256"}
    atomic_io.write_whole(pathlib.Path(folder) / "state.json", json.dumps(state | {"sha256": digest(state)}).encode())


def read_state(path):
    """The dict in a checkpoint's state.json, with at least "step". Raises WeightsError."""
    try:
        state = json.loads((pathlib.Path(path) / "state.json").read_text())
        if not isinstance(state, dict) or not isinstance(state.get("step"), int):
            raise ValueError("state.json holds no step")
        written = state.pop("sha256", None)  # absent in a run of an older version, as "files" are
        if (written or "files" in state) and written != digest(state):
            raise ValueError("state.json is not as it was written")
    except (OSError, ValueError) as error:
        raise errors.WeightsError("is no checkpoint folder", where=path, why=file_kinds.why_unreadable(
            pathlib.Path(path) / "state.json", error)) from None
    return state


def verify(path):
    """The state of a checkpoint whose files are all as they were written. Raises WeightsError naming what is not."""
    path, state = pathlib.Path(path), read_state(path)
    for file, facts in state.get("files", {}).items():
        try:
            size = (path / file).stat().st_size
            wrong = (f"{size:,} bytes instead of {facts['bytes']:,}" if size != facts["bytes"] else
                     "its content has changed" if sha256(path / file) != facts["sha256"] else "")
        except OSError as error:
            wrong = error.strerror or str(error)
        if wrong:
            raise errors.WeightsError("is damaged", where=path, why=f"{file}: {wrong}")
    return state


def listed(folder):
    """[(path, state)] of the checkpoints of a run whose state can be read, newest first."""
    found = []
    for path in paths(folder):
        with contextlib.suppress(errors.WeightsError):
            found.append((path, read_state(path)))
    return found


def best(checkpoints):
    """(path, state) of the highest validation score, the first of equals; (None, None) if none has one."""
    scored = [item for item in checkpoints if item[1].get("score") is not None]
    return max(scored, key=lambda item: (item[1]["score"], -item[1]["step"])) if scored else (None, None)


def is_last(state, steps, patience=0):
    """Whether a run with a checkpoint of this state is done: no steps left, the last one validated; or no patience."""
    if patience and state.get("since_best", 0) >= patience:
        return True
    return state["step"] >= steps and state.get("validated", state["step"]) >= state["step"]


def paths(folder):
    """Folders of all checkpoints, damaged ones too, newest first."""
    numbered = [(_step(path), path) for path in pathlib.Path(folder).glob("step-*") if _step(path) is not None]
    return [path for _, path in sorted(numbered, reverse=True)]


def sweep_unfinished(folder):
    """Delete what a killed process left unfinished."""
    for path in pathlib.Path(folder).glob(".step-*"):
        if ownership.is_temporary(path) and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)


def remove(path, fingerprints):
    """Delete a checkpoint of the run with these fingerprints: the files that this program writes there, and the folder
    if it is empty then.

    A folder that lacks both a state of ours and the Saver's index is no checkpoint. It is left as it is, and so is a
    checkpoint of another run.
    """
    path = pathlib.Path(path)
    with contextlib.suppress(OSError):
        if path.is_symlink() or not _is_ours(path, fingerprints):
            return
        own = [file for file in path.iterdir() if OWN_FILES.fullmatch(file.name)
               or (ownership.is_temporary(file) and file == ownership.temporary_path(path / "state.json"))]
        for file in sorted(own, key=lambda file: file.name == "model.index"):  # the proof goes last
            file.unlink()
        path.rmdir()


def is_of_another_run(path, fingerprints):
    """Whether a checkpoint with other fingerprints is there."""
    with contextlib.suppress(errors.WeightsError):
        return read_state(path).get("fingerprints") != fingerprints
    return False


def _is_ours(path, fingerprints):
    try:
        return read_state(path).get("fingerprints") == fingerprints
    except errors.WeightsError:  # damaged: then the Saver's own files are the proof
        return (path / "model.index").is_file() or any(path.glob("model.data-*-of-*"))


def sweep(folder, newest, keep=2):
    """Delete what is older than `newest`, a checkpoint just written, but the last `keep` (itself among them) and the
    best. One that was made because the run was stopped makes room for the next, so that in the end those are there that
    an undisturbed run has. Later ones, which could not be read or the run would have gone on from them, stay, and so do
    those of other runs.
    """
    fingerprints = read_state(newest).get("fingerprints")
    whole = [item for item in listed(folder) if item[1].get("fingerprints") == fingerprints]
    older = [path for path in paths(folder) if _step(path) < _step(newest)]
    scheduled = [path for path, state in whole if path in older and state.get("scheduled", True)]
    kept = {best(whole)[0], *scheduled[:keep - 1]}
    for path in older:
        if path not in kept:
            remove(path, fingerprints)


def _step(path):
    """The step in the name of a checkpoint's folder; None for a name that this program does not give."""
    digits = path.name[5:]
    return int(digits) if re.fullmatch(r"\d{6,}", digits, re.ASCII) and path.name == name(int(digits)) else None


def digest(content):
    """Hex SHA-256 of what json takes, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def sha256(path):
    """Hex SHA-256 of a file. Raises OSError."""
    with pathlib.Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
