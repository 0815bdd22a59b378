"""Evaluation of a net on a split, on photos or on the frames of videos.

Threads read images ahead of the net. Consecutive small images of one size are predicted in one pass. A thread counts
predictions in the order of the images, others write them. The time that the net still waits is measured.
"""

import dataclasses
import time

import numpy as np

from fcn.core import errors, progress_bar
from fcn.core.errors import Problem
from fcn.data import file_checks, images
from fcn.data.label_formats import blue_bits
from fcn.evaluation import read_ahead, reading, together
from fcn.evaluation.prediction_writer import PROBABILITIES, BackgroundWorker
from fcn.metrics import boundary as boundaries
from fcn.metrics import iou, label_flags, thresholds
from fcn.metrics.confusion import ConfusionMatrices, Counting

WRITTEN_AT_ONCE = 2  # large images, of which each holds several pictures


@dataclasses.dataclass(frozen=True)
class Scored:
    """Result of an evaluation.

    original, network: one confusion matrix per image, at original size and at network size; None without labels or
    without predictions of that size. others: {kind: ConfusionMatrices} as in results.save(). left_out: list of Problem.
    images: number of evaluated images. seconds: total time. waited: seconds of it spent waiting for
    reading and writing.
    """

    original: ConfusionMatrices | None
    network: ConfusionMatrices | None
    others: dict[str, ConfusionMatrices]
    left_out: list[Problem]
    images: int
    seconds: float
    waited: float


def run_evaluation(net, found, evaluated, config, outputs, gallery, workers=None):
    """Evaluate the images `found` (list of image_sources.Source) and return a Scored.

    net: LoadedNet of `evaluated`, an EvaluatedModel. config: InferenceConfig. outputs: PredictionWriter. gallery:
    Gallery for images with labels. workers: distributed.workers.Workers, which divide the images and all call this; the
    chief gets the result of all, the others their own. Raises DataError if an image cannot be read (unless skip_bad is
    set) or no image is left.
    """
    index, count = (workers.index, workers.count) if workers else (0, 1)
    found, numbers = found[index::count], range(index, len(found), count)
    left_out, waited, done = [], _Stopwatch(), 0
    title = "evaluated by this worker" if workers else "evaluated"
    with (net.predictor(config) as predictor, progress_bar.counted(title, _expected(found)) as advance,
          BackgroundWorker(WRITTEN_AT_ONCE, read_ahead.threads(), outputs.note) as writing,
          BackgroundWorker(read_ahead.FEW) as counting,
          reading.ahead(found, numbers, evaluated.spec, config.size, evaluated.settings) as samples):
        consumer = _Consumer(net.architecture.num_classes, evaluated.policy, config.size is not None, outputs, gallery,
                             writing)
        predicting = _Predicting(predictor, outputs, consumer.classes, waited)
        started = time.monotonic()
        batches = reading.batches(samples, predicting.most_at_once)
        while batch := waited.during(next, batches, None):
            if isinstance(batch[0][1], Problem):
                left_out.append(batch[0][1])
            else:
                part = None if len(batch) > 1 else lambda share, done=done: share < 1 and advance(done + share)
                for (number, sample), predicted in zip(batch, predicting.results([x for _, x in batch], part),
                                                       strict=True):
                    waited.during(counting.submit, consumer.take, number, sample, *predicted,
                                  pixels=reading.pixels(sample))
                advance(done + len(batch))
            done += len(batch)
        for work in (counting, writing):
            waited.during(work.finish)
    images, counted = done - len(left_out), consumer.done()
    if workers:
        images, counted, left_out = together.of_all(workers, (images, counted, left_out), consumer.numbers, outputs,
                                                    gallery)
    if not images and (not workers or workers.is_chief):
        raise errors.DataError("no image can be read", why=errors.several(left_out),
                               fix=file_checks.NO_OTHERS)
    return Scored(counted.pop("original", None), counted.pop("network", None), counted, left_out, images,
                  time.monotonic() - started, waited.seconds)


def _expected(found):
    """Return about how many images and frames these Sources have; None if unknown."""
    counts = [source.clip.frames if source.clip else 1 for source in found]
    return None if None in counts else sum(counts)


class _Stopwatch:
    """Adds up the seconds of calls."""

    def __init__(self):
        self.seconds = 0.0

    def during(self, function, *arguments, **options):
        """Return what function(*arguments, **options) returns."""
        before = time.monotonic()
        try:
            return function(*arguments, **options)
        finally:
            self.seconds += time.monotonic() - before


