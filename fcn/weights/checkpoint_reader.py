"""Loading of a graph's variables from a checkpoint folder or from arrays by name."""

import pathlib

from fcn.core import errors
from fcn.models import variables
from fcn.models.tf_compat import first_line, tf, tf_errors
from fcn.runs import checkpoint_files

AVERAGE = "average"  # conv/kernel/average is the moving average of conv/kernel (training/weight_average.py)


def restore(session, path, saver=None):
    """Restore the net's variables from a checkpoint folder; with a saver, all variables of the graph.

    Without a saver, variables get their moving averages where the checkpoint has them.
    Checksums and shapes are verified first. Raises WeightsError if the checkpoint is damaged or of another net.
    """
    checkpoint_files.verify(path)
    model = str(pathlib.Path(path) / "model")
    try:
        stored = tf.train.NewCheckpointReader(model).get_variable_to_shape_map()
        for variable in tf.global_variables() if saver else variables.of_net():
            name, needed = variable.op.name, variable.shape.as_list()
            if stored.get(name) != needed:  # the Saver itself restores a variable of any shape
                found = f"has {name} with shape {stored[name]}" if name in stored else f"has no variable {name}"
                raise errors.WeightsError(f"{found}; this run needs it with shape {needed}", where=path,
                                          fix="use the --net, --optimizer and number of classes of that checkpoint.")
        (saver or tf.train.Saver({_name_in(stored, v.op.name): v for v in variables.of_net()})).restore(session, model)
    except (tf_errors.OpError, ValueError, RuntimeError) as error:
        raise errors.WeightsError("is not a readable checkpoint of this net", where=path,
                                  why=first_line(error), fix=checkpoint_files.GIVE_ANOTHER) from None


def read_variables(path):
    """Read the net's variables from a checkpoint folder: {name: array}, sorted by name. Raises WeightsError.

    Variables have the values of their moving averages where the checkpoint has them.
    Variables of the optimizer are left out. These are named below another variable (conv/kernel/Adam) or have no layer
    (beta1_power).
    """
    checkpoint_files.verify(path)
    try:
        reader = tf.train.NewCheckpointReader(str(pathlib.Path(path) / "model"))
        stored = reader.get_variable_to_shape_map()
        return {name: reader.get_tensor(_name_in(stored, name)) for name in sorted(stored)
                if "/" in name and name.rpartition("/")[0] not in stored}
    except (tf_errors.OpError, ValueError, RuntimeError, IndexError) as error:
        raise errors.WeightsError("is not a readable checkpoint", where=path, why=first_line(error),
                                  fix=checkpoint_files.GIVE_ANOTHER) from None


def _name_in(stored, name):
    """Return the name under which a checkpoint has the value to use of a variable. stored: its names."""
    return f"{name}/{AVERAGE}" if f"{name}/{AVERAGE}" in stored else name


def put(session, arrays):
    """Assign {name: array} to the net's variables by feeding their initialisers. The graph gets no constants.

    Assigned arrays are removed from `arrays`, so that memory holds the weights once plus one group of variables.
    """
    for group in variables.in_groups([v for v in variables.of_net() if v.op.name in arrays]):
        session.run([v.initializer for v in group], {v.initializer.inputs[1]: arrays.pop(v.op.name) for v in group})
