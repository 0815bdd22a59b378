"""Variables of a graph from a checkpoint folder, or from arrays by name."""

import pathlib

from fcn.core import errors
from fcn.models import variables
from fcn.models.tf_compat import first_line, tf, tf_errors
from fcn.runs import checkpoint_files


def restore(session, path, saver=None):
    """Restore the net's variables (or the saver's) from a checkpoint folder, checked whole. Raises WeightsError."""
    checkpoint_files.verify(path)
    model = str(pathlib.Path(path) / "model")
    try:
        stored = tf.train.NewCheckpointReader(model).get_variable_to_shape_map()
        for variable in tf.global_variables() if saver else variables.of_net():
            name, needed = variable.op.name, variable.shape.as_list()
            if stored.get(name) != needed:  # the Saver itself would put any shape into a variable
                found = f"of shape {stored[name]}" if name in stored else "not at all"
                raise errors.WeightsError(f"holds {name} {found}, this run needs {needed}", where=path,
                                          fix="it was made with another --net, --optimizer or number of classes.")
        (saver or tf.train.Saver(variables.of_net())).restore(session, model)
    except (tf_errors.OpError, ValueError, RuntimeError) as error:
        raise errors.WeightsError("is not a readable checkpoint of this net", where=path,
                                  why=first_line(error)) from None


def read_variables(path):
    """{name: array} of the net in a checkpoint folder, checked whole, by name. Raises WeightsError.

    What an optimizer remembers is left out: a variable below another one (conv/kernel/Adam) or of no layer
    (beta1_power).
    """
    checkpoint_files.verify(path)
    try:
        reader = tf.train.NewCheckpointReader(str(pathlib.Path(path) / "model"))
        stored = reader.get_variable_to_shape_map()
        return {name: reader.get_tensor(name) for name in sorted(stored)
                if "/" in name and name.rpartition("/")[0] not in stored}
    except (tf_errors.OpError, ValueError, RuntimeError, IndexError) as error:
        raise errors.WeightsError("is not a readable checkpoint", where=path, why=first_line(error)) from None


def put(session, arrays):
    """Give variables the values {name: array}, through their own initialisers: none of them stands in the graph.

    What has been put is taken out of `arrays`, so that a net's weights are in memory once and a layer.
    """
    for variable in variables.of_net():
        if variable.op.name in arrays:
            session.run(variable.initializer, {variable.initializer.inputs[1]: arrays.pop(variable.op.name)})
