"""What the workers tell each other in every step: loss and pixels of each batch, and whether one was asked to stop."""

import signal

import numpy as np

from fcn.models.tf_compat import tf


class Asked:
    """The stop signal on which all workers agree. own: signals.Signals of this one. caught: None, or the signal."""

    def __init__(self, own):
        self.own, self.caught = own, None

    @property
    def number(self):
        """The signal that this worker received, 0 without."""
        return int(self.own.caught or 0)

    def agree(self, numbers):
        """Take the signal of the first worker that received one. numbers: of each worker."""
        received = [int(number) for number in numbers if number]
        self.caught = self.caught or (signal.Signals(received[0]) if received else None)


class StepNumbers:
    """Sums over all workers that are fetched with the last batch of a step.

    workers: Workers. model: graph_builder.TrainingGraph. batches: of a step, on one worker. asked: Asked, to be set
    before the first step.
    """

    asked: Asked

    def __init__(self, workers, model, batches):
        self.workers, self.batches = workers, []
        self.terms = int(model.loss_sum.shape.num_elements())
        self.earlier = tf.placeholder(tf.float64, (batches - 1, 2 * self.terms + 2))
        self.signal = tf.placeholder(tf.float64, ())
        numbers = [tf.reshape(tf.cast(x, tf.float64), (-1,)) for x in (model.loss_sum, model.pixels)]
        self.fetches = [self._sums([*numbers, right]) for right in (tf.zeros(2, tf.float64),
                                                                     tf.cast(model.pixel_counts, tf.float64))]

    def _sums(self, numbers):
        rows = tf.concat([self.earlier, tf.concat(numbers, 0)[None]], 0)
        return self.workers.total([self.workers.at_own_place(x) for x in (rows, self.signal)])

    def add(self, done):
        """Keep the numbers of a batch that is not the last of its step. done: dict of the loop's fetches."""
        self.batches.append(np.concatenate([np.ravel(x) for x in (done["loss"], done["pixels"],
                                                                  done.get("right", (0, 0)))]))

    def feed(self):
        """What the last batch of a step feeds."""
        earlier = np.array(self.batches, np.float64).reshape(self.earlier.shape.as_list())
        self.batches = []
        return {self.earlier: earlier, self.signal: self.asked.number}

    def take(self, sums, shape):
        """Return [(loss sum, pixels, [right pixels, pixels that count])] of all batches of the step, in order.

        sums: fetched. shape: of the loss sum. Takes the signals, too.
        """
        rows, received = sums
        self.asked.agree(received)
        in_order = rows.transpose(1, 0, 2).reshape(-1, rows.shape[-1])
        return [(row[:self.terms].reshape(shape), row[self.terms:-2].reshape(shape), row[-2:].astype(int).tolist())
                for row in in_order]
