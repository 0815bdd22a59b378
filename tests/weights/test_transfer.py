"""Weights of one net put into another: what becomes of every layer, classes that are carried, and runs as a source."""

import dataclasses
import json

import nets_help
import numpy as np
import pytest
from nets_help import THIN, fresh, put, randomise, start

from fcn.config.variants import variants_of
from fcn.core import errors
from fcn.data.label_policy import LabelPolicy
from fcn.data.spec import DatasetSpec
from fcn.models import graph_builder, variables
from fcn.models.architecture import Architecture
from fcn.models.tf_compat import tf
from fcn.runs import record
from fcn.training import checkpoint
from fcn.weights import checkpoint_reader, initialize, transfer
from fcn.weights.detection import Weights

MEAN_RGB = (120.0, 110.0, 100.0)


def layer(*shape, value=1.0):
    """(kernel, bias) of which every number is another."""
    size = int(np.prod(shape))
    return ((value + np.arange(size)).reshape(shape).astype(np.float32),
            (value + 100 + np.arange(shape[3])).astype(np.float32))


def shapes(**layers):
    """{variable: shape} of layers with bias."""
    return {f"{name}/{part}": list(shape if part == "kernel" else shape[3:]) for name, shape in layers.items()
            for part in ("kernel", "bias")}


def fates(rows):
    return [(row.layer, row.fate, row.why) for row in rows]


# Rows.

def test_layer_is_copied_if_the_net_has_it():
    stored = {"conv1_1": layer(3, 3, 3, 2), "fc8": layer(1, 1, 4, 1000)}
    arrays, rows = transfer.plan_transfer(stored, shapes(conv1_1=(3, 3, 3, 2), fc7=(1, 1, 2, 4)))
    assert arrays.keys() == {"conv1_1/kernel", "conv1_1/bias"}
    assert arrays["conv1_1/kernel"] is stored["conv1_1"][0] and arrays["conv1_1/bias"] is stored["conv1_1"][1]
    assert fates(rows) == [("conv1_1", "copied", ""), ("fc8", "dropped", "this net has no such variable")]
    assert [row.shape for row in rows] == [(3, 3, 3, 2), (1, 1, 4, 1000)]


@pytest.mark.slow
def test_layer_of_another_shape_is_dropped_and_reported():
    needed = shapes(fc6=(7, 7, 512, 4096), score_fr=(1, 1, 4, 21))
    stored = {"fc6": layer(7, 7, 2, 3), "score_fr": layer(1, 1, 4, 60)}
    arrays, rows = transfer.plan_transfer(stored, needed)
    assert arrays == {}
    assert fates(rows) == [("fc6", "dropped", "expected (7, 7, 512, 4096)"),
                           ("score_fr", "dropped", "expected (1, 1, 4, 21)")]
    narrow = {"fc6": (layer(7, 7, 512, 1)[0].repeat(4096, 3), np.zeros(3, np.float32))}  # the bias alone is wrong
    assert transfer.plan_transfer(narrow, needed)[0] == {}


def test_layer_to_start_from_random_weights_is_not_copied():
    stored = {"fc6": layer(1, 1, 2, 3), "fc7": layer(1, 1, 3, 2)}
    arrays, rows = transfer.plan_transfer(stored, shapes(fc6=(1, 1, 2, 3), fc7=(1, 1, 3, 2)), keep_fresh=("fc6",))
    assert arrays.keys() == {"fc7/kernel", "fc7/bias"}
    assert fates(rows) == [("fc6", "dropped", "initialised randomly instead"), ("fc7", "copied", "")]


def test_layer_may_lack_a_bias():
    kernel, bias = layer(1, 1, 2, 3)
    arrays, rows = transfer.plan_transfer({"a": (kernel, None)}, shapes(a=(1, 1, 2, 3)))
    assert arrays.keys() == {"a/kernel"} and fates(rows) == [("a", "copied", "")]
    arrays, rows = transfer.plan_transfer({"a": (kernel, bias)}, {"a/kernel": (1, 1, 2, 3)})
    assert arrays.keys() == {"a/kernel"} and fates(rows) == [("a", "copied", "")]


def test_kernel_missing_in_the_file_has_its_own_row():
    row = transfer.fresh("score_pool3/kernel", np.full((1, 1, 4, 4), 0.5))
    assert row == transfer.LayerReport("score_pool3", "fresh", (1, 1, 4, 4), 2.0)


