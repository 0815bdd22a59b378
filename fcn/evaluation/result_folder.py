"""A folder of results (evaluation or predictions) that appears complete and only replaces this program's own files.

    PLACE               the results, with a manifest.json that lists them
    .NAME.unfinished    beside it: results that are being written or were interrupted
    .NAME.previous      beside it: the older results while the new ones replace them
    .NAME.lock          beside it: locked by the process that writes; a file that nobody has locked has no meaning

Results are written to .NAME.unfinished, synced and listed in its manifest. Then PLACE is renamed to .NAME.previous and
.NAME.unfinished to PLACE, and .NAME.previous is deleted. A process that is killed may leave one of the following
states, which `settle` (called by the next writer and by readers) resolves:

    .unfinished without a list    PLACE is unchanged; the next writer deletes .unfinished, readers ignore it
    .unfinished with its list     the new results are complete; the remaining steps are done
    .previous, and no PLACE       (only without .unfinished) the older results are renamed back
    .previous beside PLACE        .previous is deleted, only the files in its list
"""

import contextlib
import errno
import itertools
import logging
import os
import pathlib
import shlex

from fcn.core import atomic_io, errors
from fcn.evaluation import manifest

logger = logging.getLogger(__name__)

EVALUATION, PREDICTIONS = "evaluation", "predictions"
PHRASES = {EVALUATION: "an evaluation", PREDICTIONS: "predictions of photos"}
HIDDEN = ("unfinished", "previous")
DISK = (*atomic_io.FULL, errno.EIO)  # errors for which another --out on the same disk does not help


class ResultFolder:
    """Checks, writes and publishes one folder of results.

    place: output folder. kind: EVALUATION or PREDICTIONS. photos: paths of the predicted photos; older predictions are
    replaced only if all their photos are among these. say: function that shows a line.
    """

    def __init__(self, place, kind, photos=(), say=logger.info):
        self.target, self.kind, self.say = _resolved(place), kind, say
        self.place = _named(place, self.target)
        self.unfinished, self.previous = _hidden(self.target, "unfinished"), _hidden(self.target, "previous")
        self._content = {"kind": kind}
        if photos:
            self._content["photos"] = [str(pathlib.Path(photo).absolute()) for photo in photos]

    def check(self):
        """Raise UsageError, with a free folder as fix, if results must not be written here. Changes nothing."""
        here = pathlib.Path.cwd()
        if self.target in (here, *here.parents):
            raise errors.UsageError("is or contains the current folder; results need a folder of their own",
                                    where=self.place, fix=_advice(free(pathlib.Path(self.kind))))
        above = next(folder for folder in self.target.parents if os.path.lexists(folder))
        if os.path.ismount(self.target) or not _is_writable(above):
            if _is_writable(self.target):
                raise errors.UsageError("is a mount point, or in a read-only folder: results cannot be renamed to it",
                                        where=self.place, fix=_advice(free(self.place / self.kind)))
            closed = self.target if _is_writable(above) else above
            raise errors.UsageError("cannot be written to", where=self.place, fix="give another --out.",
                                    why=f"{closed} is {'read-only' if closed.is_dir() else 'not a folder'}")
        try:
            found = _obstacle(self.target, self._content)
        except OSError as error:
            raise self._unusable(error) from None
        if found:
            raise errors.UsageError(found[0], where=self.place, why=errors.several(found[1], 5),
                                    fix=_advice(another(self.place)))

    @contextlib.contextmanager
    def writing(self, **facts):
        """Hold the lock and yield a folder to write into, which publish() renames. facts: extra fields of its manifest.

        If the body of the with statement fails, written files are kept and reported. Raises UsageError like check(),
        and MachineError if another process writes here or the disk fails.
        """
        self._content |= facts
        with contextlib.ExitStack() as stack:
            try:
                self.target.parent.mkdir(parents=True, exist_ok=True)
                stack.enter_context(_locked(self.target, self.place, self.kind))
                settle(self.target)
                self.check()
                self._begin()
            except OSError as error:
                raise self._unusable(error) from None
            try:
                yield self.unfinished
            except BaseException as error:
                kept = self._kept()
                if isinstance(error, OSError) and error.errno is not None:
                    raise errors.MachineError(f"the results could not be written: {error.strerror}", where=self.place,
                                              why=kept, fix="check the disk and its free space, or give another "
                                                             "--out.") from error
                for line in kept:
                    self.say(line)
                raise

    def publish(self, complete=True):
        """Sync the written folder to the disk and rename it to its place. Raises OSError.

        complete: whether all requested files were written. If not, older results are not replaced.
        """
        if not complete and not _is_vacant(self.target):
            for line in self._kept():
                self.say(line)
            return
        manifest.seal(self.unfinished, self._content)
        found = _obstacle(self.target, self._content)
        if found:  # files were added there after the start
            before, self.place = self.place, another(self.place)
            self.target = _resolved(self.place)
            self.say(f"note: {before} {found[0]}: {', '.join(found[1][:5])}; the results go to {self.place}")
        _take_place(self.target, self.unfinished, self.previous)

    def _begin(self):
        """Create an empty .NAME.unfinished; an older one of this program is deleted."""
        for folder in (self.previous, self.unfinished):
            if os.path.lexists(folder) and not manifest.is_own(folder):
                raise errors.UsageError("is needed as a temporary folder, but this program did not create it",
                                        where=folder, fix=f"move it elsewhere, or {_advice(another(self.place))}")
        if os.path.lexists(self.previous):
            raise errors.UsageError("holds files of older results and files that this program did not write",
                                    where=self.previous, fix=f"move it elsewhere, or {_advice(another(self.place))}")
        if self.unfinished.exists():
            if manifest.entries(self.unfinished):
                self.say(f"deleting files of an interrupted command in {self.unfinished}")
            manifest.remove(self.unfinished)
        if not _is_vacant(self.target):
            self.say(f"the results in {self.place} will be replaced when the new ones are complete")
        self.unfinished.mkdir()
        manifest.write_manifest(self.unfinished, self._content)

    def _kept(self):
        """Return lines that tell where the unfinished results are. If there are no files, delete the folder instead."""
        listed = manifest.read_manifest(self.unfinished)
        if listed is None:
            return []
        if "files" in listed:
            return [f"the results are complete, in {self.unfinished}; to keep them: "
                    f"{_move(self.unfinished, self.place)}"]
        with contextlib.suppress(OSError):
            if not manifest.entries(self.unfinished):
                manifest.remove(self.unfinished)
                return []
        return [f"written files are in {self.unfinished}; the next results for {self.place} replace them",
                f"to keep them: {_move(self.unfinished, self.place)}"]

    def _unusable(self, error):
        kind = errors.MachineError if error.errno in DISK else errors.UsageError
        return kind(f"cannot be written to ({error.strerror})", where=self.place,
                    fix="free space, or give an --out on another disk." if error.errno in DISK else
                    "give another --out.")


