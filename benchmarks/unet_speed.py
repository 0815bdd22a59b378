#!/usr/bin/env python3
"""Time the U-Nets of the two tutorials against the same nets in Keras 3: training steps and predictions.

    python benchmarks/unet_speed.py --net unet_pix2pix_densenet121 --size 128 [--rounds 7] [--json OUT]
    python benchmarks/unet_speed.py --net unet_efficientnetb4 --size 384

Each contender runs in its own process and takes turns with the others, as in duel.py; the first is the reference. If
memory cannot hold all of them, they are measured in groups. Training: cross entropy, RMSprop, all layers, batch
normalisation of the batch. Prediction: class ids.
"""

import argparse
import os
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import contender
import duel
import duel_table
import measuring
from rival import Rival

CONTENDERS = ("ours:float32", "ours:bfloat16", "keras:float32", "keras:mixed_bfloat16", "keras:float32-jit",
              "keras:mixed_bfloat16-jit", "keras:float32-onednn")
CLASSES, RATE = 60, 1e-3
SKIPS = {"densenet121": ("DenseNet121", ("conv1_relu", "pool2_relu", "pool3_relu", "pool4_relu", "relu")),
         "efficientnetb4": ("EfficientNetB4", ("block2a_expand_activation", "block3a_expand_activation",
                                               "block4a_expand_activation", "block6a_expand_activation",
                                               "top_activation")),
         "resnet50": ("ResNet50", ("conv1_relu", "conv2_block3_out", "conv3_block4_out", "conv4_block6_out",
                                   "conv5_block3_out")),
         "mobilenetv2": ("MobileNetV2", ("block_1_expand_relu", "block_3_expand_relu", "block_6_expand_relu",
                                         "block_13_expand_relu", "out_relu"))}


def batch(given):
    """Return (images uint8 (N, size, size, 3), labels uint8 (N, size, size)), of random patches."""
    rng, side = np.random.default_rng(0), given.size
    return (rng.integers(0, 256, (given.batch, side, side, 3)).astype(np.uint8),
            np.kron(rng.integers(0, CLASSES, (given.batch, side // 16, side // 16)),
                    np.ones((1, 16, 16))).astype(np.uint8))


def ours(given, precision):
    """Return a function that makes a step with this project."""
    from fcn.models import graph_builder, variables
    from fcn.models.architecture import Architecture
    from fcn.models.tf_compat import new_session, tf
    from fcn.training import weight_update
    architecture, (images, labels) = Architecture(given.net, CLASSES, precision=precision), batch(given)
    with tf.Graph().as_default() as whole:
        if given.job == "train":
            graph = graph_builder.build(architecture)
            step = weight_update.build(graph.objective, graph.normalizer, weight_update.Rule("rmsprop"))
            fetches = {"update": step.update, "loss": graph.loss_sum}
            feed = {graph.images: images, graph.labels: labels, graph.training: True, step.learning_rate: RATE}
        else:
            graph = graph_builder.inference(architecture, prepared=True)
            fetches, feed = graph.prediction, {graph.images: images}
        session = new_session(whole)
        session.run(tf.global_variables_initializer())
        for prepare in (variables.preparation([graph.logits]) if given.job == "predict" else
                        [tf.local_variables_initializer()]):
            session.run(prepare)
    return lambda: session.run(fetches, feed)


def keras(given, variant):
    """Return a function that makes a step with Keras. variant: dtype policy; -jit: XLA; -onednn: start()."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    from keras import layers
    policy, *more = variant.split("-")
    jit = "jit" in more
    keras.mixed_precision.set_global_policy(policy)
    decoder, _, encoder = given.net.rpartition("_")
    (name, skips), (images, labels) = SKIPS[encoder], batch(given)
    base = getattr(keras.applications, name)(weights=None, include_top=False, input_shape=(given.size, given.size, 3))
    x, *features = [base.get_layer(skip).output for skip in reversed(skips)]
    for channels, skip in zip((512, 256, 128, 64) if decoder == "unet_pix2pix" else (256, 128, 64, 32, 16),
                              [*features, None], strict=False):
        if decoder == "unet_pix2pix":
            x = layers.Conv2DTranspose(channels, 3, strides=2, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
            x = layers.Concatenate()([x, skip])
            continue
        x = layers.UpSampling2D(2)(x)
        x = x if skip is None else layers.Concatenate()([x, skip])
        for _ in range(2):
            x = layers.Conv2D(channels, 3, padding="same", use_bias=False)(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
    last = layers.Conv2DTranspose(CLASSES, 3, strides=2, padding="same", dtype="float32") if (
        decoder == "unet_pix2pix") else layers.Conv2D(CLASSES, 3, padding="same", dtype="float32")
    logits = last(x)
    if given.job == "train":
        model = keras.Model(base.input, logits)
        model.compile(keras.optimizers.RMSprop(RATE), keras.losses.SparseCategoricalCrossentropy(from_logits=True),
                      jit_compile=jit)
        return lambda: model.train_on_batch(images.astype(np.float32) / 255, labels)
    model = keras.Model(base.input, keras.ops.argmax(logits, axis=-1))
    model.compile(jit_compile=jit)
    return lambda: model.predict_on_batch(images.astype(np.float32) / 255)


def start(given, job, label):
    """Start the process of a contender. Returns its Rival.

    "-onednn" switches oneDNN on for Keras too, which TensorFlow does by itself on some processors only.
    """
    environment = {"TF_CPP_MIN_LOG_LEVEL": "3"} | ({"TF_ENABLE_ONEDNN_OPTS": "1"} if "onednn" in label else {})
    words = [sys.executable, __file__, "--net", given.net, "--size", given.size, "--batch", given.batch,
             "--job", job, "--contender", label]
    return Rival(label, [str(word) for word in words], environment=os.environ | environment)


def compare(given, job):
    """Measure the contenders of one job. Prints a table and returns the result of duel.measured()."""
    setting = {"job": job, "batch": given.batch, "size": [given.size, given.size], "classes": CLASSES, "share": 1.0,
               "rounds": given.rounds, "steps": given.steps}
    result = duel.measured(given.contenders, lambda label: start(given, job, label), setting)
    print(duel_table.markdown(result), flush=True)
    return {key: result[key] for key in (*setting, "groups", "contenders", "rows")}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", required=True)
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--job", choices=("train", "predict"), action="append")
    parser.add_argument("--contenders", nargs="+", default=CONTENDERS)
    parser.add_argument("--contender", help=argparse.SUPPRESS)
    parser.add_argument("--json", type=pathlib.Path)
    given = parser.parse_args()
    if given.contender:
        given.job, = given.job
        name, _, variant = given.contender.partition(":")
        contender.serve(lambda: {"ours": ours, "keras": keras}[name](given, variant))
        return
    jobs = {job: compare(given, job) for job in given.job or ("train", "predict")}
    if given.json:
        measuring.write(given.json, {"net": given.net, "jobs": jobs})


if __name__ == "__main__":
    main()
