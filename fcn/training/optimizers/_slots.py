"""What an optimizer remembers of each weight."""

from fcn.models.tf_compat import tf


def slot(variable, name):
    """A variable of this one's shape, from zero, named as tf.train's optimizers name theirs."""
    return tf.get_variable(f"{variable.op.name}/{name}", variable.shape, initializer=tf.zeros_initializer(),
                           trainable=False)
