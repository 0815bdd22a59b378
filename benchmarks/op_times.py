#!/usr/bin/env python3
"""Profile of one of our steps: milliseconds by type of operation, and the longest operations.

    python benchmarks/op_times.py [--job train] [--variant float32] [--batch 2] [--size 224x224] [--classes 151]

Uses TensorFlow's trace of the fastest of four steps. One operation runs at a time, so that the times add up.
"""

import argparse
import collections
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import measuring
from contenders import net, ours

from fcn.config import parsers
from fcn.models.tf_compat import tf

TRIES, WARM_UP, SHOWN = 4, 2, 12


def traced(contender, step):
    """Run step() with a trace. Returns (seconds, [(type, name, milliseconds) of every operation])."""
    session, found = contender.session, tf.RunMetadata()
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    run = session.run
    session.run = lambda fetches, feed=None: run(fetches, feed, options, found)
    before = time.perf_counter()
    try:
        step()
    finally:
        session.run = run
    seconds = time.perf_counter() - before
    return seconds, [(node.timeline_label.partition(" = ")[2].partition("(")[0], node.node_name,
                      (node.op_end_rel_micros - node.op_start_rel_micros) / 1e3)
                     for device in found.step_stats.dev_stats for node in device.node_stats]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", choices=("train", "predict"), default="train")
    parser.add_argument("--variant", choices=ours.VARIANTS, default="float32", metavar="VARIANT")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=parsers.parse_crop, default=(224, 224))
    parser.add_argument("--classes", type=int, default=151)
    parser.add_argument("--share", type=float, default=1.0, help="share of VGG-19's channels")
    given = parser.parse_args()
    contender = ours.Contender(given.job, given.size, given.classes, measuring.widths(given.share), given.variant)
    images, labels = net.batch(given.batch, given.size, given.classes)

    def step():
        return contender.train(images, labels) if given.job == "train" else contender.predict(images)
    for _ in range(WARM_UP):
        step()
    seconds, operations = min(traced(contender, step) for _ in range(TRIES))
    kinds = collections.Counter()
    for kind, _, ms in operations:
        kinds[kind] += ms
    print(f"{1e3 * seconds:.0f} ms, {sum(kinds.values()):.0f} ms in operations\n\n| type | ms |\n|---|---|")
    print("\n".join(f"| {kind} | {ms:.1f} |" for kind, ms in kinds.most_common(SHOWN)))
    longest = sorted(operations, key=lambda one: -one[2])[:SHOWN]
    print("\n| longest | ms |\n|---|---|\n" + "\n".join(f"| {name}, {kind} | {ms:.1f} |" for kind, name, ms in longest))


if __name__ == "__main__":
    main()
