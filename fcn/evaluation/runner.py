"""A net over a split, or over photos: images are read ahead, and what is made of a prediction is done behind.

So the net waits for neither. What it waited all the same is measured and told.
"""

import dataclasses
import time

from fcn.core import errors, progress_bar
from fcn.core.errors import Problem
from fcn.data import batch_loader, file_checks
from fcn.evaluation import image_sources
from fcn.evaluation.prediction_writer import BackgroundWorker
from fcn.metrics import iou
from fcn.metrics.confusion import ConfusionMatrices, Counting


@dataclasses.dataclass(frozen=True)
class Scored:
    """original, network: a confusion matrix an image at its original size and at network size (None where there is no
    label, or no prediction of that size). left_out: Problems. seconds: of all, waited: of them for reading and writing.
    """

    original: ConfusionMatrices | None
    network: ConfusionMatrices | None
    left_out: list[Problem]
    images: int
    seconds: float
    waited: float


def run_evaluation(net, found, evaluated, config, outputs, gallery):
    """The Scored of all `found` (Sources). net: the LoadedNet of `evaluated`, an EvaluatedModel. config: an
    InferenceConfig. outputs: a PredictionWriter. gallery: a Gallery, for those with labels.

    Raises DataError for an image that cannot be read (but with skip_bad) and if none is left.
    """
    settings, spec = evaluated.settings, evaluated.spec
    num_classes = net.architecture.num_classes
    work = _Work(num_classes, evaluated.policy.ignored_in_scores, config.size is not None, outputs, gallery)

    def read(index):
        try:
            return image_sources.read_sample(found[index], spec, config.size, settings.max_pixels)
        except errors.DataError as error:
            if not settings.skip_bad:
                raise
            return file_checks.problem(error, found[index].photo)

    left_out, waited = [], 0.0
    with (net.predictor(config) as predictor, progress_bar.counted("evaluated", len(found)) as advance,
          BackgroundWorker() as behind):
        samples, started = batch_loader.prefetch(read, range(len(found))), time.monotonic()
        for number in range(len(found)):
            before = time.monotonic()
            sample = next(samples)
            waited += time.monotonic() - before
            if isinstance(sample, Problem):
                left_out.append(sample)
                continue
            grid = predictor.grid(sample.photo, sample.seen)
            with outputs.probabilities(sample.name, *grid, num_classes) as sink:
                clock = _Clock(sink)
                predictions = predictor.predict(sample.photo, sample.seen, sink and clock,
                                                lambda share, done=number: share < 1 and advance(done + share))
                waited += clock.seconds
            before = time.monotonic()
            behind.submit(work.take, sample, predictions)
            waited += time.monotonic() - before
            advance(number + 1)
    if len(left_out) == len(found):
        raise errors.DataError("not one good image is left", why=errors.several(left_out))
    original, network = work.done()
    return Scored(original, network, left_out, len(found) - len(left_out), time.monotonic() - started, waited)


class _Clock:
    """A sink for probabilities that adds up how long writing them takes: strips come too fast to be kept for later."""

    def __init__(self, sink):
        self.sink, self.seconds = sink, 0.0

    def __call__(self, top, rows):
        before = time.monotonic()
        self.sink(top, rows)
        self.seconds += time.monotonic() - before


class _Work:
    """What is done with a prediction, in a thread: counted, offered to the gallery, written."""

    def __init__(self, num_classes, ignored_in_scores, at_network_size, outputs, gallery):
        self.ignored_in_scores, self.at_network_size = ignored_in_scores, at_network_size
        self.outputs, self.gallery = outputs, gallery
        self.original, self.network = Counting(num_classes), Counting(num_classes)

    def take(self, sample, predictions):
        """predictions: [(ids at original size, ids at network size or None)]: the benchmark's, and the net's own."""
        (prediction, _), (_, seen_prediction) = predictions
        if sample.label is not None:
            score = self._score(self.original.add(sample.name, sample.label, prediction))
            self.gallery.offer(sample.name, score, sample.photo, sample.label, prediction)
            if self.at_network_size and seen_prediction is not None:
                self.network.add(sample.name, sample.seen_label, seen_prediction)
        self.outputs.write(sample.name, sample.photo, sample.label, prediction)

    def _score(self, confusion):
        """Mean IoU over the classes of the label or the prediction; NaN of an image without a labelled pixel."""
        counts = iou.counts(confusion, self.ignored_in_scores)
        return float(iou.numbers(*counts, absent="nan")["mean_iou"]) if counts[1].any() else float("nan")

    def done(self):
        """(ConfusionMatrices at original size, those at network size); None where not every image has one."""
        images = len(self.original.names)
        return [found.done() if images and len(found.names) == images else None
                for found in (self.original, self.network)]


