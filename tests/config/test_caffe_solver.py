"""Settings as a Caffe solver: what the published file says, and schedules, accumulation and clipping."""

import dataclasses

from fcn.config import caffe_solver, training_config

SGD = training_config.Config(optimizer="momentum", steps=700)


def test_solver_file_of_the_paper_is_reproduced():
    assert caffe_solver.prototxt(training_config.resolve({}, recipe="long2015_fcn8s")).splitlines() == [
        "base_lr: 1e-14", 'lr_policy: "fixed"', "momentum: 0.99", "weight_decay: 0.0005", "iter_size: 1",
        "average_loss: 20", "display: 20", "max_iter: 100000", "snapshot: 4000",
        "# net: batch 1; biases with decay_mult: 0; loss_param { normalize: false }; dropout_ratio: 0.5",
        "# net: lr_mult: 1, x */bias=2"]


def test_poly_schedule_and_average_loss_match_caffe():
    settings = dataclasses.replace(SGD, loss_reduction="sum", batches_per_step=10, average_loss=25)
    text = caffe_solver.prototxt(settings)
    assert 'lr_policy: "poly"\npower: 0.9\n' in text and "normalize: false" in text
    assert "iter_size: 10\naverage_loss: 3\n" in text and "max_iter: 700\n" in text


def test_stepped_rate_and_clipped_gradient_are_written_for_caffe():
    lines = caffe_solver.prototxt(dataclasses.replace(
        SGD, loss_reduction="sum", batches_per_step=4, clip_norm=0.5, schedule="step", step_size=300, gamma=0.2,
        freeze="conv2", rate_factors="new=10")).splitlines()
    assert {'lr_policy: "step"', "gamma: 0.2", "stepsize: 300", "clip_gradients: 2.0"} < set(lines)
    assert "# net: lr_mult: 1, x new=10, 0 up to and including conv2" in lines
