"""Writing checkpoints: one folder each (checkpoint_files.py), which is whole before it has its name."""

import pathlib
import shutil

from fcn.core import atomic_io, errors, ownership
from fcn.models.tf_compat import first_line, tf, tf_errors
from fcn.runs import checkpoint_files
from fcn.weights import checkpoint_reader

SPARE = 1_000_000  # bytes of a checkpoint besides its variables, and of the log


class Store:
    """The checkpoints of one run, for the variables of the default graph.

    keep: how many of the newest are kept; the best one is kept besides. fingerprints: what tells this run from others,
    a dict; a checkpoint with other ones is not taken.
    """

    def __init__(self, folder, keep=2, fingerprints=None):
        self.folder, self.keep, self.fingerprints = pathlib.Path(folder), keep, fingerprints
        self._saver = tf.train.Saver(tf.global_variables(), max_to_keep=None)
        self.bytes = sum(v.dtype.base_dtype.size * v.shape.num_elements() for v in tf.global_variables())
        self._sound = None  # the checkpoint that this process has written or read whole

    def save(self, session, state):
        """Write all variables and `state` (a dict with "step" and "score"); sweep older ones.

        A step that this process has saved or restored before keeps its files and gets the new state. Raises
        MachineError, e.g. if the disk is full; the checkpoints before it stay.
        """
        path = self.folder / checkpoint_files.name(state["step"])
        state = state | {"fingerprints": self.fingerprints}
        try:
            if path == self._sound:
                checkpoint_files.write_state(path, state | {"files": checkpoint_files.read_state(path)["files"]})
            else:
                self._room()
                with atomic_io.making(path, sync=False) as aside:
                    aside.mkdir()
                    self._saver.save(session, str(aside / "model"), write_meta_graph=False, write_state=False)
                    checkpoint_files.seal(aside, state)
                    checkpoint_files.remove(path, self.fingerprints)  # damaged: the run has come to its step again
                    if checkpoint_files.is_of_another_run(path, self.fingerprints):
                        atomic_io.rename(path, ownership.free(path), new=True)  # it is kept, as step-000004-2
                atomic_io.sync_path(self.folder)
        except (tf_errors.OpError, OSError) as error:
            raise errors.MachineError("the checkpoint could not be written", where=path, why=first_line(error),
                                      fix="free space; the checkpoints before it are whole.") from None
        except errors.UsageError as error:
            raise errors.MachineError("the checkpoint could not be written: its folder holds other files", where=path,
                                      fix="move them away; the checkpoints before it are whole.") from error
        self._sound = path
        checkpoint_files.sweep(self.folder, path, self.keep)
        return path

    def holds(self, step):
        """Whether this process has written the checkpoint of a step, or read it whole, last."""
        return self._sound == self.folder / checkpoint_files.name(step)

    def _room(self):
        """Refuse to begin what the disk cannot hold. Raises MachineError."""
        self.folder.mkdir(parents=True, exist_ok=True)
        checkpoint_files.sweep_unfinished(self.folder)
        needed = self.bytes + SPARE
        if shutil.disk_usage(self.folder).free < needed:
            raise atomic_io.no_space(needed, self.folder, "free space; the checkpoints that are there are whole.")

    def restore_latest(self, session, say):
        """State of the newest checkpoint that is sound, its variables restored; None if there is none at all.

        One that is damaged, or of another run, is named through say(text), and the one before is taken. Raises
        WeightsError if there is no other: starting from scratch unasked would throw a run away.
        """
        found = checkpoint_files.paths(self.folder)
        for path in found:
            try:
                return self.restore(session, path)
            except errors.WeightsError as error:
                say(f"skipped a checkpoint: {error}")
        if found:
            raise errors.WeightsError("none of the checkpoints can be read", where=self.folder,
                                      fix="give another --run to start afresh.")
        return None

    def restore(self, session, path):
        """Restore all variables from a checkpoint folder, checked whole, and return its state. Raises WeightsError."""
        path, state = pathlib.Path(path), checkpoint_files.read_state(path)
        if state.get("fingerprints") != self.fingerprints:  # a run that starts from a checkpoint has those of its run
            raise errors.WeightsError("belongs to another run", where=path,
                                      why="its fingerprints are not those in config.json")
        checkpoint_reader.restore(session, path, self._saver)
        self._sound = path if path.parent == self.folder else None
        return state
