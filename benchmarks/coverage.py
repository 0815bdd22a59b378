#!/usr/bin/env python3
"""Coverage of the 95 % intervals of mean IoU, measured on simulated populations of images.

    python benchmarks/coverage.py [--quick]

A population has 20,000 images whose scores are known exactly. Class frequencies follow Zipf's law (1 / k for class k),
similar to ADE20K. Object sizes are log-normal, large objects are recognised more often, and wrong pixels are assigned
to classes of the same image or to any class. Sets of 30 to 2,000 images are drawn repeatedly and evaluated as
eval_fcn.py does. Printed is the share of intervals that contain the population's mean IoU: over the classes labelled in
the set, for which the interval is defined, and over all classes. `bootstrap` is the percentile bootstrap over images,
for comparison.
"""

import argparse
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

from fcn.metrics import confidence, iou
from fcn.metrics.confusion import Sums
from fcn.metrics.protocols import benchmark

POPULATION, CLASSES, PIXELS = 20_000, 150, 50_000
CASES = (("150 classes, 9 draws an image", 1.0, 8), ("150 classes, 4 draws an image", 1.0, 3),
         ("150 classes, steeper (k^-1.5)", 1.5, 8))
SIZES = (30, 100, 500, 2000)
RESAMPLES = 300


def population(zipf, draws, seed, net=0, better=0.0):
    """Return the Sums of POPULATION images. draws: mean number of further class draws per image, after the first.

    Nets with the same seed have the same labels and equally difficult images. better: added to the log-odds of a
    correct pixel.
    """
    random, errors = np.random.default_rng(seed), np.random.default_rng([seed, net])
    frequency = 1 / np.arange(1, CLASSES + 1) ** zipf
    frequency /= frequency.sum()
    quality = np.clip(0.8 - 0.5 * np.arange(CLASSES) / CLASSES + random.normal(0, 0.15, CLASSES), 0.05, 0.95)
    ease = np.log(quality / (1 - quality)) + better
    true_positives, target_pixels, predicted_pixels = np.zeros((3, POPULATION, CLASSES), np.float32)
    for image in range(POPULATION):
        classes = np.unique(random.choice(CLASSES, 1 + random.poisson(draws), p=frequency))
        size = random.lognormal(0, 1.5, len(classes))
        size = np.ceil(size / size.sum() * PIXELS)
        logit = (ease[classes] + random.normal(0, 0.6) + errors.normal(0, 1.2, len(classes))
                 + 0.3 * np.log(size / size.mean()))
        correct = np.floor(size / (1 + np.exp(-logit)))
        target_pixels[image, classes], true_positives[image, classes] = size, correct
        predicted_pixels[image, classes] += correct
        for own, wrong in zip(classes, size - correct, strict=True):
            inside = np.floor(0.7 * wrong) if len(classes) > 1 else 0
            if inside:
                predicted_pixels[image, errors.choice(classes[classes != own])] += inside
            predicted_pixels[image, errors.choice(CLASSES, p=frequency)] += wrong - inside
    return Sums(tuple(range(CLASSES)), true_positives, target_pixels, predicted_pixels)


def subset(population, chosen):
    return Sums(population.ids, *(array[chosen].astype(np.float64) for array in population.of()))


def population_mean_iou(population, present):
    """Return the mean IoU of the population; classes that are not `present` count as 0."""
    sums = [array.sum(axis=0, dtype=np.float64) for array in population.of()]
    return np.nan_to_num(iou.per_class(*sums)[0])[present].sum() / CLASSES


def bootstrap(sums, random):
    """Return the 95 % percentile interval of mean IoU over resampled images."""
    images = len(sums.true_positives)
    weights = random.multinomial(images, np.full(images, 1 / images), size=RESAMPLES).astype(np.float64)
    return np.percentile(benchmark.compute(sums, weights)["mean_iou"], [2.5, 97.5])


def coverage(whole, images, repeats, random):
    """Return {column: mean over `repeats` sets of `images` images}. whole: Sums of the population."""
    every, rows = population_mean_iou(whole, np.ones(CLASSES, bool)), []
    for _ in range(repeats):
        sums = subset(whole, random.integers(POPULATION, size=images))
        present = sums.target_pixels.sum(axis=0) > 0
        score, truth = benchmark.compute(sums, np.ones((1, images)))["mean_iou"][0], population_mean_iou(whole, present)
        low, high = confidence.interval(score, benchmark.ratios(sums)["mean_iou"])
        plain = bootstrap(sums, random)
        rows.append({"labelled": present.sum(), "bias": score - truth, "width": high - low,
                     "held": low <= truth <= high, "all": low <= every <= high, "out": not low <= score <= high,
                     "boot": plain[1] - plain[0],
                     "boot held": plain[0] <= truth <= plain[1], "boot out": not plain[0] <= score <= plain[1]})
    return {name: np.mean([row[name] for row in rows]) for name in rows[0]}


def differences(one, other, images, repeats, random):
    """Return the share of the intervals of a difference of two nets that contain the population's difference."""
    held = 0
    for _ in range(repeats):
        chosen = random.integers(POPULATION, size=images)
        pair = subset(one, chosen), subset(other, chosen)
        present = pair[0].target_pixels.sum(axis=0) > 0
        terms = [benchmark.ratios(sums)["mean_iou"] for sums in pair]
        scores = [benchmark.compute(sums, np.ones((1, images)))["mean_iou"][0] for sums in pair]
        low, high = confidence.interval_of_difference(scores[0] - scores[1], *terms)
        held += low <= population_mean_iou(one, present) - population_mean_iou(other, present) <= high
    return held / repeats


def main(argv):
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the repetitions")
    repeats = 40 if parser.parse_args(argv).quick else 400
    print("population                       images  labelled  bias     width  held  all classes "
          "| bootstrap: width  held  score outside")
    for seed, (name, zipf, draws) in enumerate(CASES):
        whole, random = population(zipf, draws, seed), np.random.default_rng(seed)
        for images in SIZES:
            row = coverage(whole, images, repeats, random)
            print(f"{name:<31}{images:>8}{row['labelled']:>10.1f}{row['bias']:>+8.4f}{row['width']:>8.3f}"
                  f"{row['held']:>6.0%}{row['all']:>13.0%} |{row['boot']:>17.3f}{row['boot held']:>6.0%}"
                  f"{row['boot out']:>15.0%}", flush=True)
            if row["out"]:
                raise SystemExit("a score is outside its interval")
    one, other = population(1.0, 8, 10), population(1.0, 8, 10, net=1, better=0.2)
    for images in SIZES:
        held = differences(one, other, images, repeats, random)
        print(f"{'difference of two nets':<31}{images:>8}{held:>32.0%}", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
