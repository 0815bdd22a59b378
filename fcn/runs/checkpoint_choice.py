"""Choose a checkpoint of a run, by one rule for evaluation, export, --weights RUN and --stages.

The default is the best by validation score (--best-by), or the newest if none has a score.
"""

import dataclasses
import difflib
import json
import pathlib
import shlex

from fcn.config import selection
from fcn.core import errors
from fcn.runs import checkpoint_files, record

BEST, LATEST = "best", "latest"


@dataclasses.dataclass(frozen=True)
class Chosen:
    """The chosen checkpoint.

    path: its folder. state: content of its state.json. run: folder of its run. content: config.json of that run. text:
    a line with the checkpoint's path, step and score, and the newest checkpoint if that is another.
    """

    path: pathlib.Path
    state: dict
    run: pathlib.Path
    content: dict
    text: str


def choose(path, which=BEST):
    """Choose a checkpoint. path: a run folder, or the folder of a checkpoint in one. Returns a Chosen.

    which: "best", "latest", or the folder of a checkpoint of this run, in any place. Checkpoints with the fingerprints
    of another run are not used. Raises UsageError, and WeightsError if there is no checkpoint or it is damaged.
    """
    path, run = pathlib.Path(path), run_of(path)
    if run != path:
        if which != BEST:
            raise errors.UsageError("is a checkpoint, so --checkpoint cannot choose another", where=path,
                                    fix="leave out --checkpoint.")
        which = path
    content = record.read_record(run)
    record.check_complete(run, content)
    own = content.get("fingerprints")
    found = [item for item in checkpoint_files.listed(run / "checkpoints")
             if own is None or item[1].get("fingerprints") == own]  # None in runs of older versions
    if which not in (BEST, LATEST):
        if not pathlib.Path(which).exists():
            raise _missing(str(which), run, found)
        chosen, state = pathlib.Path(which), checkpoint_files.read_state(which)
        if state.get("fingerprints") != own:
            raise _of_another_run(chosen, state, run)
        _check(chosen, found)
        return Chosen(chosen, state, run, content, _text(chosen, state) + _unverified(chosen, own, run))
    if not found:
        raise errors.WeightsError("holds no checkpoint of this run", where=run / "checkpoints",
                                  fix="continue the training until the first checkpoint is saved.")
    best = checkpoint_files.best(found)
    chosen, state = best if which == BEST and best[0] else found[0]
    _check(chosen, found)
    return Chosen(chosen, state, run, content, _text(chosen, state, best, found[0]))


def _missing(which, run, found):
    """The WeightsError for a --checkpoint that does not exist; found: [(path, state)] of the run's checkpoints."""
    steps = {str(state["step"]): str(path) for path, state in found}
    near = difflib.get_close_matches(which, [BEST, LATEST, *steps.values()], 1)
    advised = steps.get(which) or (near[0] if near else BEST)
    return errors.WeightsError(f"--checkpoint {which}: there is no such checkpoint", where=run,
                               why=f"checkpoints: {', '.join(steps.values()) or 'none'}",
                               fix=f"give --checkpoint {shlex.quote(advised)}.")


def run_of(path):
    """The run folder of a path: the path itself, or that of a checkpoint. Raises UsageError."""
    path = pathlib.Path(path)
    for run in (path, path.absolute().parent.parent):
        if (run / "config.json").exists():
            return run
    raise errors.UsageError("is neither a run folder nor a checkpoint in one", where=path,
                            fix=_near_run(path))


def _near_run(path):
    """What to do about a path that is not a run: the nearest name of a run beside it."""
    beside = [folder.name for folder in path.parent.glob("*/") if (folder / "config.json").exists()]
    near = difflib.get_close_matches(path.name, beside, 1)
    return f"did you mean {shlex.quote(str(path.with_name(near[0])))}?" if near else (
        "give the folder of a run, such as runs/NAME, which fcn train --run has written.")


def _check(path, found):
    """Raise WeightsError if a checkpoint is damaged. Its fix names the best intact one of `found`, [(path, state)]."""
    try:
        checkpoint_files.verify(path)
    except errors.WeightsError as error:
        intact = [item for item in found if item[0] != path and _is_intact(item[0])]
        other = checkpoint_files.best(intact)[0] or (intact[0][0] if intact else None)
        fix = "no other checkpoint of this run is intact: train it again, with another --run."
        if other:
            fix = f"give {shlex.quote(str(other))} instead, which is intact; or move the damaged one out of the run."
        raise errors.WeightsError(error.what, where=error.where, why=error.why, fix=fix) from None


def _is_intact(path):
    try:
        checkpoint_files.verify(path)
    except errors.WeightsError:
        return False
    return True


def _text(path, state, best=None, newest=None):
    """'RUN/checkpoints/step-000008 (step 8, validation mean IoU 0.5120, the best; the newest is step 12)'."""
    score = state.get("score")
    words = [f"step {state['step']}", "no validation score" if score is None else
             f"validation {selection.SCORES[selection.of(state)]} {score:.4f}"]
    if newest:
        which = ["the best"] * (path == best[0]) + ["the newest"] * (path == newest[0])
        words += [" and ".join(which)] * bool(which)
    other = "" if newest is None or path == newest[0] else f"; the newest is step {newest[1]['step']}"
    return f"{path} ({', '.join(words)}{other})"


def _unverified(path, fingerprints, run):
    """A note on a checkpoint outside the run folder that has no fingerprints, because its version wrote none; or ""."""
    if fingerprints is not None or path.absolute().parent.resolve() == (run / "checkpoints").resolve():
        return ""
    return ("; it was saved before checkpoints had fingerprints: only the shapes of its variables show that it belongs "
            f"to {run}")


def _of_another_run(path, state, run):
    """The WeightsError for a checkpoint whose fingerprints are not those of `run`."""
    if path.absolute().parent.resolve() == (run / "checkpoints").resolve():
        fix = f"give {shlex.quote(str(run))} itself: then a checkpoint of this run is used."
    elif _fingerprints_beside(path) == state.get("fingerprints"):
        fix = f"evaluate or export it as a part of its own run: --run {shlex.quote(str(path))}"
    else:
        fix = ("put it into checkpoints/ of its own run, then evaluate or export it there: "
               f"--run RUN/checkpoints/{path.name}")
    return errors.WeightsError("belongs to another run", where=path, fix=fix,
                               why=f"it was trained with other settings or data than {run}: the fingerprints in its "
                                   "state.json differ")


def _fingerprints_beside(path):
    """The fingerprints in config.json of the run folder that a checkpoint is in; None without one."""
    try:
        return json.loads((path.absolute().parent.parent / "config.json").read_bytes()).get("fingerprints")
    except (OSError, ValueError, RecursionError, AttributeError):
        return None
