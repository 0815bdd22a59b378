"""The conversion of learning rates: the published table, Caffe's update written out, and what it refuses."""

import dataclasses
import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcn.config import caffe_solver, solver_conversion, training_config
from fcn.config.solver_conversion import Solver
from fcn.core import errors

SUM = Solver(1e-10, 5e-4, 0.99, "sum", pixels=384 * 384)


# lr_mean = lr_sum x N, decay_mean = decay_sum / N, effective = lr_mean / (1 - m): by hand, for Berkeley's three rates.
@pytest.mark.parametrize(("pixels", "rate", "rate_mean", "effective", "decay_mean"), [
    (384 * 384, 1e-10, 1.47e-5, 1.47e-3, 3.4e-9),
    (384 * 384, 1e-12, 1.47e-7, 1.47e-5, 3.4e-9),
    (384 * 384, 1e-14, 1.47e-9, 1.47e-7, 3.4e-9),
    (500 * 375, 1e-10, 1.88e-5, 1.88e-3, 2.7e-9),
    (500 * 375, 1e-12, 1.88e-7, 1.88e-5, 2.7e-9),
    (500 * 375, 1e-14, 1.88e-9, 1.88e-7, 2.7e-9),
])
def test_published_rates_are_converted_to_the_mean_loss(pixels, rate, rate_mean, effective, decay_mean):
    new = solver_conversion.convert(Solver(rate, 5e-4, 0.99, "sum", pixels=pixels), loss_reduction="mean")
    assert new.learning_rate == pytest.approx(rate_mean, rel=3.5e-3)  # half of the last printed digit
    assert new.effective_rate == pytest.approx(effective, rel=3.5e-3)
    assert new.weight_decay == pytest.approx(decay_mean, rel=2e-2)
    assert new.effective_rate == pytest.approx(Solver(rate, 0, 0.99, "sum", pixels=pixels).effective_rate)


def test_rates_of_the_cvpr_and_pami_papers_make_equal_steps():
    accumulated = Solver(1e-4, 5e-4, 0.9, "mean", batches_per_step=20, pixels=384 * 384)
    assert accumulated.effective_rate == pytest.approx(1e-3)
    assert SUM.effective_rate == pytest.approx(1.47e-3, rel=5e-3)
    mean = solver_conversion.convert(SUM, loss_reduction="mean")
    assert accumulated.weight_decay / mean.weight_decay == pytest.approx(147456)


def caffe(solver, gradient_sums, start, rates, bias_factor=2.0):
    """Weights after every step of Caffe's SGDSolver: v = m v + rate (g + decay w); w -= v.

    gradient_sums(w, step): gradient of the loss summed over all labelled pixels of a step. The last weight is a bias:
    its rate is bias_factor times as large, its decay 0 (lr_mult 2, decay_mult 0).
    """
    w, v, path = start.copy(), np.zeros_like(start), []
    factor, decays = np.ones_like(start), np.ones_like(start)
    factor[-1], decays[-1] = bias_factor, 0
    for step, rate in enumerate(rates):
        per = solver.images * (1 if solver.loss_reduction == "sum" else solver.pixels)
        g = gradient_sums(w, step) / per + solver.weight_decay * decays * w
        v = solver.momentum * v + rate * factor * g
        w = w - v
        path.append(w)
    return np.array(path)


def logistic(images, pixels, seed=3):
    """gradient_sums of a logistic regression on random pixels of three features and a bias; new ones every step."""
    def gradient_sums(w, step):
        rng = np.random.default_rng((seed, step))
        x = np.concatenate([rng.normal(size=(images * pixels, 3)), np.ones((images * pixels, 1))], axis=1)
        y = rng.random(images * pixels) < 1 / (1 + np.exp(-x[:, 0]))
        return x.T @ (1 / (1 + np.exp(-x @ w)) - y)
    return gradient_sums


