"""What a run will need, from shapes alone, against sums by hand, brute force and what runs were measured to take."""

import math
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import training_memory

from fcn.config.variants import Variants
from fcn.models import published_nets
from fcn.models.architecture import Architecture
from fcn.models.decoders import fcn as decoder
from fcn.models.encoders import vgg
from fcn.models.tf_compat import tf
from fcn.training import resources
from fcn.training.resources import Update

VGG19, VGG16 = published_nets.widths(), published_nets.widths({"conv1_1": 64})
ONE = dict.fromkeys(("conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv5_1", "fc6", "fc7"), 1)  # of a channel each


def maps_of(widths, size_px, **variant):
    return vgg.memory_map(widths, size_px, Variants(**variant))


def test_activations_match_the_published_vgg():
    maps = maps_of(VGG19, (224, 224)).activations
    assert maps["conv1_2"] == (224, 224, 64) and maps["pool1"] == (112, 112, 64)
    assert maps["pool3"] == (28, 28, 256) and maps["pool5"] == (7, 7, 512) and maps["fc7"] == (7, 7, 4096)
    assert list(maps)[-3:] == ["pool5", "fc6", "fc7"]


def test_odd_sizes_are_rounded_up_at_every_pool():
    maps = maps_of(VGG19, (33, 65)).activations
    assert [maps[f"pool{i}"][:2] for i in range(1, 6)] == [(17, 33), (9, 17), (5, 9), (3, 5), (2, 3)]


def test_padding_100_gives_the_sizes_of_the_published_caffe_net():
    maps = maps_of(VGG16, (500, 500), alignment="pad100").activations  # voc-fcn32s: 698, ..., 22, and 16 after fc6
    assert maps["conv1_1"][0] == 698 and maps["pool5"][0] == 22 and maps["fc6"][0] == 16


def test_activations_count_from_the_first_trained_layer_on():
    maps = 1024 + 256 + 256 + 64 + 64 + 16 + 16 + 4 + 4 + 1 + 1 + 1  # conv1_1, pool1, conv2_1, ..., pool5, fc6, fc7
    rest = 2 * 49 + (resources.LOGITS * 3 + 3) * 1024  # fc6's windows; logits of 3 classes, and the image itself
    one, wider = maps_of(ONE, (32, 32)), maps_of(ONE | {"conv4_1": 100}, (32, 32))
    assert resources.activations(one, (32, 32), 3) == 4 * (maps + 2 * 1024 + rest)
    kept = 16 + 1600 + 400 + 4 + 1 + 1 + 1  # pool3, conv4_1 of 100 channels, ..., fc7, where stages 1 to 3 are frozen
    assert resources.activations(wider, (32, 32), 3, ["conv4_1", "fc6"]) == 4 * (kept + 2 * 1600 + rest)
    assert resources.activations(one, (32, 32), 3, ["score_fr"]) == 4 * (2 * 1024 + rest)


def test_validation_keeps_two_activations_only():
    logits = (resources.LOGITS * 3 + 3) * 1024
    assert resources.prediction(maps_of(ONE, (32, 32)), (32, 32), 3) == 4 * (2 * 1024 + 2 * 49 + logits)


def test_half_the_width_halves_the_encoder_but_not_the_logits():
    whole, half = (resources.activations(maps_of(VGG19, (64, 64)), (64, 64), 11, width=width) for width in (4, 2))
    logits = (resources.LOGITS * 11 + 3) * 64 * 64 * 4
    assert half - logits == (whole - logits) / 2


@pytest.mark.parametrize("optimizer, slots", [("momentum", 1), ("adam", 2), ("adamw", 2), ("radam", 2), ("rmsprop", 1)])
def test_every_optimizer_stores_its_slots_for_trained_variables(optimizer, slots):
    parts = resources.memory(1000, 600, 7e6, 0, Update(optimizer))
    assert parts["weights"] == 4000 and parts["gradients"] == 2400 and parts["maps of a batch"] == 7e6
    assert parts[f"{optimizer}'s numbers beside them"] == slots * 2400
    assert parts["running sums of the gradients"] == 0


def test_accumulated_steps_hold_a_sum_of_each_gradient():
    assert resources.memory(1000, 600, 0, 0, Update(batches_per_step=3))["running sums of the gradients"] == 2400
    two = resources.memory(1000, 600, 0, 0, Update(batches_per_step=3, terms=2))  # of a loss such as dice+focal
    assert two["running sums of the gradients"] == two["gradients"] == 4800
    assert resources.memory(1000, 600, 0, 0, Update(terms=2))["gradients"] == 2400


def test_bfloat16_adds_two_bytes_for_a_weight_and_a_gradient():
    parts = [resources.memory(1000, 600, 0, 0, Update(), width=width) for width in (2, 4)]
    assert [part["weights, converted"] for part in parts] == [2000, 0]
    assert [part["gradients, before conversion"] for part in parts] == [1200, 0]


def test_graph_of_an_fcn_is_part_of_the_program():
    assert resources.graph(resources.PROGRAM_OPERATIONS - 1) == 0
    assert resources.graph(resources.PROGRAM_OPERATIONS + 10) == 10 * resources.OPERATION


def test_averages_are_a_copy_of_the_trained_variables():
    assert resources.memory(1000, 600, 0, 0, Update(averaged=True))["averages of the weights"] == 2400
    assert resources.memory(1000, 600, 0, 0, Update())["averages of the weights"] == 0


