"""Which checkpoints a run has. They are found by looking, not by trusting a list in a file; no TensorFlow is needed.

    checkpoints/step-000123/   Saver's files (variables and optimizer slots) and state.json (step, loss window, score)
"""

import contextlib
import json
import pathlib
import shutil

from fcn import errors

KEEP = 2  # the newest ones; the best one is kept besides


def name(step):
    return f"step-{step:06d}"


def read_state(path):
    """The dict in a checkpoint's state.json, with "step", "window" and "score". Raises WeightsError."""
    try:
        state = json.loads((pathlib.Path(path) / "state.json").read_text())
        if not isinstance(state, dict) or not isinstance(state.get("step"), int):
            raise ValueError("state.json holds no step")
    except (OSError, ValueError) as error:
        raise errors.WeightsError("is no checkpoint folder", where=path, why=str(error)) from None
    return state


def listed(folder):
    """[(path, state)] of the whole checkpoints of a run, newest first."""
    found = []
    for path in pathlib.Path(folder).glob("step-*"):
        with contextlib.suppress(errors.WeightsError):
            found.append((path, read_state(path)))
    return sorted(found, key=lambda item: item[1]["step"], reverse=True)


def best(checkpoints):
    """(path, state) of the highest validation score, (None, None) if none has one."""
    scored = [item for item in checkpoints if item[1].get("score") is not None]
    return max(scored, key=lambda item: item[1]["score"]) if scored else (None, None)


def paths(folder):
    """Folders of all checkpoints, damaged ones too, newest first."""
    numbered = [(_step(path), path) for path in pathlib.Path(folder).glob("step-*") if _step(path) is not None]
    return [path for _, path in sorted(numbered, reverse=True)]


def sweep(folder, newest):
    """Delete what a killed process left unfinished and what is older than `newest`, a checkpoint just written, but
    the last few and the best. Later ones, which could not be read or the run would have gone on from them, stay.
    """
    whole = listed(folder)
    older = [path for path in paths(folder) if _step(path) <= _step(newest)]
    kept = {best(whole)[0], *[path for path, _ in whole if path in older][:KEEP]}
    for path in (*older, *pathlib.Path(folder).glob(".step-*")):
        if path not in kept:
            shutil.rmtree(path, ignore_errors=True)


def _step(path):
    return int(path.name[5:]) if path.name[5:].isdigit() else None
