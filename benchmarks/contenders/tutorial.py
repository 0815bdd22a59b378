"""The graph of the tutorial "Tensorflow - Segmentation" (sdeck51/CNNTutorials), in TensorFlow's default session.

As in the tutorial: only tf.nn convolutions, VGG weights as constants that initialise the variables, images fed as
float32, ids fetched as int64 with an additional axis, all variables trained, an unused conv5_4, two ReLUs after fc6 and
fc7. The tutorial does not show its training loop; here a step is one session.run of update and loss, the fastest way.
Transposed convolutions have the output size of the pool to which they are added, so the net equals the others only if
height and width are multiples of 32. Every pixel must be labelled.
"""

import numpy as np

from contenders import net
from fcn.models.tf_compat import tf

VARIANTS = ("float32",)


class Contender:
    def __init__(self, job, size, classes, channels, variant, keep_prob=net.KEEP_PROB):
        self.rate_kept = keep_prob
        with tf.Graph().as_default() as graph:
            self.images = tf.placeholder(tf.float32, (None, *size, 3), "input_image")
            self.labels = tf.placeholder(tf.int32, (None, *size, 1), "annotation")
            self.keep_prob = tf.placeholder(tf.float32, name="keep_probability")
            pools = _vgg(self.images - np.float32(net.MEAN_RGB), channels)
            x = _fully_connected(pools[5], channels, self.keep_prob)
            with tf.variable_scope("score_fr"):
                x = tf.nn.relu(_convolution(x, 1, classes))
            self.prediction, self.logits = _deconvolution(x, self.images, pools, classes)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(
                labels=tf.squeeze(self.labels, squeeze_dims=[3]), logits=self.logits)
            self.loss = tf.reduce_mean(losses)
            if job == "train":
                self.update = tf.train.AdamOptimizer(net.LEARNING_RATE, epsilon=net.EPSILON).minimize(self.loss)
            self.variables = {v.op.name: v for v in tf.trainable_variables()}
            self.session = tf.Session(graph=graph)
            self.session.run(tf.global_variables_initializer())
            for name, variable in self.variables.items():
                if not name.startswith("conv"):  # those are initialised from constants
                    value = net.draw(name, variable.shape.as_list())
                    self.session.run(variable.initializer, {variable.initializer.inputs[1]: value})

    def train(self, images, labels):
        feed = {self.images: images, self.labels: labels[..., None], self.keep_prob: self.rate_kept}
        _, loss = self.session.run([self.update, self.loss], feed)
        return float(loss)

    def predict(self, images):
        found = self.session.run(self.prediction, {self.images: images, self.keep_prob: 1.0})
        return np.squeeze(found, axis=3).astype(np.uint8)

    def scores(self, images):
        return self.session.run(self.logits, {self.images: images, self.keep_prob: 1.0})

    def weights(self):
        return self.session.run(self.variables)


def _vgg(x, channels):
    """Return {number: tensor} of the five pools."""
    pools = {}
    for stage in range(1, 6):
        for name in (name for name in channels if name.startswith(f"conv{stage}_")):
            with tf.variable_scope(name):
                kernel = net.draw(f"{name}/kernel", (3, 3, int(x.shape[3]), channels[name]))
                bias = net.draw(f"{name}/bias", (channels[name],))
                found = tf.nn.relu(_convolution(x, 3, channels[name], tf.constant_initializer(kernel),
                                                tf.constant_initializer(bias)))
            if name != "conv5_4":
                x = found
        x = pools[stage] = tf.nn.avg_pool(x, ksize=[1, 2, 2, 1], strides=[1, 2, 2, 1], padding="SAME")
    return pools


def _fully_connected(x, channels, keep_prob):
    for name, size in (("fc6", 7), ("fc7", 1)):
        with tf.variable_scope(name):
            x = tf.nn.relu(tf.nn.relu(_convolution(x, size, channels[name])))
            x = tf.nn.dropout(x, keep_prob=keep_prob)
    return x


def _deconvolution(x, images, pools, classes):
    """Return (class ids int64 (N, H, W, 1), logits)."""
    with tf.variable_scope("deconv1"):
        x = tf.add(pools[4], _transposed(x, tf.shape(pools[4]), 4, 2, int(pools[4].shape[3])))
    with tf.variable_scope("deconv2"):
        x = tf.add(pools[3], _transposed(x, tf.shape(pools[3]), 4, 2, int(pools[3].shape[3])))
    shape = tf.shape(images)
    with tf.variable_scope("deconv3"):
        logits = _transposed(x, tf.stack([shape[0], shape[1], shape[2], classes]), 16, 8, classes)
    return tf.expand_dims(tf.argmax(logits, axis=3), axis=3), logits


def _convolution(x, size, width, kernel=None, bias=None):
    kernel = tf.get_variable("kernel", (size, size, int(x.shape[3]), width), initializer=kernel or _fresh())
    bias = tf.get_variable("bias", (width,), initializer=bias or tf.constant_initializer(0))
    return tf.nn.bias_add(tf.nn.conv2d(x, kernel, strides=[1, 1, 1, 1], padding="SAME"), bias)


def _transposed(x, shape, size, stride, width):
    kernel = tf.get_variable("kernel", (size, size, width, int(x.shape[3])), initializer=_fresh())
    bias = tf.get_variable("bias", (width,), initializer=tf.constant_initializer(0))
    up = tf.nn.conv2d_transpose(x, kernel, shape, strides=[1, stride, stride, 1], padding="SAME")
    return tf.nn.bias_add(up, bias)


def _fresh():
    return tf.truncated_normal_initializer(stddev=0.0001)
