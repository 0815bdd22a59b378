"""Ablation: each deviation of other implementations from the paper, or each option of a recipe, one at a time.

    python benchmarks/ablation.py --data CAMVID --weights VGG19.mat
    python benchmarks/ablation.py --data NYUDV2 --weights VGG19.mat --size 120x160 --steps 1000 --out runs/ablation_long
    python benchmarks/ablation.py --data CAMVID --weights VGG19.mat --variants options --steps 200

Each run is one call of train_fcn.py with the settings COMMON and one line of TRAPS or OPTIONS. All variants are run
for one seed before the next seed, so that an interrupted series is balanced. Finished runs are stored in ablation.json
(options.json); the same command resumes there. The plot is updated after every run, the table is printed at the end.
docs/ablation.md discusses those of TRAPS.
"""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from fcn.config import training_config  # noqa: E402
from fcn.core import atomic_io, ownership  # noqa: E402
from fcn.runs import checkpoint_files, curves, record, run_log  # noqa: E402

SIZE, PRECISION = "180x240", "float32"  # of entries that do not name them
COMMON = ["--net", "fcn8s_atonce", "--batch", "2", "--optimizer", "adam", "--learning-rate", "5e-5", "--schedule",
          "poly", "--keep-prob", "0.5", "--eval-batches", "0", "--log-every", "5"]
