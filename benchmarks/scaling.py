#!/usr/bin/env python3
"""How training scales with GPUs and images, computed from the assumptions below: tables, and docs/scaling.png.

    python benchmarks/scaling.py

A step is its computation plus an all-reduce of all gradients after it (fcn/training/weight_update.py), without overlap.
Nothing here was measured on several GPUs. The images per second of one GPU are of benchmarks/RESULTS.md.
"""

import argparse
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from fcn.core import tables
from fcn.runs import curves

PARAMETERS = 139.7e6  # FCN-32s on VGG-19, 40 classes; the nets of the paper have 134 to 153 million
GRADIENT_BYTES = 4 * PARAMETERS  # float32, also with --precision bfloat16
IMAGES_PER_S = 320  # of one H100: tutorial's net, 224x224, bfloat16, batch 8 (RESULTS.md, commit 7741b0a)
PER_MACHINE = 8  # GPUs
WITHIN = 300e9  # bytes/s between the GPUs of a machine (NVLink)
BETWEEN = {"10 Gbit/s Ethernet": 1.25e9, "100 Gbit/s Ethernet": 12.5e9, "8 x 400 Gbit/s InfiniBand": 400e9}
HOP_S = 10e-6  # latency of one of the 2 (N - 1) exchanges of a ring
GPUS = (1, 8, 64, 512)
PAIR_BYTES = 4 * 384 * 384  # image and label in the cache, at --size 384
BUILT_PER_S = 425 / 2  # pairs per core: 425 images/s on two cores at 224x224 (RESULTS.md, commit 5e440db)
TABLE_BYTES = 64  # of names, shapes, places and checksums in the cache, per pair
IMAGES = {"20 thousand": 20e3, "1 million": 1e6, "1 billion": 1e9}


def communication(gpus, between):
    """Seconds of a ring all-reduce among so many GPUs. between: bytes/s between machines."""
    slowest = WITHIN if gpus <= PER_MACHINE else min(WITHIN, between)
    return 0.0 if gpus == 1 else 2 * (gpus - 1) / gpus * GRADIENT_BYTES / slowest + 2 * (gpus - 1) * HOP_S


def efficiency(gpus, images, between):
    """Share of the time that a GPU computes. images: per GPU and step."""
    computing = images / IMAGES_PER_S
    return computing / (computing + communication(gpus, between))


def images_for(share, gpus, between):
    """Images per GPU and step with which a GPU computes this share of the time."""
    return communication(gpus, between) * IMAGES_PER_S * share / (1 - share)


def steps_table():
    """Lines about communication and the size of a step, per network and number of GPUs."""
    rows = []
    for name, between in BETWEEN.items():
        for gpus in GPUS[1:]:
            least = images_for(0.9, gpus, between)
            rows.append([name if gpus > PER_MACHINE else "NVLink alone", str(gpus),
                         f"{1e3 * communication(gpus, between):.3g}", f"{efficiency(gpus, 8, between):.0%}",
                         f"{np.ceil(least):.0f}", f"{np.ceil(least) * gpus:,.0f}"])
    unique = list({tuple(row): row for row in rows}.values())
    return tables.lines(["<between machines", ">GPUs", ">all-reduce (ms)", ">8 images per GPU", ">90 %: images per GPU",
                         ">images per step"], unique)


def data_table():
    """Lines about the cache of so many images."""
    rows = []
    for name, images in IMAGES.items():
        size = images * PAIR_BYTES
        rows.append([name, f"{size / 1e12:.3g} TB", f"{size / 4e9:,.0f}", f"{images / BUILT_PER_S / 3600:,.3g}",
                     f"{images * TABLE_BYTES / 1e9:,.3g} GB", f"{images * 8 / 1e9:,.3g} GB"])
    return tables.lines(["<images", ">cache at 384x384", ">files of 4 GB", ">core hours to build", ">tables",
                         ">one permutation"], rows)


def shuffled(images=100_000, scene=50, batch=8, shards=64, batches=4_000, seed=0):
    """{how batches are drawn: standard deviation of the mean of a batch}, of values that are equal within a scene.

    The files of a scene have neighbouring names. The value of a scene is normal with deviation 1, so that independent
    images give 1 / sqrt(batch).
    """
    rng = np.random.default_rng(seed)
    value = np.repeat(rng.normal(size=images // scene), scene)
    of = np.arange(images)
    groups = {"from all images": [of], f"from one of {shards} shards, every {shards}th pair":
              [of[k::shards] for k in range(shards)], f"from one of {shards} shards of neighbours":
              np.array_split(of, shards), "neighbours (not shuffled)": np.array_split(of, images // batch)}
    return {name: float(np.std([value[rng.choice(group[k % len(group)], batch, replace=False)].mean()
                                for k in rng.permutation(batches)])) for name, group in groups.items()}


def draw(path):
    """Write the plot of the efficiency."""
    from matplotlib.figure import Figure
    figure = Figure(figsize=(13, 4), layout="constrained")
    for axes, (name, between) in zip(figure.subplots(1, len(BETWEEN), sharey=True), BETWEEN.items(), strict=True):
        images = np.geomspace(1, 1024, 60)
        for gpus in GPUS[1:]:
            axes.plot(images, [efficiency(gpus, x, between) for x in images], label=f"{gpus} GPUs")
        axes.set_xscale("log", base=2)
        axes.set_title(f"machines of {PER_MACHINE} GPUs, {name}", fontsize=10)
        axes.set_xlabel("images per GPU and step")
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("share of the time in which a GPU computes")
    figure.axes[-1].legend()
    curves.write_figure(figure, path, dpi=90)


def main(argv):
    argparse.ArgumentParser(description=__doc__.split("\n")[0]).parse_args(argv)
    print("\n".join([f"{PARAMETERS / 1e6:.1f} million parameters, {GRADIENT_BYTES / 1e6:.0f} MB of gradients; "
                     f"{IMAGES_PER_S} images/s on one GPU", *steps_table(), "", *data_table(), "",
                     "standard deviation of the mean of a batch of 8 images (independent ones: "
                     f"{8 ** -0.5:.3f})", *tables.lines(["<batches are drawn", ">deviation"], [
                         [name, f"{found:.3f}"] for name, found in shuffled().items()])]))
    draw(pathlib.Path(__file__).parents[1] / "docs" / "scaling.png")


if __name__ == "__main__":
    main(sys.argv[1:])
