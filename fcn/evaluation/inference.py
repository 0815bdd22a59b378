"""A trained net over one image of any size -> class ids: whole or in windows, at several scales, mirrored too.

In windows, no more scores than one window's height of rows at every scale are ever held, and those at the original size
strip by strip only; what the plain way needs, one pass over the whole image, is argmaxed in the graph.
"""

import numpy as np

from fcn.core import errors
from fcn.data import images
from fcn.evaluation import tiling
from fcn.evaluation.inference_config import InferenceConfig
from fcn.evaluation.memory_guard import Room, need_of
from fcn.models import graph_builder
from fcn.models.tf_compat import run

__all__ = ["InferenceConfig", "Predictor", "need_of"]


class Predictor:
    """Predicts image after image with one net and one InferenceConfig.

    net: a graph_builder.TrainingGraph or graph_builder.InferenceGraph.
    excluded_ids: for each prediction that is wanted, the ids that it never holds, e.g. ((0,), ()).
    need: bytes that the net takes for an image, by need_of(); without it memory is never looked at.
    """

    def __init__(self, session, net, config, excluded_ids, need=None):
        self.session, self.net, self.num_classes = session, net, net.scores.channels
        self.config, self.room = config, Room(config, self.num_classes, need, session)
        self.excluded_ids = [tuple(i for i in sorted(set(ids)) if i < self.num_classes) for ids in excluded_ids]
        self.rule = tiling.RULES[config.merge]
        self.distinct = list(dict.fromkeys(self.excluded_ids))
        self.never_predicted = sorted(set.intersection(*map(set, self.excluded_ids)))
        self.passes, self.passed, self.progress = 1, 0, None

    def grid(self, photo, seen):
        """(height, width) of the grid on which ids are found; arguments as in predict()."""
        return photo.shape[:2] if self.config.enlarge == "scores" else seen.shape[:2]

    def predict(self, photo, seen, sink=None, progress=None):
        """[(ids at the original size, ids on the base grid or None)] for each of excluded_ids, uint8 (h, w).

        photo: the original, uint8 (h, w, 3) RGB; seen: what the net sees at scale 1, on the base grid: the photo at
        the network's size as the cache reads it, or the photo itself. Other scales are made of the photo. Ids on the
        base grid are None where scores were enlarged past it.
        sink(top, probabilities float32 (rows, width, num_classes)) gets those of all rows, from the top down, on the
        grid(); ids of excluded_ids[0] have none, the others add up to 1.
        progress(share of the image that is done) is called after every window.
        Raises MachineError where the memory will not do.
        """
        base, original, target = seen.shape[:2], photo.shape[:2], self.grid(photo, seen)
        if sink is None and base == target and self.config.is_plain(base):
            found = self._in_the_graph(seen)
        else:
            self._count(base, progress)
            found = self._strip_by_strip(photo, seen, target, sink)
        ids = dict(zip(self.distinct, found, strict=True))
        return [(images.resize_label(ids[excluded], original), ids[excluded] if base == target else None)
                for excluded in self.excluded_ids]

    def _count(self, base, progress):
        """From here on tell `progress` of every window."""
        spans = [self.config.spans(size) for size in self.config.sizes(base)]
        self.passes = sum(len(down) * len(across) for down, across in spans) * (2 if self.config.flip else 1)
        self.passed, self.progress = 0, progress

    def _in_the_graph(self, seen):
        """Ids by the graph's own argmax, so that the scores of an image never leave it."""
        self.room.check(seen.shape[:2], seen.shape[:2])
        predictions = [graph_builder.prediction_without(self.net.scores, ids) for ids in self.distinct]
        return [ids[0] for ids in self._run(predictions, seen)]

    def _strip_by_strip(self, photo, seen, target, sink):
        """Ids by scores that are merged and argmaxed strip by strip; the target grid is never held in scores."""
        self.room.check(seen.shape[:2], target, is_plain=False)
        views = [images.resize_image(seen if scale == 1 else photo, size)
                 for scale, size in zip(self.config.scales, self.config.sizes(seen.shape[:2]), strict=True)]
        bounds = tiling.strip_bounds(target, self.num_classes, [view.shape[:2] for view in views])
        streams = [tiling.resized_strips(self._rows(view), view.shape[:2], target, bounds) for view in views]
        found = [np.empty(target, np.uint8) for _ in self.distinct]
        for (top, end), *strips in zip(bounds, *streams, strict=True):
            scores = self.rule.joined(strips)
            for ids, excluded in zip(found, self.distinct, strict=True):
                ids[top:end] = tiling.best(scores, excluded)
            if sink:
                sink(top, self.rule.probabilities(scores, self.excluded_ids[0]))
        return found

    def _rows(self, view):
        """(top, merged scores float32 (rows, W, C)) of one scale, as they are finished, from the top down."""
        def scores(down, across):
            parts = [self._prepared(self._logits(view[slice(*down)], *across))]
            if self.config.flip:
                parts.append(self._prepared(self._mirrored_logits(view[slice(*down)], *across)))
            return self.rule.joined(parts)
        return tiling.rows(self.config.spans(view.shape[:2]), self.rule, scores)

    def _prepared(self, logits):
        """As the rule wants them; an id that is never wanted has no share of the probabilities."""
        if self.never_predicted and self.rule.prepare is tiling.softmax:
            logits = logits.copy()
            logits[..., self.never_predicted] = -np.inf
        return self.rule.prepare(logits)

    def _logits(self, band, start, end):
        found = self._run(self.net.logits, band[:, start:end])[0]
        self.passed += 1
        if self.progress:
            self.progress(self.passed / self.passes)
        return found

    def _mirrored_logits(self, band, start, end):
        """Those of the mirrored pixels, mirrored back. The grid of the mirrored whole image starts at its last pixel:
        so that a window lies on it, it is up to 31 px wider here.
        """
        wider = end + (band.shape[1] - end) % tiling.STRIDE_PX
        return self._logits(band[:, ::-1], band.shape[1] - wider, band.shape[1] - start)[:, ::-1][:, :end - start]

    def _run(self, fetches, seen):
        try:
            return run(self.session, fetches, {self.net.images: seen[None]})
        except errors.MachineError as error:
            raise errors.MachineError(error.what, why=error.why, fix=self.room.fix(seen.shape[:2])) from None
