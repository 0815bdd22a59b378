"""This project, called as in fcn/training/loop.py and eval_fcn.py.

A variant is [<net>-]<precision>[-<optimisation that is undone>], such as fcn8s-float32-scattered. The default net is
fcn8s_tutorial, which the other contenders implement too. plain.py lists the optimisations.
"""

import itertools

import numpy as np

from contenders import net
from contenders.plain import PLAIN
from fcn.models import graph_builder, tf_compat, variables
from fcn.models.architecture import Architecture
from fcn.models.tf_compat import tf
from fcn.training import weight_update
from fcn.weights import initialize

NETS = {"": "fcn8s_tutorial", "fcn8s-": "fcn8s", "fcn8s_atonce-": "fcn8s_atonce", "fcn32s-": "fcn32s"}
VARIANTS = tuple(f"{prefix}{precision}{undone}" for prefix in NETS for precision in ("float32", "bfloat16")
                 for undone in ("", *(f"-{name}" for name in PLAIN)))


class Contender:
    def __init__(self, job, size, classes, channels, variant, keep_prob=net.KEEP_PROB):
        prefix = next(prefix for prefix in reversed(NETS) if variant.startswith(prefix))
        precision, _, undone = variant.removeprefix(prefix).partition("-")
        if undone:
            PLAIN[undone]()
        architecture = Architecture(NETS[prefix], classes, channels, net.MEAN_RGB, precision=precision)
        self.keep_prob, self.numbers = keep_prob, itertools.count()
        with tf.Graph().as_default() as graph:
            self.session = tf_compat.new_session(graph)
            if job == "train":
                self.graph = graph_builder.build(architecture)
                self.step = weight_update.build(self.graph.objective, self.graph.normalizer, weight_update.Rule("adam"))
            else:
                self.graph = graph_builder.inference(architecture, prepared=True)
            self.variables = {v.op.name: v for v in tf.trainable_variables()}
            for name, variable in self.variables.items():  # one at a time, for the peak memory
                value = net.draw(name, variable.shape.as_list())
                self.session.run(variable.initializer, {variable.initializer.inputs[1]: value})
            others = set(tf.global_variables()) - set(self.variables.values())
            initialize.initialise(self.session, others)
            for step in (variables.preparation([self.graph.logits]) if job == "predict" else
                         [tf.local_variables_initializer()]):
                self.session.run(step)

    def train(self, images, labels):
        graph, step = self.graph, self.step
        feed = {graph.images: images, graph.labels: labels, graph.keep_prob: self.keep_prob,
                graph.dropout_seed: np.array([0, next(self.numbers)], np.int32), step.learning_rate: net.LEARNING_RATE}
        done = self.session.run({"loss": graph.loss_sum, "pixels": graph.pixels, "update": step.update,
                                 "norm": step.norm}, feed)
        return float(done["loss"]) / float(done["pixels"])

    def predict(self, images):
        return self.session.run(self.graph.prediction, {self.graph.images: images})

    def scores(self, images):
        return self.session.run(self.graph.logits, {self.graph.images: images})

    def weights(self):
        return self.session.run(self.variables)