def settle(target):
    """Finish or undo the work of a process that was killed while writing `target`. The caller holds the lock."""
    unfinished, previous = _hidden(target, "unfinished"), _hidden(target, "previous")
    new = manifest.read_manifest(unfinished)
    if new and "files" in new and not os.path.ismount(target) and not _obstacle(target, new):
        _take_place(target, unfinished, previous)
    if not manifest.is_own(previous):
        return
    older = manifest.read_manifest(previous)
    if older and _is_vacant(target):
        atomic_io.rename(previous, target)
    else:
        _discard(previous, (older or {}).get("files"))


def restore(place):
    """Call settle() for a reader if files were left. Does nothing while a process writes or on a read-only disk."""
    target = _resolved(place)
    if any(os.path.lexists(_hidden(target, word)) for word in HIDDEN):
        with contextlib.suppress(errors.FcnError, OSError), _locked(target, place, EVALUATION):
            settle(target)


def restore_all(folder):
    """Call restore() for every folder of results in a folder."""
    for word in HIDDEN:
        for hidden in sorted(pathlib.Path(folder).glob(f".*.{word}")):
            restore(hidden.with_name(hidden.name[1:].removesuffix(f".{word}")))


@contextlib.contextmanager
def rewriting(place, name):
    """Hold the lock while the body rewrites a file of finished results, then update the manifest.

    Raises UsageError if the file was changed after the program wrote it.
    """
    with _locked(_resolved(place), place, EVALUATION, "wait until it is done."):
        if manifest.is_changed(place, name):
            raise errors.UsageError("was changed after this program wrote it and is not overwritten",
                                    where=pathlib.Path(place) / name, fix="move it away.")
        yield
        manifest.update(place, name)


