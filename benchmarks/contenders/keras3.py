"""The same net in Keras 3 on TensorFlow: a functional model, train_on_batch and predict_on_batch.

Variants: precision (Keras's dtype policy), with or without XLA (jit), and one operation at a time (inter1) instead of
TensorFlow's default; inter1 is not a Keras setting but helps on CPUs. It uses eager TensorFlow and must not run in one
process with fcn.models.tf_compat.
"""

import os

os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from contenders import net

VARIANTS = tuple(precision + how for how in ("", "-jit", "-inter1", "-jit-inter1")
                 for precision in ("float32", "mixed_bfloat16"))


class Contender:
    def __init__(self, job, size, classes, channels, variant, keep_prob=net.KEEP_PROB):
        policy, *how = variant.split("-")
        if "inter1" in how:
            tf.config.threading.set_inter_op_parallelism_threads(1)
        images = keras.Input((*size, 3), dtype="uint8")
        logits = _logits(images, size, classes, channels, policy, 1 - keep_prob)
        self.model = keras.Model(images, logits)
        for layer, variable in self._variables():
            variable.assign(net.draw(layer, variable.shape))
        jit = "jit" in how
        if job == "train":
            self.model.compile(keras.optimizers.Adam(net.LEARNING_RATE, epsilon=net.EPSILON), _loss(classes),
                               jit_compile=jit)
        else:
            self.ids = keras.Model(images, ops.cast(ops.argmax(logits, axis=-1), "uint8"))
            self.ids.compile(jit_compile=jit)

    def train(self, images, labels):
        return float(self.model.train_on_batch(images, labels))

    def predict(self, images):
        return self.ids.predict_on_batch(images)

    def scores(self, images):
        return np.asarray(self.model(images, training=False))

    def weights(self):
        return {name: variable.numpy() for name, variable in self._variables()}

    def _variables(self):
        for layer in self.model.layers:
            if hasattr(layer, "kernel"):
                yield f"{layer.name}/kernel", layer.kernel
                yield f"{layer.name}/bias", layer.bias


def _logits(images, size, classes, channels, policy, drop):
    """Return float32 logits, computed by layers with this dtype policy."""
    def conv(x, name, width, side, activation="relu"):
        return layers.Conv2D(width, side, padding="same", activation=activation, name=name, dtype=policy)(x)

    x, pools, stages = ops.cast(images, "float32") - np.float32(net.MEAN_RGB), [], net.stages(channels)
    for stage in stages:
        for name in stage:
            x = conv(x, name, channels[name], 3)
        x = layers.AveragePooling2D(2, padding="same", dtype=policy)(x)
        pools.append(x)
    for name, side in (("fc6", 7), ("fc7", 1)):
        x = layers.Dropout(drop, dtype=policy)(conv(x, name, channels[name], side))
    x = conv(x, "score_fr", classes, 1)
    skips = (pools[3], pools[2], None)
    for (name, side, stride), skip in zip(net.DECONVS, skips, strict=True):
        width, (height, wide) = (classes, size) if skip is None else (skip.shape[3], skip.shape[1:3])
        x = layers.Conv2DTranspose(width, side, stride, padding="same", name=name, dtype=policy)(x)
        if tuple(x.shape[1:3]) != (height, wide):
            x = x[:, :height, :wide]
        x = x if skip is None else layers.Add(dtype=policy)([x, skip])
    return ops.cast(x, "float32")


def _loss(classes):
    """Return the loss: mean cross entropy of the labelled pixels."""
    def loss(labels, logits):
        known = labels < classes
        losses = keras.losses.sparse_categorical_crossentropy(ops.where(known, labels, 0), logits, from_logits=True)
        known = ops.cast(known, "float32")
        return ops.sum(losses * known) / ops.sum(known)
    return loss