@pytest.mark.parametrize("shape", [(), (1, 1, 3, 2), (7, 7, 64, 512), (2 ** 20 + 3,)])
def test_norm_is_computed_in_double_precision(shape):
    array = (1e5 * np.random.default_rng(0).normal(size=shape)).astype(np.float32)
    found = transfer.norm(array)
    assert found == pytest.approx(np.linalg.norm(array.astype(np.float64).ravel()), rel=1e-12)
    assert isinstance(found, float)
    assert transfer.norm(np.swapaxes(np.atleast_2d(array), 0, 1)) == pytest.approx(found, rel=1e-12)


def test_report_shows_zero_and_huge_norms():
    arrays = {"fc6": np.zeros((7, 7, 2, 3)), "fc7": np.full((1, 1, 1, 1), 1e30), "conv1_1": np.full((1, 1, 2, 2), 2.0)}
    rows = [transfer.fresh(f"{name}/kernel", array) for name, array in arrays.items()]
    rows[0] = dataclasses.replace(rows[0], fate="dropped", why="expected (7, 7, 512, 4096)")
    head, *lines = transfer.report_text(rows).splitlines()
    assert [" ".join(line.split()) for line in (head, *lines)] == [
        "layer kernel norm", "fc6 dropped 7 x 7 x 2 x 3 0 expected (7, 7, 512, 4096)",
        "fc7 fresh 1 x 1 x 1 x 1 1e+30", "conv1_1 fresh 1 x 1 x 2 x 2 4"]
    assert len(lines[1]) == len(lines[2]) == len(head)  # norms end below their title
    assert lines[0][:len(head)].endswith(" 0")


def test_report_is_saved_as_json(tmp_path):
    rows = transfer.plan_transfer({"a": layer(1, 1, 2, 3)}, shapes(a=(1, 1, 2, 3)))[1]
    transfer.write_report(tmp_path / "transplant.json", rows)
    (row,) = json.loads((tmp_path / "transplant.json").read_text())
    assert row == {"layer": "a", "fate": "copied", "shape": [1, 1, 2, 3], "why": "",
                   "norm": pytest.approx((1 + 4 + 9 + 16 + 25 + 36) ** 0.5)}


# Classes.

def test_classes_are_transferred_by_name_by_id_or_not():
    old, new = ("Sky", "road", "car", "tree"), ("tree", "SKY", "person")
    assert transfer.carried_classes("name", old, new) == ((3, 0), (0, 1))
    assert transfer.carried_classes("id", old, new) == ((0, 0), (1, 1), (2, 2))  # as surgery.expand_score
    assert transfer.carried_classes("id", new, old) == ((0, 0), (1, 1), (2, 2))
    assert transfer.carried_classes("fresh", old, new) == ()
    assert transfer.carried_classes("name", old, ("person", "dog")) == ()


def test_channels_of_ignored_labels_have_a_name():
    assert transfer.channel_names(("sky", "road"), 4) == ("sky", "road", "label 2", "label 3")
    assert transfer.channel_names(["sky", "road"], 2) == ("sky", "road")


def test_scores_are_transferred_along_the_last_kernel_axis():
    stored = {"score_fr": (np.array([[[[10, 20, 30], [11, 21, 31]]]], np.float32), np.array([1, 2, 3], np.float32))}
    arrays, rows = transfer.plan_transfer(stored, shapes(score_fr=(1, 1, 2, 4)), classes=(((2, 0), (0, 3)), 3, 4))
    assert arrays["score_fr/kernel"].tolist() == [[[[30, 0, 0, 10], [31, 0, 0, 11]]]]
    assert arrays["score_fr/bias"].tolist() == [3, 0, 0, 1]
    assert fates(rows) == [("score_fr", "reshaped", "2 of 3 classes carried")]
    assert (rows[0].shape, rows[0].norm) == ((1, 1, 2, 4), pytest.approx((900 + 100 + 961 + 121) ** 0.5))


def test_learned_upsampling_is_transferred_along_both_class_axes():
    for name in ("upscore", "upscore2", "upscore_pool4", "upscore8", "upscore16"):
        kernel = np.array([[[[1, 2], [3, 4]]]], np.float32)  # (1, 1, to, from)
        arrays, rows = transfer.plan_transfer({name: (kernel, None)}, {f"{name}/kernel": (1, 1, 2, 2)},
                                              classes=(((1, 0), (0, 1)), 2, 2))
        assert arrays[f"{name}/kernel"].tolist() == [[[[4, 3], [2, 1]]]]
        assert fates(rows) == [(name, "reshaped", "2 of 2 classes carried")]


