"""Exponential moving averages of the weights (Polyak & Juditsky 1992), with which a run validates and predicts.

After every weight update, average = d average + (1 - d) weight with d = min(decay, (1 + n) / (10 + n)), where n is the
number of updates before, as in tf.train.ExponentialMovingAverage: early averages forget the initial weights. All
variables of the net that training changes are averaged, the moving averages of batch normalisation too, as in the
authors' code of EfficientNet and in timm.

The average of conv/kernel is the variable conv/kernel/average. By its name it counts as an optimizer's variable
(checkpoint_reader.py), and checkpoint_reader loads it instead of the weight wherever a net is used.
"""

from fcn.models.tf_compat import tf
from fcn.weights.checkpoint_reader import AVERAGE


class WeightAverage:
    """Averages of `averaged`, a list of variables. start: operation that sets them to the variables' present values.

    swap: operation that exchanges them with the variables. It copies nothing.
    """

    def __init__(self, averaged, decay):
        self._decay, self._variables = decay, averaged
        self._updates = tf.get_variable("average_updates", (), tf.int64, tf.zeros_initializer(), trainable=False)
        self._averages = [tf.get_variable(f"{v.op.name}/{AVERAGE}", v.shape, initializer=tf.zeros_initializer(),
                                          trainable=False) for v in averaged]
        values, means = ([v.read_value() for v in each] for each in (averaged, self._averages))
        self.start = tf.group(*[a.assign(v) for a, v in zip(self._averages, values, strict=True)])
        with tf.control_dependencies([*values, *means]):
            self.swap = tf.group(*[a.assign(v) for a, v in zip(self._averages, values, strict=True)],
                                 *[v.assign(a) for v, a in zip(averaged, means, strict=True)])

    def update(self):
        """Return the operation that includes the present values of the variables."""
        count = tf.cast(self._updates.read_value(), tf.float32)
        rest = 1 - tf.minimum(self._decay, (1 + count) / (10 + count))
        moves = [a.assign_sub(rest * (a.read_value() - v.read_value()))
                 for a, v in zip(self._averages, self._variables, strict=True)]
        with tf.control_dependencies([rest]):
            return tf.group(*moves, self._updates.assign_add(1))
