#!/usr/bin/env python3
"""Peak memory of a few training steps compared with the estimate, each case in its own process.

    python benchmarks/training_memory.py [--channels 1/4]        1: the real VGG-19, 3 to 5 GB and a minute a case

Prints a table: peak resident size, estimate (fcn.training.resources) and relative error. Images are noise.
"""

import argparse
import fractions
import json
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import measuring
import numpy as np

from fcn.core import machine
from fcn.models import components, published_nets
from fcn.training import lr_multipliers, resources

STEPS = 4
PLAIN = {"net": "fcn8s_tutorial", "classes": 151, "size": (224, 224), "batch": 2, "batches": 1, "optimizer": "adam",
         "precision": "float32", "freeze": ""}
CASES = ({}, {"batch": 1}, {"batch": 4}, {"batches": 2}, {"optimizer": "momentum"}, {"optimizer": "rmsprop"},
         {"optimizer": "radam"}, {"precision": "bfloat16"}, {"freeze": "conv5_4"}, {"freeze": "fc7"},
         {"size": (448, 448)},
         {"net": "fcn8s", "classes": 11, "size": (216, 288), "batch": 4}, {"net": "fcn8s", "classes": 21})
UNETS = ({"net": "unet_mobilenetv2", "size": (64, 64)}, {"net": "unet_densenet121", "size": (160, 160)},
         {"net": "unet_efficientnetb4", "size": (160, 160)})


def built(options, channels):
    """Build a case in the default graph. Returns (all options, Architecture, TrainingGraph, Step)."""
    from fcn.models import graph_builder
    from fcn.models.architecture import Architecture
    from fcn.models.tf_compat import tf
    from fcn.training import weight_update

    o = PLAIN | options
    widths = {name: max(1, int(width * channels)) for name, width in published_nets.widths().items()}
    architecture = Architecture(o["net"], o["classes"], components.of(o["net"]).widths(widths), (128, 128, 128),
                                precision=o["precision"])
    graph = graph_builder.build(architecture)
    factors = lr_multipliers.factors([v.op.name for v in tf.trainable_variables()], graph.encoder_layers, (),
                                     o["freeze"])
    rule = weight_update.Rule(o["optimizer"], factor_of=factors)
    return o, architecture, graph, weight_update.build(graph.objective, graph.normalizer, rule, o["batches"])


def estimated(o, architecture, step):
    """Return the estimate in bytes, as in dry_run.memory_of."""
    from fcn.models.tf_compat import tf

    trained, width = [v for _, v in step.grads], tf.as_dtype(o["precision"]).size
    memory_map = components.of(o["net"]).memory_map(architecture, o["size"])
    one = resources.activations(memory_map, o["size"], o["classes"],
                                [lr_multipliers.layer_of(v.op.name) for v in trained], width)
    parts = resources.memory(sum(v.shape.num_elements() for v in tf.trainable_variables()),
                             sum(v.shape.num_elements() for v in trained), o["batch"] * one, 0,
                             resources.Update(o["optimizer"], o["batches"]), width)
    return sum(parts.values()) + resources.graph(len(tf.get_default_graph().get_operations()))


@measuring.in_a_graph
def case(options, channels):
    """Return {"peak", "estimate"} in bytes of a few steps in this process."""
    from fcn.models.tf_compat import new_session, tf
    from fcn.weights import initialize

    o, architecture, graph, step = built(options, channels)
    rng = np.random.default_rng(0)
    shape = (o["batch"], *o["size"])
    feed = {graph.images: rng.integers(0, 256, (*shape, 3), np.uint8), graph.keep_prob: 0.85, step.learning_rate: 1e-5,
            graph.labels: rng.integers(0, o["classes"], shape).astype(np.uint8), graph.training: True}
    with new_session() as session:
        initialize.initialise(session, tf.global_variables())
        session.run(tf.local_variables_initializer())
        for _ in range(STEPS):
            for _ in range(o["batches"] - 1):
                session.run(step.collect, feed)
            session.run({"loss": graph.loss_sum, "pixels": graph.pixels, "update": step.update,
                         "norm": step.norm}, feed)
    return {"peak": machine.peak_memory(), "estimate": estimated(o, architecture, step)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--channels", type=fractions.Fraction, default="1/4", help="part of VGG-19's channels")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(case(json.loads(given.case), float(given.channels))))
        return
    print("| case | peak | estimate | error |\n|---|---|---|---|")
    for options in CASES + UNETS:
        words = ", ".join(f"{name} {value}" for name, value in options.items()) or "plain"
        done = subprocess.run([sys.executable, __file__, "--channels", str(given.channels), "--case",
                               json.dumps(options)], capture_output=True, text=True)
        if done.returncode:
            print(f"| {words} | failed: {done.stderr.strip().splitlines()[-1:]} | | |", flush=True)
            continue
        found = json.loads(done.stdout)
        print(f"| {words} | {found['peak'] / 1e9:.2f} GB | {found['estimate'] / 1e9:.2f} GB | "
              f"{found['estimate'] / found['peak'] - 1:+.0%} |", flush=True)
    print(f"plain: {PLAIN}; {given.channels} of VGG-19's channels; {machine.description()}")


if __name__ == "__main__":
    main()