def test_feature_fusion_transfers_classes_on_both_sides():
    biases = {"deconv1": np.arange(5.0), "deconv2": np.arange(3.0), "deconv3": np.array([7.0, 8.0])}
    kernels = {"deconv1": layer(4, 4, 5, 2), "deconv2": layer(4, 4, 3, 5), "deconv3": layer(16, 16, 2, 3)}
    stored = {name: (kernels[name][0], biases[name]) for name in kernels}
    needed = {"deconv1/kernel": (4, 4, 5, 3), "deconv1/bias": (5,), "deconv2/kernel": (4, 4, 3, 5),
              "deconv2/bias": (3,), "deconv3/kernel": (16, 16, 3, 3), "deconv3/bias": (3,)}
    arrays, rows = transfer.plan_transfer(stored, needed, classes=(((1, 0), (0, 2)), 2, 3))
    first, last = arrays["deconv1/kernel"], arrays["deconv3/kernel"]
    np.testing.assert_array_equal(first[..., [0, 2]], stored["deconv1"][0][..., [1, 0]])
    np.testing.assert_array_equal(last[:, :, [0, 2]], stored["deconv3"][0][:, :, [1, 0]])
    assert not first[..., 1].any() and not last[:, :, 1].any()
    assert arrays["deconv3/bias"].tolist() == [8, 0, 7]
    for same in ("deconv1/bias", "deconv2/kernel", "deconv2/bias"):
        assert arrays[same] is stored[same.split("/")[0]][same.endswith("bias")]
    assert [row.fate for row in rows] == ["reshaped", "copied", "reshaped"]


def test_same_classes_in_the_same_order_are_copied_exactly():
    stored = {"score_fr": layer(1, 1, 4, 3), "upscore2": (layer(4, 4, 3, 3)[0], None)}
    arrays, rows = transfer.plan_transfer(stored, shapes(score_fr=(1, 1, 4, 3)) | {"upscore2/kernel": (4, 4, 3, 3)},
                                          classes=(transfer.carried_classes("name", "abc", "abc"), 3, 3))
    assert [row.fate for row in rows] == ["copied", "copied"]
    for name, part in (("score_fr", 0), ("score_fr", 1), ("upscore2", 0)):
        np.testing.assert_array_equal(arrays[f"{name}/{('kernel', 'bias')[part]}"], stored[name][part])


def test_score_layer_with_an_unexpected_class_count_is_dropped():
    stored, needed = {"score_fr": layer(1, 1, 4, 3)}, shapes(score_fr=(1, 1, 4, 2))
    for classes in ((((0, 0),), 5, 2), (((0, 0),), 3, 7)):
        arrays, rows = transfer.plan_transfer(stored, needed, classes=classes)
        assert arrays == {} and fates(rows) == [("score_fr", "dropped", "expected (1, 1, 4, 2)")]
    wide = transfer.plan_transfer({"score_fr": layer(1, 1, 9, 3)}, needed, classes=(((0, 0),), 3, 2))[1]
    assert fates(wide) == [("score_fr", "dropped", "expected (1, 1, 4, 2)")]


def test_layers_without_classes_are_copied():
    stored = {"conv1_1": layer(3, 3, 3, 3), "fc7": layer(1, 1, 3, 3)}
    arrays, rows = transfer.plan_transfer(stored, shapes(conv1_1=(3, 3, 3, 3), fc7=(1, 1, 3, 3)),
                                          classes=(((2, 0),), 3, 3))
    assert [row.fate for row in rows] == ["copied", "copied"]
    assert arrays["fc7/kernel"] is stored["fc7"][0]


# Through the graph.

OLD, NEW = ("sky", "road", "car"), ("Car", "tree", "sky", "road")
NETS = [("fcn32s", {}), ("fcn8s_atonce", {}), ("fcn8s", {"learn_upsampling": True}),
        ("fcn16s", {"learn_upsampling": True}), ("fcn8s_tutorial", {}), ("fcn8s_shekkizh", {})]
OTHER_FUSIONS = [(net, {"fusion": "features", "init_stddev": 0.02}) for net in ("fcn16s", "fcn32s")]


def photo(height=45, width=71):
    return np.random.default_rng(1).integers(0, 256, (1, height, width, 3), np.uint8)


