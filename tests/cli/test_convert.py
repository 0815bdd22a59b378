"""The converter of learning rates: the published table, Caffe's update written out, and what it refuses."""

import dataclasses
import tomllib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcn.cli import convert
from fcn.cli.convert import Solver
from fcn.config import caffe_solver, training_config
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
    assert convert.exactness(old, new) == ("to first order: images per step changed, so the gradient must change "
                                           "little within 4 of the smaller steps")
    per_image = convert.convert(dataclasses.replace(old, loss_reduction="sum"), batches_per_step=4)
    assert per_image.learning_rate == pytest.approx(4e-3)  # Caffe's sum is divided by images, too


solvers = st.builds(Solver, st.floats(1e-15, 1), st.floats(0, 1), st.floats(0, 0.999),
                    st.sampled_from(convert.REDUCTIONS), st.integers(1, 64), st.integers(1, 64),
                    pixels=st.integers(1, 10 ** 7))


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
        convert.of_settings(training_config.resolve({}, recipe="tutorial"), 1)
    with pytest.raises(errors.UsageError, match="Caffe's SGD"):
        caffe_solver.prototxt(training_config.resolve({}, recipe="tutorial"))


def test_the_command_prints_a_table_and_lines_for_a_config_file(capsys, tmp_path):
    convert.main(["--recipe", "long2015_fcn8s", "--to", "mean", "--size", "384"])
    text = capsys.readouterr().out
    assert "1.47456e-09" in text and "3.39084e-09" in text and "exact, step by step" in text
    lines = text[text.index("# converted"):]
    (tmp_path / "mean.toml").write_text(lines)
    settings = training_config.resolve({}, tmp_path / "mean.toml", "long2015_fcn8s")
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
    assert caffe_solver.prototxt(training_config.resolve({}, recipe="long2015_fcn8s")).splitlines() == [
        "base_lr: 1e-14", 'lr_policy: "fixed"', "momentum: 0.99", "weight_decay: 0.0005", "iter_size: 1",
        "average_loss: 20", "display: 20", "max_iter: 100000", "snapshot: 4000",
        "# net: batch 1; biases with decay_mult: 0; loss_param { normalize: false }; dropout_ratio: 0.5",
        "# net: lr_mult: 1, x */bias=2"]


SGD = training_config.Config(optimizer="momentum", steps=700)


def test_a_poly_schedule_is_caffes_and_the_loss_is_averaged_over_iterations():
    settings = dataclasses.replace(SGD, loss_reduction="sum", batches_per_step=10, average_loss=25)
    text = caffe_solver.prototxt(settings)
    assert 'lr_policy: "poly"\npower: 0.9\n' in text and "normalize: false" in text
    assert "iter_size: 10\naverage_loss: 3\n" in text and "max_iter: 700\n" in text


def test_a_stepped_rate_and_a_clipped_gradient_are_written_for_caffe():
    lines = caffe_solver.prototxt(dataclasses.replace(
        SGD, loss_reduction="sum", batches_per_step=4, clip_norm=0.5, schedule="step", step_size=300, gamma=0.2,
        freeze="conv2", new_layer_factor=10, average_loss="auto")).splitlines()
    assert {'lr_policy: "step"', "gamma: 0.2", "stepsize: 300", "clip_gradients: 2.0"} < set(lines)
    assert "# net: lr_mult: 1, 0 up to and with conv2, x 10 in layers that no VGG has" in lines
    assert not any(line.startswith("average_loss") for line in lines)


@pytest.mark.parametrize(("words", "message", "advice"), [
    ("--schedule cosine", "schedule cosine is not a learning rate policy", "--schedule poly"),
    ("--warmup 10", "no learning rate policy of Caffe warms up", "--warmup 0"),
    ("--steps 0 --epochs 3", "Caffe counts steps", "--steps 9"),
    ("--patience 3", "does not stop early", "--patience 0"),
    ("--class-weights inverse", "no class weights", "--class-weights none"),
    ("--batch 2 --batches-per-step 3", "mean over 3 batches a step", "--to-batch 6 --to-batches-per-step 1"),
    ("--batch 2 --batches-per-step 3", "mean over 3 batches a step",
     "--to mean-per-image --to-batch 1 --to-batches-per-step 6"),
    ("--batch 2 --loss-reduction mean-per-image", "no mean of every image's mean", "--to-batch 1 "
     "--to-batches-per-step 2")])
def test_what_caffe_has_not_is_refused_and_the_advice_works(capsys, words, message, advice):
    given = ["--steps", "50", "--prototxt", *words.split()]
    with pytest.raises(errors.UsageError, match=message) as caught:
        convert.main(given)
    assert advice.split("--steps")[0] in caught.value.cure.replace("fixed, ", "")
    convert.main([*given, *advice.split()])
    assert "base_lr: " in capsys.readouterr().out


