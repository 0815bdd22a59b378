"""A contender as the duel sees it: a process that answers lines, may fail at any time and then says why."""

import json
import queue
import subprocess
import tempfile
import threading


class Rival:
    """A process that obeys contender.py's rules.

    label: how it is shown. ready: its first answer, {} if it never came. failed: why it is out, or "".
    seconds_allowed: for one answer. finish() must be called.
    """

    def __init__(self, label, command, seconds_allowed=600):
        self.label, self.seconds_allowed, self.failed, self.last = label, seconds_allowed, "", {}
        self.said = tempfile.TemporaryFile()  # noqa: SIM115  (closed by finish)
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.said,
                                        text=True)
        self.answers = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.ready = self._answer() or {}

    def step(self):
        """{"seconds", "others"} of one step; None if it failed."""
        try:
            self.process.stdin.write("step\n")
            self.process.stdin.flush()
        except OSError:
            pass  # it is gone; what _answer finds says why
        return self._answer()

    def finish(self):
        """End the process; {"peak_bytes", "step_bytes", "idle"}, or {} if it had failed."""
        if not self.failed:
            self.process.stdin.close()
            self.last = self._answer() or {}
        self.process.kill()
        self.process.wait()
        self.said.close()
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
        self.said.seek(0)
        lines = self.said.read().decode(errors="replace").strip().splitlines()
        self.failed = (f"ended by signal {-code}" + (", memory out?" if code == -9 else "") if code < 0 else
                       lines[-1][:200] if lines else f"exit code {code}")
        return None
