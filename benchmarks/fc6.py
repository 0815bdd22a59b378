#!/usr/bin/env python3
"""Speed of fc6 as a matrix product and as a convolution, forward and backward pass, alternating.

    python benchmarks/fc6.py [--rounds 7]

Prints seconds and the ratio of each round, and the median ratio. Needs about 4 GB.
"""

import argparse
import pathlib
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import measuring
import numpy as np

from fcn.models import convolution
from fcn.models.tf_compat import new_session, tf

SHAPE, KERNEL = (4, 7, 9, 512), (7, 7, 512, 4096)  # four crops of 216 x 288


def step(convolve):
    """Return an operation that depends on the output and on the gradients of input and kernel."""
    x = tf.get_variable(f"x_{convolve.__name__}", SHAPE)
    kernel = tf.get_variable(f"k_{convolve.__name__}", KERNEL)
    loss = tf.reduce_sum(tf.square(convolve(x, kernel, convolution.Window(7))))
    return tf.add_n([tf.reduce_sum(tf.abs(g)) for g in tf.gradients(loss, [x, kernel])])


@measuring.in_a_graph
def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    ops = [step(convolution.convolve_as_conv2d), step(convolution.convolve_as_matmul)]
    ratios = []
    with new_session() as run:
        run.run(tf.global_variables_initializer())
        for number in range(rounds + 1):
            seconds = []
            for op in ops:
                start = time.perf_counter()
                run.run(op)
                seconds.append(time.perf_counter() - start)
            if number:  # the first round warms up
                ratios.append(seconds[0] / seconds[1])
                print(f"convolution {seconds[0]:.3f} s, matrix product {seconds[1]:.3f} s, ratio {ratios[-1]:.2f}")
    print(f"median ratio {statistics.median(ratios):.2f} over {rounds} rounds "
          f"(range {np.min(ratios):.2f} to {np.max(ratios):.2f})")


if __name__ == "__main__":
    main()
