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
                                                   "is_first", "loss_sum", "pixels", "pixel_counts"), 0))
    update = types.SimpleNamespace(learning_rate=1, update=None, norm=None, loss_scale=None)
    at, kept = loop.Position(7, collections.deque(window)), []
    images, labels = np.zeros((1, 2, 2, 3), np.uint8), np.zeros((1, 2, 2), np.uint8)
    with pytest.raises(errors.DivergedError) as found:
        settings = loop.LoopSettings(9, 1, 0.5, 0, lambda step: 0.1, lambda number: (images, labels),
                                     lambda *given: kept.append(given[-1]) or "kept")
        loop.train(None, graph, update, settings, at, [])
    return found.value, kept[0]


def test_losses_are_means_even_if_class_weights_sum_below_1(monkeypatch):
    error, facts = diverged(monkeypatch, (0.5, 0.25), (6.0, 3.0))
    assert facts["losses_before"] == [2.0, 2.0] and "before: loss 2, 2 (last batches)" in str(error)


def test_unlabelled_batch_has_no_displayed_loss(monkeypatch):
    error, facts = diverged(monkeypatch, (0.0, 0.0), (6.0, 3.0))
    assert facts["losses_before"] == [None, 2.0] and "before: loss no labelled pixels, 2 (last" in str(error)


def test_hooks_are_called_in_order_after_every_step(monkeypatch):
    """A step of two batches: a hook gets the position after the second one, and ends the run by a reason."""
    monkeypatch.setattr(loop, "run", lambda *_: {"loss": np.float32(1), "pixels": np.float32(2), "norm": 0.5,
                                                 "right": np.array([3, 4])})
    graph = types.SimpleNamespace(**dict.fromkeys(("images", "labels", "keep_prob", "dropout_seed", "training",
                                                   "is_first", "loss_sum", "pixels", "pixel_counts"), 0))
    update = types.SimpleNamespace(learning_rate=1, update=None, norm=None, loss_scale=None, collect=None)
    settings = loop.LoopSettings(9, 2, 0.5, 0, lambda step: 0.1, lambda number: (np.zeros((1, 2, 2, 3), np.uint8),
                                                                                np.zeros((1, 2, 2), np.uint8)), None)
    called = []

    def hook(name):
        def after_step(at):
            called.append((name, at.step, len(at.window), at.right))
            at.finished = "enough" if at.step == 2 else ""
        return types.SimpleNamespace(after_step=after_step)
    loop.train(None, graph, update, settings, loop.Position(0, collections.deque(), batches_per_step=2),
               [hook("first"), hook("second")])
    assert called == [(name, step, 2 * step, [[3, 4], [3, 4]]) for step in (1, 2) for name in ("first", "second")]
