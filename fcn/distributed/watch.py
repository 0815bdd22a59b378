"""Finding out which workers of a run still answer.

A worker answers if its server completes the handshake of gRPC. Where a process has ended, connections are refused,
which shows within seconds. A process that was suspended, or a machine that cannot be reached, does not answer.
"""

import concurrent.futures
import os
import socket
import threading
import time

import grpc

from fcn.core import errors

ANSWER_S = 3.0  # for one attempt
PROBES = 4  # in the time after which a worker is given up
ENDED_S = 2.0  # between two looks whether a process has ended; it has if both show it


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


def has_ended(address):
    """Return whether nothing listens at "HOST:PORT" on a host that can be reached."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
    except ConnectionRefusedError:
        return True
    except OSError:  # a time limit, no route, an unknown name
        return False
    return False


def _connection(address):
    """What a plain connection to an address shows, in words."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1.0).close()
    except ConnectionRefusedError:
        return f"{host} can be reached, and no process listens at port {port}"
    except OSError as error:
        return f"{host}: {error.strerror or error}"
    return f"a program listens at port {port} of {host} that is not a worker, or is suspended"


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
                                      why=[_connection(cluster.workers[number]) for number in waiting],
                                      fix="start the same command there, each process with an index of its own; every "
                                          "machine must be able to reach these ports of the others.")
        if waited > said + 10:
            say(f"waiting for {', '.join(map(cluster.name, waiting))}, {waited:.0f} s")
            said = waited
        time.sleep(0.2)


class Watch:
    """A thread that ends this process with exit code 5 when another has ended, or does not answer for `seconds`.

    The chief watches all others, and they watch the chief. say: function that shows the error.
    """

    def __init__(self, cluster, seconds, say):
        self.cluster, self.seconds, self.say, self._closed = cluster, seconds, say, threading.Event()
        watched = range(1, cluster.count) if cluster.index == 0 else [0]
        self.last = dict.fromkeys(watched, time.monotonic())
        self.ended: set[int] = set()
        threading.Thread(target=self._run, daemon=True).start()

    def close(self):
        """End the thread."""
        self._closed.set()

    def _run(self):
        probed = time.monotonic()
        while not self._closed.wait(min(ENDED_S, self.seconds / PROBES)):
            before, self.ended = self.ended, {n for n in self.last if has_ended(self.cluster.workers[n])}
            if before & self.ended:
                self._leave(before & self.ended, "its process has ended")
            if time.monotonic() - probed < self.seconds / PROBES:
                continue
            for number in self.last:
                if answers(self.cluster.workers[number]):
                    self.last[number] = time.monotonic()
            probed = time.monotonic()
            self._leave([n for n, last in self.last.items() if probed - last > self.seconds],
                        f"no answer for {self.seconds:.0f} s")

    def _leave(self, gone, why):
        if gone:
            gone = sorted({*gone, *silent(self.cluster)})  # the chief may have ended because of another
        if gone and not self._closed.is_set():
            self.say(lost(self.cluster, gone, why))
            os._exit(errors.MachineError.exit_code)
