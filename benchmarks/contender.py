#!/usr/bin/env python3
"""One contender (implementation of the net) in its own process. It makes a step on request and sleeps otherwise.

    python benchmarks/contender.py --name pytorch --variant nchw-float32 --job train --batch 2 [--size 224x224]

After two warm-up steps it prints {"ready": true, ...}. Each line of standard input requests a step, whose result is
printed as {"seconds", "others": CPU seconds of all other processes meanwhile}. At the end of the input it prints
{"peak_bytes": since the start of the process, "step_bytes": since it was ready, "file_bytes": part of it that holds
pages of files, "idle": share of a core used between
steps}.
"""

import argparse
import contextlib
import importlib.metadata
import json
import os
import pathlib
import platform
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import contenders
import psutil

from fcn.config import parsers
from fcn.core import errors, machine
from fcn.models import published_nets

WARM_UP = 2
PACKAGES = ("tensorflow", "keras", "torch", "numpy")


class Meter:
    """Measures time and memory of steps and the CPU time between them. Peak memory before the steps is reset."""

    def __init__(self):
        self.start_bytes, self.idle_s, self.idle_cpu_s = machine.peak_memory(), 0.0, 0.0
        with contextlib.suppress(OSError):
            pathlib.Path("/proc/self/clear_refs").write_text("5")  # Linux: reset the peak of the resident size
        self.ended = time.perf_counter(), time.process_time()

    def step(self, step):
        """Make a step and return the answer to a line of input."""
        start, cpu, busy = time.perf_counter(), time.process_time(), busy_s()
        self.idle_s, self.idle_cpu_s = self.idle_s + start - self.ended[0], self.idle_cpu_s + cpu - self.ended[1]
        step()
        self.ended = time.perf_counter(), time.process_time()
        others = None if busy is None else round(max(0.0, busy_s() - busy - (self.ended[1] - cpu)), 3)
        return {"seconds": self.ended[0] - start, "others": others}

    def end(self):
        """Return the last answer."""
        step_bytes = machine.peak_memory()
        return {"peak_bytes": max(self.start_bytes or 0, step_bytes or 0) or None, "step_bytes": step_bytes,
                "file_bytes": file_bytes(),
                "idle": self.idle_cpu_s / self.idle_s if self.idle_s else 0.0}


def busy_s():
    """Return the CPU seconds of all processes and the time stolen by other virtual machines. None except on Linux."""
    taken = psutil.cpu_times()
    if not hasattr(taken, "steal"):
        return None
    return taken.user + taken.nice + taken.system + taken.irq + taken.softirq + taken.steal


def file_bytes():
    """Return the part of the resident size that holds pages of files, such as libraries. None except on Linux.

    The system frees such pages when memory is short, and processes share them.
    """
    return getattr(psutil.Process().memory_info(), "shared", None)


def held_bytes():
    """Return the resident size of this process."""
    return psutil.Process().memory_info().rss


def versions():
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[name] = importlib.metadata.version(name)
    return found


def channels(share):
    """Return {layer: channels} with this share of VGG-19's channels."""
    return {name: max(1, int(width * share)) for name, width in published_nets.widths().items()}


def parse(argv):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--name", required=True, help=f"one of {', '.join(contenders.NAMES)}")
    parser.add_argument("--variant", required=True, help="e.g. float32; an invalid one is answered with the valid ones")
    parser.add_argument("--job", choices=("train", "predict"), required=True)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--size", type=parsers.parse_crop, default=(224, 224))
    parser.add_argument("--classes", type=int, default=151)
    parser.add_argument("--share", type=float, default=1.0, help="share of VGG-19's channels, for a small trial")
    return parser.parse_args(argv)


def serve(build):
    """Answer requests on standard input. build: function without arguments that returns the step."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # output of libraries must not mix with the answers
    with contextlib.suppress(OSError):
        pathlib.Path("/proc/self/oom_score_adj").write_text("800")  # out of memory, the system kills this process first
    step = build()
    for _ in range(WARM_UP):
        step()
    meter = Meter()
    print(json.dumps({"ready": True, "versions": versions(), "peak_bytes": meter.start_bytes,
                      "held_bytes": held_bytes()}), file=answers)
    for _ in sys.stdin:
        print(json.dumps(meter.step(step)), file=answers)
    print(json.dumps(meter.end()), file=answers)


def main(argv):
    given = parse(argv)
    serve(lambda: contenders.build(given.name, given.job, given.batch, given.size, given.classes, given.variant,
                                   channels(given.share)))


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except errors.FcnError as error:
        sys.exit(" ".join(str(error).split()))  # one line, for the table