def test_several_workers_need_memory_for_their_sums():
    parts = resources.memory(1000, 600, 0, 0, Update(batches_per_step=4, workers=4))
    assert parts["running sums of the gradients"] == 0
    assert parts["sums over the workers"] == resources.SERVER + resources.ALL_REDUCE * 2400
    assert resources.memory(1000, 600, 0, 0, Update(batches_per_step=4, workers=2))["running sums of the gradients"]
    assert resources.memory(1000, 600, 0, 0, Update(batches_per_step=4))["sums over the workers"] == 0


def test_decay_inside_the_gradient_costs_a_copy():
    def copies(optimizer, decays):
        return resources.memory(1000, 600, 0, 0, Update(optimizer, 1, decays))["copies during the update"]
    assert copies("adam", True) - copies("adam", False) == 2400
    assert copies("adamw", True) == copies("adamw", False)


def test_validation_larger_than_a_step_adds_only_the_difference():
    def beyond(validation):
        return resources.memory(1000, 600, 5000, validation, Update())["validation, beyond maps and gradients"]
    assert beyond(9000) == 9000 - 5000 - 2400
    assert beyond(6000) == 0


@pytest.mark.parametrize("first, last", [(0, 60), (0, 7), (13, 60), (60, 60), (59, 61)])
@pytest.mark.parametrize("save, check", [(10, 15), (7, 7), (100, 100), (1, 5), (4, 6)])
def test_checkpoints_and_validations_match_counting(first, last, save, check):
    steps = range(first + 1, last + 1)
    assert resources.validations(first, last, check) == sum(s % check == 0 or s == last for s in steps)
    assert resources.checkpoints(first, last, save, check) == sum(
        s % save == 0 or s % check == 0 or s == last for s in steps)


def test_time_of_a_run_is_steps_validations_and_checkpoints():
    size = 10 * resources.WRITTEN_PER_S  # ten seconds
    assert resources.duration(200, 60, 5 * size) == 200 + 60 + 50
    assert resources.duration(200, 60, 5 * size, validation_share=0.2) == pytest.approx(200 / 0.8 + 50)


# Peaks in MB, by python benchmarks/training_memory.py, with a quarter of VGG-19's channels; TensorFlow 2.21, 2 cores.
MEASURED = (1110, 960, 1250, 1160, 1020, 1110, 1090, 1080, 1010, 950, 1630, 970, 890, 1078)


@pytest.mark.slow
@pytest.mark.parametrize(("options", "measured"), list(zip(
    (*training_memory.CASES, training_memory.UNETS[0]), MEASURED, strict=True)), ids=str)
def test_estimate_of_training_is_near_the_measurement(options, measured):
    with tf.Graph().as_default():
        o, architecture, _, step = training_memory.built(options, 1 / 4)
        assert math.isclose(training_memory.estimated(o, architecture, step) / 1e6, measured, rel_tol=0.1)


def forward(widths, size_px, classes, net="fcn32s", alignment="same", argmaxed=True):
    architecture = Architecture(net, classes, widths, variant={"alignment": alignment})
    return resources.forward(maps_of(widths, size_px, alignment=alignment), size_px,
                             decoder.score_count(size_px, architecture), argmaxed=argmaxed)


def test_scores_are_counted_in_blocks_and_twice_if_rearranged():
    body = 2 * 1024 + 2 * 49 + 3 * 1024
    assert forward(ONE | {"conv1_1": 4}, (32, 32), 1) == 4 * (body + 2 * 3 * 1024)
    assert forward(ONE, (32, 32), 2) == 4 * (body + 2 * 64 * 64)  # 2 x 2 blocks of 32 px
    assert forward(ONE, (31, 33), 2) == 4 * (2 * 31 * 33 + 2 * 2 * 49 + 3 * 31 * 33 + 2 * 64 * 96)
    assert forward(ONE, (32, 32), 2, argmaxed=False) == 4 * (body + 2 * 2 * 64 * 64)
    assert forward(ONE, (32, 32), 2, "fcn8s") == 4 * (body + 2 * 40 * 40)
    assert forward(ONE, (32, 32), 2, "fcn8s", "pad100") > 4 * 2 * 96 * 96  # 31 px on every side


# Peaks of processes that predict one image, as above, in MB: python benchmarks/inference_memory.py --windows 0
PREDICTED = [
    (1, 11, (1536, 2048), 3510), (0.5, 11, (1024, 1024), 1190), (0.25, 11, (2030, 2030), 1350),
    (0.25, 51, (2030, 2030), 2230), (0.25, 151, (2030, 2030), 3990), (0.25, 151, (2048, 2048), 4050),
    (0.25, 11, (3000, 4000), 2750), (1 / 16, 11, (1536, 2048), 940), (0.25, 11, (512, 512), 770),
]


@pytest.mark.parametrize("factor, classes, size_px, measured", PREDICTED)
def test_estimate_of_a_prediction_is_near_the_measurement(factor, classes, size_px, measured):
    channels = {name: int(width * factor) for name, width in VGG19.items()}
    inputs = [3, *channels.values()]
    weights = sum(published_nets.side(name) ** 2 * before * after
                  for (name, after), before in zip(channels.items(), inputs, strict=False))
    needed = resources.PROGRAM + 4 * weights + forward(channels, size_px, classes, "fcn8s")
    assert math.isclose(needed / 1e6, measured, rel_tol=0.15)