def random_net(net, variant, names=OLD):
    """(Weights of a net with random weights, its logits on the photo)."""
    with fresh() as session:
        graph = graph_builder.build(Architecture(net, len(names), THIN, MEAN_RGB, variant))
        arrays = randomise(session, gains={"score_pool4": 10, "score_pool3": 30})
        logits = session.run(graph.logits, {graph.images: photo()})
    layers = {name: (arrays[f"{name}/kernel"], arrays.get(f"{name}/bias"))
              for name in dict.fromkeys(variable.split("/")[0] for variable in arrays)}
    return Weights(layers, np.array(MEAN_RGB), (), net, variant, names), logits


def moved(weights, net, variant, names, how="name"):
    """(rows, logits on the photo) of a net of these classes that begins with `weights`."""
    with fresh() as session:
        graph = graph_builder.build(Architecture(net, len(names), THIN, MEAN_RGB, variant))
        start(session)
        given = dataclasses.replace(weights, layers=dict(weights.layers))  # fill() empties it
        rows = initialize.load_weights(session, given, names, len(names), how, variants_of(net, **variant))
        return rows, session.run(graph.logits, {graph.images: photo()})


def assert_close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6 * np.abs(expected).max())


@pytest.mark.slow
@pytest.mark.parametrize(("net", "variant"), NETS + OTHER_FUSIONS)
def test_reordered_classes_keep_the_logits_of_their_names(net, variant):
    weights, before = random_net(net, variant)
    rows, after = moved(weights, net, variant, ("car", "sky", "road"))
    assert before.std(axis=(0, 1, 2)).min() > 1e-3 and np.abs(before[..., 0] - before[..., 1]).max() > 1e-3
    assert_close(after, before[..., [2, 0, 1]])
    assert {row.fate for row in rows} == {"copied", "reshaped"}


@pytest.mark.slow
@pytest.mark.parametrize(("net", "variant"), NETS[:2])
def test_transferred_classes_keep_logits_and_new_start_at_zero(net, variant):
    weights, before = random_net(net, variant)
    _, after = moved(weights, net, variant, NEW)
    assert_close(after[..., [0, 2, 3]], before[..., [2, 0, 1]])
    assert not after[..., 1].any()
    assert not moved(weights, net, variant, NEW, "fresh")[1].any()
    assert_close(moved(weights, net, variant, NEW, "id")[1][..., :3], before)


@pytest.mark.slow
def test_fresh_scores_need_no_class_names():
    weights, _ = random_net("fcn32s", {})
    rows, logits = moved(dataclasses.replace(weights, class_names=()), "fcn32s", {}, OLD, "fresh")
    assert "copied" not in [row.fate for row in rows if row.layer == "score_fr"]
    assert not logits.any()


@pytest.mark.slow
@pytest.mark.parametrize(("net", "variant", "how"), [
    ("fcn8s", {}, "name"),
    ("fcn8s", {"learn_upsampling": True}, "name"),  # were what is new zero: zero scores times zero kernels,
    ("fcn8s_tutorial", {}, "fresh"),                # zero scores under a ReLU,
    ("fcn8s_shekkizh", {}, "fresh")])               # zero scores times a zero deconv1
def test_scores_of_a_new_class_can_be_trained(net, variant, how):
    weights, _ = random_net(net, variant)
    with fresh() as session:
        graph = graph_builder.build(Architecture(net, len(NEW), THIN, MEAN_RGB, variant))
        (kernel,) = (v for v in tf.trainable_variables() if v.op.name == "score_fr/kernel")
        gradient = tf.gradients(graph.objective, kernel)[0]
        start(session)
        initialize.load_weights(session, weights, NEW, len(NEW), how, variants_of(net, **variant))
        found = session.run(gradient, {graph.images: photo(), graph.labels: np.full((1, 45, 71), 1, np.uint8)})
    assert found[..., [i for i, name in enumerate(NEW) if how == "fresh" or name == "tree"]].any()


@pytest.mark.slow
@pytest.mark.parametrize(("source", "target"), [("fcn8s_atonce", "fcn8s"), ("fcn8s", "fcn8s_atonce")])
def test_scores_of_scaled_pools_are_scaled_if_pools_are_not(source, target):
    weights, before = random_net(source, {})
    rows, after = moved(weights, target, {}, OLD)
    assert_close(after, before)
    why = {row.layer: row.why for row in rows if row.fate == "reshaped"}
    assert why.keys() == {"score_pool4", "score_pool3"}
    assert ("x 0.01" in why["score_pool4"]) == (target == "fcn8s")


