#!/usr/bin/env python3
"""Run all benchmarks of speed and memory and write the page of results. `make bench`.

    python benchmarks/bench.py [--quick] [--only gemm,train-2,...] [--weights VGG19.mat] [--data FOLDER --layout NAME]

Each part replaces its result in benchmarks/results/. At the end, RESULTS.md and results.png are written from all
results there. If a part fails, the others still run. Nothing else should run on the machine meanwhile. --quick is a
trial of a few minutes with narrow nets and a temporary folder.
"""

import argparse
import contextlib
import dataclasses
import json
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import measuring

HERE = pathlib.Path(__file__).parent
CONTENDERS = ("ours:float32", "ours:bfloat16", "gemm:float32", "gemm:bfloat16", "tutorial:float32",
              "pytorch:nchw-float32", "pytorch:channels_last-float32", "pytorch:nchw-bfloat16",
              "pytorch:channels_last-bfloat16", "keras3:float32", "keras3:mixed_bfloat16")
FLOAT32 = tuple(name for name in CONTENDERS if "bfloat16" not in name or name.startswith("ours"))
MORE = ("keras3:float32-inter1", "keras3:mixed_bfloat16-inter1", "keras3:float32-jit", "keras3:mixed_bfloat16-jit")
UNDONE = {"train": ("scattered", "conv-fc6", "autodiff", "threads"),
          "predict": ("scattered", "conv-fc6", "threads", "unprepared")}
QUICK_SHARE = "0.125"


@dataclasses.dataclass(frozen=True)
class Part:
    """One script.

    words: its command line. minutes: duration on two cores. quick: command line for --quick. title: for a script
    without --json, whose printed lines are stored. takes: which of "data" and "weights" it accepts.
    """

    name: str
    words: tuple
    minutes: float
    quick: tuple = ()
    title: str = ""
    takes: tuple = ()


def duel(job, batch, minutes, name=None, *contenders):
    words = ("duel.py", "--job", job, "--batch", str(batch))
    steps = ("--steps", "3") if job == "predict" else ()
    contenders = contenders or CONTENDERS
    return Part(name or f"{job}-{batch}", (*words, "--rounds", "7", *steps, *contenders), minutes,
                (*words, "--rounds", "3", "--size", "64x64", "--share", QUICK_SHARE, *contenders))


PARTS = (
    Part("gemm", ("gemm.py",), 1, ("gemm.py", "--sizes", "512", "--rounds", "3")),
    duel("train", 1, 8), duel("train", 2, 9, None, *CONTENDERS, *MORE), duel("train", 4, 6, None, *FLOAT32),
    duel("predict", 1, 4), duel("predict", 2, 5, None, *CONTENDERS, *MORE),
    duel("train", 2, 3, "paper", "ours:fcn8s-float32", "ours:fcn8s-float32-scattered"),
    duel("train", 2, 5, "plain-train", "ours:float32", *(f"ours:float32-{name}" for name in UNDONE["train"])),
    duel("predict", 1, 3, "plain-predict", "ours:bfloat16", *(f"ours:bfloat16-{name}" for name in UNDONE["predict"])),
    Part("startup", ("startup.py", "--rounds", "3"), 4, ("startup.py", "--share", QUICK_SHARE, "--rounds", "1"),
         takes=("weights",)),
    Part("cache_build", ("cache_build.py", "--images", "700"), 2,
         ("cache_build.py", "--images", "50", "--rounds", "1"), "Building a cache", ("data",)),
    Part("batches", ("batches.py", "--images", "367"), 3, ("batches.py", "--images", "50", "--rounds", "1", "--no-net"),
         "Random batches", ("data",)),
    Part("evaluate_speed", ("evaluate_speed.py",), 4,
         ("evaluate_speed.py", "--share", QUICK_SHARE, "--images", "10"), takes=("data", "weights")),
    Part("growth", ("growth.py",), 8, ("growth.py", "--quick", "--rounds", "1")),
)


def words_of(part, given, folder):
    """Return the command line of a part: its script and arguments."""
    script, *words = part.quick if given.quick and part.quick else part.words
    if "data" in part.takes and given.data:
        words += ["--data", given.data, "--layout", given.layout]
    if "weights" in part.takes and given.weights:
        words += ["--weights", given.weights]
    return [script, *words] + ([] if part.title else ["--json", str(folder / f"{part.name}.json")])


def run(part, given, folder):
    """Run a part. Returns None, or one line with the reason if it fails."""
    script, *words = words_of(part, given, folder)
    command, output = [sys.executable, str(HERE / script), *words], []
    with tempfile.TemporaryFile("w+") as stderr, subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
        for line in process.stdout:
            output.append(line)
            print(f"    {line}", end="", flush=True)
        if code := process.wait():
            stderr.seek(0)
            return measuring.complaint(stderr.read()) or f"{script} ended with exit code {code}"
    if part.title:
        kind = "markdown" if output and output[-1].startswith("|") else "text"
        measuring.write(folder / f"{part.name}.json", {"title": part.title, kind: "".join(output),
                                                       "command": measuring.shown_command(script, words)})
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", help=f"of {', '.join(part.name for part in PARTS)}")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--data", help="folder of a data set (default: drawn scenes)")
    parser.add_argument("--layout", default="ade20k")
    parser.add_argument("--weights", help="VGG-19 as .mat (default: random weights)")
    given = parser.parse_args()
    wanted = given.only.split(",") if given.only else [part.name for part in PARTS]
    parts = [part for part in PARTS if part.name in wanted]
    if unknown := set(wanted) - {part.name for part in PARTS}:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    minutes = sum(part.minutes for part in parts)
    print(f"{len(parts)} parts, about {max(1, round(minutes / (8 if given.quick else 1)))} minutes on two cores")
    failed = {}
    with contextlib.ExitStack() as stack:
        folder = measuring.RESULTS
        if given.quick:
            folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for number, part in enumerate(parts, 1):
            print(f"[{number} of {len(parts)}] {part.name}", flush=True)
            started = time.monotonic()
            why = run(part, given, folder)
            print(f"    {time.monotonic() - started:.0f} s" + (f"; failed: {why}" if why else ""), flush=True)
            if why:
                failed[part.name] = why
        page = ["--page", str(folder / "RESULTS.md")] if given.quick else []
        if subprocess.run([sys.executable, str(HERE / "results.py"), "--results", str(folder), *page]).returncode:
            failed["results"] = "the page was not written"
    if failed:
        sys.exit("failed: " + json.dumps(failed))


if __name__ == "__main__":
    main()
