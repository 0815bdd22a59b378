"""A process that trains a small net for some steps, alone or as one of the workers of TF_CONFIG, and saves its weights.

    python steps_help.py OUT.npz OPTIMIZER BATCHES_PER_STEP [LOSS] [NORM]
"""

import sys

import numpy as np

from fcn.data.label_policy import LabelPolicy
from fcn.distributed import cluster, joining
from fcn.models import batch_loss, gradients, layers
from fcn.models.tf_compat import new_session, tf
from fcn.training import weight_update

STEPS, BATCHES, RATE = 30, 6, {"momentum": 0.05, "adam": 0.01}
RNG = np.random.default_rng(5)
IMAGES = RNG.normal(size=(7, 2, 6, 5, 3)).astype(np.float32)  # 7 batches of 2 images
LABELS = RNG.integers(0, 4, (7, 2, 6, 5), np.uint8)
LABELS[RNG.random(LABELS.shape) < np.linspace(0, 0.9, 7)[:, None, None, None]] = 255
LABELS[3] = 255  # a batch without labelled pixels
OVERFLOWS = (40, 179)  # batches that are not finite, if the loss is scaled: these steps, also the last, are skipped


class Net:
    """Two convolutions with batch normalisation between them, or without, and their weight_update.Step."""

    def __init__(self, optimizer, batches, loss, norm, workers):
        self.rate = RATE[optimizer]
        tf.set_random_seed(3)
        if workers and norm == "sync":
            gradients.synchronise(workers)
        self.images = tf.placeholder(tf.float32, (None, None, None, 3))
        self.labels = tf.placeholder(tf.uint8, (None, None, None))
        hidden = layers.conv(self.images, "hidden", 3, 5)
        hidden = layers.batch_norm(hidden, "norm", tf.placeholder_with_default(True, ())) if norm else hidden
        logits = layers.conv(tf.nn.relu(hidden), "score", 1, 4)
        sums = batch_loss.build(logits, self.labels, LabelPolicy(ignored_in_loss=(255,)), batch_loss.LossSettings(loss))
        rule = weight_update.Rule(optimizer, clip_norm=0.5, weight_decay=0.01, average=0.9,
                                  loss_scaling=norm == "scaled")
        self.overflows = OVERFLOWS if norm == "scaled" else ()
        self.step = weight_update.build(sums.objective, sums.normalizer, rule, batches, workers)

    def run(self, session, numbers, is_last):
        images, labels = (np.concatenate([x[number % len(x)] for number in numbers]) for x in (IMAGES, LABELS))
        images = images * np.inf if set(numbers) & set(self.overflows) else images
        session.run(self.step.update if is_last else self.step.collect, {
            self.images: images, self.labels: labels, self.step.learning_rate: self.rate})


def trained(optimizer, batches_per_step, loss="cross_entropy", norm="", workers=None, joined=1):
    """{variable: value} after STEPS steps of `batches_per_step` batches, divided among the workers.

    joined: how many batches, one after the other, are computed as one.
    """
    index, count = (workers.index, workers.count) if workers else (0, 1)
    with tf.Graph().as_default(), (workers.new_session() if workers else new_session()) as session:
        net = Net(optimizer, batches_per_step // count, loss, norm, workers)
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        for number in range(index, STEPS * batches_per_step, count):
            numbers = range(number * joined, (number + 1) * joined)
            net.run(session, numbers, number % batches_per_step + count >= batches_per_step)
        names = [v.op.name for v in tf.global_variables()]
        return dict(zip(names, session.run(tf.global_variables()), strict=True))


def main(out, cases):
    workers = joining.join(cluster.find())
    found = {}
    for case in cases.split():
        optimizer, batches, loss, norm = case.split(":")
        for name, value in trained(optimizer, int(batches), loss, norm, workers).items():
            found[f"{case}/{name}"] = value
    np.savez(out, **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
