"""Cores, memory, processor and GPUs of the machine, on Linux and macOS."""

import contextlib
import functools
import os
import pathlib
import platform
import re
import shutil

import psutil


def cores():
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory():
    """Peak memory of this process in bytes; None if the system does not report it.

    psutil reports the peak on Windows only.
    """
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def available_memory(root="/"):
    """Bytes that can be allocated without swapping; None if the system does not report it.

    The smaller of psutil's number for the machine and what the limits of a container or job leave (Linux control
    groups, which psutil ignores). Reclaimable pages of files count as available. root: the folder of proc/ and sys/.
    """
    found = [free for free in (_in_group(group) for group in _groups(pathlib.Path(root))) if free is not None]
    with contextlib.suppress(OSError, NotImplementedError, RuntimeError):
        found.append(psutil.virtual_memory().available)
    return min(found, default=None)


def _groups(root):
    """Folders of the control groups (version 1 and 2) of this process."""
    text = ""
    with contextlib.suppress(OSError):
        text = (root / "proc/self/cgroup").read_text()
    for line in text.splitlines():
        _, kinds, path = line.split(":", 2)
        if kinds == "" or "memory" in kinds.split(","):
            top = root / "sys/fs/cgroup" / ("memory" if kinds else "")
            yield from {top, *(top / parent.relative_to("/") for parent in (pathlib.PurePosixPath(path) / "_").parents)}


def _in_group(folder):
    """Bytes left under the limit of a control group; None without a limit."""
    with contextlib.suppress(OSError, ValueError):  # no such file, or "max"
        limit, used = ("memory.max", "memory.current") if (folder / "memory.max").exists() else (
            "memory.limit_in_bytes", "memory.usage_in_bytes")
        pages = dict(line.split(" ") for line in (folder / "memory.stat").read_text().splitlines())
        reclaimed = int(pages.get("total_inactive_file") or pages.get("inactive_file") or 0)
        return max(0, int((folder / limit).read_text()) - int((folder / used).read_text()) + reclaimed)
    return None


def description():
    """'Linux, 2 cores of AMD EPYC ...'."""
    return f"{platform.system()}, {cores()} cores of {processor()}"


def processor():
    """'AMD EPYC ...', or the architecture if the system does not name the processor."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


@functools.cache
def instructions():
    """Names of the processor's sets of instructions, such as "avx512f"; none where /proc/cpuinfo does not list them."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("flags"):
                return frozenset(line.split(":", 1)[1].split())
    return frozenset()


def has_bfloat16():
    """Whether the processor has instructions for bfloat16; None where it does not list its instructions."""
    return bool(instructions() & {"avx512_bf16", "amx_bf16"}) if instructions() else None


def signs_of_a_gpu(root="/", environment=None):
    """Signs that this process has an NVIDIA GPU, such as ["/dev/nvidia0", "nvidia-smi"]; [] if GPUs are hidden.

    CUDA_VISIBLE_DEVICES hides all GPUs if it is set and its first entry is not a GPU ("", "-1", Slurm's "NoDevFiles").
    root: the folder of dev/. environment: os.environ by default.
    """
    environment = os.environ if environment is None else environment
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and not re.match(r"\s*(\d|GPU-|MIG-)", visible):
        return []
    signs = sorted(f"/dev/{path.name}" for path in (pathlib.Path(root) / "dev").glob("nvidia[0-9]*"))
    signs += ["nvidia-smi"] if shutil.which("nvidia-smi", path=environment.get("PATH")) else []
    return signs + ([f"CUDA_VISIBLE_DEVICES={visible}"] if visible else [])
