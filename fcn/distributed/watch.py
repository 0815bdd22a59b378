"""Finding out which workers of a run still answer.

A worker answers if its server completes the handshake of gRPC. A process that was killed refuses the connection; one
that was stopped, or a machine that cannot be reached, does not answer.
"""

import concurrent.futures
import os
import threading
import time

import grpc

from fcn.core import errors

ANSWER_S = 3.0  # for one attempt
PROBES = 4  # in the time after which a worker is given up


def answers(address, seconds=ANSWER_S):
    """Return whether the server at "HOST:PORT" answers."""
    channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
    try:
        grpc.channel_ready_future(channel).result(timeout=seconds)
        return True
    except grpc.FutureTimeoutError:
        return False
    finally:
        channel.close()


def silent(cluster):
    """Return the numbers of the other workers that do not answer."""
    others = [number for number in range(cluster.count) if number != cluster.index]
    with concurrent.futures.ThreadPoolExecutor(len(others)) as pool:
        found = list(pool.map(answers, [cluster.workers[number] for number in others]))
    return [number for number, alive in zip(others, found, strict=True) if not alive]


def lost(cluster, numbers, why):
    """The MachineError for workers that do not answer; none, if all do. why: a line."""
    what = f"lost {', '.join(map(cluster.name, numbers))}" if numbers else "the communication of the workers has failed"
    return errors.MachineError(what, why=why, fix=(
        "look at the output of that process. The same command on all workers resumes from the last checkpoint; "
        "fcn launch and the supervisors in docs/scaling.md do so by themselves."))


def wait_for_all(cluster, seconds, say):
    """Return when every worker answers. say: function that shows a line. Raises MachineError after `seconds`."""
    begun, said = time.monotonic(), 0.0
    waiting = [number for number in range(cluster.count) if number != cluster.index]
    while waiting := [number for number in waiting if not answers(cluster.workers[number], 1.0)]:
        waited = time.monotonic() - begun
        if waited > seconds:
            raise errors.MachineError(f"{', '.join(map(cluster.name, waiting))} did not start within {seconds:.0f} s",
                                      fix="start the same command there; every machine must be able to reach these "
                                          "ports of the others.")
        if waited > said + 10:
            say(f"waiting for {', '.join(map(cluster.name, waiting))}, {waited:.0f} s")
            said = waited
        time.sleep(0.2)


class Watch:
    """A thread that ends this process with exit code 5 when another worker does not answer for `seconds`.

    The chief watches all others, and they watch the chief.
    """

    def __init__(self, cluster, seconds, leave):
        self.cluster, self.seconds, self.leave, self._ended = cluster, seconds, leave, threading.Event()
        watched = range(1, cluster.count) if cluster.index == 0 else [0]
        self.last = dict.fromkeys(watched, time.monotonic())
        threading.Thread(target=self._run, daemon=True).start()

    def close(self):
        """End the thread."""
        self._ended.set()

    def _run(self):
        while not self._ended.wait(self.seconds / PROBES):
            for number in self.last:
                if answers(self.cluster.workers[number]):
                    self.last[number] = time.monotonic()
            gone = [number for number, last in self.last.items() if time.monotonic() - last > self.seconds]
            if gone and not self._ended.is_set():
                self.leave(lost(self.cluster, gone, f"no answer for {self.seconds:.0f} s"))
                os._exit(errors.MachineError.exit_code)
