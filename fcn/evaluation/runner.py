"""Evaluation of a net on a split, on photos or on the frames of videos.

One thread reads images ahead of the net, another one counts and writes predictions. The time that the net still waits
is measured.
"""

import contextlib
import dataclasses
import itertools
import time

import numpy as np

from fcn.core import errors, progress_bar
from fcn.core.errors import Problem
from fcn.data import batch_loader, file_checks, images
from fcn.data.label_formats import blue_bits
from fcn.evaluation import image_sources, together
from fcn.evaluation.prediction_writer import BackgroundWorker
from fcn.metrics import boundary as boundaries
from fcn.metrics import iou, label_flags, thresholds
from fcn.metrics.confusion import ConfusionMatrices, Counting


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
    settings, spec = evaluated.settings, evaluated.spec
    num_classes = net.architecture.num_classes
    classes = thresholds.pair(num_classes, evaluated.policy.ignored_in_scores)
    consumer = _Consumer(num_classes, evaluated.policy, config.size is not None, outputs, gallery)
    left_out, waited, done = [], 0.0, 0
    title = "evaluated by this worker" if workers else "evaluated"
    with (net.predictor(config) as predictor, progress_bar.counted(title, _expected(found)) as advance,
          BackgroundWorker() as worker,
          contextlib.closing(_samples(found, numbers, spec, config.size, settings)) as reading,
          contextlib.closing(batch_loader.prefetch(lambda _: next(reading, None), itertools.count())) as samples):
        started = time.monotonic()
        for done in itertools.count():
            before = time.monotonic()
            sample = next(samples)
            waited += time.monotonic() - before
            if sample is None:
                break
            number, sample = sample
            if isinstance(sample, Problem):
                left_out.append(sample)
                continue
            grid = predictor.grid(sample.photo, sample.network_input)
            bins = np.empty(grid, np.uint8) if classes and sample.label is not None else None
            with outputs.probabilities(sample.name, *grid, num_classes) as sink:
                clock = _Sink(sink, bins, classes and classes[1])
                predictions = predictor.predict(sample.photo, sample.network_input, clock if clock.is_used else None,
                                                lambda share, done=done: share < 1 and advance(done + share))
                waited += clock.seconds
            before = time.monotonic()
            worker.submit(consumer.take, number, sample, predictions, bins)
            waited += time.monotonic() - before
            advance(done + 1)
    images, counted = done - len(left_out), consumer.done()
    if workers:
        images, counted, left_out = together.of_all(workers, (images, counted, left_out), consumer.numbers, outputs,
                                                    gallery)
    if not images and (not workers or workers.is_chief):
        raise errors.DataError("no image can be read", why=errors.several(left_out),
                               fix=file_checks.NO_OTHERS)
    return Scored(counted.pop("original", None), counted.pop("network", None), counted, left_out, images,
                  time.monotonic() - started, waited)


def _expected(found):
    """Return about how many images and frames these Sources have; None if unknown."""
    counts = [source.clip.frames if source.clip else 1 for source in found]
    return None if None in counts else sum(counts)


def _samples(found, numbers, spec, size_px, settings):
    """Yield (number, Sample) of all Sources, and (number, Problem) for each that skip_bad leaves out.

    A damaged video is a Problem after its readable frames, also without skip_bad. Raises DataError.
    """
    for number, source in zip(numbers, found, strict=True):
        frames = 0
        try:
            for sample in image_sources.samples(source, spec, size_px, settings.max_pixels):
                yield number, sample
                frames += 1
        except errors.DataError as error:
            if settings.skip_bad or (source.clip and (frames or len(found) > 1)):
                yield number, file_checks.problem(error, source.photo)
                continue
            if len(found) == 1:
                raise
            fix = " ".join(filter(None, [error.fix, "--skip-bad continues without it."]))
            raise errors.DataError(error.what, where=error.where, why=error.why, fix=fix) from None


class _Sink:
    """A sink for probabilities: gives them to the sink of a file, if there is one, and keeps bins of the foreground.

    Strips are written at once, not in the background; seconds is the time of writing. bins: uint8 (h, w) to fill, or
    None. foreground: its class id.
    """

    def __init__(self, sink, bins, foreground):
        self.sink, self.bins, self.foreground, self.seconds = sink, bins, foreground, 0.0
        self.is_used = sink is not None or bins is not None

    def __call__(self, top, rows):
        if self.bins is not None:
            self.bins[top:top + len(rows)] = thresholds.bins(rows[..., self.foreground])
        if self.sink:
            before = time.monotonic()
            self.sink(top, rows)
            self.seconds += time.monotonic() - before


class _Consumer:
    """Processes predictions in a thread: counts them, offers them to the gallery and writes them."""

    def __init__(self, num_classes, policy, at_network_size, outputs, gallery):
        self.policy, self.at_network_size = policy, at_network_size
        self.outputs, self.gallery = outputs, gallery
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
        self.outputs.write(sample.name, photo, label, prediction, boundary, sample.fps)

    def _score(self, confusion):
        """Return the mean IoU over the classes in label or prediction; NaN without labelled pixels."""
        counts = iou.counts(confusion, self.policy.ignored_in_scores)
        return float(iou.numbers(*counts, absent="nan")["mean_iou"]) if counts[1].any() else float("nan")

    def done(self):
        """Return {kind: ConfusionMatrices} of what every image has."""
        count = len(self.counting["original"].names)
        return {kind: found.done() for kind, found in self.counting.items() if count and len(found.names) == count}


