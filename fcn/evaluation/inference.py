"""Prediction of class ids for one image of any size: whole or in windows, at several scales, mirrored.

A single pass over the whole image computes the argmax in the graph, of several images of one size if batching.py allows
it. Otherwise, scores are held for the height of one window at every scale, and processed strip by strip at the original
size.
"""

import numpy as np

from fcn.core import errors
from fcn.data import images
from fcn.data.spec import id_dtype
from fcn.evaluation import batching, tiling
from fcn.evaluation.inference_config import InferenceConfig
from fcn.evaluation.memory_guard import Room, need_of
from fcn.metrics import thresholds
from fcn.models import graph_builder
from fcn.models.tf_compat import run

__all__ = ["InferenceConfig", "Predictor", "need_of"]


def check_numbers(has_nan):
    """Raise WeightsError if has_nan: the class with the largest score is not defined if a score is not a number."""
    if has_nan:
        raise errors.WeightsError("the net's scores are not numbers (NaN), so there is no prediction",
                                  why="the training diverged, or numbers are too large for float16",
                                  fix="try --precision float32, then an earlier --checkpoint.")


class Predictor:
    """Predicts images with one net and one InferenceConfig.

    net: graph_builder.TrainingGraph or InferenceGraph.
    excluded_ids: one tuple of class ids per requested prediction, which that prediction never contains, e.g. ((0,),
    ()).
    need: function from need_of(); None turns the memory check off.
    With config.threshold, all predictions are those of the two classes that excluded_ids[0] leaves.
    """

    def __init__(self, session, net, config, excluded_ids, need=None):
        self.session, self.net, self.num_classes = session, net, net.scores.channels
        self.config, self.room = config, Room(config, self.num_classes, need, session)
        self.excluded_ids = [tuple(i for i in sorted(set(ids)) if i < self.num_classes) for ids in excluded_ids]
        self.rule = tiling.RULES[config.merge]
        self.classes = thresholds.pair(self.num_classes, self.excluded_ids[0])
        self.distinct = list(dict.fromkeys(self.excluded_ids))
        self.never_predicted = sorted(set.intersection(*map(set, self.excluded_ids)))
        self.passes, self.passed, self.progress = 1, 0, None
        self.batches = batching.BatchSizes(self.room.fits)

    def grid(self, photo, network_input):
        """Return (height, width) of the grid on which ids are computed. Arguments as in predict()."""
        return photo.shape[:2] if self.config.enlarge == "scores" else network_input.shape[:2]

    def predict(self, photo, network_input, sink=None, progress=None):
        """Predict one image. Returns [(ids at original size, ids on the base grid)], (h, w), per excluded_ids.

        photo: the original, uint8 (h, w, channels).
        network_input: the image at scale 1 (on the base grid): the photo resized as in the cache, or the photo itself.
            Inputs at other scales are resized from the photo.
        sink: function (top, probabilities float32 (rows, width, num_classes)), called from top to bottom for all rows
        of
            grid(). Ids in excluded_ids[0] have probability 0; the others sum to 1.
        progress: function that gets the finished share of the image after every window.

        Ids on the base grid are None if scores are resized to the original size. Raises MachineError if memory is too
        small.
        """
        base, original, target = network_input.shape[:2], photo.shape[:2], self.grid(photo, network_input)
        is_argmax = sink is None and self.config.threshold is None
        if is_argmax and base == target and self.config.is_plain(base):
            found, _ = self._in_the_graph([network_input])
            found = [ids[0] for ids in found]
        else:
            self._count(base, progress)
            found = self._strip_by_strip(photo, network_input, target, sink)
        return self._pairs(found, original, base == target)

    def most_at_once(self, photo, network_input):
        """Return how many images like this predict_together() takes at most. Arguments as in predict()."""
        base = network_input.shape[:2]
        is_argmax = self.config.threshold is None and base == self.grid(photo, network_input)
        return self.batches.of(base) if is_argmax and self.config.is_plain(base) else 1

    def predict_together(self, photos, network_inputs):
        """Return what predict() returns for each of these images, whose network inputs have the same shape.

        The first so many images of a size are predicted one by one, too, see batching.py.
        """
        if (network_inputs[0].shape[:2], len(photos)) in self.batches.proven:
            found, _ = self._in_the_graph(network_inputs)
        else:
            found = self._compared(network_inputs)
        return [self._pairs([ids[k] for ids in found], photo.shape[:2], True) for k, photo in enumerate(photos)]

    def _compared(self, network_inputs):
        """Return the ids of images that are predicted one by one, and note whether a batch has the same scores."""
        _, scores = self._in_the_graph(network_inputs, with_scores=True)
        singles = [self._in_the_graph([one], with_scores=True) for one in network_inputs]
        is_same = batching.same_bits(scores, np.concatenate([own for _, own in singles]))
        self.batches.keep(network_inputs[0].shape[:2], len(network_inputs), is_same)
        return [np.concatenate(ids) for ids in zip(*(found for found, _ in singles), strict=True)]

    def _pairs(self, found, original, is_on_base):
        """Return what predict() returns, of ids for each of self.distinct. original: (height, width) of the photo."""
        ids = dict(zip(self.distinct, found, strict=True))
        return [(images.resize_label(ids[excluded], original), ids[excluded] if is_on_base else None)
                for excluded in self.excluded_ids]

    def _count(self, base, progress):
        """Count the windows of an image of size `base`, for `progress`."""
        spans = [self.config.spans(size) for size in self.config.sizes(base)]
        self.passes = sum(len(down) * len(across) for down, across in spans) * (2 if self.config.flip else 1)
        self.passed, self.progress = 0, progress

    def _in_the_graph(self, network_inputs, with_scores=False):
        """Return ([ids (N, h, w) per self.distinct], scores or None) of images of one size, argmaxed in the graph.

        with_scores: copy the scores out of the graph, too: float32 (N, ...) in the order of the net's Blocks.
        """
        size, tensor = network_inputs[0].shape[:2], self.net.scores
        self.room.check(size, size, count=len(network_inputs))
        predictions = [graph_builder.prediction_without(tensor, ids) for ids in self.distinct]
        fetches = [*predictions, graph_builder.has_nan(tensor), *([tensor.tensor] if with_scores else [])]
        found = self._run(fetches, np.stack(network_inputs) if len(network_inputs) > 1 else network_inputs[0][None])
        ids, (has_nan, *scores) = found[:len(predictions)], found[len(predictions):]
        check_numbers(has_nan)
        return ids, scores[0] if scores else None

    def _strip_by_strip(self, photo, network_input, target, sink):
        """Return ids from scores that are merged and reduced to ids strip by strip."""
        base, threshold = network_input.shape[:2], self.config.threshold
        self.room.check(base, target, is_plain=False)
        views = [images.resize_image(network_input if scale == 1 else photo, size)
                 for scale, size in zip(self.config.scales, self.config.sizes(base), strict=True)]
        bounds = tiling.strip_bounds(target, self.num_classes, [view.shape[:2] for view in views])
        streams = [tiling.resized_strips(self._rows(view), view.shape[:2], target, bounds) for view in views]
        found = [np.empty(target, id_dtype(self.num_classes)) for _ in self.distinct]
        for (top, end), *strips in zip(bounds, *streams, strict=True):
            scores = self.rule.joined(strips)
            probabilities = self.rule.probabilities(scores, self.excluded_ids[0]) if sink or threshold else scores
            for ids, excluded in zip(found, self.distinct, strict=True):
                ids[top:end] = tiling.best(scores, excluded) if threshold is None else thresholds.foreground(
                    thresholds.bins(probabilities[..., self.classes[1]]), threshold, self.classes)
            if sink:
                sink(top, probabilities)
        return found

    def _rows(self, view):
        """Yield (top, merged scores float32 (rows, W, C)) of one scale, from top to bottom."""
        def scores(down, across):
            parts = [self._prepared(self._logits(view[slice(*down)], *across))]
            if self.config.flip:
                parts.append(self._prepared(self._mirrored_logits(view[slice(*down)], *across)))
            return self.rule.joined(parts)
        return tiling.rows(self.config.spans(view.shape[:2]), self.rule, scores)

    def _prepared(self, logits):
        """Prepare logits for the merge rule. Ids that no prediction contains get probability 0."""
        if self.never_predicted and self.rule.prepare is tiling.softmax:
            logits = logits.copy()
            logits[..., self.never_predicted] = -np.inf
        return self.rule.prepare(logits)

    def _logits(self, band, start, end):
        found = self._run(self.net.logits, band[None, :, start:end])[0]
        check_numbers(np.isnan(np.sum(found)))
        self.passed += 1
        if self.progress:
            self.progress(self.passed / self.passes)
        return found

    def _mirrored_logits(self, band, start, end):
        """Return the logits of the mirrored window, mirrored back.

        The grid of the mirrored image starts at its last pixel. To align with it, the window is up to 31 px wider.
        """
        wider = end + (band.shape[1] - end) % tiling.STRIDE_PX
        return self._logits(band[:, ::-1], band.shape[1] - wider, band.shape[1] - start)[:, ::-1][:, :end - start]

    def _run(self, fetches, network_inputs):
        try:
            return run(self.session, fetches, {self.net.images: network_inputs})
        except errors.MachineError as error:
            raise errors.MachineError(error.what, why=error.why, fix=self.room.fix(network_inputs.shape[1:3])) from None
