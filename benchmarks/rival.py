"""Client of a contender's process: sends requests, reads answers, and handles failures at any time."""

import json
import queue
import subprocess
import tempfile
import threading

import measuring


class Rival:
    """A process with the protocol of contender.py. Call finish() at the end.

    label: name in tables. ready: its first answer, {} if there was none. failed: reason of a failure, or "".
    seconds_allowed: time limit for one answer. environment: all variables of the process; None: those of this one.
    """

    def __init__(self, label, command, seconds_allowed=600, environment=None):
        self.label, self.seconds_allowed, self.failed, self.last = label, seconds_allowed, "", {}
        self.stderr = tempfile.TemporaryFile()  # noqa: SIM115  (closed by finish)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.stderr,
                                        text=True, env=environment)
        self.answers = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.ready = self._answer() or {}

    def step(self):
        """Request a step. Returns {"seconds", "others"}, or None if it failed."""
        try:
            self.process.stdin.write("step\n")
            self.process.stdin.flush()
        except OSError:
            pass  # the process has ended; _answer finds the reason
        return self._answer()

    def finish(self):
        """End the process. Returns {"peak_bytes", "step_bytes", "idle"}, or {} after a failure."""
        if not self.failed:
            self.process.stdin.close()
            self.last = self._answer() or {}
        self.process.kill()
        self.process.wait()
        self.stderr.close()
        return self.last

    def _listen(self):
        for line in self.process.stdout:
            self.answers.put(line)
        self.answers.put("")

    def _answer(self):
        try:
            line = self.answers.get(timeout=self.seconds_allowed)
        except queue.Empty:
            self.failed = f"no answer in {self.seconds_allowed:g} s"
            self.process.kill()
            return None
        if line:
            return json.loads(line)
        code = self.process.wait()
        self.stderr.seek(0)
        complaint = measuring.complaint(self.stderr.read().decode(errors="replace"))
        self.failed = (f"ended by signal {-code}" + (", out of memory?" if code == -9 else "") if code < 0 else
                       complaint or f"exit code {code}")
        return None
