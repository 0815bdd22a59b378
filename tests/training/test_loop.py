"""What the loop says of a step whose loss or gradient is not finite."""

import collections
import types

import numpy as np
import pytest

from fcn.core import errors
from fcn.models.tf_compat import tf_errors
from fcn.training import loop


def diverged(monkeypatch, *window):
    """(DivergedError, facts kept with the batch) of a run whose last batches had these (loss sum, weight of pixels)."""
    def fail(*_):
        raise tf_errors.InvalidArgumentError(None, None, "the loss is not finite")
    monkeypatch.setattr(loop, "run", fail)
    graph = types.SimpleNamespace(**dict.fromkeys(("images", "labels", "keep_prob", "dropout_seed", "training",
                                                   "loss_sum", "pixels"), 0))
    update = types.SimpleNamespace(learning_rate=1, update=None, norm=None)
    at, kept = loop.Position(7, collections.deque(window)), []
    images, labels = np.zeros((1, 2, 2, 3), np.uint8), np.zeros((1, 2, 2), np.uint8)
    with pytest.raises(errors.DivergedError) as found:
        settings = loop.LoopSettings(9, 1, 0.5, 0, lambda step: 0.1, lambda number: (images, labels),
                                     lambda *given: kept.append(given[-1]) or "kept")
        loop.train(None, graph, update, settings, at, [])
    return found.value, kept[0]


def test_losses_are_means_even_if_class_weights_sum_below_1(monkeypatch):
    error, facts = diverged(monkeypatch, (0.5, 0.25), (6.0, 3.0))
    assert facts["losses_before"] == [2.0, 2.0] and "before: loss 2, 2 (of the last batches)" in str(error)


def test_unlabelled_batch_has_no_displayed_loss(monkeypatch):
    error, facts = diverged(monkeypatch, (0.0, 0.0), (6.0, 3.0))
    assert facts["losses_before"] == [None, 2.0] and "before: loss no labelled pixels, 2 (of" in str(error)
