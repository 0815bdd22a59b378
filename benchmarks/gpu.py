#!/usr/bin/env python3
"""Time of a step on one GPU, share of the peak and of the bandwidth, and memory, by contender and batch.

    python benchmarks/gpu.py [--batches 1,2,4,8,16] [--xla off] [--json OUT] [ours:float32 pytorch:nchw-float32 ...]

Contenders are those of duel.py: the tutorial's net at 224 x 224 with 151 classes and random weights, or the paper's net
(ours:fcn8s-...). They train with Adam and predict. One process for each contender and job measures all batches, the
smallest first. A step is one call: it copies the images to the GPU and the loss or the class ids back.

The peak is the best matrix product measured here in the same precision. TensorFlow and PyTorch compute float32 as TF32
where the GPU can. The bandwidth is that of a copy. A step must move at least this: Adam reads weights, gradients and
two moments, and writes three of these; a prediction reads the weights. Memory is the peak of the framework's allocator;
on a CPU it is the peak of the process. The defaults take about 6 minutes on an H100. Without a GPU the CPU is measured,
and the table says so.

float16 is left out: the nets compute in float32 or bfloat16, and no loss is scaled, without which gradients in float16
vanish.
"""

import argparse
import os
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import gemm
import measuring
import operations

from fcn.config import parsers
from fcn.core import machine

NO_GPU = "no GPU"
DEFAULT = ("ours:float32", "ours:bfloat16", "pytorch:nchw-float32", "pytorch:channels_last-float32",
           "pytorch:nchw-bfloat16", "pytorch:channels_last-bfloat16")
PEAK_SIZES = (2048, 8192)
CHAIN = 20
MOVES = 7  # numbers a weight that Adam reads (4) and writes (3)
JOBS, SWITCHES = ("train", "predict"), {"both": (False, True), "on": (True,), "off": (False,)}
WARM = 3


def gpus(name):
    """Return the names of the GPUs that a built contender computes on."""
    if name == "pytorch":
        import torch
        return [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    from fcn.models import tf_compat
    return [found for found, _ in tf_compat.gpus()]


def memory(name):
    """Return (peak, reset) of a contender: peak() is the largest number of bytes in use since reset().

    It is the memory of the GPU, or of the process without a GPU.
    """
    if not gpus(name):
        return machine.peak_memory, lambda: None
    if name == "pytorch":
        import torch
        return torch.cuda.max_memory_allocated, torch.cuda.reset_peak_memory_stats
    from fcn.models.tf_compat import tf2_config
    return (lambda: tf2_config.experimental.get_memory_info("GPU:0")["peak"],
            lambda: tf2_config.experimental.reset_memory_stats("GPU:0"))


def case(job, contender, size, classes, share, xla, batches, rounds):
    """Measure all batches in this process, up to one that fails.

    Return {"gpus", "steps": [{"batch", "seconds": [...], "peak_bytes", "failed"}]}.
    """
    if xla:  # read by TensorFlow when it is imported; set_jit() would not reach a Session
        os.environ["TF_XLA_FLAGS"] = "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit"
    import contenders
    name, _, variant = contender.partition(":")
    built = contenders.contender(name, job, tuple(size), classes, variant, measuring.widths(share))
    peak, reset = memory(name)
    steps = []
    for batch in batches:
        reset()
        try:
            seconds = measuring.timed(contenders.step(built, job, batch, tuple(size), classes), rounds, WARM)
        except Exception as error:  # of either framework, mostly out of memory; the row shows it
            steps.append({"batch": batch, "failed": measuring.complaint(f"{type(error).__name__}: {error}")})
            break
        steps.append({"batch": batch, "seconds": seconds, "peak_bytes": peak(), "failed": None})
    return {"gpus": gpus(name), "steps": steps}


def row(job, contender, xla, net, step, peaks):
    """Return one of case()'s steps with its case and its shares of the peak and of the bandwidth.

    net: (size, classes, share). peaks: result of gemm.case().
    """
    result = {"job": job, "contender": contender, "xla": xla} | step
    if step["failed"]:
        return result
    size, classes, share = net
    precision = "bfloat16" if "bfloat16" in contender else "float32"
    net = operations.net_of(contender), tuple(size), classes, measuring.widths(share)
    seconds = statistics.median(step["seconds"])
    count = step["batch"] * operations.of_job(job, *net, bilinear="blocks")
    read = 2 if precision == "bfloat16" else 4  # bytes of a prepared weight
    moved = operations.weights(*net) * (4 * MOVES if job == "train" else read)
    return result | {"share_of_peak": count / seconds / 1e9 / gemm.best(peaks, precision),
                     "share_of_bandwidth": moved / seconds / 1e9 / max(peaks["copy_gb_s"])}


def table(rows, gpus):
    """Return the table in Markdown under the names of the GPUs."""
    head = ("job", "contender", "XLA", "batch", "ms", "images/s", "share of peak", "of bandwidth", "memory")
    lines = [", ".join(gpus) or NO_GPU, "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for one in rows:
        head = f"| {one['job']} | {one['contender']} | {'on' if one['xla'] else 'off'} | {one.get('batch', '')} "
        if one["failed"]:
            lines.append(f"{head}| failed: {one['failed']} | | | | |")
            continue
        seconds = statistics.median(one["seconds"])
        lines.append(f"{head}| {1e3 * seconds:.1f} | {one['batch'] / seconds:.3g} | {one['share_of_peak']:.1%} "
                     f"| {one['share_of_bandwidth']:.1%} | {one['peak_bytes'] / 1e9:.2f} GB |")
    return "\n".join(lines)


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("contenders", nargs="*", metavar="NAME:VARIANT", default=DEFAULT)
    parser.add_argument("--batches", default="1,2,4,8,16")
    parser.add_argument("--jobs", default=",".join(JOBS))
    parser.add_argument("--xla", choices=SWITCHES, default="off", help="of TensorFlow's contenders")
    parser.add_argument("--size", type=parsers.parse_crop, default=(224, 224))
    parser.add_argument("--classes", type=int, default=151)
    parser.add_argument("--share", type=float, default=1.0, help="of VGG-19's channels")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--peak-sizes", default=",".join(map(str, PEAK_SIZES)))
    return measuring.parsed(parser, case)


def main():
    given = parse()
    peaks = measuring.in_a_process(gemm.__file__, [machine.cores(), [int(n) for n in given.peak_sizes.split(",")],
                                                   7, CHAIN])
    if peaks["failed"]:
        sys.exit(f"no matrix product could be measured: {peaks['failed']}")
    net, batches = (given.size, given.classes, given.share), [int(batch) for batch in given.batches.split(",")]
    rows, gpus = [], []
    for job, contender, xla in ((job, contender, xla) for job in given.jobs.split(",") for contender in given.contenders
                                for xla in SWITCHES[given.xla]):
        found = measuring.in_a_process(__file__, [job, contender, *net, xla, batches, given.rounds])
        steps = [{"failed": found["failed"]}] if found["failed"] else found["steps"]
        rows += [row(job, contender, xla, net, step, peaks) for step in steps]
        gpus = gpus or found.get("gpus", [])
        print(job, contender, "XLA" if xla else "", rows[-1]["failed"] or "done", flush=True)
    print(table(rows, gpus))
    if given.json:
        measuring.write(given.json, {"gpus": gpus or NO_GPU, "peaks": peaks, "size": given.size,
                                     "classes": given.classes, "share": given.share, "steps": rows})


if __name__ == "__main__":
    main()
