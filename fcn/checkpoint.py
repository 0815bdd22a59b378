"""Checkpoints, one folder each (checkpoint_files.py), whole before it has its name; pretrained weights, by name."""

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


def load_pretrained(session, layers):
    """Copy {layer: (kernel, bias)} into <layer>/kernel and <layer>/bias; returns (copied, fresh) layer names.

    Values enter through each variable's own initialiser, so none of them stands in the graph. Raises WeightsError if
    a shape differs. fresh: layers of the net that the file does not hold.
    """
    variables = {v.op.name: v for v in tf.trainable_variables()}
    names = sorted({name.rsplit("/", 1)[0] for name in variables})
    copied = [name for name in names if name in layers]
    for name in copied:
        for part, array in zip(("kernel", "bias"), layers[name], strict=True):
            variable = variables[f"{name}/{part}"]
            if tuple(variable.shape.as_list()) != array.shape:
                raise errors.WeightsError(f"{name}/{part} has shape {array.shape}, the graph needs "
                                          f"{tuple(variable.shape.as_list())}")
            session.run(variable.initializer, {variable.initializer.inputs[1]: array})
    return copied, [name for name in names if name not in layers]


def _first_line(error):
    return (str(error).strip().splitlines() or [repr(error)])[0][:300]


def _sync(path):
    """Have the kernel write a file or folder to the disk: a name must not outlive a power cut without its content."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