def free(place):
    """Return `place` if it is free, else another(place)."""
    return place if _is_free(place) else another(place)


def usable(place, kind, say=print):
    """Return the first of `place`, `place`-2, ... to which results may be written; say so if it is not `place`."""
    try:
        found = _obstacle(_resolved(place), {"kind": kind})
        if not found:
            return place
        other = next(one for one in _numbered(place) if not _obstacle(_resolved(one), {"kind": kind}))
    except OSError:  # check() reports it
        return place
    say(f"note: {place} {found[0]}{': ' if found[1] else ''}{', '.join(found[1][:3])}; the results go to {other}")
    return other


def another(place):
    """Return the first free path of `place`-2, `place`-3, ..."""
    return next(filter(_is_free, _numbered(place)))


def _numbered(place):
    return (place.with_name(f"{place.name}-{number}") for number in itertools.count(2))


def _is_free(place):
    """Return whether neither the folder nor one of its temporary folders exists."""
    return not any(map(os.path.lexists, (place, *(_hidden(place, word) for word in HIDDEN))))


def _obstacle(target, content):
    """Return (reason, names of files) if results with this manifest must not replace `target`, else None."""
    if _is_vacant(target):
        return None
    if not target.is_dir():
        return "is not a folder", []
    listed = manifest.read_manifest(target)
    if listed is None:
        older = (target / "report.json").exists()
        return ("holds an evaluation of an older version, which did not list its files" if older else
                "is not empty and holds no results of this program"), sorted(path.name for path in target.iterdir())
    if "files" not in listed:
        return "holds results of a command that was interrupted", sorted(manifest.entries(target))
    if listed.get("kind") != content.get("kind"):
        return f"holds {PHRASES.get(listed.get('kind'), 'other results')}", []
    others = sorted(set(map(str, listed.get("photos", ()))) - set(content.get("photos", ())))
    if others:
        return "holds predictions of other photos", others
    foreign = manifest.foreign(target, listed["files"])
    return ("holds files that this program did not write or that were changed later", foreign) if foreign else None


def _take_place(target, unfinished, previous):
    older = not _is_vacant(target)
    if older:
        atomic_io.rename(target, previous)
    try:
        atomic_io.rename(unfinished, target)
    except OSError:
        if older:
            atomic_io.rename(previous, target)
        raise
    atomic_io.sync_path(target.parent)
    if older:
        _discard(previous, (manifest.read_manifest(previous) or {}).get("files"))


def _discard(previous, files):
    """Delete the listed files of older results. The next settle() retries after a failure."""
    with contextlib.suppress(OSError):
        manifest.remove(previous, files or {})


def _is_writable(folder):
    return folder.is_dir() and os.access(folder, os.W_OK | os.X_OK)


def _is_vacant(target):
    """Return whether `target` does not exist or is an empty folder, which a rename replaces."""
    if not os.path.lexists(target):
        return True
    return target.is_dir() and not target.is_symlink() and not any(target.iterdir())


def _locked(target, place, kind, fix=""):
    place = _named(place, target)
    return atomic_io.locked(_hidden(target), f"{PHRASES[kind]} of this name is being written",
                            fix or f"wait until it is done, or {_advice(another(place))}", where=place)


def _named(place, target):
    """Return `place` as given, or the resolved target if it has no name (such as ".")."""
    place = pathlib.Path(place)
    return target if place.name in ("", "..") else place


def _resolved(place):
    """Return the absolute path without links and dots, because renames happen beside the real folder.

    Raises UsageError.
    """
    try:
        return pathlib.Path(place).resolve()
    except (OSError, RuntimeError) as error:
        raise errors.UsageError("cannot be used as a folder", where=place, why=str(error),
                                fix="give another --out.") from None


def _hidden(target, word=""):
    return target.parent / f".{target.name}.{word}".removesuffix(".")


def _advice(place):
    return f"--out {shlex.quote(_as_argument(place))} is free."


def _move(folder, place):
    return shlex.join(["mv", str(folder), _as_argument(another(place))])


def _as_argument(place):
    """Return a path that does not look like an option."""
    return f"./{place}" if str(place).startswith("-") else str(place)
