"""Shared by the benchmarks of speed: cases in their own process, medians of rounds, provenance of numbers."""

import argparse
import datetime
import functools
import importlib.metadata
import json
import pathlib
import platform
import re
import shlex
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = pathlib.Path(__file__).parent / "results"
sys.path.insert(0, str(ROOT))

import machines  # noqa: E402

from fcn.core import atomic_io, machine, ownership  # noqa: E402
from fcn.models import published_nets  # noqa: E402
from fcn.runs import record  # noqa: E402

PACKAGES = ("tensorflow", "keras", "torch", "numpy")
LOAD = machines.load()  # before this process adds to it
OWN_OUTPUT = ("benchmarks/results", "benchmarks/RESULTS.md")  # what a benchmark writes does not change the program


def facts():
    """Return the provenance of a number: command, commit, time, machine, load, versions of installed packages.

    load: load average when this process began. clean: whether the working tree had no changes besides results.
    """
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    commit, clean = source()
    return {"command": shown_command(pathlib.Path(sys.argv[0]).name, sys.argv[1:]), "commit": commit, "clean": clean,
            "machine": machine.description(), "hardware": machines.hardware(), "load": LOAD, "versions": versions,
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}


def compact_memory():
    """Let Linux move its used memory together. Returns whether it did; only root may ask for it.

    Otherwise the first of several processes gets the small free pieces between the used ones, and is slower than the
    others for as long as it runs: a training step by 15 % on an Intel Xeon (docs/speed.md).
    """
    try:
        pathlib.Path("/proc/sys/vm/compact_memory").write_text("1")
    except OSError:
        return False
    return True


def source():
    """Return (commit, whether the working tree has no other changes than OWN_OUTPUT); (None, None) without git."""
    if not (commit := record.commit()):
        return None, None
    without = [f":(exclude){path}" for path in OWN_OUTPUT]
    changed = subprocess.run(["git", "-C", str(ROOT), "status", "--porcelain", "--", ".", *without],
                             capture_output=True, text=True).stdout.strip()
    return commit.removesuffix("+changes") + ("+changes" if changed else ""), not changed


def shown_command(script, words):
    """Return the command without --json and without paths of this machine."""
    shown, words = [], iter(words)
    for word in words:
        if word in ("--json", "--data", "--weights"):
            value = next(words, "")
            shown += {"--json": [], "--data": [word, "FOLDER"]}.get(word, [word, pathlib.Path(value).name])
        else:
            shown.append(word)
    return shlex.join(["python", f"benchmarks/{script}", *shown])


def parsed(parser, case):
    """Parse the arguments of a benchmark, after adding --json OUT.

    In a process that in_a_process() has started with --case, print the result of case(*CASE) as JSON and exit.
    """
    parser.add_argument("--json", metavar="OUT")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(case(*json.loads(given.case))))
        sys.exit()
    return given


def in_a_process(script, case, timeout=None, environment=None):
    """Run `script --case JSON` and return the dict in its last line of output, with "failed": reason or None.

    environment: all environment variables; None: those of this process.
    """
    words = [sys.executable, str(script), "--case", json.dumps(case)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, env=environment)
    except subprocess.TimeoutExpired:
        return {"failed": f"no answer in {timeout} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return {"failed": complaint(done.stderr) or f"ended with exit code {done.returncode}"}
    return json.loads(lines[-1]) | {"failed": None}


def complaint(text):
    """Return the line of standard error with the exception, else the last line."""
    lines = [line for line in text.strip().splitlines() if line[:1].strip()]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Interrupt): ", line)]
    return (named or lines or [""])[-1][:200]


def in_a_graph(function):
    """Decorator: call the function with a new default graph."""
    @functools.wraps(function)
    def called(*arguments, **options):
        from fcn.models.tf_compat import tf
        with tf.Graph().as_default():
            return function(*arguments, **options)
    return called


def write(path, content):
    """Write `content` and facts() as JSON, atomically. Exits if `path` is a file of something else."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if ownership.occupied(path) and not is_result(path):
        sys.exit(f"{path} exists and is not a result of a benchmark; give {ownership.free(path)}")
    atomic_io.write_whole(path, (json.dumps(facts() | content, indent=1) + "\n").encode())


def is_result(path):
    """Return whether `write` has written this file."""
    try:
        content = json.loads(path.read_bytes())
        return isinstance(content, dict) and {"command", "commit", "machine", "versions", "time"} <= content.keys()
    except (OSError, ValueError):
        return False


def widths(share=1.0):
    """Return {layer: channels} of a VGG-19 with this share of the published channels, at least one per layer."""
    return {name: max(1, int(width * share)) for name, width in published_nets.widths().items()}


def timed(step, rounds, warm=1):
    """Return the seconds of each of `rounds` calls of step(), after `warm` warm-up calls."""
    found = []
    for number in range(warm + rounds):
        before = time.perf_counter()
        step()
        if number >= warm:
            found.append(time.perf_counter() - before)
    return found


def ratios(one, other):
    """Return (median, minimum, maximum) of one / other by round, so that disturbances affect both."""
    found = [a / b for a, b in zip(one, other, strict=True)]
    return statistics.median(found), min(found), max(found)


def shown(number):
    """Format a number with three significant digits: '0.0123', '1.23', '123', '12,345'."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
