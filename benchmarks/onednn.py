#!/usr/bin/env python3
"""Which kernels does oneDNN choose for our net? Those of one step, by kind and implementation, with their time.

    python benchmarks/onednn.py [--job train] [--batch 2] [--size 224x224] [--share 1] [--json OUT]

Each precision runs in its own process with ONEDNN_VERBOSE=1. Operations that TensorFlow computes without oneDNN are
not listed. A matrix product (gemm) does not say which instructions it uses. It takes 1 minute.
"""

import argparse
import collections
import ctypes
import json
import os
import pathlib
import re
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import measuring

from fcn.config import parsers

PRECISIONS, CLASSES = ("float32", "bfloat16"), 151
BEGIN, END = "-- the step begins", "-- the step ends"
WARM_UP, SHOWN = 2, 12


def case(precision, job, batch, size, share):
    """Make a step between the lines BEGIN and END in this process. Returns {"seconds"}.

    The lines are written by the C library, whose buffer oneDNN uses too, so that their order is kept.
    """
    import contenders
    library = ctypes.CDLL(None)
    step = contenders.build("ours", job, batch, tuple(size), CLASSES, precision, measuring.widths(share))
    for _ in range(WARM_UP):
        step()
    library.puts(BEGIN.encode())
    before = time.perf_counter()
    step()
    seconds = time.perf_counter() - before
    library.puts(END.encode())
    library.fflush(None)
    return {"seconds": seconds}


def kernels(text):
    """Return [{"kind", "implementation", "count", "ms"}] of the lines of oneDNN between BEGIN and END, longest first.

    kind: primitive and propagation, such as "convolution backward_weights".
    """
    found = collections.defaultdict(list)
    for line in text.partition(BEGIN)[2].partition(END)[0].splitlines():
        fields = line.split(",")
        if fields[:2] != ["onednn_verbose", "v1"] or fields[2:4] != ["primitive", "exec"]:
            continue
        kind, implementation, direction = fields[5].replace("gemm_api", "gemm"), fields[6], fields[7]
        whole = kind if direction == "undef" else f"{kind} {direction}"
        found[whole, implementation].append(float(fields[-1]))
    rows = [{"kind": kind, "implementation": implementation, "count": len(ms), "ms": sum(ms)}
            for (kind, implementation), ms in found.items()]
    return sorted(rows, key=lambda row: -row["ms"])


def library_of(text):
    """Return 'oneDNN v3.7.3, Intel AVX-512 ...', the version and the instructions that it uses."""
    version, isa = re.search(r"info,(oneDNN v[\d.]+)", text), re.search(r"info,cpu,isa:(.*)", text)
    return ", ".join(found[1].strip() for found in (version, isa) if found)


def measured(precision, *setting):
    """Return {"seconds", "library", "kernels", "failed"} of a step of this precision, from a process of its own."""
    environment = os.environ | {"ONEDNN_VERBOSE": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run([sys.executable, __file__, "--case", json.dumps([precision, *setting])], capture_output=True,
                          text=True, env=environment)
    if done.returncode:
        return {"failed": measuring.complaint(done.stderr) or f"ended with exit code {done.returncode}"}
    seconds = next(json.loads(line)["seconds"] for line in done.stdout.splitlines() if line.startswith('{"seconds"'))
    return {"seconds": seconds, "library": library_of(done.stdout), "kernels": kernels(done.stdout), "failed": None}


def table(content):
    """Return a Markdown table per precision."""
    parts = []
    for precision, found in content["precisions"].items():
        if found["failed"]:
            parts.append(f"{precision}: failed: {found['failed']}")
            continue
        rows, rest = found["kernels"][:SHOWN], found["kernels"][SHOWN:]
        if rest:
            rows = [*rows, {"kind": "all others", "implementation": "", "count": sum(row["count"] for row in rest),
                            "ms": sum(row["ms"] for row in rest)}]
        whole = sum(row["ms"] for row in found["kernels"])
        lines = [f"| {precision} | implementation | count | ms |", "|---|---|---|---|"]
        lines += [f"| {row['kind']} | {row['implementation']} | {row['count']} | {row['ms']:.1f} |" for row in rows]
        parts.append("\n".join(lines) + f"\n\n{whole:.0f} ms of a step of {1e3 * found['seconds']:.0f} ms are in "
                     f"oneDNN ({found['library']}).")
    return "\n\n".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--job", choices=("train", "predict"), default="train")
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--size", type=parsers.parse_crop, default=(224, 224))
    parser.add_argument("--share", type=float, default=1.0, help="share of VGG-19's channels")
    given = measuring.parsed(parser, case)
    content = {"job": given.job, "batch": given.batch, "size": given.size, "share": given.share, "precisions": {
        name: measured(name, given.job, given.batch, given.size, given.share) for name in PRECISIONS}}
    print(table(content))
    if given.json:
        measuring.write(given.json, content)


if __name__ == "__main__":
    main()
