#!/usr/bin/env python3
"""The same table on one GPU: milliseconds a step, share of the peak and of the bandwidth, by precision and batch.

    python benchmarks/gpu.py [--batches 1,2,4,8,16] [--precisions float32,bfloat16] [--xla both] [--json OUT]

Ours alone: the tutorial's net at 224 x 224 with 151 classes and random weights, training with Adam and prediction, with
and without XLA, each case in a process of its own. The peak is the best matrix product measured here, in the same
precision (TensorFlow computes float32 as TF32 where the GPU can). The share of the bandwidth is that of what a training
step must move at least: Adam reads weights, gradients and two moments, and writes three of these; a prediction reads
the weights. About 15 minutes. Without a GPU it runs on the CPU, and the table says so.

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

NOT_RUN = "not yet run on a GPU"
PEAK_SIZES = (2048, 8192)
CHAIN = 20
MOVES = 7  # numbers a weight that Adam reads (4) and writes (3)
JOBS, SWITCHES = ("train", "predict"), {"both": (False, True), "on": (True,), "off": (False,)}


def devices():
    """Names of the GPUs that TensorFlow sees."""
    from tensorflow.python.client import device_lib
    return [device.physical_device_desc for device in device_lib.list_local_devices() if device.device_type == "GPU"]


def case(job, precision, batch, size, classes, share, xla, rounds):
    """{"seconds": [...], "peak_bytes": of the GPU, else of the process, "gpus"} in this process."""
    if xla:  # read by TensorFlow when it is imported; set_jit() would not reach a Session
        os.environ["TF_XLA_FLAGS"] = "--tf_xla_auto_jit=2 --tf_xla_cpu_global_jit"
    import contenders

    from fcn.models.tf_compat import tf2_config
    step = contenders.build("ours", job, batch, tuple(size), classes, precision, measuring.widths(share))
    seconds, gpus = measuring.timed(step, rounds, warm=3), devices()
    held = tf2_config.experimental.get_memory_info("GPU:0")["peak"] if gpus else machine.peak_memory()
    return {"seconds": seconds, "peak_bytes": held, "gpus": gpus}


def cases(given):
    """Of every case the arguments of case() before `rounds`."""
    return [(job, precision, batch, given.size, given.classes, given.share, xla)
            for job in JOBS for precision in given.precisions.split(",") for xla in SWITCHES[given.xla]
            for batch in map(int, given.batches.split(","))]


def row(one, found, peaks):
    """What is shown of a case: the case, seconds, memory, share of the peak and of the bandwidth.

    peaks: what gemm.case() gives.
    """
    job, precision, batch, size, classes, share, xla = one
    result = {"job": job, "precision": precision, "batch": batch, "xla": xla} | found
    if found["failed"]:
        return result
    seconds = statistics.median(found["seconds"])
    net = "fcn8s_tutorial", tuple(size), classes, measuring.widths(share)
    count = batch * operations.of_job(job, *net)
    read = 2 if precision == "bfloat16" else 4  # bytes of a prepared weight
    moved = operations.weights(*net) * (4 * MOVES if job == "train" else read)
    return result | {"share_of_peak": count / seconds / 1e9 / gemm.best(peaks, precision),
                     "share_of_bandwidth": moved / seconds / 1e9 / max(peaks["copy_gb_s"])}


def table(rows, gpus):
    """Rows of Markdown, labelled where there was no GPU."""
    head = ("job", "precision", "XLA", "batch", "ms", "images/s", "share of peak", "of bandwidth", "memory")
    lines = [", ".join(gpus) or NOT_RUN, "", f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for one in rows:
        head = f"| {one['job']} | {one['precision']} | {'on' if one['xla'] else 'off'} | {one['batch']} "
        if one["failed"]:
            lines.append(f"{head}| failed: {one['failed']} | | | | |")
            continue
        seconds = statistics.median(one["seconds"])
        lines.append(f"{head}| {1e3 * seconds:.1f} | {one['batch'] / seconds:.3g} | {one['share_of_peak']:.1%} "
                     f"| {one['share_of_bandwidth']:.1%} | {one['peak_bytes'] / 1e9:.2f} GB |")
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", default="1,2,4,8,16")
    parser.add_argument("--precisions", default="float32,bfloat16")
    parser.add_argument("--xla", choices=SWITCHES, default="both")
    parser.add_argument("--size", type=parsers.parse_size, default=(224, 224))
    parser.add_argument("--classes", type=int, default=151)
    parser.add_argument("--share", type=float, default=1.0, help="of VGG-19's channels")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--peak-sizes", default=",".join(map(str, PEAK_SIZES)))
    given = measuring.parsed(parser, case)
    peaks = measuring.in_a_process(gemm.__file__, [machine.cores(), [int(n) for n in given.peak_sizes.split(",")],
                                                   given.rounds, CHAIN])
    if peaks["failed"]:
        sys.exit(f"no matrix product could be measured: {peaks['failed']}")
    rows = []
    for one in cases(given):
        rows.append(row(one, measuring.in_a_process(__file__, [*one, given.rounds]), peaks))
        print(*one[:3], "XLA" if one[-1] else "", rows[-1]["failed"] or "done", flush=True)
    gpus = next((one["gpus"] for one in rows if not one["failed"]), [])
    print(table(rows, gpus))
    if given.json:
        measuring.write(given.json, {"gpus": gpus or NOT_RUN, "peaks": peaks, "steps": rows})


if __name__ == "__main__":
    main()
