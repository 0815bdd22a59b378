"""The converter of learning rates: the published table, Caffe's update written out, and what it refuses."""

import dataclasses
import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcn import config, convert, errors
from fcn.convert import Solver

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
def test_the_papers_rates_as_rates_of_the_mean_loss(pixels, rate, rate_mean, effective, decay_mean):
    new = convert.convert(Solver(rate, 5e-4, 0.99, "sum", pixels=pixels), loss_reduction="mean")
    assert new.learning_rate == pytest.approx(rate_mean, rel=3.5e-3)  # half of the last printed digit
    assert new.effective_rate == pytest.approx(effective, rel=3.5e-3)
    assert new.weight_decay == pytest.approx(decay_mean, rel=2e-2)
    assert new.effective_rate == pytest.approx(Solver(rate, 0, 0.99, "sum", pixels=pixels).effective_rate)


def test_the_cvpr_papers_rate_makes_steps_of_the_same_size_as_the_pami_papers():
    accumulated = Solver(1e-4, 5e-4, 0.9, "mean", batches_per_step=20, pixels=384 * 384)
    assert accumulated.effective_rate == pytest.approx(1e-3)
    assert SUM.effective_rate == pytest.approx(1.47e-3, rel=5e-3)
    assert accumulated.weight_decay / convert.convert(SUM, loss_reduction="mean").weight_decay == pytest.approx(147456)


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
def test_sum_and_mean_take_the_same_steps_also_when_the_rate_changes(to, images):
    old = Solver(1e-3, 0.5, 0.9, "sum", batch=images, pixels=50)
    new = convert.convert(old, loss_reduction=to)
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
    new = convert.convert(old, batch=2, batches_per_step=2)
    assert new == dataclasses.replace(old, batch=2, batches_per_step=2)
    assert "exact" in convert.exactness(old, new)


def quadratic(curvature, pixels):
    def gradient_sums(w, step):
        return pixels * curvature * (w - 1)
    return gradient_sums


def test_another_momentum_arrives_at_the_same_place_where_the_gradient_changes_slowly():
    old = Solver(1e-3, 0, 0.9, "mean", pixels=10)
    new = convert.convert(old, momentum=0.5)
    assert new.learning_rate == pytest.approx(5e-3)
    start, problem = np.zeros(2), quadratic(0.1, 10)
    ends = [caffe(s, problem, start, [s.learning_rate] * 2000)[-1] for s in (old, new)]
    np.testing.assert_allclose(*ends, rtol=5e-3)
    assert "first order" in convert.exactness(old, new)


def test_a_step_on_four_times_the_images_replaces_four_steps():
    old = Solver(1e-3, 1e-2, 0.9, "mean", pixels=10)
    new = convert.convert(old, batches_per_step=4)
    assert (new.learning_rate, new.weight_decay) == (pytest.approx(4e-3), old.weight_decay)
    one = caffe(old, quadratic(0.1, 10), np.zeros(2), [old.learning_rate] * 2000)[-1]
    other = caffe(new, quadratic(0.1, 40), np.zeros(2), [new.learning_rate] * 500)[-1]
    np.testing.assert_allclose(one, other, rtol=2e-2)
    assert convert.exactness(old, new) == "to first order: images per step changed"
    per_image = convert.convert(dataclasses.replace(old, loss_reduction="sum"), batches_per_step=4)
    assert per_image.learning_rate == pytest.approx(4e-3)  # Caffe's sum is divided by images, too


solvers = st.builds(Solver, st.floats(1e-15, 1), st.floats(0, 1), st.floats(0, 0.999),
                    st.sampled_from(convert.REDUCTIONS), st.integers(1, 64), st.integers(1, 64),
                    st.integers(1, 10 ** 7))


@given(solvers, solvers)
def test_there_and_back_is_where_one_was(one, other):
    fields = ("loss_reduction", "momentum", "batch", "batches_per_step")
    there = convert.convert(one, **{name: getattr(other, name) for name in fields})
    back = convert.convert(there, **{name: getattr(one, name) for name in fields})
    assert back.learning_rate == pytest.approx(one.learning_rate, rel=1e-9)
    assert back.weight_decay == pytest.approx(one.weight_decay, rel=1e-9)
    assert there.effective_rate / there.images == pytest.approx(one.effective_rate / one.images, rel=1e-9)


@given(solvers, st.sampled_from(convert.REDUCTIONS))
def test_the_loss_reduction_keeps_the_shrinking_of_weights(one, to):
    there = convert.convert(one, loss_reduction=to)
    assert there.learning_rate * there.weight_decay == pytest.approx(one.learning_rate * one.weight_decay, rel=1e-9)
    assert there.mean_rate == pytest.approx(one.mean_rate, rel=1e-9)


def test_a_momentum_of_one_and_adam_are_refused():
    with pytest.raises(errors.UsageError, match="momentum of 1"):
        convert.convert(SUM, momentum=1.0)
    with pytest.raises(errors.UsageError, match="Adam divides the scale"):
        convert.of_settings(config.resolve({}, recipe="tutorial"), 1)
    with pytest.raises(errors.UsageError, match="Caffe's SGD"):
        convert.prototxt(config.resolve({}, recipe="tutorial"))


def test_the_command_prints_a_table_and_lines_for_a_config_file(capsys, tmp_path):
    convert.main(["--recipe", "long2015_fcn8s", "--to", "mean", "--size", "384"])
    text = capsys.readouterr().out
    assert "1.47456e-09" in text and "3.39084e-09" in text and "exact, step by step" in text
    lines = text[text.index("# converted"):]
    (tmp_path / "mean.toml").write_text(lines)
    settings = config.resolve({}, tmp_path / "mean.toml", "long2015_fcn8s")
    assert (settings.loss_reduction, settings.momentum) == ("mean", 0.99)
    assert settings.learning_rate == pytest.approx(1e-14 * 384 * 384)


def test_the_command_takes_plain_numbers_and_the_labelled_share(capsys):
    convert.main(["--learning-rate", "1e-10", "--weight-decay", "5e-4", "--momentum", "0.99", "--loss-reduction", "sum",
                  "--batch", "1", "--size", "500x375", "--labelled", "0.8", "--to", "mean", "--to-momentum", "0.9"])
    text = capsys.readouterr().out
    found = tomllib.loads(text[text.index("# converted"):])
    assert found["learning_rate"] == pytest.approx(1e-10 * 500 * 375 * 0.8 * 10)
    assert "first order: momentum changed" in text


def test_the_papers_solver_file_comes_back():
    assert convert.prototxt(config.resolve({}, recipe="long2015_fcn8s")).splitlines() == [
        "base_lr: 1e-14", 'lr_policy: "fixed"', "momentum: 0.99", "weight_decay: 0.0005", "iter_size: 1",
        "average_loss: 20", "max_iter: 100000",
        "# net: batch 1; biases with decay_mult: 0; loss_param { normalize: false }"]


def test_a_poly_schedule_is_caffes_and_the_loss_is_averaged_over_iterations():
    settings = config.Config(optimizer="momentum", batches_per_step=10, average_loss=20, steps=7)
    text = convert.prototxt(settings)
    assert 'lr_policy: "poly"\npower: 0.9\n' in text and "iter_size: 10\naverage_loss: 2\nmax_iter: 7" in text
    assert "normalize: true" in text
    per_image = convert.prototxt(dataclasses.replace(settings, loss_reduction="mean-per-image"))
    assert "Caffe has no loss" in per_image
