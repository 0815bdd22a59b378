"""Writing and restoring of checkpoints, one folder each (checkpoint_files.py), renamed to its name when complete."""

import pathlib
import shutil

from fcn.core import atomic_io, errors, ownership
from fcn.models.tf_compat import first_line, tf, tf_errors
from fcn.runs import checkpoint_files
from fcn.weights import checkpoint_reader

SPARE = 1_000_000  # bytes for state.json, index and log, in addition to the variables


class Store:
    """The checkpoints of one run, for the variables of the default graph.

    keep: number of newest checkpoints to keep; the best one is kept too. fingerprints: dict that identifies the run;
    checkpoints with other fingerprints are not restored.
    """

    def __init__(self, folder, keep=2, fingerprints=None):
        self.folder, self.keep, self.fingerprints = pathlib.Path(folder), keep, fingerprints
        self._saver = tf.train.Saver(tf.global_variables(), max_to_keep=None)
        self.bytes = sum(v.dtype.base_dtype.size * v.shape.num_elements() for v in tf.global_variables())
        self._sound = None  # the last checkpoint that this process has written or verified

    def save(self, session, state):
        """Write all variables and `state` (a dict with "step" and "score"); delete older checkpoints. Returns the path.

        If this process has saved or restored this step last, only the state is written. Raises MachineError, e.g. if
        the disk is full; earlier checkpoints are kept.
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
                    checkpoint_files.remove(path, self.fingerprints)  # a damaged one that the run has reached again
                    if checkpoint_files.is_of_another_run(path, self.fingerprints):
                        atomic_io.rename(path, ownership.free(path), new=True)  # kept as step-000004-2
                atomic_io.sync_path(self.folder)
        except (tf_errors.OpError, OSError) as error:
            raise errors.MachineError("the checkpoint could not be written", where=path, why=first_line(error),
                                      fix="free space; earlier checkpoints are intact.") from None
        except errors.UsageError as error:
            raise errors.MachineError("the checkpoint could not be written: its folder holds other files", where=path,
                                      fix="move them away; earlier checkpoints are intact.") from error
        self._sound = path
        checkpoint_files.sweep(self.folder, path, self.keep)
        return path

    def holds(self, step):
        """Return whether the checkpoint of a step is the last one that this process has written or verified."""
        return self._sound == self.folder / checkpoint_files.name(step)

    def _room(self):
        """Raise MachineError if the disk has too little space for a checkpoint."""
        self.folder.mkdir(parents=True, exist_ok=True)
        checkpoint_files.sweep_unfinished(self.folder)
        needed = self.bytes + SPARE
        if shutil.disk_usage(self.folder).free < needed:
            raise atomic_io.no_space(needed, self.folder, "free space; existing checkpoints are intact.")

    def restore_latest(self, session, say):
        """Restore the newest valid checkpoint and return its state, or None if the folder has no checkpoints.

        Checkpoints that are damaged or of another run are skipped and reported with say(text). Raises WeightsError if
        no checkpoint is valid; restarting from step 0 without being asked would lose the run.
        """
        found = checkpoint_files.paths(self.folder)
        for path in found:
            try:
                return self.restore(session, path)
            except errors.WeightsError as error:
                say(f"skipped a checkpoint: {errors.FcnError(error.what, where=error.where, why=error.why)}")
        if found:
            raise errors.WeightsError("none of the checkpoints can be read", where=self.folder,
                                      fix="give another --run to start a new run.")
        return None

    def restore(self, session, path):
        """Verify a checkpoint folder, restore all variables and return its state. Raises WeightsError."""
        path, state = pathlib.Path(path), checkpoint_files.read_state(path)
        if state.get("fingerprints") != self.fingerprints:  # equal if a run starts from another's checkpoint
            raise errors.WeightsError("belongs to another run", where=path,
                                      why="its fingerprints differ from those in config.json")
        checkpoint_reader.restore(session, path, self._saver)
        self._sound = path if path.parent == self.folder else None
        return state
