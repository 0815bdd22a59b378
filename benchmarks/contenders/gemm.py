"""A square matrix product in TensorFlow, in turn with the nets: what this machine can do at that moment.

The processor of a virtual machine may be half as fast in one minute as in the next, so a peak that was measured before
the nets says little of them.
"""

from operations import PRODUCTS, SIDE

from fcn.models import tf_compat
from fcn.models.tf_compat import tf

VARIANTS = ("float32", "bfloat16")


class Contender:
    def __init__(self, job, size, classes, channels, variant, keep_prob=None):
        with tf.Graph().as_default() as graph:
            self.session = tf_compat.new_session(graph)
            one = tf.Variable(tf.cast(tf.random.uniform((SIDE, SIDE)), tf.as_dtype(variant)))
            self.product = tf.matmul(one, one).op
            self.session.run(one.initializer)

    def train(self, images, labels):
        for _ in range(PRODUCTS):
            self.session.run(self.product)

    def predict(self, images):
        self.train(images, None)
