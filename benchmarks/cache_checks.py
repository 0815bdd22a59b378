#!/usr/bin/env python3
"""Cost of verifying the checksum of a cache's row when it is first read.

    python benchmarks/cache_checks.py [--images 200] [--rounds 7] [--no-net]

First the loader in one thread: a shuffled epoch that verifies every row, the epoch after it, and an epoch without
verification, alternating. Rows are drawn scenes of 224 x 224, and A4 pages of 2480 x 3508 with 32 crops of 512 x 512
each. Then training of a narrow VGG-19 on the scenes, with batches prepared ahead as in a run. CPU time is reported as
well as wall time, because other programs affect it less.
"""

import argparse
import contextlib
import pathlib
import tempfile
import time

import measuring
import numpy as np
from PIL import Image

from fcn.core import registry
from fcn.data import augment, batch_loader
from fcn.data.cache import cache
from fcn.data.spec import DatasetSpec, Pair
from fcn.weights import demo

PAGES, PAGE, WIDTH = 6, (3508, 2480), 0.1  # number of pages; their height, width; share of the published channels
WAYS = ("first epoch, compared", "next epoch", "first epoch, not compared")


def scenes(folder, count):
    """Build a cache of `count` drawn scenes at 224 x 224 and return its path."""
    demo.write_scenes(folder / "scenes", count, 1)
    layout = registry.load("layouts", "ade20k")
    pairs = layout.listing(folder / "scenes", "training").pairs
    return cache.prepare(pairs, layout.spec(folder / "scenes"), (224, 224), folder, "scenes").path


def pages(folder):
    """Build a cache of pages at their original size and return its path."""
    pairs, rng = [], np.random.default_rng(0)
    for i in range(PAGES):
        pair = Pair(f"{i}", folder / f"{i}.png", folder / f"{i}_label.png")
        rough = rng.integers(0, 256, (PAGE[0] // 31, PAGE[1] // 31, 3), np.uint8)
        Image.fromarray(rough).resize(PAGE[::-1]).save(pair.image, compress_level=1)
        Image.fromarray(rough[..., 0] % 3).resize(PAGE[::-1], Image.Resampling.NEAREST).save(pair.label)
        pairs.append(pair)
    return cache.prepare(pairs, DatasetSpec(("a", "b", "c")), None, folder, "pages",
                         cache.BuildOptions(shapes=[PAGE] * PAGES)).path


def opened(path, compared):
    """Open the cache with all rows still to be compared, or with none."""
    made = cache.open_cache(path)
    made._checked[:] = not compared
    return made


def epoch(made, number, sampling):
    """Return (batches/s, CPU seconds of this thread) of an epoch."""
    count = len(made) * sampling.crops_per_image // sampling.batch
    clock, cpu = time.perf_counter(), time.thread_time()
    for k in range(number * count, (number + 1) * count):
        batch_loader.training_batch(made, k, sampling)
    return count / (time.perf_counter() - clock), time.thread_time() - cpu


def loader(title, path, sampling, rounds):
    """Measure the loader for all WAYS and print a table."""
    found = {way: [] for way in WAYS}
    for number in range(rounds + 1):
        fresh = opened(path, True)
        turn = [epoch(fresh, 0, sampling), epoch(fresh, 1, sampling), epoch(opened(path, False), 0, sampling)]
        if number:  # the first round warms up
            for way, result in zip(WAYS, turn, strict=True):
                found[way].append(result)
    rows = len(cache.open_cache(path))
    print(f"\n{title}: {rows} rows, batches of {sampling.batch}, {rounds} rounds\n\n"
          "| epoch | batches/s, median | range | CPU time, ms a row, median |\n|---|---|---|---|")
    for way, results in found.items():
        rates, seconds = zip(*results, strict=True)
        print(f"| {way} | {measuring.shown(np.median(rates))} | {measuring.shown(min(rates))} to "
              f"{measuring.shown(max(rates))} | {measuring.shown(1e3 * np.median(seconds) / rows)} |")


@measuring.in_a_graph
def trained(path, batch, rounds):
    """Train a narrow net for first epochs with and without comparison, alternating, and print images/s."""
    from fcn.models import graph_builder
    from fcn.models.architecture import Architecture
    from fcn.models.tf_compat import new_session, tf
    from fcn.training import weight_update

    classes = int(np.flatnonzero(cache.open_cache(path).class_pixels)[-1]) + 1
    graph = graph_builder.build(Architecture("fcn8s_atonce", classes, measuring.widths(WIDTH), augment.FILL_RGB))
    update = weight_update.build(graph.objective, graph.normalizer, weight_update.Rule("adam"))
    run, sampling = new_session(), batch_loader.Sampling(batch, 0)
    run.run([tf.global_variables_initializer(), tf.local_variables_initializer()])

    def an_epoch(compared):
        made = opened(path, compared)
        count, waited = len(made) // batch, 0.0
        clock, cpu = time.perf_counter(), time.process_time()
        with contextlib.closing(batch_loader.prefetch(lambda k: batch_loader.training_batch(made, k, sampling),
                                                   range(count))) as supply:
            for _ in range(count):
                before = time.perf_counter()
                images, labels = next(supply)
                waited += time.perf_counter() - before
                run.run(update.update, {graph.images: images, graph.labels: labels, graph.keep_prob: 0.5,
                                        update.learning_rate: 1e-4})
        return count * batch / (time.perf_counter() - clock), (time.process_time() - cpu) / (count * batch), waited

    an_epoch(True)
    found = {True: [], False: []}
    for number in range(rounds):
        for compared in (True, False) if number % 2 else (False, True):
            found[compared].append(an_epoch(compared))
    print(f"\ntraining, a VGG-19 of {WIDTH:g} of the channels, 224 x 224, batches of {batch}, {rounds} rounds\n\n"
          "| rows | images/s, median | range | CPU time, ms an image | waiting for data, s an epoch |\n"
          "|---|---|---|---|---|")
    for compared, results in found.items():
        rates, seconds, waits = zip(*results, strict=True)
        print(f"| {'compared' if compared else 'not compared'} | {measuring.shown(np.median(rates))} | "
              f"{measuring.shown(min(rates))} to {measuring.shown(max(rates))} | "
              f"{measuring.shown(1e3 * np.median(seconds))} | {measuring.shown(np.median(waits))} |")
    for name, column in (("images/s", 0), ("CPU time", 1)):
        median, low, high = measuring.ratios(*([r[column] for r in found[way]] for way in (True, False)))
        print(f"{name}, compared over not compared, by round: {median:.3f} ({low:.3f} to {high:.3f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--no-net", action="store_true", help="leave out the training")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        small, large = scenes(pathlib.Path(folder), arguments.images), pages(pathlib.Path(folder))
        loader("rows of 224 x 224", small, batch_loader.Sampling(2, 0), arguments.rounds)
        loader("rows of 224 x 224, all augmentations", small,
               batch_loader.Sampling(2, 0, augment=tuple(registry.names("augmentations"))),
               arguments.rounds)
        loader("pages of 2480 x 3508, 32 crops of 512 x 512 each", large,
               batch_loader.Sampling(2, 0, crop_size=(512, 512), crops_per_image=32), arguments.rounds)
        if not arguments.no_net:
            trained(small, 2, arguments.rounds)
    known = measuring.facts()
    print(f"\n{known['command']}; commit {known['commit']}; {known['machine']}; {known['versions']}; {known['time']}")


if __name__ == "__main__":
    main()