@pytest.mark.slow
def test_net_with_random_fc6_keeps_only_a_trained_fcn_fc6():
    weights, _ = random_net("fcn8s_tutorial", {})
    for net, fate in (("fcn8s_tutorial", "copied"), (None, "dropped")):
        rows, _ = moved(dataclasses.replace(weights, net=net), "fcn8s_tutorial", {}, OLD)
        assert next(row.fate for row in rows if row.layer == "fc6") == fate


@pytest.fixture
def stage(tmp_path):
    """A run's folder with one checkpoint of a random fcn16s, at step 3: (folder, {variable: array}, logits)."""
    with fresh() as session:
        graph = graph_builder.build(Architecture("fcn16s", 3, THIN, MEAN_RGB), LabelPolicy((255,)))
        start(session)
        arrays = randomise(session, gains={"score_pool4": 10})
        checkpoint.Store(tmp_path / "run/checkpoints").save(session, {"step": 3, "score": None, "window": []})
        logits = session.run(graph.logits, {graph.images: photo()})
    arguments = {"net": "fcn16s", "num_classes": 3, "ignored_ids": [255], "channels": THIN, "mean_rgb": MEAN_RGB,
                 "choices": {"learn_upsampling": None}}
    record.write_record(tmp_path / "run", {"config": {}, "spec": record.spec_to_dict(DatasetSpec(OLD, (255,))),
                                           "model": arguments})
    return tmp_path / "run", arrays, logits


@pytest.mark.slow
@pytest.mark.parametrize("inside", ["", "checkpoints/step-000003"])
def test_own_run_is_read_as_weights_with_net_and_classes(stage, inside):
    run, arrays, _ = stage
    weights = initialize.from_run(run / inside)
    assert weights.layers.keys() == {name.split("/")[0] for name in arrays}
    for name, (kernel, bias) in weights.layers.items():
        np.testing.assert_array_equal(kernel, arrays[f"{name}/kernel"])
        np.testing.assert_array_equal(bias, arrays[f"{name}/bias"])
    assert (weights.net, weights.class_names) == ("fcn16s", OLD)
    assert weights.mean_rgb.tolist() == list(MEAN_RGB)
    assert weights.variant["alignment"] == "same" and weights.variant["learn_upsampling"] is False
    assert THIN.items() <= weights.widths.items()
    assert "fcn16s" in weights.notes[0] and "step-000003" in weights.notes[0] and "step 3" in weights.notes[0]


@pytest.mark.slow
def test_folder_without_a_run_or_checkpoint_is_reported(stage, tmp_path):
    run, _, _ = stage
    with pytest.raises(errors.UsageError, match="neither a run folder nor a checkpoint"):
        initialize.from_run(tmp_path)
    for file in (run / "checkpoints/step-000003").iterdir():
        file.unlink()
    with pytest.raises(errors.WeightsError, match=r"run/checkpoints: holds no checkpoint"):
        initialize.from_run(run)


@pytest.mark.slow
def test_next_stage_starts_with_old_scores_and_a_new_one_at_zero(stage):
    run, arrays, _ = stage
    with fresh() as session:
        graph_builder.build(Architecture("fcn8s", 3, THIN, MEAN_RGB), LabelPolicy((255,)))
        start(session)
        rows = initialize.load_weights(session, initialize.from_run(run), OLD, 3, "name", variants_of("fcn8s"))
        found = nets_help.values()
    assert {name: row.fate for row in rows for name in [row.layer]} == {
        **dict.fromkeys((*THIN, "score_fr", "score_pool4"), "copied"), "score_pool3": "fresh"}
    for name, array in arrays.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    assert not found["score_pool3/kernel"].any() and not found["score_pool3/bias"].any()
    assert [row.norm for row in rows if row.fate == "fresh"] == [0]
    assert "score_pool3  fresh" in transfer.report_text(rows)