TRAPS = {  # name: (deviation, flags)
    "paper": ("FCN-8s at once, as published", ""),
    "avg_pool": ("average pools", "--pool avg"),
    "conv5_3": ("conv5_3 before its ReLU into pool5", "--last-layer conv5_3"),
    "random_fc": ("fc6 and fc7 random", "--fc random"),
    "features": ("features fused, not scores", "--fusion features"),
    "normal_init": ("scores start normal, sd 0.02", "--init-stddev 0.02"),
    "no_scaling": ("pools not scaled", "--no-pool-scaling"),
    "relu5_3": ("relu5_3 into pool5", "--last-layer relu5_3"),
    "score_relu": ("a ReLU on scores that start normal, sd 0.02", "--score-relu --init-stddev 0.02"),
    "learned": ("upsampling learned", "--learn-upsampling"),
    "void_trained": ("the ignored label trained as a class", "--train-ignored"),
    "tutorial": ("the tutorial's net, all of it", "--net fcn8s_tutorial --train-ignored"),
    "shekkizh": ("shekkizh's net, all of it", "--net fcn8s_shekkizh --train-ignored"),
}
NEW = "--learning-rate 1e-5 --rate-factors new=50"
RATES = f"{NEW},score_pool4/kernel=5,score_pool3/kernel=100"
UNSCALED = "score_pool4/kernel=0.05,score_pool3/kernel=0.01,score_pool2/kernel=0.03"  # the same without pool scaling
OPTIONS = {
    "paper": ("FCN-8s at once, as published, Adam 5e-5", ""),
    "new": ("Adam 1e-5, new layers x50", NEW),
    "rates": ("the same, score_pool4 x5, score_pool3 x100", RATES),
    "freeze": ("these rates, conv1 and conv2 frozen", f"{RATES} --freeze conv2"),
    "fcn4s": ("these rates, a skip from pool2", f"{NEW},{UNSCALED} --net fcn4s"),
    "fcn4s_lovasz": ("these rates, a skip from pool2, Lovasz added to the loss",
                     f"{NEW},{UNSCALED} --net fcn4s --loss cross_entropy+lovasz"),
    "median": ("these rates, median frequency weights", f"{RATES} --class-weights median"),
    "ema": ("these rates, moving averages of 0.98", f"{RATES} --ema 0.98"),
    "multiscale": ("these rates, scales of 0.5 to 2", f"{RATES} --augment hflip,multiscale --crop-size {{size}}"),
    "colour": ("these rates, brightness, gamma and hue varied", f"{RATES} --augment hflip,brightness,gamma,hue"),
    "dice": ("these rates, dice added to the loss", f"{RATES} --loss cross_entropy+dice"),
    "lovasz": ("these rates, Lovasz added to the loss", f"{RATES} --loss cross_entropy+lovasz"),
}
VARIANTS = {"traps": TRAPS, "options": OPTIONS}
FILES = {"traps": "ablation.json", "options": "options.json"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--data", required=True, help="folder of the data set")
    parser.add_argument("--size", default=SIZE, help=f"size of the images (default: {SIZE}, half of CamVid's)")
    parser.add_argument("--steps", type=int, default=100, help="steps of a run (default: 100)")
    parser.add_argument("--variants", choices=VARIANTS, default="traps", help="deviations of other implementations, "
                        "or options of a recipe (default: traps)")
    parser.add_argument("--only", nargs="+", choices=TRAPS | OPTIONS, metavar="NAME", help="these variants only")
    parser.add_argument("--weights", required=True, help="pretrained VGG-19")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--precision", choices=training_config.PRECISIONS, default=PRECISION,
                        help=f"arithmetic of convolutions (default: {PRECISION})")
    parser.add_argument("--runs", help="where the runs go; their checkpoints are not kept (default: runs/ablation or "
                        "runs/options)")
    parser.add_argument("--out", default=str(ROOT / "docs"), help="where ablation.json and its picture go")
    arguments = parser.parse_args()
    variants = VARIANTS[arguments.variants]
    variants = {name: (what, flags.format(size=arguments.size)) for name, (what, flags) in variants.items()}
    names = arguments.only or [*variants]
    if unknown := set(names) - variants.keys():
        parser.error(f"--variants {arguments.variants} has no {', '.join(sorted(unknown))}, but {', '.join(variants)}")
    file = pathlib.Path(arguments.out) / FILES[arguments.variants]
    file.parent.mkdir(parents=True, exist_ok=True)
    arguments.runs = arguments.runs or f"runs/{file.stem}"
    results = before(file)
    title = f"mean IoU on validation at {arguments.size}, {arguments.steps} steps of 2 images; one dot per seed"
    refused: set = set()
    for seed in range(arguments.seeds):
        for name in names:
            if name not in refused and not any(result["variant"] == name and result["seed"] == seed
                                               for result in comparable(results, variants, arguments)):
                entry = train(name, seed, variants[name][1], arguments)
                if entry is None:
                    refused.add(name)
                    continue
                results.append(entry)
                atomic_io.write_json(file, results)
                draw(comparable(results, variants, arguments), variants, file.with_suffix(".png"), title)
    found = comparable(results, variants, arguments)
    draw(found, variants, file.with_suffix(".png"), title)
    print(table(found, variants))


def comparable(results, variants, arguments):
    """The entries with today's flags of their variant, and with the steps, size and precision that are asked for."""
    wanted = {"steps": arguments.steps, "size": arguments.size, "precision": arguments.precision}
    return [result for result in results if result["variant"] in variants
            and result["flags"] == variants[result["variant"]][1]
            and wanted.items() <= ({"size": SIZE, "precision": PRECISION} | result).items()]


def before(file):
    """Return the entries of a JSON file so far. Exits if it or the plot is a file of something else."""
    if ownership.occupied(file):
        try:
            results = json.loads(file.read_text())
            scores(results, "paper"), [(r["seed"], r["steps"], r["flags"]) for r in results]
            return results
        except (OSError, ValueError, TypeError, KeyError):
            sys.exit(f"{file} exists and is not a result of an ablation; give another --out")
    if ownership.occupied(file.with_suffix(".png")):
        sys.exit(f"{file.with_suffix('.png')} exists without {file.name}; give another --out")
    return []


