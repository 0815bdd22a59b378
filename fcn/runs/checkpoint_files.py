"""The checkpoint folders of a run: listing, checking, deleting. No TensorFlow.

    checkpoints/step-000123/   files of TensorFlow's Saver (variables and optimizer slots) and state.json

state.json holds the state of the training loop (loop.Position.state), the fingerprints of the run
(record.fingerprints), size and SHA-256 of the other files, and a SHA-256 of itself. Checkpoints are found by their
folder names; there is no list of them.
"""

import contextlib
import hashlib
import json
import math
import pathlib
import re
import shlex
import shutil

from fcn.config import selection
from fcn.core import atomic_io, errors, file_kinds, ownership

OWN_FILES = re.compile(r"model\.(index|data-\d{5}-of-\d{5})|state\.json")
EXAMPLE = "RUN/checkpoints/step-001000"
GIVE_ANOTHER = f"give another checkpoint of its run, such as {EXAMPLE}."  # the fix of a damaged one


def name(step):
    """Folder name of the checkpoint of a step."""
    return f"step-{step:06d}"


def seal(folder, state):
    """Write state.json with the checksums of all other files in `folder`, and sync all files to the disk."""
    folder = pathlib.Path(folder)
    facts = {}
    for path in sorted(p for p in folder.iterdir() if p.name != "state.json"):
        atomic_io.sync_path(path)
        facts[path.name] = {"bytes": path.stat().st_size, "sha256": sha256(path)}
    write_state(folder, state | {"files": facts})


def write_state(folder, state):
    """Write state.json, by atomic_io.write_whole(). state: a dict with "files"."""
    state = {key: value for key, value in state.items() if key != "sha256"}
    atomic_io.write_whole(pathlib.Path(folder) / "state.json", json.dumps(state | {"sha256": digest(state)}).encode())


def read_state(path):
    """The content of a checkpoint's state.json, a dict with at least "step". Raises WeightsError."""
    try:
        state = json.loads((pathlib.Path(path) / "state.json").read_text())
        if not isinstance(state, dict) or not isinstance(state.get("step"), int):
            raise ValueError("state.json holds no step")
        written = state.pop("sha256", None)  # missing in runs of older versions, like "files"
        if (written or "files" in state) and written != digest(state):
            raise ValueError("the checksum of state.json does not match")
    except (OSError, ValueError) as error:
        inside = paths(pathlib.Path(path) / "checkpoints")  # of a run
        raise errors.WeightsError("is not a checkpoint folder", where=path, why=file_kinds.why_unreadable(
            pathlib.Path(path) / "state.json", error), fix="give the folder of a checkpoint, such as "
                                  f"{shlex.quote(str(inside[0])) if inside else EXAMPLE}.") from None
    return state


def verify(path):
    """Compare the files of a checkpoint with their checksums. Returns its state. Raises WeightsError."""
    path, state = pathlib.Path(path), read_state(path)
    for file, facts in state.get("files", {}).items():
        try:
            size = (path / file).stat().st_size
            wrong = (f"{size:,} bytes instead of {facts['bytes']:,}" if size != facts["bytes"] else
                     "its checksum does not match" if sha256(path / file) != facts["sha256"] else "")
        except OSError as error:
            wrong = error.strerror or str(error)
        if wrong:
            raise errors.WeightsError("is damaged", where=path, why=f"{file}: {wrong}",
                                      fix=GIVE_ANOTHER)
    return state


def listed(folder):
    """[(path, state)] of the checkpoints in a folder, newest first, without those whose state cannot be read."""
    found = []
    for path in paths(folder):
        with contextlib.suppress(errors.WeightsError):
            found.append((path, read_state(path)))
    return found


def best(checkpoints):
    """(path, state) of the checkpoint with the best validation score, the earliest of equals; (None, None) if none.

    checkpoints: [(path, state)]. Scores that are not finite, of runs of older versions, do not count.
    """
    scored = [item for item in checkpoints if item[1].get("score") is not None and math.isfinite(item[1]["score"])]
    return max(scored, key=_goodness) if scored else (None, None)


def _goodness(item):
    state = item[1]
    return selection.goodness(state["score"], selection.of(state)), -state["step"]


def is_last(state, steps, patience=0):
    """Whether a run is finished with a checkpoint of this state: all steps done and validated, or early stopping.

    steps: of the run. patience: validations without improvement before early stopping, 0 for none.
    """
    if patience and state.get("since_best", 0) >= patience:
        return True
    return state["step"] >= steps and state.get("validated", state["step"]) >= state["step"]


def paths(folder):
    """Folders of all checkpoints, also damaged ones, newest first."""
    numbered = [(_step(path), path) for path in pathlib.Path(folder).glob("step-*") if _step(path) is not None]
    return [path for _, path in sorted(numbered, reverse=True)]


def sweep_unfinished(folder):
    """Delete unfinished checkpoints that a killed process left."""
    for path in pathlib.Path(folder).glob(".step-*"):
        if ownership.is_temporary(path) and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)


def remove(path, fingerprints):
    """Delete a checkpoint of the run with these fingerprints.

    Only files that this program writes are deleted, and the folder if it is empty afterwards. A checkpoint of another
    run is not changed, nor is a folder without both a state and files of the Saver.
    """
    path = pathlib.Path(path)
    with contextlib.suppress(OSError):
        if path.is_symlink() or not _is_ours(path, fingerprints):
            return
        own = [file for file in path.iterdir() if OWN_FILES.fullmatch(file.name)
               or (ownership.is_temporary(file) and file == ownership.temporary_path(path / "state.json"))]
        for file in sorted(own, key=lambda file: file.name == "model.index"):  # it identifies a checkpoint: last
            file.unlink()
        path.rmdir()


def is_of_another_run(path, fingerprints):
    """Whether `path` is a checkpoint with other fingerprints."""
    with contextlib.suppress(errors.WeightsError):
        return read_state(path).get("fingerprints") != fingerprints
    return False


def _is_ours(path, fingerprints):
    try:
        return read_state(path).get("fingerprints") == fingerprints
    except errors.WeightsError:  # damaged: recognised by the files of the Saver
        return (path / "model.index").is_file() or any(path.glob("model.data-*-of-*"))


def sweep(folder, newest, keep=2):
    """Delete checkpoints older than `newest`, except the best and the last `keep` (including `newest`).

    A checkpoint that was saved because the run was stopped does not count among the last, so a resumed run ends with
    the same checkpoints as an uninterrupted one. Checkpoints of later steps are damaged, or the run would have resumed
    from them; they are kept, and so are those of other runs.
    """
    fingerprints = read_state(newest).get("fingerprints")
    own = [item for item in listed(folder) if item[1].get("fingerprints") == fingerprints]
    older = [path for path in paths(folder) if _step(path) < _step(newest)]
    scheduled = [path for path, state in own if path in older and state.get("scheduled", True)]
    kept = {best(own)[0], *scheduled[:keep - 1]}
    for path in older:
        if path not in kept:
            remove(path, fingerprints)


def _step(path):
    """The step in the name of a checkpoint folder; None for any other name."""
    digits = path.name[5:]
    return int(digits) if re.fullmatch(r"\d{6,}", digits, re.ASCII) and path.name == name(int(digits)) else None


def digest(content):
    """Hex SHA-256 of JSON content, independent of the order of keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def sha256(path):
    """Hex SHA-256 of a file. Raises OSError."""
    with pathlib.Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
