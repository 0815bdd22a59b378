#!/usr/bin/env python3
"""Speed of evaluation and prediction of images, compared with that of another checkout of this project.

    python benchmarks/evaluation_batches.py --before CHECKOUT [--cases demo,photos,photos-ids,camvid] [--rounds 5]

Each case runs the command as a user does, in both checkouts in turn. The net is that of the demo (FCN-8s on a VGG-19
with an eighth of the channels), trained for two steps. Images are drawn scenes. Speed, waiting and memory are those
that the command prints; prediction files of both checkouts are compared byte by byte. Takes about 10 minutes.
"""

import argparse
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import measuring
from PIL import Image

from fcn.core import machine
from fcn.weights import demo

SPEED = re.compile(r"(?P<images>\d+) images in .* s, (?P<speed>[\d.]+) a second; the net waited for reading and "
                   r"writing (?P<waited>[\d.]+)% of it; peak memory (?P<peak>[\d.]+) (?P<unit>MB|GB)")
CASES = {  # name: (text, words of the command after those of the net)
    "demo": ("evaluation of the demo, 96 images of 96x96, all files", ["evaluate"]),
    "photos": ("prediction of 1,000 photos of 96x96, all files", ["predict", "photos"]),
    "photos-ids": ("the same, --outputs predictions", ["predict", "photos", "--outputs", "predictions"]),
    "camvid": ("prediction of 100 photos of 360x480, all files", ["predict", "large", "--size", "360x480"]),
    "camvid-ids": ("the same, --outputs predictions", ["predict", "large", "--size", "360x480", "--outputs",
                                                       "predictions"]),
}


def prepare(folder):
    """Write the run, photos/ and large/ into a folder."""
    demo.write_scenes(folder / "scenes", 8, 96)
    demo.write_mat(folder / "narrow.mat", demo.narrow_vgg())
    words = ["--data", folder / "scenes", "--layout", "ade20k", "--weights", folder / "narrow.mat", "--run",
             folder / "run", "--net", "fcn8s_atonce", "--cache-dir", folder / "cache", "--size", "96", "--batch", "4",
             "--steps", "2", "--eval-every", "2"]
    subprocess.run([sys.executable, str(measuring.ROOT / "train_fcn.py"), *map(str, words)], check=True,
                   capture_output=True)
    demo.write_scenes(folder / "many", 1, 1000, seed=1)
    (folder / "many/images/validation").rename(folder / "photos")
    (folder / "large").mkdir()
    for path in sorted((folder / "photos").iterdir())[:100]:
        with Image.open(path) as image:
            image.resize((480, 360), Image.Resampling.BICUBIC).save(folder / "large" / path.name, quality=90)


def run(checkout, folder, words, out):
    """Run a command of a checkout. Returns {"images", "images_per_s", "waited", "peak_bytes", "seconds"}."""
    command, *rest = words
    before = time.perf_counter()
    words = [command, *rest, "--run", str(folder / "run"), "--out", str(out)]
    done = subprocess.run([sys.executable, "-m", "fcn", *words], cwd=folder, capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(checkout)})
    seconds, found = time.perf_counter() - before, SPEED.search(done.stdout)
    if done.returncode or not found:
        sys.exit(f"{checkout}: {measuring.complaint(done.stderr) or done.stdout[-300:]}")
    return {"images": int(found["images"]), "images_per_s": float(found["speed"]), "seconds": seconds,
            "waited": float(found["waited"]) / 100,
            "peak_bytes": float(found["peak"]) * {"MB": 1e6, "GB": 1e9}[found["unit"]]}


def differing(folders):
    """Number of prediction files that differ between two folders of results."""
    one, other = ({path.relative_to(folder): path.read_bytes() for path in folder.rglob("predictions/**/*")
                   if path.is_file()} for folder in folders)
    return sum(one.get(name) != other.get(name) for name in one.keys() | other.keys())


def compared(case, checkouts, folder, rounds):
    """{"before", "after"}: lists of run() for each round; "differing": number of files."""
    found = {name: [] for name in checkouts}
    for number in range(rounds):
        for name in sorted(checkouts, reverse=number % 2):
            found[name].append(run(checkouts[name], folder, CASES[case][1], folder / f"{case}-{name}"))
    return found | {"differing": differing([folder / f"{case}-{name}" for name in checkouts])}


def table(found):
    """Return a Markdown table of {case: result of compared()}."""
    lines = ["| | images/s before | after | ratio by round | command, s | waiting | peak memory | other predictions |",
             "|---|---|---|---|---|---|---|---|"]
    for case, one in found.items():
        def median(key, name, one=one):
            return statistics.median(run[key] for run in one[name])
        ratio = measuring.ratios(*([run["images_per_s"] for run in one[name]] for name in ("after", "before")))
        lines.append(" | ".join([
            f"| {CASES[case][0]}", *(measuring.shown(median("images_per_s", name)) for name in ("before", "after")),
            f"{ratio[0]:.2f} ({ratio[1]:.2f} to {ratio[2]:.2f})",
            " → ".join(f"{median('seconds', name):.1f}" for name in ("before", "after")),
            " → ".join(f"{median('waited', name):.0%}" for name in ("before", "after")),
            " → ".join(f"{median('peak_bytes', name) / 1e9:.2f} GB" for name in ("before", "after")),
            f"{one['differing']} of {one['after'][0]['images']} |"]))
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", required=True, help="folder of the other checkout")
    parser.add_argument("--cases", default="demo,photos,photos-ids,camvid,camvid-ids")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="OUT")
    given = parser.parse_args()
    checkouts = {"before": pathlib.Path(given.before).resolve(), "after": measuring.ROOT}
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        prepare(folder)
        found = {case: compared(case, checkouts, folder, given.rounds) for case in given.cases.split(",")}
    print(table(found))
    print(machine.description())
    if given.json:
        measuring.write(given.json, found)


if __name__ == "__main__":
    main()
