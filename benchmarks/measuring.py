"""What the benchmarks of speed share: a case in a process of its own, medians of rounds, and where a number is from."""

import argparse
import datetime
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

from fcn.core import atomic_io, machine, ownership  # noqa: E402
from fcn.models import published_nets  # noqa: E402
from fcn.runs import record  # noqa: E402

PACKAGES = ("tensorflow", "keras", "torch", "numpy")


def facts():
    """Command, commit, time, machine and versions: what a number needs beside it. Versions of what is installed."""
    versions = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {"command": shown_command(pathlib.Path(sys.argv[0]).name, sys.argv[1:]), "commit": record.commit(),
            "machine": machine.description(), "versions": versions,
            "time": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")}


def shown_command(script, words):
    """The command as anyone can type it: without --json, and with no folder of this machine."""
    shown, words = [], iter(words)
    for word in words:
        if word in ("--json", "--data", "--weights"):
            value = next(words, "")
            shown += {"--json": [], "--data": [word, "FOLDER"]}.get(word, [word, pathlib.Path(value).name])
        else:
            shown.append(word)
    return shlex.join(["python", f"benchmarks/{script}", *shown])


def parsed(parser, case):
    """The arguments of a benchmark, --json OUT among them.

    Where in_a_process() has started it with --case, this prints what case(*CASE) returns as JSON and ends the process.
    """
    parser.add_argument("--json", metavar="OUT")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(case(*json.loads(given.case))))
        sys.exit()
    return given


def in_a_process(script, case, timeout=None, environment=None):
    """What `script --case JSON` prints as its last line, a dict, with "failed": why it has none, or None.

    environment: all of it; None: this process's.
    """
    words = [sys.executable, str(script), "--case", json.dumps(case)]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=timeout, env=environment)
    except subprocess.TimeoutExpired:
        return {"failed": f"no answer in {timeout} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        return {"failed": complaint(done.stderr) or f"ended with {done.returncode}"}
    return json.loads(lines[-1]) | {"failed": None}


def complaint(text):
    """The line of standard error that says what went wrong, not where."""
    lines = [line for line in text.strip().splitlines() if line[:1].strip()]
    named = [line for line in lines if re.match(r"[\w.]*(Error|Exception|Interrupt): ", line)]
    return (named or lines or [""])[-1][:200]


def write(path, content):
    """Write `content` with the facts() as JSON, whole or not at all. Ends the program if another file is there."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if ownership.occupied(path) and not is_result(path):
        sys.exit(f"{path} is there already and is no result of a benchmark; give {ownership.free(path)}")
    atomic_io.write_whole(path, (json.dumps(facts() | content, indent=1) + "\n").encode())


def is_result(path):
    """Whether `write` has written this file."""
    try:
        content = json.loads(path.read_bytes())
        return isinstance(content, dict) and {"command", "commit", "machine", "versions", "time"} <= content.keys()
    except (OSError, ValueError):
        return False


def widths(share=1.0):
    """{layer: channels} of a VGG-19 with this share of the published channels, at least one a layer."""
    return {name: max(1, int(width * share)) for name, width in published_nets.widths().items()}


def timed(step, rounds, warm=1):
    """Seconds of each of `rounds` calls of step(), after `warm` calls that are not counted."""
    found = []
    for number in range(warm + rounds):
        before = time.perf_counter()
        step()
        if number >= warm:
            found.append(time.perf_counter() - before)
    return found


def ratios(one, other):
    """(median, least, largest) of one / other, round by round: what disturbs a round disturbs both."""
    found = [a / b for a, b in zip(one, other, strict=True)]
    return statistics.median(found), min(found), max(found)


def shown(number):
    """Three digits that count: '0.0123', '1.23', '123', '12,345'."""
    return f"{number:,.0f}" if abs(number) >= 100 else f"{number:.3g}"