@pytest.mark.slow
def test_first_logits_of_fcn8s_are_upsampled_fcn16s_scores(stage):
    run, arrays, sixteen = stage
    image = photo()[0] - np.array(MEAN_RGB)
    _, (coarse, pool4) = nets_help.forward(image, arrays, (2, 16))
    size, at_pool3 = image.shape[:2], [-(-side // 8) for side in image.shape[:2]]
    scatter, bilinear = nets_help.scatter, nets_help.bilinear
    in_one = scatter(coarse + pool4, bilinear(16, 3), 16, size)
    in_two = scatter(scatter(coarse + pool4, bilinear(2, 3), 2, at_pool3), bilinear(8, 3), 8, size)
    with fresh() as session:
        graph = graph_builder.build(Architecture("fcn8s", 3, THIN, MEAN_RGB), LabelPolicy((255,)))
        start(session)
        initialize.load_weights(session, initialize.from_run(run), OLD, 3, "name", variants_of("fcn8s"))
        eight = session.run(graph.logits, {graph.images: photo()})
    largest = np.abs(in_one).max()
    np.testing.assert_allclose(sixteen[0], in_one, rtol=1e-4, atol=1e-4 * largest)
    np.testing.assert_allclose(eight[0], in_two, rtol=1e-4, atol=1e-4 * largest)
    assert np.abs(eight - sixteen).max() > 0.01 * largest  # so the first loss is near that of FCN-16s, not the same


@pytest.mark.slow
def test_weights_are_loaded_into_variables_not_the_graph(stage):
    _, arrays, _ = stage
    with fresh() as session:
        graph_builder.build(Architecture("fcn8s", 3, THIN, MEAN_RGB), LabelPolicy((255,)))
        start(session)
        checkpoint_reader.put(session, {})  # whatever a first call adds
        before = len(tf.get_default_graph().as_graph_def().node)
        checkpoint_reader.put(session, dict(arrays))
        assert len(tf.get_default_graph().as_graph_def().node) == before
        put(session, {"score_fr/bias": np.zeros(3)})
        checkpoint_reader.put(session, {"score_fr/bias": arrays["score_fr/bias"], "no such/kernel": np.zeros(1)})
        np.testing.assert_array_equal(nets_help.values()["score_fr/bias"], arrays["score_fr/bias"])


@pytest.mark.parametrize(("how", "names", "carried"), [
    ("name", ("other", "Nail"), True), ("name", ("other", "skin"), False), ("name", (), False),
    ("id", ("a", "b"), True), ("fresh", ("other", "nail"), False)])
def test_one_output_is_carried_as_its_class_is(how, names, carried):
    kernel = np.full((3, 3, 32, 1), 0.5, np.float32)
    weights = Weights({"final_conv": (kernel, None)}, np.zeros(3), (), "unet_squeezenet11", {}, names, ())
    with fresh() as session:
        graph_builder.build(Architecture("unet_squeezenet11", 2, output="sigmoid"))
        rows = initialize.load_weights(session, weights, ("other", "nail"), 2, how, None)
        found = nets_help.values()["final_conv/kernel"]
    assert (found == kernel).all() == carried
    assert [row.fate for row in rows if row.layer == "final_conv"] == (["copied"] if carried else ["dropped", "fresh"])


@pytest.mark.parametrize(("layer", "expected"), [
    ("conv4_block7_1_conv", "conv#_block#_#_conv"), ("block2c_bn", "block#_bn"), ("conv3_4", "conv#_#"),
    ("conv2d_5", "conv#d_#"), ("decoder_stage0a_conv", "decoder_stage#a_conv"),
    ("fire2_squeeze1x1", "fire#_squeeze#x#")])
def test_pattern_is_a_name_without_numbers(layer, expected):
    assert transfer.pattern(layer) == expected


def test_variables_are_loaded_in_groups_of_limited_size():
    with fresh():
        made = [tf.get_variable(f"v{number}", (size,)) for number, size in enumerate((3, 1, 8, 2, 1, 2))]
        groups = [[v.op.name for v in group] for group in variables.in_groups(made, limit=16)]
        assert list(variables.in_groups([])) == []
    assert groups == [["v0", "v1"], ["v2"], ["v3", "v4"], ["v5"]]  # 16 bytes are 4 numbers


@pytest.mark.parametrize(("layer", "axis"), [("final_conv", 3), ("final_upconv", 2)])
def test_last_layer_of_a_unet_is_carried_by_class(layer, axis):
    kernel = np.moveaxis(np.arange(2 * 3, dtype=np.float32).reshape(1, 1, 2, 3), 3, axis)
    stored = {layer: (kernel, np.float32([10, 11, 12]))}
    assert transfer.score_channels(stored) == 3
    arrays, (row,) = transfer.plan_transfer(stored, {f"{layer}/kernel": [1, 1, 2, 2], f"{layer}/bias": [2]},
                                            classes=(((2, 0),), 3, 2))
    assert (row.fate, row.why) == ("reshaped", "1 of 3 classes carried")
    np.testing.assert_array_equal(arrays[f"{layer}/bias"], [12, 0])
    np.testing.assert_array_equal(np.moveaxis(arrays[f"{layer}/kernel"], axis, 3)[0, 0], [[2, 0], [5, 0]])
