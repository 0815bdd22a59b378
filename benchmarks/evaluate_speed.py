#!/usr/bin/env python3
"""Speed of an evaluation of 100 images end to end, and the share of time that training waits for data.

    python benchmarks/evaluate_speed.py [--data FOLDER --layout NAME] [--weights VGG19.mat] [--images 100] [--json OUT]

Runs the scripts as a user does: trains a few steps, then evaluates the checkpoint on the validation images with all
outputs. The net is FCN-8s with VGG-19's width at 360 x 480 or 224 x 224. Without --data, the images are drawn scenes;
without --weights, the weights are random. Takes about 4 minutes.
"""

import argparse
import contextlib
import io
import pathlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import measuring
import startup

from fcn.runs import run_log
from fcn.weights import demo

STEPS, WARM_UP = 12, 2
SIZES = {"camvid": "360x480"}


class Part:
    """Measures the total seconds of all calls of a function, in all threads."""

    def __init__(self, place, name):
        self.seconds, self.lock, function = 0.0, threading.Lock(), getattr(place, name)

        def call(*arguments, **options):
            before = time.perf_counter()
            try:
                return function(*arguments, **options)
            finally:
                with self.lock:
                    self.seconds += time.perf_counter() - before
        setattr(place, name, call)


def case(run, out, images):
    """Run one evaluation in this process. Returns seconds in total, for the images and for each part."""
    started = time.perf_counter()
    from fcn.api import scores
    from fcn.cli import evaluate
    from fcn.core import machine
    from fcn.data import dataset
    from fcn.evaluation import image_sources, inference, prediction_writer, runner
    from fcn.metrics import confusion
    parts = {"reading": Part(image_sources, "read_sample"), "net": Part(inference, "run"),
             "metrics": Part(confusion.Counting, "add"), "report": Part(scores.Scores, "write_into"),
             "writing": Part(prediction_writer.PredictionWriter, "attempt")}
    imported, kept, over, listed = time.perf_counter() - started, [], runner.run_evaluation, dataset.to_evaluate
    runner.run_evaluation = lambda *arguments: kept.append(over(*arguments)) or kept[-1]

    def only_some(*arguments):
        good, left_out = listed(*arguments)
        return good[:images], left_out
    dataset.to_evaluate = only_some
    with contextlib.redirect_stdout(io.StringIO()):
        evaluate.main(["--run", run, "--out", out])
    return {"images": kept[0].images, "seconds": kept[0].seconds, "waited": kept[0].waited, "import_s": imported,
            "all_s": time.perf_counter() - started, "peak_bytes": machine.peak_memory(),
            "parts": {name: part.seconds for name, part in parts.items()}}


def measured(data, layout, weights, share, images, steps=STEPS):
    """Return {"training": {"wait_shares", "images_per_s"}, "evaluation": of case()}; both have "failed" on failure."""
    with tempfile.TemporaryDirectory() as folder:
        folder, run = pathlib.Path(folder), pathlib.Path(folder, "run")
        if not data:
            data = folder / "scenes"
            demo.write_scenes(data, 2 * (steps + 1), images)
        if not weights:
            weights = folder / "vgg19.mat"
            startup.random_file(weights, share)
        words = ["--data", data, "--layout", layout, "--weights", weights, "--run", run, "--net", "fcn8s_atonce",
                 "--cache-dir", folder / "cache", "--size", SIZES.get(layout, "224x224"), "--batch", "2",
                 "--steps", steps, "--log-every", "1", "--eval-every", steps, "--eval-batches", "1",
                 "--optimizer", "adam", "--learning-rate", "1e-6"]
        done = subprocess.run([sys.executable, str(measuring.ROOT / "train_fcn.py"), *map(str, words)],
                              capture_output=True, text=True)
        if done.returncode:
            why = {"failed": (done.stderr or done.stdout).strip().splitlines()[0][:200]}
            return {"training": why, "evaluation": why}
        evaluation = measuring.in_a_process(__file__, [str(run), str(folder / "out"), images])
        return {"training": waited(run_log.read_entries(run / "speed.jsonl")), "evaluation": evaluation}


def waited(entries):
    """Return the shares of waiting and images/s of the lines of speed.jsonl, without the first WARM_UP."""
    lines = [entry for entry in entries if "wait_share" in entry][WARM_UP:]
    return {"wait_shares": [entry["wait_share"] for entry in lines],
            "images_per_s": [entry["images_per_s"] for entry in lines], "failed": None}


def table(found):
    """Return a Markdown table. found: result of measured()."""
    training, one = found["training"], found["evaluation"]
    lines = ["| what | value |", "|---|---|"]
    if training["failed"]:
        lines.append(f"| training | failed: {training['failed']} |")
    elif training["wait_shares"]:
        lines.append(f"| training waits for data, share of the time | {statistics.mean(training['wait_shares']):.2%}, "
                     f"at most {max(training['wait_shares']):.2%} in one step |")
    if one["failed"]:
        return "\n".join([*lines, f"| evaluation | failed: {one['failed']} |"])
    return "\n".join([*lines,
        f"| evaluation of {one['images']} images | {one['images'] / one['seconds']:.2f} images/s, "
        f"{one['seconds']:.1f} s |",
        f"| with start and report | {one['all_s']:.1f} s, including {one['import_s']:.1f} s of imports |",
        f"| share of the images' time in the net | {one['parts']['net'] / one['seconds']:.1%} |",
        f"| share of the images' time waiting | {one['waited'] / one['seconds']:.1%} |",
        *(f"| {name}, {where} | {one['parts'][name] / one['images'] * 1e3:.1f} ms an image |" for name, where in
          (("reading", "before the net"), ("metrics", "after it"), ("writing", "after it"))),
        f"| report at the end | {one['parts']['report']:.2f} s |",
        f"| peak memory | {one['peak_bytes'] / 1e9:.2f} GB |"])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="folder of a data set (default: drawn scenes)")
    parser.add_argument("--layout", default="ade20k")
    parser.add_argument("--weights", help="VGG-19 (default: random weights)")
    parser.add_argument("--share", type=float, default=1.0, help="share of VGG-19's channels, without --weights")
    parser.add_argument("--images", type=int, default=100)
    given = measuring.parsed(parser, case)
    found = measured(given.data, given.layout, given.weights, given.share, given.images)
    print(table(found))
    if given.json:
        measuring.write(given.json, {"data": given.layout if given.data else "drawn scenes"} | found)


if __name__ == "__main__":
    main()
