"""Stop signals: the step is finished and saved. A second Ctrl-C ends a command at once, and interrupts a program.

Python runs signal handlers only between calls into TensorFlow, and a call may take a minute. A thread therefore reads
the signals from a pipe at any time.
"""

import contextlib
import os
import signal
import threading

from fcn.core import terminal

# Schedulers send SIGUSR1 some time before SIGTERM (Slurm: --signal=USR1@90), so it is handled as SIGTERM.
EXIT_AS = {signal.SIGINT: signal.SIGINT, signal.SIGTERM: signal.SIGTERM, signal.SIGUSR1: signal.SIGTERM,
           signal.SIGHUP: signal.SIGHUP}


class Signals:
    """Context manager that catches stop signals. caught: the first signal received, or None.

    say: function that shows a line; called from a thread. leave: function that restores the terminal before a second
    Ctrl-C ends the process.
    """

    def __init__(self, say, leave=lambda: None):
        self.say, self.leave, self.caught = say, leave, None
        self._before, self._interrupts = {}, 0

    def __enter__(self):
        if threading.current_thread() is not threading.main_thread():
            return self  # Python can set signal handlers only in the main thread
        self._read, write = os.pipe()
        os.set_blocking(write, False)
        self._write, self._wakeup = write, signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        # nohup ignores SIGHUP; keep that.
        wanted = [n for n in EXIT_AS if not (n == signal.SIGHUP and signal.getsignal(n) == signal.SIG_IGN)]
        self._before = {number: signal.signal(number, self._handle) for number in wanted}
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        if not self._before:
            return
        for number, handler in self._before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._wakeup)
        os.close(self._write)  # ends the thread: it reads the end of the pipe
        self._thread.join()
        os.close(self._read)

    def _handle(self, number, _):
        """Python's handler, which runs when TensorFlow returns: in a program, a second Ctrl-C interrupts it."""
        if number == signal.SIGINT and self._interrupts and not terminal.is_command():
            raise KeyboardInterrupt
        self._interrupts += number == signal.SIGINT

    def _watch(self):
        while byte := os.read(self._read, 1):
            number = signal.Signals(byte[0])
            if number not in self._before:
                continue
            if self.caught and number == signal.SIGINT and terminal.is_command():
                with contextlib.suppress(Exception):
                    self.leave()
                os._exit(128 + number)
            if not self.caught:
                self.caught = number
                self.say(f"{number.name}: finishing this step, then saving (Ctrl-C again: stop at once)")
