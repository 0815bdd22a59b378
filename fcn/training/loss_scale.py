"""Dynamic loss scaling for float16 (Micikevicius et al. 2018, section 3.2).

float16 ends at 65,504 and has no numbers below 6e-8, so small gradients become 0. The backward pass therefore starts
from the loss times a scale, and gradients are divided by it in float32. A step whose gradient is not finite is skipped
and halves the scale; INTERVAL steps without one double it, as in Keras and PyTorch. Scales are powers of two, so that
scaling alone changes no bits.

The variables have no layer in their names, as those of an optimizer, so that they are only in checkpoints.
"""

from fcn.models.tf_compat import tf

START, INTERVAL = 2.0 ** 15, 2000
LEAST, MOST = 2.0 ** -10, 2.0 ** 24  # a step that is not finite at LEAST ends the run


class LossScale:
    """The scale and the number of steps since it changed, two saved variables. value: scale of the present step."""

    def __init__(self):
        self._scale = tf.get_variable("loss_scale", (), initializer=tf.constant_initializer(START), trainable=False)
        self._good_steps = tf.get_variable("loss_scale_good_steps", (), tf.int32, tf.zeros_initializer(),
                                           trainable=False)
        self.value = self._scale.read_value()

    def fatal(self, x):
        """Return x if the scale is LEAST, else zeros: an assertion that it is finite ends the run only then."""
        return tf.where_v2(self.value > LEAST, tf.zeros_like(x), x)

    def update(self, finite):
        """Return the operation that changes both variables after a step. finite: bool, whether its gradient was."""
        grown = self._good_steps + 1
        due = finite & (grown >= INTERVAL)
        scale = tf.where_v2(finite, tf.where_v2(due, tf.minimum(2 * self.value, MOST), self.value),
                            tf.maximum(self.value / 2, LEAST))
        good_steps = tf.where_v2(finite & ~due, grown, 0)
        with tf.control_dependencies([scale, good_steps]):  # both are read before either changes
            return tf.group(self._scale.assign(scale), self._good_steps.assign(good_steps))