@pytest.mark.parametrize("to", ["mean", "mean-per-image"])
@pytest.mark.parametrize("images", [1, 4])
def test_sum_and_mean_make_equal_steps_even_if_the_rate_changes(to, images):
    old = Solver(1e-3, 0.5, 0.9, "sum", batch=images, pixels=50)
    new = solver_conversion.convert(old, loss_reduction=to)
    start, problem = np.array([0.3, -0.2, 0.5, 0.1]), logistic(images, 50)
    rates = np.array([1.0] * 10 + [0.1] * 10)  # what a schedule does to both
    one = caffe(old, problem, start, rates * old.learning_rate)
    other = caffe(new, problem, start, rates * new.learning_rate)
    np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)
    assert np.abs(one[-1] - start).max() > 0.05  # it did go somewhere
    kept = caffe(dataclasses.replace(new, weight_decay=old.weight_decay), problem, start, rates * new.learning_rate)
    assert np.abs(kept - one).max() > 1e-2  # the decay that is copied without being converted


def test_two_batches_of_two_are_a_batch_of_four():
    old = Solver(1e-2, 0.1, 0.9, "mean", batch=4, pixels=50)
    new = solver_conversion.convert(old, batch=2, batches_per_step=2)
    assert new == dataclasses.replace(old, batch=2, batches_per_step=2)
    assert "exact" in solver_conversion.exactness(old, new)


def quadratic(curvature, pixels):
    def gradient_sums(w, step):
        return pixels * curvature * (w - 1)
    return gradient_sums


def test_other_momentum_reaches_the_same_place_if_converted():
    old = Solver(1e-3, 0, 0.9, "mean", pixels=10)
    new = solver_conversion.convert(old, momentum=0.5)
    assert new.learning_rate == pytest.approx(5e-3)
    start, problem = np.zeros(2), quadratic(0.1, 10)
    ends = [caffe(s, problem, start, [s.learning_rate] * 2000)[-1] for s in (old, new)]
    np.testing.assert_allclose(*ends, rtol=5e-3)
    assert "first order" in solver_conversion.exactness(old, new)


def test_one_step_on_four_times_the_images_replaces_four():
    old = Solver(1e-3, 1e-2, 0.9, "mean", pixels=10)
    new = solver_conversion.convert(old, batches_per_step=4)
    assert (new.learning_rate, new.weight_decay) == (pytest.approx(4e-3), old.weight_decay)
    one = caffe(old, quadratic(0.1, 10), np.zeros(2), [old.learning_rate] * 2000)[-1]
    other = caffe(new, quadratic(0.1, 40), np.zeros(2), [new.learning_rate] * 500)[-1]
    np.testing.assert_allclose(one, other, rtol=2e-2)
    assert solver_conversion.exactness(old, new) == (
        "to first order: images per step changed, so the gradient must change little within 4 of the smaller steps")
    per_image = solver_conversion.convert(dataclasses.replace(old, loss_reduction="sum"), batches_per_step=4)
    assert per_image.learning_rate == pytest.approx(4e-3)  # Caffe's sum is divided by images, too


solvers = st.builds(Solver, st.floats(1e-15, 1), st.floats(0, 1), st.floats(0, 0.999),
                    st.sampled_from(solver_conversion.REDUCTIONS), st.integers(1, 64), st.integers(1, 64),
                    pixels=st.integers(1, 10 ** 7))


@given(solvers, solvers)
def test_converting_back_gives_the_same_settings(one, other):
    fields = ("loss_reduction", "momentum", "batch", "batches_per_step")
    there = solver_conversion.convert(one, **{name: getattr(other, name) for name in fields})
    back = solver_conversion.convert(there, **{name: getattr(one, name) for name in fields})
    assert back.learning_rate == pytest.approx(one.learning_rate, rel=1e-9)
    assert back.weight_decay == pytest.approx(one.weight_decay, rel=1e-9)
    assert there.effective_rate / there.images == pytest.approx(one.effective_rate / one.images, rel=1e-9)