def train(name, seed, flags, arguments):
    """Train one variant and return its entry for the JSON file; None if its settings do not fit the data set."""
    steps = str(arguments.steps)
    run = pathlib.Path(arguments.runs) / "-".join([name, arguments.size, steps, arguments.precision, str(seed)])
    command = [sys.executable, str(ROOT / "train_fcn.py"), *COMMON, "--size", arguments.size, "--steps", steps,
               "--eval-every", steps, "--save-every", steps, *flags.split(), "--seed", str(seed),
               "--precision", arguments.precision,
               "--data", arguments.data, "--weights", arguments.weights, "--run", str(run)]
    started = time.perf_counter()
    code = subprocess.run(command, stdout=subprocess.DEVNULL).returncode
    if code == 2:
        print(f"{name} is left out, see the error above", flush=True)
        return None
    if code not in (0, 6):
        sys.exit(f"{name}, seed {seed}: train_fcn.py ended with exit code {code}; run the same command to resume")
    seconds = time.perf_counter() - started
    for checkpoint in checkpoint_files.paths(run / "checkpoints"):
        checkpoint_files.remove(checkpoint, record.read_record(run).get("fingerprints"))
    log = run_log.read_entries(run / "log.jsonl")
    last = next((entry for entry in reversed(log) if entry.get("val_mean_iou") is not None), {}) if code == 0 else {}
    entry = {"variant": name, "seed": seed, "steps": arguments.steps, "size": arguments.size,
             "precision": arguments.precision,
             "first_loss": log[0]["loss"] if log else None,
             "pixel_accuracy": last.get("val_pixel_accuracy"), "mean_iou": last.get("val_mean_iou"),
             "seconds": round(seconds), "commit": record.commit(), "flags": flags}
    print(json.dumps(entry), flush=True)
    return entry


def scores(results, name, key="mean_iou"):
    """Return the scores of a variant, one per seed. A diverged run counts as 0."""
    return [r[key] or 0.0 for r in results if r["variant"] == name]


def table(results, variants):
    """Return a Markdown table: mean over seeds, each seed, difference from the paper with its standard error."""
    paper = scores(results, "paper")
    lines = ["| deviation | first loss | pixel accuracy | mean IoU | each seed | difference |",
             "|---|---|---|---|---|---|"]
    for name, (what, _) in variants.items():
        found = scores(results, name)
        if not found:
            continue
        against = ""
        first = statistics.mean(scores(results, name, "first_loss"))
        differences = [a - b for a, b in zip(found, paper, strict=False)]
        if differences and name != "paper":
            against = f"{statistics.mean(differences):+.3f}"
            if len(differences) > 1:
                against += f" ± {statistics.stdev(differences) / math.sqrt(len(differences)):.3f}"
        lines.append(f"| {what} | {first:.3g} | {statistics.mean(scores(results, name, 'pixel_accuracy')):.3f} "
                     f"| **{statistics.mean(found):.3f}** | {' '.join(f'{s:.3f}' for s in found)} | {against} |")
    return "\n".join(lines)


def draw(results, variants, path, title):
    """Plot a dot for every run and a line at the mean of every variant."""
    from matplotlib.figure import Figure
    names = [name for name in variants if scores(results, name)]
    figure = Figure(figsize=(8, 0.45 * len(names) + 1.2), layout="constrained")
    axes = figure.subplots()
    for row, name in enumerate(names):
        found = scores(results, name)
        axes.plot([statistics.mean(found)] * 2, [row - 0.3, row + 0.3], color="C0", linewidth=2)
        axes.plot(found, [row] * len(found), "o", color="C1", markersize=5)
    if paper := scores(results, "paper"):
        axes.axvline(statistics.mean(paper), color="0.8", zorder=0)
    axes.set_yticks(range(len(names)), [variants[name][0] for name in names])
    axes.invert_yaxis()
    axes.set_xlim(0, 1.05 * axes.dataLim.xmax or 1)  # 1: all runs have diverged
    figure.supxlabel(title, fontsize="medium")
    curves.write_figure(figure, path, dpi=120)


if __name__ == "__main__":
    main()
