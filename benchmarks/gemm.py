#!/usr/bin/env python3
"""What can the machine do? Square matrix products in float32 and bfloat16, and copying, by TensorFlow.

    python benchmarks/gemm.py [--rounds 7] [--sizes 2048,4096] [--json OUT]

On all threads and on one, each in a process of its own, for a process has one pool of threads. A round does every
product once. The best is the machine's peak; a median far below it says that something else was running. 1 minute.
"""

import argparse
import functools
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import measuring

from fcn.core import machine

COPIED_BYTES = 1 << 28


def case(threads, sizes, rounds, chain=1):
    """{"products": [{"type", "n", "gflops": [...]}], "copy_gb_s": [...]} on this many threads, in this process.

    A copy of n bytes (a sign changed; tanh in a chain) reads n and writes n; both count. chain: operations of a call,
    each on what the one before gave; on a GPU a single one takes no longer than the call itself. One number of the
    result is fetched, so that a call ends when the work has ended.
    """
    from fcn.models.tf_compat import tf

    def values(n):  # keeps the scale along the chain, so that nothing overflows
        return tf.random.uniform((n, n), -1, 1) * (3 / n) ** 0.5
    config = tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1)
    config.gpu_options.allow_growth = True
    work, copies = [], []
    with tf.Graph().as_default(), tf.Session(config=config) as session:
        for n in sizes:
            for kind in ("float32", "bfloat16"):
                a, b = (tf.get_variable(f"{name}_{kind}_{n}", initializer=tf.cast(values(n), kind)) for name in "ab")
                work.append((kind, n, functools.reduce(lambda y, _, b=b: tf.matmul(y, b), range(chain), a)[0, 0]))
        copied = tf.get_variable("copied", (COPIED_BYTES // 4,), initializer=tf.ones_initializer())
        copy = functools.reduce(lambda y, _: tf.math.tanh(y) if chain > 1 else -y, range(chain), copied)[0]
        session.run(tf.global_variables_initializer())
        seconds = {place: [] for place in range(len(work))}
        for number in range(rounds + 1):
            for place, (_, _, product) in enumerate(work):
                seconds[place] += measuring.timed(lambda op=product: session.run(op), 1, 0)[:number]
            copies += measuring.timed(lambda: session.run(copy), 1, 0)[:number]  # the first round warms up
    return {"products": [{"type": kind, "n": n, "gflops": [chain * 2 * n**3 / one / 1e9 for one in seconds[place]]}
                         for place, (kind, n, _) in enumerate(work)],
            "copy_gb_s": [chain * 2 * COPIED_BYTES / second / 1e9 for second in copies]}


def best(found, kind):
    """The largest GFLOP/s of this type of number in what case() gives."""
    return max(speed for row in found["products"] if row["type"] == kind for speed in row["gflops"])


def table(threads):
    """Rows of Markdown. threads: {"all" or "one": what case() gives}."""
    lines = ["| threads | type | n | GFLOP/s, best | median |", "|---|---|---|---|---|"]
    for name, found in threads.items():
        if found.get("failed"):
            lines.append(f"| {name} | failed: {found['failed']} | | | |")
            continue
        for row in found["products"]:
            lines.append(f"| {name} | {row['type']} | {row['n']} | {max(row['gflops']):.0f} | "
                         f"{statistics.median(row['gflops']):.0f} |")
        lines.append(f"| {name} | copy, read and written | | {max(found['copy_gb_s']):.1f} GB/s | "
                     f"{statistics.median(found['copy_gb_s']):.1f} GB/s |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--sizes", default="2048,4096")
    given = measuring.parsed(parser, case)
    sizes = [int(n) for n in given.sizes.split(",")]
    threads = {name: measuring.in_a_process(__file__, [count, sizes, given.rounds])
               for name, count in (("all", machine.cores()), ("one", 1))}
    print(table(threads))
    if given.json:
        measuring.write(given.json, {"threads": threads})


if __name__ == "__main__":
    main()
