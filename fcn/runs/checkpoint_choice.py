"""Which checkpoint of a run is used: one rule for evaluation, export, --weights RUN and --stages.

The default is the best by validation mean IoU, the newest where none has a score: what was measured is what is used.
"""

import dataclasses
import json
import pathlib
import shlex

from fcn.core import errors
from fcn.runs import checkpoint_files, record

BEST, LATEST = "best", "latest"


@dataclasses.dataclass(frozen=True)
class Chosen:
    """A checkpoint: its folder, its state.json, the folder of its run and that run's config.json. text: a line that
    says which one it is, with its step, its score, and the newest one if that is another.
    """

    path: pathlib.Path
    state: dict
    run: pathlib.Path
    content: dict
    text: str


def choose(path, which=BEST):
    """The Chosen of a run's folder, or of the folder of a checkpoint in one.

    which: "best", "latest", or the folder of a checkpoint of this run, which may lie elsewhere. Checkpoints with the
    fingerprints of another run are not taken, nor is one whose files are damaged. Raises UsageError, WeightsError.
    """
    path, run = pathlib.Path(path), run_of(path)
    if run != path:
        if which != BEST:
            raise errors.UsageError("is one checkpoint already", where=path, fix="leave out --checkpoint.")
        which = path
    content = record.read_record(run)
    own = content.get("fingerprints")
    found = [item for item in checkpoint_files.listed(run / "checkpoints")
             if own is None or item[1].get("fingerprints") == own]  # None: a run of an older version
    if which not in (BEST, LATEST):
        chosen, state = pathlib.Path(which), checkpoint_files.read_state(which)
        if state.get("fingerprints") != own:
            raise _of_another_run(chosen, state, run)
        _check(chosen, found)
        return Chosen(chosen, state, run, content, _text(chosen, state) + _unknown(chosen, own, run))
    if not found:
        raise errors.WeightsError("there is no checkpoint of this run", where=run / "checkpoints",
                                  fix="train on, until the first one is saved.")
    best = checkpoint_files.best(found)
    chosen, state = best if which == BEST and best[0] else found[0]
    _check(chosen, found)
    return Chosen(chosen, state, run, content, _text(chosen, state, best, found[0]))


def run_of(path):
    """The folder of a run, of its own path or that of a checkpoint in it. Raises UsageError."""
    path = pathlib.Path(path)
    for run in (path, path.absolute().parent.parent):
        if (run / "config.json").exists():
            return run
    raise errors.UsageError("is neither a run's folder nor a checkpoint in one", where=path,
                            fix="give a folder that train_fcn.py --run has written.")


def _check(path, found):
    """Raise WeightsError if a checkpoint is damaged; it names the one of those `found`, [(path, state)], that is best
    and whole.
    """
    try:
        checkpoint_files.verify(path)
    except errors.WeightsError as error:
        whole = [item for item in found if item[0] != path and _is_whole(item[0])]
        other = checkpoint_files.best(whole)[0] or (whole[0][0] if whole else None)
        fix = "no other checkpoint of this run is whole: train it anew, with another --run."
        if other:
            fix = f"give {shlex.quote(str(other))} instead, which is whole; or move the damaged one out of the run."
        raise errors.WeightsError(error.what, where=error.where, why=error.why, fix=fix) from None


def _is_whole(path):
    try:
        checkpoint_files.verify(path)
    except errors.WeightsError:
        return False
    return True


def _text(path, state, best=None, newest=None):
    """'RUN/checkpoints/step-000008 (step 8, validation mean IoU 0.5120, the best; the newest is step 12)'."""
    score = state.get("score")
    words = [f"step {state['step']}", "no validation score" if score is None else f"validation mean IoU {score:.4f}"]
    if newest:
        which = ["the best"] * (path == best[0]) + ["the newest"] * (path == newest[0])
        words += [" and ".join(which)] * bool(which)
    other = "" if newest is None or path == newest[0] else f"; the newest is step {newest[1]['step']}"
    return f"{path} ({', '.join(words)}{other})"


def _unknown(path, fingerprints, run):
    """What is said of a checkpoint that lies elsewhere and, like its run, is from before there were fingerprints."""
    if fingerprints is not None or path.absolute().parent.resolve() == (run / "checkpoints").resolve():
        return ""
    return ("; it was saved before checkpoints had fingerprints, so that nothing but the shapes of its variables says "
            f"that it is of {run}")


def _of_another_run(path, state, run):
    """The WeightsError for a checkpoint whose fingerprints are not those of `run`; its advice was looked into."""
    if path.absolute().parent.resolve() == (run / "checkpoints").resolve():
        fix = f"give {shlex.quote(str(run))} itself: then one of this run's own checkpoints is taken."
    elif _fingerprints_beside(path) == state.get("fingerprints"):
        fix = f"evaluate or export it as its own run: --run {shlex.quote(str(path))}"
    else:
        fix = ("put it into checkpoints/ of its own run, beside whose config.json it is evaluated and exported: "
                f"--run RUN/checkpoints/{path.name}")
    return errors.WeightsError("belongs to another run", where=path, fix=fix,
                               why=f"it was trained with other settings or data than {run}: the fingerprints in its "
                                   "state.json differ")


def _fingerprints_beside(path):
    """Those in config.json of the run that a checkpoint lies in; None without one."""
    try:
        return json.loads((path.absolute().parent.parent / "config.json").read_bytes()).get("fingerprints")
    except (OSError, ValueError, RecursionError, AttributeError):
        return None
