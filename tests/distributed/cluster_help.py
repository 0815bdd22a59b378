"""Start a Python program as the workers of a cluster on this machine."""

import json
import os
import pathlib
import subprocess
import sys

from fcn.core import terminal
from fcn.distributed import joining, local_launcher

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]


def environment(hosts, index, seconds=60):
    """The environment of worker number `index` of these hosts."""
    config = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": index}}
    paths = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    return terminal.environment() | {"TF_CONFIG": json.dumps(config), joining.TIMEOUT: str(seconds),
                                     "PYTHONPATH": paths}


def start(count, words_of, seconds=60):
    """Start `count` workers; words_of: function of the number -> words after `python`. Returns the processes."""
    hosts = [f"127.0.0.1:{port}" for port in local_launcher._free_ports(count)]
    return [subprocess.Popen([sys.executable, *map(str, words_of(number))], env=environment(hosts, number, seconds),
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
            for number in range(count)]


def finish(processes, codes=None):
    """Wait for all, check their exit codes (0 by default), and return what each has printed."""
    printed = [process.communicate(timeout=300)[0] for process in processes]
    found = [process.returncode for process in processes]
    assert found == (codes or [0] * len(processes)), "\n".join(printed)
    return printed
