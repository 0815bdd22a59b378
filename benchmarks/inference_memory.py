#!/usr/bin/env python3
"""Peak memory of predicting one large image, whole and in windows, each in its own process.

    python benchmarks/inference_memory.py [--size 3328x4992] [--windows 512,1024] [--classes 11,151] [--channels 1/16]

Prints a table: peak resident size, the estimate of fcn.evaluation.memory_guard (program, weights, net on a window,
unfinished rows, strips) and seconds. Window 0 is the whole image. The net is FCN-8s on a VGG-19 with random weights and
a share of its channels; the image is noise.
"""

import argparse
import fractions
import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import measuring
import numpy as np

from fcn.config import parsers
from fcn.core import machine
from fcn.models import published_nets
from fcn.training import resources


@measuring.in_a_graph
def case(size, window, classes, channels):
    """Return {"peak", "counted", "seconds"} of one prediction in this process."""
    from fcn.evaluation import inference
    from fcn.models import graph_builder
    from fcn.models.architecture import Architecture
    from fcn.models.tf_compat import new_session, tf

    widths = {name: max(1, int(width * channels)) for name, width in published_nets.widths().items()}
    architecture = Architecture("fcn8s", classes, widths, (128, 128, 128))
    graph = graph_builder.build(architecture)
    photo = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    plan = inference.InferenceConfig(window=(window, window) if window else None)
    with new_session() as session:
        session.run(tf.global_variables_initializer())
        predictor = inference.Predictor(session, graph, plan, ((),), inference.need_of(architecture))
        weights = resources.FLOAT * sum(int(np.prod(v.shape.as_list())) for v in tf.global_variables())
        before = time.perf_counter()
        predictor.predict(photo, photo)
        seconds = time.perf_counter() - before
        counted = sum(predictor.room.needed(size, size, is_plain=plan.is_plain(size)))
    return {"peak": machine.peak_memory(), "counted": resources.PROGRAM + weights + counted, "seconds": seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=parsers.parse_size, default=(3328, 4992))
    parser.add_argument("--windows", default="512,1024", help="px, 0 for the whole image")
    parser.add_argument("--classes", default="11,151")
    parser.add_argument("--channels", default="1/16", help="part of VGG-19's channels (1/16: 4 in stage 1)")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(case(*json.loads(given.case))))
        return
    print("| classes | window | peak | counted | seconds |\n|---|---|---|---|---|")
    for classes in given.classes.split(","):
        for window in given.windows.split(","):
            words = json.dumps([given.size, int(window), int(classes), float(fractions.Fraction(given.channels))])
            done = subprocess.run([sys.executable, __file__, "--case", words], capture_output=True, text=True)
            if done.returncode:
                print(f"| {classes} | {window} | failed: {done.stderr.strip().splitlines()[-1:]} | | |")
                continue
            found = json.loads(done.stdout)
            print(f"| {classes} | {window if int(window) else 'none'} | {found['peak'] / 1e9:.2f} GB | "
                  f"{found['counted'] / 1e9:.2f} GB | {found['seconds']:.0f} |", flush=True)
    print(f"{given.size[0]} x {given.size[1]} px, {given.channels} of VGG-19's channels; {machine.description()}")


if __name__ == "__main__":
    main()
