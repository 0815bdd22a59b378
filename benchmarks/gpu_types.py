#!/usr/bin/env python3
"""Speed of a matrix product and a convolution on a GPU in float32, TF32, bfloat16 and float16, in TFLOP/s.

    python benchmarks/gpu_types.py [--size 8192] [--batch 16] [--json OUT]

The convolution is conv3_2 of VGG-19 at 224 x 224 (56 x 56, 3 x 3, 256 to 256 channels), alone and with its two
gradients. A call runs a chain of 20, so that the cost of the call itself is small. NVIDIA_TF32_OVERRIDE=0 switches TF32
off for float32. It takes 1 minute on an H100.
"""

import argparse
import functools
import os
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import measuring

TYPES = {"float32": ("float32", "0"), "TF32": ("float32", "1"), "bfloat16": ("bfloat16", "1"),
         "float16": ("float16", "1")}  # name: type of the numbers, whether TF32 is allowed
SIDE, CHANNELS, CHAIN = 56, 256, 20


def case(kind, size, batch, rounds):
    """Return {"device", "product", "convolution", "convolution and gradients": [TFLOP/s, ...]} of this process."""
    from fcn.models import tf_compat
    from fcn.models.tf_compat import tf

    with tf.Graph().as_default() as graph:
        def values(shape, fan_in):  # keeps the scale of the activations along the chain
            return tf.Variable(tf.cast(tf.random.uniform(shape, -1, 1) * (3 / fan_in) ** 0.5, kind))

        a, b = values((size, size), size), values((size, size), size)
        x = values((batch, SIDE, SIDE, CHANNELS), 1)
        kernels = [values((3, 3, CHANNELS, CHANNELS), 9 * CHANNELS) for _ in range(CHAIN)]
        product = functools.reduce(lambda y, _: tf.matmul(y, b), range(CHAIN), a)
        maps = functools.reduce(lambda y, kernel: tf.nn.conv2d(y, kernel, 1, "SAME"), kernels, x)
        gradients = tf.gradients(maps, [x, *kernels], maps)
        start = tf.global_variables_initializer()
        work = {"product": (product[0, 0], 2 * size ** 3), "convolution": (maps[0, 0, 0, 0], operations(batch)),
                "convolution and gradients": ([g[0, 0, 0, 0] for g in gradients], 3 * operations(batch))}
    with tf_compat.new_session(graph) as session:
        session.run(start)
        found = {name: [CHAIN * count / seconds / 1e12
                        for seconds in measuring.timed(functools.partial(session.run, op), rounds, warm=3)]
                 for name, (op, count) in work.items()}
    return {"device": tf_compat.detect_device().name, **found}


def operations(batch):
    """Return the number of operations of one convolution."""
    return 2 * batch * SIDE ** 2 * 9 * CHANNELS ** 2


def table(found):
    """Return a table of medians in Markdown. found: {name of a type: result of case()}."""
    names = ("product", "convolution", "convolution and gradients")
    lines = [f"| TFLOP/s | {' | '.join(names)} |", "|---" * 4 + "|"]
    for kind, one in found.items():
        cells = [one["failed"], "", ""] if one["failed"] else [f"{statistics.median(one[name]):.1f}" for name in names]
        lines.append(f"| {kind} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=8192)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=10)
    given = measuring.parsed(parser, case)
    found = {name: measuring.in_a_process(__file__, [kind, given.size, given.batch, given.rounds],
                                          environment=os.environ | {"NVIDIA_TF32_OVERRIDE": allowed})
             for name, (kind, allowed) in TYPES.items()}
    print(table(found))
    if given.json:
        measuring.write(given.json, {"types": found})


if __name__ == "__main__":
    main()
