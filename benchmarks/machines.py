#!/usr/bin/env python3
"""Name, processor, memory and load of this machine, for the results of benchmarks.

    python benchmarks/machines.py [--json OUT]

The name is that of the folder in benchmarks/results/, such as amd-epyc-2-cores-avx512-bf16: the GPU, or the processor,
its cores, its widest vectors, and whether it multiplies bfloat16.
"""

import argparse
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import psutil

from fcn.core import machine

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16")
WORDS = (("amx_bf16", "amx"), ("avx512f", "avx512"), ("avx2", "avx2"))  # of a name: the first flag that is there
NOISE = re.compile(r"\((?:r|tm|c)\)|\bcpu\b.*|\bprocessor\b|\b\d+-core\b|@.*", re.IGNORECASE)


def name(processor, cores, flags, gpus=()):
    """Return the name of a machine: lower-case letters, digits and hyphens."""
    if gpus:
        count = f" {len(gpus)}x" if len(gpus) > 1 else ""
        return _slug(gpus[0] + count)
    widest = next((word for flag, word in WORDS if flag in flags), "")
    half = "bf16" if {"avx512_bf16", "amx_bf16"} & set(flags) else ""
    return _slug(f"{NOISE.sub(' ', processor)} {cores} core{'' if cores == 1 else 's'} {widest} {half}")


def _slug(text):
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def gpus():
    """Return the names of the NVIDIA GPUs of this machine, [] if they are hidden or there are none."""
    if not machine.signs_of_a_gpu():
        return []
    try:
        done = subprocess.run(["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"], capture_output=True,
                              text=True, check=True, timeout=60)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in done.stdout.splitlines() if line.strip()]


def hardware():
    """Return {"name", "processor", "cores", "flags", "memory_bytes", "gpus"}."""
    flags, found = [flag for flag in FLAGS if flag in machine.instructions()], gpus()
    return {"name": name(machine.processor(), machine.cores(), flags, found), "processor": machine.processor(),
            "cores": machine.cores(), "flags": flags, "memory_bytes": psutil.virtual_memory().total, "gpus": found}


def load():
    """Return the load average of the last minute; None where the system has none."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def title(content):
    """Return 'AMD EPYC, 2 cores, ...' of a result's "hardware", or its "machine" if it is older."""
    hardware = content.get("hardware")
    if not hardware:
        return ", ".join([content["machine"].removeprefix("Linux, "), *content.get("gpus", [])])
    parts = [*hardware["gpus"], f"{hardware['cores']} cores of {hardware['processor']}", " ".join(hardware["flags"]),
             f"{hardware['memory_bytes'] / 1e9:.0f} GB"]
    return ", ".join(part for part in parts if part)


def table(content):
    """Return a Markdown table of a result's "hardware" and its load at the start."""
    hardware = content["hardware"]
    load_found = "unknown" if content["load"] is None else f"{content['load']:.2f}"
    rows = {"processor": hardware["processor"], "cores": hardware["cores"], "GPUs": ", ".join(hardware["gpus"]),
            "instructions": ", ".join(hardware["flags"]), "memory": f"{hardware['memory_bytes'] / 1e9:.1f} GB",
            "load average at the start": load_found,
            "working tree": {True: "as committed", False: "changed", None: "unknown"}[content["clean"]]}
    return "\n".join(["| | |", "|---|---|", *(f"| {key} | {value} |" for key, value in rows.items() if value != "")])


def main():
    import measuring
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    given = measuring.parsed(parser, hardware)
    about = measuring.facts()
    print(table(about))
    if given.json:
        measuring.write(given.json, about)


if __name__ == "__main__":
    main()