@given(solvers, st.sampled_from(solver_conversion.REDUCTIONS))
def test_loss_reduction_keeps_the_weight_decay(one, to):
    there = solver_conversion.convert(one, loss_reduction=to)
    assert there.learning_rate * there.weight_decay == pytest.approx(one.learning_rate * one.weight_decay, rel=1e-9)
    assert there.mean_rate == pytest.approx(one.mean_rate, rel=1e-9)


def test_momentum_of_1_and_adam_are_refused():
    with pytest.raises(errors.UsageError, match="momentum of 1"):
        solver_conversion.convert(SUM, momentum=1.0)
    with pytest.raises(errors.UsageError, match="Adam's steps do not depend on the gradient's scale"):
        solver_conversion.of_settings(training_config.resolve({}, recipe="tutorial"), 1)
    with pytest.raises(errors.UsageError, match="Caffe's SGD"):
        caffe_solver.prototxt(training_config.resolve({}, recipe="tutorial"))


SGD = training_config.Config(optimizer="momentum", steps=700)


@pytest.mark.parametrize("table", [solver_conversion.SETTINGS, caffe_solver.SETTINGS])
def test_every_setting_is_in_the_table(table):
    listed = [name for names in table.values() for name in names]
    assert sorted(listed) == sorted(field.name for field in dataclasses.fields(training_config.Config))


def test_conversion_rule_matches_the_table():
    law = {field.name for field in dataclasses.fields(Solver)} - {"pixels"}
    assert law == {*solver_conversion.SETTINGS["asked for"], *solver_conversion.SETTINGS["converted by the law"]}


def test_clipping_threshold_scales_with_the_gradient():
    new = solver_conversion.convert(dataclasses.replace(SUM, clip_norm=500.0), loss_reduction="mean")
    assert new.clip_norm == pytest.approx(500 / 384 ** 2)
    slower = solver_conversion.convert(dataclasses.replace(SUM, clip_norm=500.0), momentum=0.9)
    assert slower.clip_norm == 500  # the gradient is clipped before the velocity gets it


def test_counts_of_steps_and_batches_scale_with_the_images():
    settings = dataclasses.replace(SGD, batch=2, schedule="step", step_size=400, warmup=40, eval_every=100,
                                   save_every=60, log_every=10, eval_batches=25, average_loss=20, patience=5)
    old = solver_conversion.of_settings(settings, 10)
    new = solver_conversion.settings_of(settings, old, solver_conversion.convert(old, batch=4, batches_per_step=4))
    # 8 times the images a step, 2 times the images a batch: 700 / 8, 100 / 8, 60 / 8, 10 / 8; 25 / 2, 20 / 2
    assert (new.steps, new.step_size, new.warmup) == (88, 50, 5)
    assert (new.eval_every, new.save_every, new.log_every) == (12, 8, 1)
    assert (new.eval_batches, new.average_loss, new.patience, new.gamma) == (13, 10, 5, settings.gamma)


@pytest.mark.slow
@given(st.sampled_from(solver_conversion.REDUCTIONS), st.integers(1, 9), st.integers(1, 9), st.integers(1, 10 ** 6),
       st.sampled_from(["fixed", "poly", "step", "cosine"]), st.sampled_from([1, 7, 20]))
def test_printed_lines_on_the_recipe_are_the_converted_settings(to, batch, batches_per_step, steps, schedule, average):
    base = training_config.resolve({}, recipe="matconvnet_fcn8s")
    settings = dataclasses.replace(base, steps=steps, schedule=schedule, average_loss=average)
    old = solver_conversion.of_settings(settings, 1000.0)
    new = solver_conversion.settings_of(settings, old, solver_conversion.convert(old, loss_reduction=to, batch=batch,
                                                             batches_per_step=batches_per_step))
    tables = tomllib.loads(solver_conversion.as_toml(old, new, base))
    lines = {name: value for table in tables.values() for name, value in table.items()}
    assert dataclasses.replace(base, **lines) == new