@pytest.mark.parametrize("table", [convert.SETTINGS, caffe_solver.SETTINGS])
def test_every_setting_has_a_place_in_the_table(table):
    listed = [name for names in table.values() for name in names]
    assert sorted(listed) == sorted(field.name for field in dataclasses.fields(training_config.Config))


def test_the_law_converts_what_the_table_says():
    law = {field.name for field in dataclasses.fields(Solver)} - {"pixels"}
    assert law == {*convert.SETTINGS["asked for"], *convert.SETTINGS["converted by the law"]}


def test_the_threshold_of_clipping_goes_with_the_gradient():
    new = convert.convert(dataclasses.replace(SUM, clip_norm=500.0), loss_reduction="mean")
    assert new.clip_norm == pytest.approx(500 / 384 ** 2)
    slower = convert.convert(dataclasses.replace(SUM, clip_norm=500.0), momentum=0.9)
    assert slower.clip_norm == 500  # the gradient is clipped before the velocity gets it


def test_a_clipped_gradient_is_not_converted_to_other_images_per_step(capsys):
    given = ["--recipe", "matconvnet_fcn8s", "--clip-norm", "3", "--to-batch", "4"]
    with pytest.raises(errors.UsageError, match="cannot be converted from 20 to 40 images") as caught:
        convert.main(given)
    assert "keep 20 images per step" in caught.value.cure and "--clip-norm 0" in caught.value.cure
    convert.main([*given, "--clip-norm", "0"])
    convert.main([*given, "--to-batches-per-step", "5"])
    assert "exact: a step has the same images" in capsys.readouterr().out


def test_every_number_of_steps_and_batches_goes_with_the_images():
    settings = dataclasses.replace(SGD, batch=2, schedule="step", step_size=400, warmup=40, eval_every=100,
                                   save_every=60, log_every=10, eval_batches=25, average_loss=20, patience=5)
    old = convert.of_settings(settings, 10)
    new = convert.settings_of(settings, old, convert.convert(old, batch=4, batches_per_step=4))
    # 8 times the images a step, 2 times the images a batch: 700 / 8, 100 / 8, 60 / 8, 10 / 8; 25 / 2, 20 / 2
    assert (new.steps, new.step_size, new.warmup) == (88, 50, 5)
    assert (new.eval_every, new.save_every, new.log_every) == (12, 8, 1)
    assert (new.eval_batches, new.average_loss, new.patience, new.gamma) == (13, 10, 5, settings.gamma)


@pytest.mark.parametrize(("words", "advice"), [("--schedule step --step-size 10", "--step-size 8"),
                                               ("--warmup 1", "--warmup 4")])
def test_steps_that_shape_the_rate_are_whole_steps_or_refused(capsys, words, advice):
    given = [*words.split(), "--steps", "700", "--batch", "1", "--to-batch", "4"]
    with pytest.raises(errors.UsageError, match="steps of 1 images are") as caught:
        convert.main(given)
    assert advice in caught.value.cure
    convert.main([*given, *advice.split()])
    assert "to first order" in capsys.readouterr().out


def test_a_step_size_that_does_nothing_is_not_in_the_way(capsys):
    convert.main(["--step-size", "10", "--schedule", "fixed", "--batch", "1", "--to-batch", "4"])
    assert "learning_rate = 0.0002" in capsys.readouterr().out


def test_the_lines_for_a_batch_of_images_of_native_size_can_be_trained_with(capsys, tmp_path):
    convert.main(["--recipe", "long2015_fcn8s", "--size", "384x512", "--to-batch", "4"])
    text = capsys.readouterr().out
    (tmp_path / "batch.toml").write_text(text[text.index("# converted"):])
    settings = training_config.resolve({}, tmp_path / "batch.toml", "long2015_fcn8s")
    assert (settings.batch, settings.size, settings.steps) == (4, (384, 512), 25_000)


def test_class_weights_have_no_pixels_to_convert_by(capsys):
    given = ["--class-weights", "median", "--to"]
    with pytest.raises(errors.UsageError, match="divides by the sum of the pixels' weights"):
        convert.main([*given, "sum"])
    convert.main([*given, "mean-per-image"])
    assert 'class_weights = "median"' in capsys.readouterr().out


@given(st.sampled_from(convert.REDUCTIONS), st.integers(1, 9), st.integers(1, 9), st.integers(1, 10 ** 6),
       st.sampled_from(["fixed", "poly", "step", "cosine"]), st.sampled_from(["auto", 1, 7, 20]))
def test_the_lines_over_the_recipe_are_the_converted_settings(to, batch, batches_per_step, steps, schedule, average):
    base = training_config.resolve({}, recipe="matconvnet_fcn8s")
    settings = dataclasses.replace(base, steps=steps, schedule=schedule, average_loss=average)
    old = convert.of_settings(settings, 1000.0)
    new = convert.settings_of(settings, old, convert.convert(old, loss_reduction=to, batch=batch,
                                                             batches_per_step=batches_per_step))
    lines = tomllib.loads(convert.as_toml(old, new, base))
    assert dataclasses.replace(base, **lines) == new
