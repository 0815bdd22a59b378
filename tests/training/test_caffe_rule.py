"""Caffe's SGDSolver and SoftmaxWithLoss, written in NumPy from their definitions, against the graph, step by step.

They are what the rates of fcn.berkeleyvision.org belong to: BVLC/caffe, src/caffe/solvers/sgd_solver.cpp
(GetLearningRate; ApplyUpdate: ClipGradients, Normalize, Regularize, ComputeUpdateValue) and
src/caffe/layers/softmax_loss_layer.cpp (get_normalizer). The net is a single 1 x 1 convolution, for which the gradient
can be written down.
"""

import dataclasses
import math

import numpy as np
import pytest
from nets_help import fresh, put, values

from fcn.config import caffe_solver, parsers, solver_conversion, training_config
from fcn.data.label_policy import LabelPolicy
from fcn.models import batch_loss, layers
from fcn.models.losses import cross_entropy
from fcn.models.tf_compat import tf
from fcn.training import lr_multipliers, schedules, weight_update

FEATURES, CLASSES, IGNORED = 4, 3, 255
MOMENTUM, DECAY, FACTORS = 0.99, 0.05, [("*/bias", 2.0)]
STEPS, IMAGES_PER_BATCH = 12, 2
RATES = [1e-3] * 5 + [1e-4] * 3 + [2e-3] * 4  # for a sum over 20 to 40 pixels
START = {"score_fr/kernel": np.random.default_rng(0).normal(size=(1, 1, FEATURES, CLASSES)),
         "score_fr/bias": np.array([0.5, -1.0, 0.0])}
CAFFE = {"score_fr/kernel": (1, 1), "score_fr/bias": (2, 0)}  # lr_mult, decay_mult, as in voc-fcn32s/train.prototxt


def softmax_with_loss(weights, images, labels, normalize):
    """{name: diff} of one batch. normalize: over the labelled pixels (VALID), else over the images (BATCH_SIZE)."""
    scores = images @ weights["score_fr/kernel"][0, 0] + weights["score_fr/bias"]
    odds = np.exp(scores - scores.max(axis=3, keepdims=True))
    counted = labels != IGNORED
    diff = odds / odds.sum(axis=3, keepdims=True) - np.eye(CLASSES)[np.where(counted, labels, 0)]
    diff *= counted[..., None]
    diff /= max(counted.sum(), 1) if normalize else len(images)
    return {"score_fr/kernel": np.einsum("nijf,nijc->fc", images, diff)[None, None],
            "score_fr/bias": diff.sum(axis=(0, 1, 2))}


def caffes(steps, rates, normalize=False, momentum=MOMENTUM, weight_decay=DECAY, multipliers=None, clip_gradients=-1,
           clipped=None):
    """[{name: value}, ...] after each step. steps: lists of iter_size batches (images, labels). clipped: a list that
    gets the numbers of the steps whose gradient was clipped.
    """
    weights = {name: array.copy() for name, array in START.items()}
    history = {name: np.zeros_like(array) for name, array in weights.items()}
    found = []
    for number, (batches, rate) in enumerate(zip(steps, rates, strict=True)):
        parts = [softmax_with_loss(weights, *batch, normalize=normalize) for batch in batches]
        diffs = {name: sum(part[name] for part in parts) for name in START}  # over iter_size, as backward passes add up
        norm = math.sqrt(sum(np.sum(diff ** 2) for diff in diffs.values()))
        if 0 <= clip_gradients < norm:
            diffs = {name: diff * (clip_gradients / norm) for name, diff in diffs.items()}
            clipped is None or clipped.append(number)
        for name, (lr_mult, decay_mult) in (multipliers or CAFFE).items():
            diff = diffs[name] / len(batches)
            local_rate, local_decay = rate * lr_mult, weight_decay * decay_mult
            diff = diff + local_decay * weights[name]
            history[name] = momentum * history[name] + local_rate * diff
            weights[name] = weights[name] - history[name]
        found.append(dict(weights))
    return found


