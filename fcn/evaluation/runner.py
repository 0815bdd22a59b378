"""A net over a split, or over photos: images are read ahead, and what is made of a prediction is done behind.

So the net waits for neither. What it waited all the same is measured and told.
"""

import contextlib
import dataclasses
import time

from fcn.core import errors, progress_bar
from fcn.core.errors import Problem
from fcn.data import batch_loader, file_checks
from fcn.evaluation import image_sources, inference
from fcn.evaluation.prediction_writer import BackgroundWorker
from fcn.metrics import iou
from fcn.metrics.confusion import ConfusionMatrices, Counting
from fcn.models import graph_builder, tf_compat
from fcn.models.architecture import Architecture
from fcn.weights import checkpoint_reader, initialize


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


def run_evaluation(found, evaluated, config, outputs, gallery):
    """The Scored of all `found` (Sources). evaluated: an EvaluatedModel. config: an InferenceConfig. outputs: a
    PredictionWriter. gallery: a Gallery, for those with labels.

    Raises DataError for an image that cannot be read (but with skip_bad) and if none is left.
    """
    settings, spec = evaluated.settings, evaluated.spec
    architecture = Architecture.from_dict(evaluated.model | {"precision": settings.precision})
    num_classes = architecture.num_classes
    # The benchmark's prediction is never an ignored id; the tutorial's is whatever the net was trained to say.
    excluded_ids = evaluated.policy.ignored_in_scores, evaluated.policy.never_predicted
    work = _Work(num_classes, evaluated.policy.ignored_in_scores, config.size is not None, outputs, gallery)

    def read(index):
        try:
            return image_sources.read_sample(found[index], spec, config.size, settings.max_pixels)
        except errors.DataError as error:
            if not settings.skip_bad:
                raise
            return file_checks.problem(error, found[index].photo)

    left_out, waited = [], 0.0
    with (_loaded(evaluated, architecture) as (session, net), progress_bar.counted("evaluated", len(found)) as advance,
          BackgroundWorker() as behind):
        predictor = inference.Predictor(session, net, config, excluded_ids, inference.need_of(architecture))
        samples, started = batch_loader.ahead(read, range(len(found))), time.monotonic()
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


@contextlib.contextmanager
def _loaded(evaluated, architecture):
    """(session, graph_builder.InferenceGraph) of the EvaluatedModel's net with its weights, in a graph of its own."""
    with tf_compat.tf.Graph().as_default():
        net = graph_builder.inference(architecture, evaluated.policy.never_predicted, prepared=True)
        with tf_compat.new_session() as session:
            if evaluated.weights is None:
                checkpoint_reader.restore(session, evaluated.checkpoint)
            else:
                initialize.load_all(session, evaluated.weights)
            session.run(tf_compat.tf.local_variables_initializer())
            yield session, net
