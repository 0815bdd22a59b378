#!/usr/bin/env python3
"""Speed of a 3 x 3 convolution after doubling the size: computed at half the size, or as it is written. Alternating.

    python benchmarks/upsampled_conv.py [--rounds 7]

Prints for each shape the median milliseconds of the forward pass and of the forward and backward pass.
"""

import argparse
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import measuring

from fcn.models import convolution
from fcn.models.tf_compat import new_session, tf

# (images, height and width, channels, channels of the skip connection, channels of the output): the steps of the
# decoder unet on EfficientNetB4 at 384 x 384, and the first step on DenseNet121 at 128 x 128.
SHAPES = ((2, 12, 1792, 960, 256), (2, 24, 256, 336, 128), (2, 48, 128, 192, 64), (2, 96, 64, 144, 32),
          (2, 192, 32, 0, 16), (2, 4, 1024, 1024, 256))


def steps(shape, way):
    """Return (operation of the forward pass, operations of the gradients of kernel and inputs)."""
    images, side, channels, skipped, out = shape
    name = f"{way}_{side}_{out}"
    x = tf.get_variable(f"x_{name}", (images, side, side, channels))
    skip = tf.get_variable(f"s_{name}", (images, 2 * side, 2 * side, skipped)) if skipped else None
    kernel = tf.get_variable(f"k_{name}", (3, 3, channels + skipped, out))
    if way == "blocks":
        y = convolution.convolve_upsampled_as_blocks(x, skip, kernel)
    else:
        y = convolution.convolve_upsampled_as_conv2d(x, skip, kernel)
    gradients = tf.gradients(tf.reduce_sum(tf.square(y)), [kernel, x, *([skip] if skipped else [])])
    return y.op, [gradient.op for gradient in gradients]


def milliseconds(session, fetches):
    start = time.perf_counter()
    session.run(fetches)
    return 1e3 * (time.perf_counter() - start)


@measuring.in_a_graph
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    for shape in SHAPES:
        ways = {way: steps(shape, way) for way in ("plain", "blocks")}
        seconds = {way: ([], []) for way in ways}
        with new_session() as session:
            session.run(tf.global_variables_initializer())
            for number in range(rounds + 1):
                for way, fetches in ways.items():
                    found = [milliseconds(session, one) for one in fetches]
                    if number:  # the first round warms up
                        for kept, one in zip(seconds[way], found, strict=True):
                            kept.append(one)
        print(shape, {way: [round(statistics.median(one), 1) for one in both] for way, both in seconds.items()},
              flush=True)


if __name__ == "__main__":
    main()
