"""Two workers on two hosts, which are network namespaces here: a run across them, and a link that fails."""

import contextlib
import os
import shutil
import subprocess
import sys
import time

import cluster_help
import pytest
from scripts_help import train_words

HOSTS = {"fcn-test-a": "10.77.31.1", "fcn-test-b": "10.77.31.2"}
LINK = "fcn-test-0", "fcn-test-1"  # both ends
PORT = 18901


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture
def hosts():
    """Two namespaces that are joined by a link; yields a function that switches the link on or off."""
    if os.geteuid() or not shutil.which("ip"):
        pytest.skip("network namespaces need root and the command ip")
    try:
        _connect()
    except subprocess.CalledProcessError as error:
        _remove()
        pytest.skip(f"network namespaces cannot be made here: {error.stderr.decode().strip()}")
    try:
        yield lambda state: ip("-n", "fcn-test-a", "link", "set", LINK[0], state)
    finally:
        _remove()


def _connect():
    for name in HOSTS:
        ip("netns", "add", name)
    ip("link", "add", LINK[0], "type", "veth", "peer", "name", LINK[1])
    for end, (name, address) in zip(LINK, HOSTS.items(), strict=True):
        ip("link", "set", end, "netns", name)
        ip("-n", name, "address", "add", f"{address}/24", "dev", end)
        ip("-n", name, "link", "set", end, "up")
        ip("-n", name, "link", "set", "lo", "up")


def _remove():
    for name in HOSTS:
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("netns", "del", name)


def started(toy, work, seconds, *words):
    """The processes of a run with one worker on each host."""
    addresses = [f"{address}:{PORT}" for address in HOSTS.values()]
    return [subprocess.Popen(["ip", "netns", "exec", name, sys.executable, *train_words(toy, work, *words)[1:]],
                             env=cluster_help.environment(addresses, number, seconds), stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True) for number, name in enumerate(HOSTS)]


def until(process, text):
    """Read the output of a process up to a line with this text. Returns the line."""
    lines = []
    for line in process.stdout:
        lines.append(line)
        if text in line:
            return line
    raise AssertionError("".join(lines))


@pytest.mark.slow
def test_a_short_cut_is_survived_and_a_long_one_ends_both(toy, tmp_path, hosts):
    processes = started(toy, tmp_path, 12, "--steps", "100000", "--save-every", "100000", "--eval-every", "99999")
    until(processes[0], "step 3/")
    hosts("down")
    time.sleep(2)
    hosts("up")
    step = int(until(processes[0], "step ").split("step ")[1].split("/")[0])
    until(processes[0], f"step {step + 20}/")  # it goes on
    hosts("down")
    before = time.monotonic()
    printed = [process.communicate(timeout=120)[0] for process in processes]
    waited = time.monotonic() - before
    for number, (process, text) in enumerate(zip(processes, printed, strict=True)):
        assert process.returncode == 5 and f"lost worker {1 - number} (10.77.31." in text, text
    assert waited < 60
