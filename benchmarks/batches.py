#!/usr/bin/env python3
"""Random batches per second from the cache, compared with other ways of loading and with the net's training speed.

    python benchmarks/batches.py [--data FOLDER --layout NAME] [--images 1000] [--rounds 7] [--no-net]

Without --data, the images are drawn scenes. A round is one shuffled epoch of every way and three training steps of
fcn8s_tutorial with random weights (about 6 GB). Prints medians and ranges over the rounds, and the speed of each way
relative to the net.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import h5py
import measuring
import numpy as np

from fcn.core import registry
from fcn.data import augment, batch_loader
from fcn.data.cache import cache
from fcn.weights import demo

SIZE, STEPS = (224, 224), 3


def prepare(arguments, folder):
    """Return the Cache of the training images."""
    data, layout = arguments.data, registry.load("layouts", arguments.layout)
    if not data:
        data = folder / "scenes"
        demo.write_scenes(data, arguments.images, 1)
    pairs, spec = layout.listing(data, "training").pairs, layout.spec(data)
    return cache.prepare(pairs[:arguments.images], spec, SIZE, folder, "benchmark")


def ours(found, batch, names):
    """Return a function that reads one shuffled epoch from the cache and returns the number of batches."""
    sampling = batch_loader.Sampling(batch, seed=0, augment=names)
    count, epochs = len(found) // batch, iter(range(10**9))

    def epoch():
        first = next(epochs) * count
        for number in range(first, first + count):
            batch_loader.training_batch(found, number, sampling)
        return count
    return epoch


def in_memory(found, batch):
    """As the tutorial: all images in memory, shuffled by a copy and then sliced. Returns a function as ours()."""
    images = np.stack([found.image(i) for i in range(len(found))])
    labels = np.stack([found.label(i) for i in range(len(found))])
    rng = np.random.default_rng(0)

    def epoch():
        order = rng.permutation(len(images))
        shuffled = images[order], labels[order]
        parts = [[array[start:start + batch] for array in shuffled] for start in range(0, len(images), batch)]
        return len(parts)
    return epoch


def fancy_h5py(path, batch):
    """Read the cache's file by h5py with lists of rows, which must be sorted. Returns a function as ours()."""
    file, rng = h5py.File(path), np.random.default_rng(0)
    images, labels = file["images"], file["labels"]

    def epoch():
        rows = np.split(rng.permutation(len(images))[:len(images) // batch * batch], len(images) // batch)
        for some in rows:
            _ = images[np.sort(some)], labels[np.sort(some)]
        return len(rows)
    return epoch


@measuring.in_a_graph
def net(found, batch):
    """Return a function that makes training steps of fcn8s_tutorial with Adam on one batch."""
    from fcn.models import graph_builder, published_nets
    from fcn.models.architecture import Architecture
    from fcn.models.tf_compat import new_session, tf
    from fcn.training import weight_update

    num_classes = int(np.flatnonzero(found.class_pixels)[-1]) + 1
    graph = graph_builder.build(Architecture("fcn8s_tutorial", num_classes, published_nets.widths(), augment.FILL_RGB))
    update, run = weight_update.build(graph.objective, graph.normalizer, weight_update.Rule("adam")), new_session()
    run.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
    images, labels = batch_loader.training_batch(found, 0, batch_loader.Sampling(batch, seed=0))
    feed = {graph.images: images, graph.labels: labels, graph.keep_prob: 0.5, update.learning_rate: 0.0}

    def steps():
        for _ in range(STEPS):
            run.run(update.update, feed)
        return STEPS
    return steps


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of a data set (default: drawn scenes)")
    parser.add_argument("--layout", default="ade20k")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-net", action="store_true", help="leave out the net's steps")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = prepare(arguments, pathlib.Path(folder))
        ways = {"cache": ours(found, arguments.batch, ()), "cache, hflip": ours(found, arguments.batch, ("hflip",)),
                "cache, all augmentations": ours(found, arguments.batch, tuple(registry.names("augmentations"))),
                "all in memory, shuffled": in_memory(found, arguments.batch),
                "h5py, contiguous, lists of rows": fancy_h5py(found.path, arguments.batch)}
        if not arguments.no_net:
            ways["training step of the net"] = net(found, arguments.batch)
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for number in range(arguments.rounds + 1):
            for name, way in ways.items():
                start = time.perf_counter()
                rate = way() / (time.perf_counter() - start)
                if number:  # the first round warms up
                    rates[name].append(rate)
        print(f"{len(found)} images of {SIZE[0]} x {SIZE[1]}, batches of {arguments.batch}, {arguments.rounds} rounds")
        print(table(rates))


def table(rates):
    """Return a Markdown table. rates: {way: batches/s of each round}; speeds are relative to the last way."""
    slowest = list(rates.values())[-1]
    lines = ["| way | batches/s, median | range | times the last row |", "|---|---|---|---|"]
    for name, found in rates.items():
        times = statistics.median(one / other for one, other in zip(found, slowest, strict=True))
        lines.append(f"| {name} | {shown(statistics.median(found))} | {shown(min(found))} to {shown(max(found))} "
                     f"| {shown(times)} |")
    return "\n".join(lines)


def shown(number):
    return f"{number:,.0f}" if number >= 100 else f"{number:.3g}"


if __name__ == "__main__":
    main()
