#!/usr/bin/env python3
"""Time and memory of building a cache, compared with the method of the tutorial.

    python benchmarks/cache_build.py [--data FOLDER --layout NAME] [--images 1000] [--rounds 5] [--size 224]

Tutorial: read every file, resize by nearest neighbour, keep all arrays in memory, pickle them (one thread). Ours: check
all headers, decode on all cores, resize photos by area averaging, check ids, compute checksums, sync to the disk. Each
round runs in its own process, and the two alternate. Without --data, the images are drawn scenes, enlarged to 683 x 512
like ADE20K's. If the data set has fewer pairs than --images, they are repeated. Files are in the page cache.
"""

import argparse
import dataclasses
import itertools
import os
import pathlib
import pickle
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import imageio.v3 as imageio
import numpy as np
from PIL import Image

from fcn.core import registry
from fcn.data import file_checks
from fcn.data.cache import cache
from fcn.weights import demo


def scenes(folder, count=64, size=(683, 512)):
    """Write drawn scenes of the size of ADE20K's photos."""
    demo.write_scenes(folder, count, 1)
    for path in folder.glob("*/training/*"):
        how = Image.Resampling.BICUBIC if path.suffix == ".jpg" else Image.Resampling.NEAREST
        Image.open(path).resize(size, how).save(path, quality=90)


def ours(pairs, spec, size_px, folder):
    report = file_checks.check_files(pairs, spec)
    if report.problems:
        file_checks.refuse(report.problems, len(pairs))
    cache.prepare(report.good, spec, size_px, folder, "benchmark")


def tutorial(pairs, spec, size_px, folder):
    photos, labels = [], []
    for pair in pairs:
        for path, found in ((pair.image, photos), (pair.label, labels)):
            picture = Image.fromarray(imageio.imread(path))
            found.append(np.array(picture.resize(size_px[::-1], Image.Resampling.NEAREST)))
    for name, found in (("data", photos), ("label", labels)):
        with (folder / name).open("wb") as file:
            pickle.dump(np.array(found), file)


def measured(way, *arguments):
    """Return (seconds, peak memory in MB) of way(*arguments) in a forked process."""
    started = time.monotonic()
    pid = os.fork()
    if not pid:
        try:
            with tempfile.TemporaryDirectory() as folder:
                way(*arguments, pathlib.Path(folder))
        except BaseException as error:
            print(error, file=sys.stderr)
            os._exit(1)
        os._exit(0)
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit(f"{way.__name__} failed")
    return time.monotonic() - started, usage.ru_maxrss / 1e3


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data")
    parser.add_argument("--layout", default="ade20k")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--size", type=int, default=224)
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        data, layout = arguments.data, registry.load("layouts", arguments.layout)
        if not data:
            data = pathlib.Path(folder, "scenes")
            scenes(data)
        listed, spec = layout.listing(data, "training").pairs, layout.spec(data)
        many = [dataclasses.replace(pair, name=f"{i:06}") for i, pair in
                zip(range(4 * arguments.images), itertools.cycle(listed), strict=False)]
        some, size_px = many[:arguments.images], (arguments.size, arguments.size)
        rounds = []
        for number in range(arguments.rounds):
            rounds.append([measured(way, some, spec, size_px) for way in (tutorial, ours)])
            (slow, _), (fast, _) = rounds[-1]
            print(f"round {number + 1}: tutorial {len(some) / slow:.0f} images/s, ours {len(some) / fast:.0f}, "
                  f"{slow / fast:.2f} times as fast", flush=True)
        ratios = [slow[0] / fast[0] for slow, fast in rounds]
        print(f"median {statistics.median(ratios):.2f} times as fast ({min(ratios):.2f} to {max(ratios):.2f}); "
              f"{len(some)} pairs at {size_px[0]} x {size_px[1]} from {len(listed)} files")
        print(f"peak memory {'images':>12} {'tutorial':>12} {'ours':>12}")
        for pairs, found in ((some, rounds[-1]), (many, [measured(way, many, spec, size_px)
                                                         for way in (tutorial, ours)])):
            print(f"{len(pairs):>24} {found[0][1]:>9.0f} MB {found[1][1]:>9.0f} MB")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
