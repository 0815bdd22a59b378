"""A signal is noticed at any moment, also while the main thread is inside a long call, and handlers are given back."""

import os
import signal
import subprocess
import sys
import time

import pytest

from fcn.training import signals


def wait_for(condition):
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


@pytest.mark.parametrize("number", list(signals.EXIT_AS), ids=lambda n: n.name)
def test_signal_is_answered_once_and_old_handlers_are_restored(number):
    before, said = {n: signal.getsignal(n) for n in signals.EXIT_AS}, []
    with signals.Signals(said.append) as asked:
        assert asked.caught is None
        os.kill(os.getpid(), number)
        wait_for(lambda: said)
        assert asked.caught == number and number.name in said[0] and "saving" in said[0]
        if number != signal.SIGINT:
            os.kill(os.getpid(), number)
            time.sleep(0.05)
    assert len(said) == 1
    assert {n: signal.getsignal(n) for n in signals.EXIT_AS} == before


def test_scheduler_warning_signal_requests_a_stop():
    assert signals.EXIT_AS[signal.SIGUSR1] == signal.SIGTERM


def child(body):
    """Exit code and output of a process that runs `body` with Signals imported; it gets what its stdout asks for.

    say() writes a line at once: print() writes its end separately, and a thread's line could come between. An alarm
    ends a process that its signal does not end.
    """
    head = ("import os, signal, time\nfrom fcn.core import terminal\nfrom fcn.training import signals\n"
            "signal.alarm(120)\ncommand = terminal.as_command()\ncommand.__enter__()\n"
            "say = lambda text: os.write(1, f'{text}\\n'.encode())\n")
    process = subprocess.Popen([sys.executable, "-c", head + body], stdout=subprocess.PIPE, text=True)
    said = []
    for line in process.stdout:
        said.append(line.strip())
        if line.startswith("send "):
            process.send_signal(getattr(signal, line.split()[1]))
    return process.wait(), said


# What a call into TensorFlow is to Python: no handler runs before the joined thread has ended.
LONG_CALL = ("import ctypes\nwith signals.Signals(say, lambda: say('left')) as asked:\n    say('send SIGINT')\n"
             "    while asked.caught is None: ctypes.CDLL(None).usleep(300_000)\n    say('send SIGINT')\n"
             "    while True: ctypes.CDLL(None).usleep(300_000)\n")


def test_second_interrupt_ends_the_process_at_once():
    code, said = child(LONG_CALL)
    assert code == 130 and said[-1] == "left" and said.count("send SIGINT") == 2


def test_ignored_hangup_stays_ignored():
    code, said = child("signal.signal(signal.SIGHUP, signal.SIG_IGN)\nwith signals.Signals(say) as asked:\n"
                       "    say('send SIGHUP')\n    time.sleep(0.3)\n    say(asked.caught)\n")
    assert code == 0 and said[-1] == "None"
