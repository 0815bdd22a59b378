"""Checkpoints, one folder each (checkpoint_files.py), whole before it has its name; weights from and for elsewhere."""

import json
import os
import pathlib
import shutil

from fcn import checkpoint_files, errors
from fcn.tf1 import errors as tf_errors
from fcn.tf1 import tf


class Store:
    """The checkpoints of one run, for the variables of the default graph."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self._saver = tf.train.Saver(tf.global_variables(), max_to_keep=None)

    def save(self, session, state):
        """Write all variables and `state` (a dict with "step" and "score"); sweep older ones.

        Raises MachineError, e.g. if the disk is full; the checkpoints before it stay.
        """
        path = self.folder / checkpoint_files.name(state["step"])
        aside = path.with_name(f".{path.name}.tmp")
        try:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            self._saver.save(session, str(aside / "model"), write_meta_graph=False, write_state=False)
            (aside / "state.json").write_text(json.dumps(state))
            for file in (*aside.iterdir(), aside):
                _sync(file)
            shutil.rmtree(path, ignore_errors=True)  # a damaged one of this step, which the run has come to again
            aside.rename(path)
            _sync(self.folder)
        except (tf_errors.OpError, OSError) as error:
            shutil.rmtree(aside, ignore_errors=True)
            raise errors.MachineError("the checkpoint could not be written", where=path,
                                      why=_first_line(error), cure="free space and run again: training goes on from "
                                      "the checkpoint before.") from None
        checkpoint_files.sweep(self.folder, path)
        return path

    def restore_latest(self, session, say):
        """State of the newest checkpoint that can be read, its variables restored; None if there is none at all.

        A damaged one is named through say(text), and the one before is taken. Raises WeightsError if all are damaged:
        starting from scratch unasked would throw a run away.
        """
        found = checkpoint_files.paths(self.folder)
        for path in found:
            try:
                return self.restore(session, path)
            except errors.WeightsError as error:
                say(f"skipped a damaged checkpoint: {error}")
        if found:
            raise errors.WeightsError("none of the checkpoints can be read", where=self.folder,
                                      cure="give another --run to start afresh.")
        return None

    def restore(self, session, path):
        """Restore all variables from a checkpoint folder and return its state. Raises WeightsError."""
        state = checkpoint_files.read_state(path)
        restore(session, path, self._saver)
        return state


def restore(session, path, saver=None):
    """Restore the trainable variables (or the saver's) from a checkpoint folder. Raises WeightsError."""
    model = str(pathlib.Path(path) / "model")
    try:
        stored = tf.train.NewCheckpointReader(model).get_variable_to_shape_map()
        for variable in tf.global_variables() if saver else tf.trainable_variables():
            name, needed = variable.op.name, variable.shape.as_list()
            if stored.get(name) != needed:  # the Saver itself would put any shape into a variable
                found = f"of shape {stored[name]}" if name in stored else "not at all"
                raise errors.WeightsError(f"holds {name} {found}, this run needs {needed}", where=path,
                                          cure="it was made with another --net, --optimizer or number of classes.")
        (saver or tf.train.Saver(tf.trainable_variables())).restore(session, model)
    except (tf_errors.OpError, ValueError, RuntimeError) as error:
        raise errors.WeightsError("is not a readable checkpoint of this net", where=path,
                                  why=_first_line(error)) from None


def read_layers(path):
    """{layer: (kernel, bias or None)} of a checkpoint folder, by name. Raises WeightsError."""
    try:
        reader = tf.train.NewCheckpointReader(str(pathlib.Path(path) / "model"))
        names = sorted(n.removesuffix("/kernel") for n in reader.get_variable_to_shape_map() if n.endswith("/kernel"))
        return {name: (reader.get_tensor(f"{name}/kernel"), reader.get_tensor(f"{name}/bias")
                       if reader.has_tensor(f"{name}/bias") else None) for name in names}
    except (tf_errors.OpError, ValueError, RuntimeError, IndexError) as error:
        raise errors.WeightsError("is not a readable checkpoint", where=path, why=_first_line(error)) from None


def put(session, arrays):
    """Give variables the values {name: array}, through their own initialisers: none of them stands in the graph."""
    for variable in tf.trainable_variables():
        if variable.op.name in arrays:
            session.run(variable.initializer, {variable.initializer.inputs[1]: arrays[variable.op.name]})


def _first_line(error):
    return (str(error).strip().splitlines() or [repr(error)])[0][:300]


def _sync(path):
    """Have the kernel write a file or folder to the disk: a name must not outlive a power cut without its content."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
