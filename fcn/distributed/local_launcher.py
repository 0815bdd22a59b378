"""Workers on this machine: starts one process for each, restarts all of them when one is lost, and forwards signals."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import threading
import time

from fcn.core import errors, terminal

ENDED_S = 5  # after one process has failed, until the others are killed
NOT_RESTARTED = (2, 3, 4, 6, 70)  # the same would happen again: usage, data, weights, a loss that is not finite, a bug
FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)


class Launcher:
    """Runs a command in `count` processes until they all end.

    command: list of words. restarts: without a new checkpoint, after which it gives up; the runs are those that a
    worker names in a line "run: FOLDER". say: function that shows a line.
    """

    def __init__(self, command, count, restarts, say):
        self.command, self.count, self.restarts, self.say = command, count, restarts, say
        self.received, self.processes, self.checkpoints = [], [], {}

    def until_done(self):
        """Start the workers, restart them if needed, and return the exit code.

        Raises MachineError when giving up, UsageError if the command cannot be started.
        """
        before = {number: signal.signal(number, self._forward) for number in FORWARDED
                  if signal.getsignal(number) != signal.SIG_IGN}  # nohup ignores SIGHUP
        try:
            return self._until_done()
        finally:
            self._kill()
            for number, handler in before.items():
                signal.signal(number, handler)

    def _until_done(self):
        left = self.restarts
        while True:
            self._start()
            codes = self._wait()
            worst = [code for code in codes.values() if code]
            if not worst:
                return 0
            if self.received or _is_stop(worst[0]):  # a worker that gets a signal stops all of them
                return max(128 - code if code < 0 else code for code in worst)
            final = [(number, code) for number, code in codes.items() if code in NOT_RESTARTED]
            if final:
                self.say(f"worker {final[0][0]} ended with exit code {final[0][1]}, see its lines above; a restart "
                         "would end in the same way")
                return final[0][1]
            new = self._new_checkpoints()
            left = (self.restarts if new else left) - 1
            what = ", ".join(f"worker {number} {_described(code)}" for number, code in codes.items() if code)
            if left < 0:
                raise errors.MachineError(f"gave up after {self.restarts} restarts without a new checkpoint",
                                          where=next(reversed(self.checkpoints), None), why=f"the last time: {what}",
                                          fix="see the lines of the workers above. The same command resumes from the "
                                              "last checkpoint.")
            self.say(f"{what}; restarting all {self.count} workers")

    def _start(self):
        ports = _free_ports(self.count)
        cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
        hosts = [f"127.0.0.1:{port}" for port in ports]
        self.processes = []
        for number in range(self.count):
            cluster = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": number}}
            process = self._started(terminal.environment() | {"TF_CONFIG": json.dumps(cluster)})
            if len(cores) >= self.count:  # each has its own share of the cores
                os.sched_setaffinity(process.pid, cores[number::self.count])
            self.processes.append(process)
        self.readers = [threading.Thread(target=self._show, args=(number, process), daemon=True)
                        for number, process in enumerate(self.processes)]
        for reader in self.readers:
            reader.start()
        for number in self.received:  # before all had been started
            self._send(number)

    def _started(self, environment):
        try:
            return subprocess.Popen(self.command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, start_new_session=True)  # Ctrl-C reaches it from here
        except OSError as error:
            raise errors.UsageError(f"{self.command[0]} cannot be started: {error.strerror}", fix="after --, give a "
                                    "command such as fcn train, or a Python file.") from None

    def _show(self, number, process):
        with process.stdout:
            for line in process.stdout:
                text = line.decode(errors="replace").rstrip()
                if text.startswith("run: "):
                    self.checkpoints.setdefault(text.removeprefix("run: "), _checkpoints(text.removeprefix("run: ")))
                try:
                    self.say(f"[{number}] {text}")
                except BrokenPipeError:  # the reader of the output has ended
                    self.say = lambda line: None
                    self._send(signal.SIGTERM)

    def _wait(self):
        """Return {worker: exit code} when all have ended, in the order in which they ended. The rest is killed."""
        codes: dict[int, int] = {}
        failed = None
        while len(codes) < self.count:
            for number, process in enumerate(self.processes):
                if number not in codes and process.poll() is not None:
                    codes[number] = process.returncode
                    is_failure = process.returncode and not _is_stop(process.returncode)
                    failed = failed or (time.monotonic() if is_failure else None)
            if failed and time.monotonic() - failed > ENDED_S and not self.received:
                break
            time.sleep(0.05)
        self._kill()
        for reader in self.readers:
            reader.join(1)
        return codes

    def _kill(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
                process.wait()

    def _forward(self, number, _):
        self.received.append(number)
        self._send(number)

    def _send(self, number):
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(number)

    def _new_checkpoints(self):
        """Whether a run has other checkpoints than at the last call, or than when it was first named."""
        now = {run: _checkpoints(run) for run in self.checkpoints}
        new = now != self.checkpoints
        self.checkpoints |= now
        return new


def _checkpoints(run):
    """Names of the checkpoints of a run."""
    return {path.name for path in pathlib.Path(run).glob("checkpoints/step-*")}


def _is_stop(code):
    """Whether a process with this exit code has stopped after a signal."""
    return 128 < code < 128 + 65


def _described(code):
    """'was killed by SIGKILL', or 'ended with exit code 5'."""
    return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"


def _free_ports(count):
    """Ports of this machine that no program uses now."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def as_process(command):
    """The words that start a command: a .py file or `fcn` with this Python, others as they are."""
    first = command[0]
    if first == "fcn":
        return [sys.executable, "-m", "fcn", *command[1:]]
    return [sys.executable, *command] if first.endswith(".py") else list(command)