class _Predicting:
    """Predicts images, several in a pass where no scores are needed, and gives their probabilities to `outputs`.

    classes: the two classes whose probabilities are counted (thresholds.pair), or None. waited: _Stopwatch of writing.
    """

    def __init__(self, predictor, outputs, classes, waited):
        self.predictor, self.outputs, self.classes, self.waited = predictor, outputs, classes, waited

    def most_at_once(self, sample):
        """Return how many images like this Sample are predicted together: fewer, if they are large."""
        if PROBABILITIES in self.outputs.kinds or self._has_bins(sample):
            return 1
        count = self.predictor.most_at_once(sample.photo, sample.network_input)
        while not read_ahead.has_room(count - 1, (count - 1) * reading.pixels(sample)):
            count //= 2
        return count

    def _has_bins(self, sample):
        return bool(self.classes) and sample.label is not None

    def results(self, samples, progress):
        """Return [(predictions of Predictor.predict(), bins)] of Samples with network inputs of one size.

        bins: uint8 (h, w) of the foreground's probability, or None. progress: as in Predictor.predict(), of one image.
        Fewer images than most_at_once(), such as the last ones, are predicted one by one: comparing the scores of every
        number of images would take longer.
        """
        if len(samples) > 1:
            if len(samples) != self.most_at_once(samples[0]):
                return [self.results([sample], None)[0] for sample in samples]
            found = self.predictor.predict_together([one.photo for one in samples],
                                                    [one.network_input for one in samples])
            return [(predictions, None) for predictions in found]
        sample, = samples
        grid = self.predictor.grid(sample.photo, sample.network_input)
        bins = np.empty(grid, np.uint8) if self._has_bins(sample) else None
        with self.outputs.probabilities(sample.name, *grid, self.predictor.num_classes) as sink:
            strips = _Sink(sink, bins, self.classes and self.classes[1], self.waited)
            return [(self.predictor.predict(sample.photo, sample.network_input, strips if strips.is_used else None,
                                            progress), bins)]


class _Sink:
    """A sink for probabilities: gives them to the sink of a file, if there is one, and keeps bins of the foreground.

    Strips are written at once, not in the background; waited: _Stopwatch of the writing. bins: uint8 (h, w) to fill, or
    None. foreground: its class id.
    """

    def __init__(self, sink, bins, foreground, waited):
        self.sink, self.bins, self.foreground, self.waited = sink, bins, foreground, waited
        self.is_used = sink is not None or bins is not None

    def __call__(self, top, rows):
        if self.bins is not None:
            self.bins[top:top + len(rows)] = thresholds.bins(rows[..., self.foreground])
        if self.sink:
            self.waited.during(self.sink, top, rows)


class _Consumer:
    """Processes predictions in a thread: counts them, offers them to the gallery and passes them on for writing.

    writing: BackgroundWorker of PredictionWriter.attempt().
    """

    def __init__(self, num_classes, policy, at_network_size, outputs, gallery, writing):
        self.policy, self.at_network_size = policy, at_network_size
        self.outputs, self.gallery, self.writing = outputs, gallery, writing
        self.classes = thresholds.pair(num_classes, policy.ignored_in_scores)
        sizes = {"original": num_classes, "network": num_classes, "flags": label_flags.SETS,
                 "boundary": num_classes + 1, "thresholds": thresholds.BINS}
        self.counting = {kind: Counting(size) for kind, size in sizes.items()}
        self.numbers = []

    def take(self, number, sample, predictions, bins):
        """Process one Sample. predictions: [(ids at original size, ids at network size or None)], two pairs.

        number: of its Source. The first pair is the prediction without ids that scores ignore, the second the net's
        own. bins: those of the
        foreground's probability, or None.
        """
        (prediction, _), (_, network_prediction) = predictions
        photo = images.as_rgb(sample.photo)
        label, boundary = sample.label, None
        if label is not None:
            self.numbers.append(number)
            if self.policy.rim:
                boundary = label >= blue_bits.FLAG
                label = self.policy.for_scores(label)
                self.counting["flags"].add_matrix(sample.name, label_flags.matrix(label, boundary, prediction))
            score = self._score(self.counting["original"].add(sample.name, label, prediction))
            if boundary is None:
                self.counting["boundary"].add_matrix(sample.name, boundaries.matrix(
                    label, prediction, self.counting["original"].num_classes, self.policy.ignored_in_scores))
            if bins is not None:
                self.counting["thresholds"].add_matrix(sample.name, thresholds.matrix(
                    label, images.resize_label(bins, label.shape), self.classes))
            self.gallery.offer(sample.name, score, photo, label, prediction, number)
            if self.at_network_size and network_prediction is not None:
                self.counting["network"].add(sample.name, self.policy.for_scores(sample.network_label),
                                             network_prediction)
        files = sample.name, photo, label, prediction, boundary, sample.fps
        if sample.fps:  # the frames of a video are written in order
            self.outputs.write(*files)
        else:
            self.writing.submit(self.outputs.attempt, *files, pixels=reading.pixels(sample))

    def _score(self, confusion):
        """Return the mean IoU over the classes in label or prediction; NaN without labelled pixels."""
        counts = iou.counts(confusion, self.policy.ignored_in_scores)
        return float(iou.numbers(*counts, absent="nan")["mean_iou"]) if counts[1].any() else float("nan")

    def done(self):
        """Return {kind: ConfusionMatrices} of what every image has."""
        count = len(self.counting["original"].names)
        return {kind: found.done() for kind, found in self.counting.items() if count and len(found.names) == count}


