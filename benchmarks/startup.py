#!/usr/bin/env python3
"""Time and peak memory from a .mat of 575 MB to the first training step, compared with the tutorial's method.

    python benchmarks/startup.py [--weights imagenet-vgg-verydeep-19.mat] [--rounds 5] [--share 1] [--json OUT]

Ours: check, read and transpose the file, build the graph, load the weights variable by variable. Tutorial: loadmat,
then convolutions as constants in the graph that initialise its variables. The net is fcn8s_tutorial with 151 classes.
"ours" takes fc6 and fc7 from the file; "ours, random fc" and "tutorial" initialise them randomly. Every start runs in
its own process, and the ways alternate; the file is in the page cache. Without --weights, a file of random numbers is
written first. Takes about 4 minutes.
"""

import argparse
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import measuring
import numpy as np

from fcn.core import machine
from fcn.weights import demo
from fcn.weights.formats import _published

PHASES = ("import", "read", "graph", "session", "optimizer", "first_step")
SIZE, CLASSES = (224, 224), 151


class Stopwatch:
    """Measures the seconds of each phase and the peak memory at its end."""

    def __init__(self):
        self.started, self.found = time.perf_counter(), {}

    def lap(self, name):
        now = time.perf_counter()
        self.found[name] = {"seconds": now - self.started, "peak_bytes": machine.peak_memory()}
        self.started = now


def ours(path, fc, watch):
    """Return (session, TrainingGraph) with the weights of the file. fc: "transplanted" or "random" fc6 and fc7."""
    from fcn.models import graph_builder, published_nets
    from fcn.models.architecture import Architecture
    from fcn.models.tf_compat import new_session, tf
    from fcn.weights import detection, initialize
    watch.lap("import")
    weights = detection.read_weights(path)
    watch.lap("read")
    architecture = Architecture("fcn8s_tutorial", CLASSES, published_nets.widths(weights.widths),
                                weights.mean_rgb.tolist(),
                                {"fc": fc})
    with tf.Graph().as_default():
        graph = graph_builder.build(architecture)
        watch.lap("graph")
        session = new_session()
        names = tuple(f"class {i}" for i in range(CLASSES))
        initialize.load_weights(session, weights, names, CLASSES, "fresh", architecture.chosen())
        watch.lap("session")
    return session, graph


def tutorial(path, watch):
    """Return the same net, initialised from constants in the graph."""
    import scipy.io

    from fcn.models import graph_builder, published_nets
    from fcn.models.architecture import Architecture
    from fcn.models.tf_compat import tf
    watch.lap("import")
    cell = scipy.io.loadmat(path)["layers"][0]
    stored = {str(layer["name"][0, 0][0]): layer["weights"][0, 0][0] for layer in cell
              if "weights" in layer.dtype.names}
    watch.lap("read")

    def from_the_file(getter, name, *arguments, **options):
        layer, part = name.rsplit("/", 1)
        if layer.startswith("conv"):
            kernel, bias = stored[layer]
            array = kernel.transpose(1, 0, 2, 3) if part == "kernel" else bias.ravel()
            options["initializer"] = tf.constant_initializer(array)
        return getter(name, *arguments, **options)

    with tf.Graph().as_default():
        with tf.variable_scope(tf.get_variable_scope(), custom_getter=from_the_file):
            widths = published_nets.widths({name: kernel.shape[3] for name, (kernel, _) in stored.items()})
            graph = graph_builder.build(Architecture("fcn8s_tutorial", CLASSES, widths, demo.MEAN_RGB))
        watch.lap("graph")
        session = tf.Session()
        session.run(tf.global_variables_initializer())
        watch.lap("session")
    return session, graph


WAYS = {"ours": lambda path, watch: ours(path, "transplanted", watch),
        "ours, random fc": lambda path, watch: ours(path, "random", watch), "tutorial": tutorial}


def case(way, path, size):
    """Return {phase: {"seconds", "peak_bytes"}} of one start in this process."""
    watch = Stopwatch()
    session, graph = WAYS[way](path, watch)
    from fcn.models.tf_compat import tf
    from fcn.training import weight_update
    with session.graph.as_default():
        before = set(tf.global_variables())
        step = weight_update.build(graph.objective, graph.normalizer, weight_update.Rule("adam"))
        added = [v.initializer for v in tf.global_variables() if v not in before]
        session.run([*added, tf.local_variables_initializer()])
    watch.lap("optimizer")
    rng = np.random.default_rng(0)
    feed = {graph.images: rng.integers(0, 256, (1, *size, 3), np.uint8), graph.keep_prob: 0.85,
            graph.labels: rng.integers(0, CLASSES, (1, *size), np.uint8), step.learning_rate: 1e-5}
    session.run([graph.loss_sum, step.update], feed)
    watch.lap("first_step")
    return watch.found


def random_file(path, share):
    """Write a .mat like the published VGG-19, with random numbers and this share of its channels."""
    wide = measuring.widths(share)
    layers = demo.narrow_vgg(0, {stage: wide[f"conv{stage}_1"] for stage in range(1, 6)}, wide["fc6"])
    kernel, known = layers["conv1_1"][0], _published.conv1_1("vgg19")
    if kernel.shape == known.shape:  # a file with the published shape must have the published values
        np.copyto(kernel, known, where=~np.isnan(known))
    demo.write_mat(path, layers)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--weights", help="VGG-19 as .mat (default: a file of random numbers)")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--share", type=float, default=1.0, help="share of VGG-19's channels, without --weights")
    given = measuring.parsed(parser, case)
    with tempfile.TemporaryDirectory() as folder:
        path = given.weights or str(pathlib.Path(folder, "vgg19.mat"))
        if not given.weights:
            random_file(path, given.share)
        file_bytes, starts = pathlib.Path(path).stat().st_size, {way: [] for way in WAYS}
        for _ in range(given.rounds):
            for way in WAYS:
                found = measuring.in_a_process(__file__, [way, path, SIZE])
                print(f"{way}: {summary(found)}", flush=True)
                starts[way].append(found)
    print(table(starts, file_bytes))
    if given.json:
        measuring.write(given.json, {"file_bytes": file_bytes, "starts": starts})


def ready(found):
    """Return the seconds of a start from the file to loaded weights, without the import of TensorFlow."""
    return sum(found[phase]["seconds"] for phase in ("read", "graph", "session"))


def summary(found):
    if found["failed"]:
        return found["failed"]
    return (", ".join(f"{phase} {found[phase]['seconds']:.2f} s" for phase in PHASES)
            + f"; peak {found['session']['peak_bytes'] / 1e9:.2f} GB before the first step")


def table(starts, file_bytes):
    """Return a Markdown table of medians over the starts. starts: {way: [result of case(), ...]}."""
    lines = [f"| way ({file_bytes / 1e6:.0f} MB) | {' | '.join(PHASES)} | read + graph + session | peak memory then |",
             "|---" * (len(PHASES) + 3) + "|"]
    for way, found in starts.items():
        good = [one for one in found if not one["failed"]]
        if not good:
            lines.append(f"| {way} | failed: {found[0]['failed'] if found else 'no start'} |")
            continue
        cells = [f"{statistics.median(one[phase]['seconds'] for one in good):.2f} s" for phase in PHASES]
        least, largest = min(map(ready, good)), max(map(ready, good))
        peak = statistics.median(one["session"]["peak_bytes"] for one in good)
        lines.append(f"| {way} | {' | '.join(cells)} | **{statistics.median(map(ready, good)):.2f} s** "
                     f"({least:.2f} to {largest:.2f}) | {peak / 1e9:.2f} GB |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
