#!/usr/bin/env python3
"""Speed, communication and memory of training by one and by two processes that share the cores of this machine.

    python benchmarks/distributed_speed.py [--net fcn32s] [--size 224] [--batches 2,8] [--rounds 3] [--json OUT]

Both compute the same steps, of batches of one image. Two processes cannot gain here: they share the cores, and all
gradients are sent through the loopback device. Prints medians over the rounds: seconds per step, seconds of the
all-reduce of all gradients alone, bytes on the loopback device per step, and peak memory per process. Random weights
and images. Linux, with nothing else on the loopback device; FCN-32s needs about 12 GB.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

import measuring
import numpy as np

from fcn.core import machine, tables, terminal
from fcn.distributed import cluster, joining, local_launcher
from fcn.models import components

STEPS = 4


def sent():
    """Bytes that the loopback device has sent."""
    found = re.search(r"^ *lo:(.*)$", pathlib.Path("/proc/net/dev").read_text(), re.MULTILINE)
    return int(found.group(1).split()[8])


def build(net, batches, workers):
    """Build a net of 21 classes in the default graph. Returns (TrainingGraph, Step)."""
    from fcn.models import graph_builder
    from fcn.models.architecture import Architecture
    from fcn.training import weight_update

    graph = graph_builder.build(Architecture(net, 21, components.of(net).widths({}), (128, 128, 128)))
    share = batches // (workers.count if workers else 1)
    return graph, weight_update.build(graph.objective, graph.normalizer, weight_update.Rule("momentum"), share, workers)


@measuring.in_a_graph
def measured(net, size, batches):
    """{what: number} of this process, which computes its share of STEPS steps."""
    from fcn.models.tf_compat import new_session, tf
    from fcn.weights import initialize

    found = cluster.find()
    workers = joining.join(found) if found else None
    graph, step = build(net, batches, workers)
    alone = workers.total([tf.zeros(v.shape) for v in tf.trainable_variables()]) if workers else []
    rng, count = np.random.default_rng(0), workers.count if workers else 1
    feed = {graph.images: rng.integers(0, 256, (1, size, size, 3), np.uint8), graph.keep_prob: 0.5,
            graph.labels: rng.integers(0, 21, (1, size, size)).astype(np.uint8), graph.training: True,
            step.learning_rate: 1e-10}
    communication = tf.group(*alone)

    def one():
        for _ in range(batches // count - 1):
            session.run(step.collect, feed)
        session.run([step.update, step.norm], feed)

    with workers.new_session() if workers else new_session() as session:
        initialize.initialise(session, tf.global_variables())
        session.run(tf.local_variables_initializer())
        one()
        found = {"step_s": timed(one), "memory": machine.peak_memory(),
                 "parameters": sum(v.shape.num_elements() for v in tf.trainable_variables())}
        before = sent()
        one()
        if workers:
            workers.exchange(None)
        found["bytes"] = sent() - before
        session.run(communication)
        return found | {"communication_s": timed(lambda: session.run(communication))}


def timed(function):
    """Median seconds of STEPS calls."""
    seconds = []
    for _ in range(STEPS):
        before = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - before)
    return statistics.median(seconds)


def in_processes(count, case):
    """The results of the first of `count` processes; with several, each has its share of the cores."""
    hosts = [f"127.0.0.1:{port}" for port in local_launcher._free_ports(count)]
    cores, processes = sorted(os.sched_getaffinity(0)), []
    for number in range(count):
        config = {"cluster": {"worker": hosts}, "task": {"type": "worker", "index": number}}
        environment = terminal.environment() | {"TF_CPP_MIN_LOG_LEVEL": "3"} | (
            {"TF_CONFIG": json.dumps(config)} if count > 1 else {})
        processes.append(subprocess.Popen([sys.executable, __file__, "--case", json.dumps(case)], text=True,
                                          env=environment, stdout=subprocess.PIPE))
        os.sched_setaffinity(processes[-1].pid, cores[number::count])
    printed = [process.communicate()[0] for process in processes]
    if any(process.returncode for process in processes):
        raise RuntimeError(f"exit codes {[process.returncode for process in processes]}")
    return json.loads(printed[0].splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--net", default="fcn32s")
    parser.add_argument("--size", type=int, default=224)
    parser.add_argument("--batches", default="2,8", help="batches per step")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = measuring.parsed(parser, measured)
    rows, results = [], []
    for batches in map(int, arguments.batches.split(",")):
        case = [arguments.net, arguments.size, batches]
        rounds = [{count: in_processes(count, case) for count in (1, 2)} for _ in range(arguments.rounds)]
        results.append({"batches": batches, "rounds": rounds})
        for count in (1, 2):
            found = {key: statistics.median(one[count][key] for one in rounds) for key in rounds[0][count]}
            paper = 2 * (count - 1) * 4 * found["parameters"]  # a ring: every process sends 2 (N - 1) / N of them
            rows.append([str(count), str(batches), f"{found['step_s']:.2f}", f"{batches / found['step_s']:.2f}",
                         f"{found['communication_s']:.2f}", f"{found['communication_s'] / found['step_s']:.0%}",
                         f"{found['bytes'] / 1e6:,.0f}", f"{paper / 1e6:,.0f}", f"{found['memory'] / 1e9:.2f}"])
    print("\n".join(tables.lines([">processes", ">batches per step", ">step (s)", ">images/s", ">all-reduce (s)",
                                  ">of a step", ">MB per step", ">MB on paper", ">GB per process"], rows)))
    if arguments.json:
        measuring.write(arguments.json, {"results": results})


if __name__ == "__main__":
    main()