def learning_rate(solver, iteration):
    """Caffe's GetLearningRate; solver: fields of a solver.prototxt."""
    if solver["lr_policy"] == "step":
        return solver["base_lr"] * solver["gamma"] ** (iteration // solver["stepsize"])
    if solver["lr_policy"] == "poly":
        return solver["base_lr"] * (1 - iteration / solver["max_iter"]) ** solver["power"]
    assert solver["lr_policy"] == "fixed"
    return solver["base_lr"]


def caffes_by(text, steps, clipped=None):
    """caffes() by the text of a solver.prototxt, whose comment on the net says how the loss is normalised."""
    lines = [line.split(": ", 1) for line in text.splitlines() if not line.startswith("#")]
    solver = {field: value.strip('"') if '"' in value else float(value) for field, value in lines}
    assert solver["iter_size"] == len(steps[0]) and solver["max_iter"] == len(steps)
    return caffes(steps, [learning_rate(solver, iteration) for iteration in range(len(steps))],
                  "normalize: true" in text, solver["momentum"], solver["weight_decay"],
                  clip_gradients=solver.get("clip_gradients", -1), clipped=clipped)


def ours_by(settings, steps):
    """ours() by a Config."""
    s = settings
    schedule = schedules.Schedule(s.learning_rate, s.schedule, s.warmup, s.poly_power, s.step_size, s.gamma)
    learning_rates = [schedule.rate(step, s.steps) for step in range(s.steps)]
    return ours(steps, learning_rates, s.loss_reduction, s.weight_decay, s.momentum, s.clip_norm,
                parsers.factors(s.rate_factors))


def ours(steps, learning_rates, reduction="sum", weight_decay=DECAY, momentum=MOMENTUM, clip_norm=0.0, factors=FACTORS):
    """The same by the graph."""
    with fresh() as session:
        images = tf.placeholder(tf.float32, (None, None, None, FEATURES))
        labels = tf.placeholder(tf.uint8, (None, None, None))
        logits = layers.conv(images, "score_fr", 1, CLASSES)
        losses, weights = batch_loss.weighted(cross_entropy.per_pixel, logits, labels, LabelPolicy((IGNORED,)))
        rule = weight_update.Rule("momentum", momentum, weight_decay, clip_norm,
                                  lr_multipliers.factors(list(START), (), factors))
        step = weight_update.build(*batch_loss.reduce(losses, weights, reduction), rule=rule,
                                   batches_per_step=len(steps[0]))
        session.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        put(session, START)
        found = []
        for batches, rate in zip(steps, learning_rates, strict=True):
            for batch in batches[:-1]:
                session.run(step.collect, {images: batch[0], labels: batch[1]})
            session.run(step.update, {images: batches[-1][0], labels: batches[-1][1], step.learning_rate: rate})
            found.append({name: values()[name] for name in START})
        return found


def some_steps(iter_size, labelled=None, images=IMAGES_PER_BATCH, fewest=0):
    """STEPS lists of iter_size batches. labelled: pixels of 20 that have a label in every image; if None, any number
    from `fewest` on.
    """
    rng = np.random.default_rng(3)

    def batch():
        labels = rng.integers(0, CLASSES, (images, 4, 5)).astype(np.uint8)
        for label in labels:
            label.flat[rng.permutation(20)[rng.integers(fewest, 21) if labelled is None else labelled:]] = IGNORED
        return rng.normal(size=(*labels.shape, FEATURES)), labels
    return [[batch() for _ in range(iter_size)] for _ in range(STEPS)]


def assert_same_at_every_step(found, expected):
    """To the rounding of float32, though by then the weights have moved hundreds of times as far."""
    for number, (one, other) in enumerate(zip(found, expected, strict=True), 1):
        for name, start in START.items():
            np.testing.assert_allclose(one[name], other[name], rtol=0, atol=2e-6 * np.abs(other[name]).max(),
                                       err_msg=f"{name} after step {number}")
            assert np.abs(other[name] - start).max() > 1e-3 * number


@pytest.mark.slow
@pytest.mark.parametrize("iter_size", [1, 2])
def test_unnormalised_sum_with_momentum_matches_caffe(iter_size):
    steps = some_steps(iter_size)
    assert len({(labels != IGNORED).sum() for batches in steps for _, labels in batches}) > 5
    assert_same_at_every_step(ours(steps, RATES), caffes(steps, RATES))


def test_mean_matches_caffe_normalized_loss_with_iter_size_1():
    rates = [30 * rate for rate in RATES]
    steps = some_steps(1)
    assert_same_at_every_step(ours(steps, rates, "mean"), caffes(steps, rates, normalize=True))


@pytest.mark.slow
@pytest.mark.parametrize("iter_size", [1, 2])
@pytest.mark.parametrize("labelled", [20, 13])
def test_mean_with_n_times_rate_and_decay_over_n_matches_caffe(iter_size, labelled):
    steps = some_steps(iter_size, labelled)
    converted = ours(steps, [rate * labelled for rate in RATES], "mean", DECAY / labelled)
    assert_same_at_every_step(converted, caffes(steps, RATES))


def test_unequal_labelled_pixels_allow_no_such_conversion():
    steps = some_steps(1)
    pixels = np.mean([(labels != IGNORED).sum() / IMAGES_PER_BATCH for batches in steps for _, labels in batches])
    converted = ours(steps, [rate * pixels for rate in RATES], "mean", DECAY / pixels)
    kernel = "score_fr/kernel"
    assert np.abs(converted[-1][kernel] - caffes(steps, RATES)[-1][kernel]).max() > 0.01


@pytest.mark.parametrize("other", [
    {"multipliers": {"score_fr/kernel": (1, 1), "score_fr/bias": (1, 0)}},
    {"multipliers": {"score_fr/kernel": (1, 1), "score_fr/bias": (2, 1)}},
    {"weight_decay": 0.0}, {"momentum": 0.9}, {"normalize": True}, {"rates": [1e-3] * STEPS}],
    ids=["bias lr_mult 1", "bias decay_mult 1", "no decay", "momentum 0.9", "normalised", "rates constant"])
def test_every_part_of_the_rule_affects_these_steps(other):
    steps = some_steps(1)
    one, two = (caffes(steps, **{"rates": RATES} | options)[-1] for options in ({}, other))
    assert max(np.abs(one[name] - two[name]).max() / np.abs(one[name]).max() for name in START) > 1e-3


SGD = training_config.Config(optimizer="momentum", momentum=0.9, weight_decay=DECAY, rate_factors="*/bias=2",
                             steps=STEPS,
                             step_size=4, gamma=0.3)
SUM = {"loss_reduction": "sum", "learning_rate": 2e-3, "clip_norm": 6.0}  # clips about half of the steps
MEAN = {"loss_reduction": "mean", "learning_rate": 4e-2, "clip_norm": 0.6}


@pytest.mark.slow
@pytest.mark.parametrize("schedule", ["step", "poly", "fixed"])
@pytest.mark.parametrize(("changes", "images", "iter_size"), [
    (SUM, 2, 1), (SUM, 2, 3), (MEAN, 2, 1), (MEAN | {"loss_reduction": "mean-per-image"}, 1, 3)],
    ids=["sum", "sum, iter_size 3", "mean", "mean-per-image, iter_size 3"])
def test_solver_file_and_settings_make_equal_steps(schedule, changes, images, iter_size):
    settings = dataclasses.replace(SGD, schedule=schedule, batch=images, batches_per_step=iter_size, **changes)
    steps, clipped = some_steps(iter_size, images=images, fewest=1), []
    expected = caffes_by(caffe_solver.prototxt(settings), steps, clipped)
    assert 2 < len(clipped) < STEPS - 2
    assert_same_at_every_step(ours_by(settings, steps), expected)


@pytest.mark.slow
def test_a_clipped_sum_is_converted_to_a_clipped_mean():
    settings = dataclasses.replace(SGD, schedule="step", batch=2, batches_per_step=2, **SUM | {"clip_norm": 1.5})
    steps, old = some_steps(2, labelled=13), solver_conversion.of_settings(settings, 13)
    mean = solver_conversion.settings_of(settings, old, solver_conversion.convert(old, loss_reduction="mean"))
    expected = caffes_by(caffe_solver.prototxt(settings), steps)
    assert_same_at_every_step(ours_by(mean, steps), expected)
    kept = ours_by(dataclasses.replace(mean, clip_norm=settings.clip_norm), steps)  # 13 times as high: it never clips
    one, other = (np.abs(found[-1]["score_fr/kernel"] - START["score_fr/kernel"]).max() for found in (kept, expected))
    assert one > 2 * other


def test_mean_over_iter_size_differs_from_ours():
    settings = dataclasses.replace(SGD, schedule="fixed", batch=2, batches_per_step=3, learning_rate=4e-2)
    steps = some_steps(3, fewest=1)
    found, other = ours_by(settings, steps)[-1], caffes(steps, [4e-2] * STEPS, True, 0.9)[-1]
    assert np.abs(found["score_fr/kernel"] - other["score_fr/kernel"]).max() > 1e-3  # so caffe_solver.py refuses it
