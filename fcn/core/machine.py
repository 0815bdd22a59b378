"""What the machine is, asked in ways that work on Linux and macOS."""

import contextlib
import os
import pathlib
import platform
import re
import shutil

import psutil


def cores():
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def peak_memory():
    """Bytes of memory that this process has held at most so far; None where the system does not say.

    psutil knows what a process holds now, and its peak on Windows alone.
    """
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if platform.system() == "Darwin" else peak * 1024


def available_memory(root="/"):
    """Bytes that may still be taken without swapping; None where the system does not say.

    What psutil says of the whole machine, or what the limits of a container or job (Linux' control groups, which
    psutil does not know) leave, if that is less. Pages of files that the system would give up count as free in both.
    root: where proc/ and sys/ are.
    """
    found = [free for free in (_in_group(group) for group in _groups(pathlib.Path(root))) if free is not None]
    with contextlib.suppress(OSError, NotImplementedError, RuntimeError):
        found.append(psutil.virtual_memory().available)
    return min(found, default=None)


def _groups(root):
    """Folders of the control groups, of both versions, that this process is in."""
    text = ""
    with contextlib.suppress(OSError):
        text = (root / "proc/self/cgroup").read_text()
    for line in text.splitlines():
        _, kinds, path = line.split(":", 2)
        if kinds == "" or "memory" in kinds.split(","):
            top = root / "sys/fs/cgroup" / ("memory" if kinds else "")
            yield from {top, *(top / parent.relative_to("/") for parent in (pathlib.PurePosixPath(path) / "_").parents)}


def _in_group(folder):
    """Bytes that the limit of a control group leaves; None without a limit."""
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
    """'AMD EPYC ...', or the architecture where the system does not say."""
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.machine()


def signs_of_a_gpu(root="/", environment=None):
    """What makes one think that this process has an NVIDIA GPU: ["/dev/nvidia0", "nvidia-smi"]; [] if it is hidden.

    CUDA_VISIBLE_DEVICES hides all GPUs if it is set and its first entry is not a GPU ("", "-1", Slurm's "NoDevFiles").
    root: where dev/ is. environment: os.environ by default.
    """
    environment = os.environ if environment is None else environment
    visible = environment.get("CUDA_VISIBLE_DEVICES")
    if visible is not None and not re.match(r"\s*(\d|GPU-|MIG-)", visible):
        return []
    signs = sorted(f"/dev/{path.name}" for path in (pathlib.Path(root) / "dev").glob("nvidia[0-9]*"))
    signs += ["nvidia-smi"] if shutil.which("nvidia-smi", path=environment.get("PATH")) else []
    return signs + ([f"CUDA_VISIBLE_DEVICES={visible}"] if visible else [])
