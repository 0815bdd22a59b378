#!/usr/bin/env python3
"""Seconds and memory of preparing a run with many images: listing, header check, cache, shuffling.

    python benchmarks/many_pairs.py [--pairs 50000,100000,200000] [--shards 1] [--folder DIR]

Pairs of PNG files of 16 x 16 pixels are generated (400,000 files), in the layout of paired folders. Each number of them
is prepared in a process of its own: what grows faster than the number of pairs shows. "again" is the same with a cache
that exists. 200,000 pairs take a quarter of an hour.
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import imageio.v3 as imageio
import measuring  # noqa: F401  (adds the repository to sys.path)
import numpy as np

from fcn.config.training_config import Config
from fcn.core import machine, tables
from fcn.data import batch_loader, dataset

SIDE = 16
TYPES = 64  # different pictures, which are written again and again


def generate(folder, count):
    """Write `count` training pairs and 4 validation pairs."""
    rng = np.random.default_rng(0)

    def pictures(high, *shape):
        return [imageio.imwrite("<bytes>", rng.integers(0, high, (SIDE, SIDE, *shape), np.uint8), extension=".png")
                for _ in range(TYPES)]
    for kind, contents in (("images", pictures(256, 3)), ("labels", pictures(3))):
        for split, number in (("training", count), ("validation", 4)):
            target = pathlib.Path(folder) / split / kind
            target.mkdir(parents=True)
            for i in range(number):
                (target / f"{i:07d}.png").write_bytes(contents[i % TYPES])
    (pathlib.Path(folder) / "classes.txt").write_text("a\nb\nc\n")


def prepare(folder, cache_dir, shards):
    """{phase: seconds} and the peak memory in bytes of this process."""
    settings = Config(data=str(folder), layout="paired", size=(SIDE, SIDE), cache_dir=str(cache_dir),
                      cache_shards=shards, classes=str(pathlib.Path(folder) / "classes.txt"))
    seconds = {}

    def timed(name, function):
        before = time.perf_counter()
        found = function()
        seconds[name] = time.perf_counter() - before
        return found
    data = timed("list and check", lambda: dataset.find_data(settings))
    _, training, _ = timed("cache", lambda: dataset.prepare_caches(settings, data))
    timed("digests", data.digests)
    sampling = batch_loader.Sampling(batch=8, seed=0)
    timed("first batch", lambda: batch_loader.training_batch(training, 0, sampling))
    timed("100 batches", lambda: [batch_loader.training_batch(training, k, sampling) for k in range(100)])
    return seconds, machine.peak_memory()


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", default="50000,100000,200000")
    parser.add_argument("--shards", type=int, default=1)
    parser.add_argument("--folder", help="for the files (default: a temporary folder)")
    parser.add_argument("--measure", nargs=2, metavar=("DATA", "CACHE"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.measure:
        folder, cache_dir = arguments.measure
        print(json.dumps(prepare(folder, cache_dir, arguments.shards)))
        return
    rows = []
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for count in map(int, arguments.pairs.split(",")):
            data, cache = pathlib.Path(folder) / "data", pathlib.Path(folder) / "cache"
            generate(data, count)
            for name in ("new", "again"):
                words = [sys.executable, __file__, "--shards", str(arguments.shards), "--measure", str(data),
                         str(cache)]
                done = subprocess.run(words, capture_output=True, text=True, check=True)
                seconds, memory = json.loads(done.stdout.splitlines()[-1])
                rows.append([f"{count:,}", name, *(f"{value:.2f}" for value in seconds.values()),
                             f"{memory / 1e6:.0f} MB"])
                print(count, name, seconds, memory, file=sys.stderr, flush=True)
            for path in (data, cache):
                shutil.rmtree(path)
    print("\n".join(tables.lines([">pairs", "<cache", *(f">{name} (s)" for name in seconds), ">peak memory"], rows)))


if __name__ == "__main__":
    main(sys.argv[1:])
