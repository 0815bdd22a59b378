#!/usr/bin/env python3
"""Run all benchmarks of speed and memory and write the page of this machine. `make bench`.

    python benchmarks/bench.py [--only gemm,train-2,...] [--weights VGG19.mat] [--data FOLDER --layout NAME]
    python benchmarks/bench.py --quick     a trial of one minute, which prints a verdict and stores nothing
    python benchmarks/bench.py --trial     every part with narrow nets, into a temporary folder

Each part replaces its result in benchmarks/results/MACHINE/ (machines.py names the machine). If a part fails, the
others still run; --only runs it again. At the end, the pages are written from all results (results.py). Nothing else
should run on the machine meanwhile.

The duels of batch 1 and 4 have the fastest variant of each peer in float32 and in bfloat16 at batch 2, by the results
in the folder.
"""

import argparse
import contextlib
import dataclasses
import functools
import pathlib
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import goals
import machines
import measuring
import results

HERE = pathlib.Path(__file__).parent
OURS = ("ours:float32", "ours:bfloat16", "gemm:float32", "gemm:bfloat16")
PYTORCH = ("pytorch:nchw-float32", "pytorch:channels_last-bfloat16", *(f"pytorch:{variant}-kept" for variant in (
    "nchw-float32", "channels_last-float32", "nchw-bfloat16", "channels_last-bfloat16", "nchw-float32-compile",
    "channels_last-bfloat16-compile")))
FROZEN = tuple(f"pytorch:channels_last-{precision}-compile-kept-frozen" for precision in goals.PRECISIONS)
KERAS = ("keras3:float32", "keras3:mixed_bfloat16", "keras3:float32-jit")
MORE = ("keras3:mixed_bfloat16-jit", "keras3:float32-inter1", "keras3:mixed_bfloat16-inter1")  # slow in predictions
UNDONE = ("scattered", "conv-fc6", "direct", "matmul", "loss", "threads")
TRIAL_SHARE = "0.125"


@dataclasses.dataclass(frozen=True)
class Part:
    """One script.

    words: its command line. minutes: duration on two cores. trial: command line for --trial. title: for a script
    without --json, whose printed lines are stored. takes: which of "data" and "weights" it accepts. peers: function
    folder of results -> more words.
    """

    name: str
    words: tuple
    minutes: float
    trial: tuple = ()
    title: str = ""
    takes: tuple = ()
    peers: object = None


def fastest_variants(job, folder):
    """Return the fastest healthy variants of the peers at batch 2 in float32 and in bfloat16, by a folder's results.

    Without a result, the first variants of PYTORCH and KERAS. In training also the first one of PYTORCH, whose memory
    ours is compared with.
    """
    found, names = results.read(folder), list(PYTORCH[:1] if job == "train" else ())
    for prefix, variants in (("pytorch:", PYTORCH + (FROZEN if job == "predict" else ())), ("keras3:", KERAS)):
        for precision in goals.PRECISIONS:
            best = goals.fastest(found, job, 2, prefix, precision)
            names.append(best["name"] if best else next(name for name in variants if precision in name))
    return list(dict.fromkeys(names))


def duel(name, job, batch, minutes, *contenders, peers=None):
    words = ("duel.py", "--job", job, "--batch", str(batch))
    steps = ("--steps", "3") if job == "predict" else ()
    return Part(name, (*words, "--rounds", "7", *steps, *contenders), minutes,
                (*words, "--rounds", "2", "--size", "64x64", "--share", TRIAL_SHARE, *contenders), peers=peers)


def of_batch(job, batch, minutes):
    return duel(f"{job}-{batch}", job, batch, minutes, *OURS, peers=functools.partial(fastest_variants, job))


def of_paper(job, net, minutes, *undone):
    contenders = [f"ours:{net}-float32", f"ours:{net}-bfloat16", *(f"ours:{net}-float32-{name}" for name in undone),
                  *(("gemm:float32", *(name.replace(":", f":{net}-") for name in FROZEN)) if job == "predict" else
                    (f"pytorch:{net}-nchw-float32-kept", f"pytorch:{net}-channels_last-bfloat16-kept", "gemm:float32"))]
    return duel(f"{job}-{net.removeprefix('fcn8s_')}", job, 2, minutes, *contenders)


def of_unet(net, size, steps, minutes, *contenders):
    words = ("unet_speed.py", "--net", net)
    return Part(net, (*words, "--size", size, "--rounds", "7", "--steps", steps, "--contenders", *contenders), minutes,
                (*words, "--size", "64", "--rounds", "1", "--steps", "1", "--contenders", *contenders[:2]))


