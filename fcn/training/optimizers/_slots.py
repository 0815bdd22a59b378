"""State variables of optimizers."""

from fcn.models.tf_compat import tf


def slot(variable, name):
    """Create a variable of the same shape, initialised to 0, with a name as in the optimizers of tf.train."""
    return tf.get_variable(f"{variable.op.name}/{name}", variable.shape, initializer=tf.zeros_initializer(),
                           trainable=False)


def temporary(variable, name):
    """Create a variable like slot() that is not saved, because its value is not needed after a step."""
    return tf.get_variable(f"{variable.op.name}/{name}_temporary", variable.shape, initializer=tf.zeros_initializer(),
                           trainable=False, collections=[tf.GraphKeys.LOCAL_VARIABLES])