UNETS = ("ours:float32", "ours:bfloat16", "keras:float32", "keras:mixed_bfloat16")
PARTS = (
    Part("machine", ("machines.py",), 0.1),
    Part("gemm", ("gemm.py",), 1, ("gemm.py", "--sizes", "512", "--rounds", "3")),
    Part("onednn", ("onednn.py",), 1, ("onednn.py", "--size", "64x64", "--share", TRIAL_SHARE)),
    duel("train-2", "train", 2, 11.5, *OURS, "tutorial:float32", *PYTORCH, *KERAS, *MORE),
    duel("predict-2", "predict", 2, 7, *OURS, "tutorial:float32", *PYTORCH, *FROZEN, *KERAS),
    of_batch("train", 1, 3.5), of_batch("train", 4, 5.5), of_batch("predict", 1, 2.5), of_batch("predict", 4, 3),
    of_paper("train", "fcn8s_atonce", 2, "scattered"), of_paper("predict", "fcn8s_atonce", 1.5),
    of_paper("train", "fcn32s", 2, "scattered"),
    duel("plain-train", "train", 2, 3, "ours:float32", *(f"ours:float32-{name}" for name in UNDONE)),
    duel("plain-predict", "predict", 1, 1, "ours:float32", "ours:float32-direct", "ours:bfloat16",
         "ours:bfloat16-unprepared", "ours:bfloat16-matmul"),
    of_unet("unet_pix2pix_densenet121", "128", "2", 4, *UNETS, "keras:float32-jit"),
    of_unet("unet_efficientnetb4", "384", "1", 4.5, *UNETS),
    Part("startup", ("startup.py", "--rounds", "3"), 2, ("startup.py", "--share", TRIAL_SHARE, "--rounds", "1"),
         takes=("weights",)),
    Part("cache_build", ("cache_build.py", "--images", "700", "--rounds", "3"), 1,
         ("cache_build.py", "--images", "50", "--rounds", "1"), "Building a cache", ("data",)),
    Part("batches", ("batches.py", "--images", "367", "--rounds", "3"), 1.5,
         ("batches.py", "--images", "50", "--rounds", "1", "--no-net"), "Random batches", ("data",)),
    Part("evaluate_speed", ("evaluate_speed.py",), 2.5,
         ("evaluate_speed.py", "--share", TRIAL_SHARE, "--images", "10"), takes=("data", "weights")),
    Part("growth", ("growth.py", "--rounds", "2"), 6, ("growth.py", "--quick", "--rounds", "1")),
)
GPU_PARTS = (Part("tutorial", ("gpu.py",), 6), Part("types", ("gpu_types.py",), 1))  # where there is a GPU


def words_of(part, given, folder):
    """Return the command line of a part: its script and arguments."""
    script, *words = part.trial if given.trial and part.trial else part.words
    if "data" in part.takes and given.data:
        words += ["--data", given.data, "--layout", given.layout]
    if "weights" in part.takes and given.weights:
        words += ["--weights", given.weights]
    words += part.peers(folder) if part.peers else []
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


def run_all(parts, given, folder):
    """Run parts and print progress with the time to go. Returns {name: reason} of those that failed."""
    failed, spent, planned = {}, 0.0, 0.0
    for number, part in enumerate(parts, 1):
        left = sum(one.minutes for one in parts[number - 1:]) * (spent / planned if planned > 1 else 1)
        print(f"[{number} of {len(parts)}] {part.name}"
              + ("" if given.trial else f", about {max(1, round(left))} min to go"), flush=True)
        started = time.monotonic()
        try:
            why = run(part, given, folder)
        except Exception as error:  # a part must not stop the others
            why = f"{type(error).__name__}: {error}"
        seconds = time.monotonic() - started
        spent, planned = spent + seconds / 60, planned + part.minutes
        print(f"    {seconds:.0f} s" + (f"; failed: {why}" if why else ""), flush=True)
        if why:
            failed[part.name] = why
    return failed


def parse(argv):
    minutes, every = round(sum(part.minutes for part in PARTS)), [part.name for part in PARTS + GPU_PARTS]
    parser = argparse.ArgumentParser(description=f"{__doc__.splitlines()[0]} All parts take about {minutes} minutes on "
                                                 "two idle cores. With a GPU, the two of gpu.py and gpu_types.py "
                                                 "are added.")
    parser.add_argument("--only", help=f"run these parts only, of {', '.join(every)}")
    parser.add_argument("--quick", action="store_true", help="a trial of one minute, which stores nothing")
    parser.add_argument("--trial", action="store_true", help="all parts with narrow nets, into a temporary folder")
    parser.add_argument("--machine", help="folder in benchmarks/results/ (default: named after the processor or GPU)")
    parser.add_argument("--data", help="folder of a data set (default: drawn scenes)")
    parser.add_argument("--layout", default="ade20k")
    parser.add_argument("--weights", help="VGG-19 as .mat (default: random weights)")
    given = parser.parse_args(argv)
    given.wanted = given.only.split(",") if given.only else [
        part.name for part in (PARTS + GPU_PARTS if machines.gpus() else PARTS)]
    if unknown := set(given.wanted) - set(every):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    return given


def main(argv):
    given = parse(argv)
    if given.quick:
        import quick
        return quick.main()
    parts = [part for part in PARTS + GPU_PARTS if part.name in given.wanted]
    with contextlib.ExitStack() as stack:
        root = measuring.RESULTS
        if given.trial:
            root = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory())) / "results"
        folder = root / (given.machine or machines.hardware()["name"])
        print(f"{len(parts)} parts into {folder.name}/, about {max(1, round(sum(part.minutes for part in parts)))} "
              "minutes on two idle cores" + (" without --trial" if given.trial else ""))
        folder.mkdir(parents=True, exist_ok=True)
        failed = run_all(parts, given, folder)
        if subprocess.run([sys.executable, str(HERE / "results.py"), "--results", str(root), "--page",
                           str(root.parent / "RESULTS.md")]).returncode:
            failed["results"] = "the pages were not written"
    lines = [f"{name}: {why}" for name, why in failed.items()]
    return "\n".join(["failed:", *lines, f"again: --only {','.join(failed)}"]) if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
