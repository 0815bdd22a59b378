"""Every net in fcn/nets, and the two that are there against a forward pass written out in NumPy."""

import math

import nets_help
import numpy as np
import pytest
from nets_help import THIN, fresh, randomise, start

from fcn import model, shelf, vgg_table
from fcn.losses import cross_entropy
from fcn.tf1 import tf

NETS = shelf.names("nets")
MEAN_RGB = (120.0, 110.0, 100.0)
BODY = {f"{name}/{part}" for name in THIN for part in ("kernel", "bias")}


def build(name, num_classes=3, channels=THIN, ignored=(), **options):
    return model.build(shelf.pick("nets", name), cross_entropy, num_classes, ignored, channels, MEAN_RGB, **options)


def photo(height, width, count=1, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, height, width, 3), np.uint8)


def shapes():
    return {v.op.name: tuple(v.shape.as_list()) for v in tf.trainable_variables()}


@pytest.mark.parametrize("name", NETS)
def test_logits_have_the_size_of_the_image_whatever_it_is(name):
    with fresh() as session:
        graph = build(name)
        start(session)
        for size in ((1, 1), (17, 23), (32, 64), (65, 33)):
            images = photo(*size, count=2)
            logits, prediction = session.run([graph.logits, graph.prediction], {graph.images: images})
            assert logits.shape == (2, *size, 3)
            assert prediction.shape == (2, *size)
            assert np.isfinite(logits).all()


def reference_fcn8s(x, w, num_classes):
    ends = nets_help.body(x, w)
    fr, at4, at3 = (nets_help.conv(y, w[f"{n}/kernel"], w[f"{n}/bias"]) for n, y in (
        ("score_fr", ends["fc7"]), ("score_pool4", ends["pool4"] * 0.01), ("score_pool3", ends["pool3"] * 0.0001)))
    two, eight = nets_help.bilinear(2, num_classes), nets_help.bilinear(8, num_classes)
    fused4 = nets_help.scatter(fr, two, 2, at4.shape) + at4
    fused3 = nets_help.scatter(fused4, two, 2, at3.shape) + at3
    return nets_help.scatter(fused3, eight, 8, x.shape), (fr, at4, at3)


def reference_tutorial(x, w, num_classes):
    ends = nets_help.body(x, w)
    y = np.maximum(nets_help.conv(ends["fc7"], w["score/kernel"], w["score/bias"]), 0)
    streams = []
    for name, pool in (("deconv1", ends["pool4"]), ("deconv2", ends["pool3"])):
        streams += [nets_help.scatter(y, w[f"{name}/kernel"], 2, pool.shape) + w[f"{name}/bias"], pool]
        y = streams[-2] + pool
    return nets_help.scatter(y, w["deconv3/kernel"], 8, x.shape) + w["deconv3/bias"], streams


REFERENCES = {"fcn8s": reference_fcn8s, "fcn8s_tutorial": reference_tutorial}
GAINS = {"score_pool4": 100.0, "score_pool3": 1000.0}  # against the scales on the pools: all streams weigh alike


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_the_forward_pass_is_that_of_loops_in_numpy(name):
    photos = [*photo(45, 71, count=2), *photo(32, 33)]
    with fresh() as session:
        graph = build(name)
        weights = randomise(session, gains=GAINS)
        first, second = (session.run(graph.logits, {graph.images: images}) for images in (photos[:2], photos[2:]))
    for image, logits in zip(photos, [*first, *second], strict=True):
        expected, streams = REFERENCES[name](image - np.array(MEAN_RGB), weights, 3)
        sizes = [np.abs(stream).mean() for stream in streams]
        assert max(sizes) < 100 * min(sizes)  # every stream is large enough to be missed
        np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_learned_upsampling_starts_with_the_logits_of_the_fixed_one():
    found = []
    for learn in (False, True):
        with fresh() as session:
            graph = build("fcn8s", learn_upsampling=learn)
            start(session)
            nets_help.put(session, {name: np.random.default_rng(1).normal(size=shape)
                                    for name, shape in shapes().items() if name.startswith("score_")})
            found.append(session.run(graph.logits, {graph.images: photo(19, 40)}))
            learned = {name for name in shapes() if name.startswith("upscore")}
            assert learned == ({"upscore2/kernel", "upscore_pool4/kernel", "upscore8/kernel"} if learn else set())
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5 * np.abs(found[0]).max())
    assert found[0].std() > 0


def test_zero_scores_make_the_first_loss_the_logarithm_of_the_number_of_classes():
    with fresh() as session:
        graph = build("fcn8s", num_classes=151, ignored=(0,))
        start(session)
        labels = np.random.default_rng(0).integers(0, 151, (1, 9, 14), np.uint8)
        loss, pixels = session.run([graph.loss_sum, graph.pixels], {graph.images: photo(9, 14), graph.labels: labels})
    assert pixels == (labels > 0).sum()
    assert loss / pixels == pytest.approx(math.log(151), rel=1e-6)
    assert f"{loss / pixels:.3f}" == "5.017"


@pytest.mark.parametrize("name", NETS)
def test_every_weight_moves_the_loss(name):
    with fresh() as session:
        graph = build(name, learn_upsampling=True)
        gradients = tf.gradients(graph.loss_sum, tf.trainable_variables())
        randomise(session, gains=GAINS)
        labels = np.random.default_rng(0).integers(0, 3, (2, 45, 71), np.uint8)
        found = session.run(gradients, {graph.images: photo(45, 71, count=2), graph.labels: labels})
        dead = [v.op.name for v, g in zip(tf.trainable_variables(), found, strict=True) if not np.abs(g).max() > 0]
    assert dead == []


OWN = {  # what a net has beside VGG-19's layers
    "fcn8s": {"score_fr", "score_pool4", "score_pool3"},
    "fcn8s_tutorial": {"score", "deconv1", "deconv2", "deconv3"},
}


@pytest.mark.parametrize("name", NETS)
def test_variables_are_named_as_layer_and_part_and_the_body_has_the_shapes_of_the_weights_file(name):
    with fresh():
        build(name)
        found, depth = shapes(), 3
    for layer, width in THIN.items():
        side = {"fc6": 7, "fc7": 1}.get(layer, 3)
        assert found[f"{layer}/kernel"] == (side, side, depth, width)
        assert found[f"{layer}/bias"] == (width,)
        depth = width
    own = {variable.rsplit("/", 1)[0] for variable in set(found) - BODY}
    assert own == OWN.get(name, own)
    assert set(found) - BODY == {f"{layer}/{part}" for layer in own for part in ("kernel", "bias")}


def test_vgg19_has_the_published_number_of_weights():
    count, depth = {}, 3
    for name, width in vgg_table.widths().items():
        side = {"fc6": 7, "fc7": 1}.get(name, 3)
        count[name], depth = side * side * depth * width + width, width
    assert sum(count[name] for name in vgg_table.CONVOLUTIONS) == 20_024_384
    assert (count["fc6"], count["fc7"]) == (102_764_544, 16_781_312)


def test_widths_come_from_the_weights_file_and_fc6_and_fc7_follow_conv5_4():
    narrow = vgg_table.widths({"conv1_1": 8, "conv5_4": 48, "something_else": 9})
    assert (narrow["conv1_1"], narrow["conv1_2"], narrow["fc6"], narrow["fc7"]) == (8, 64, 384, 384)
    assert "something_else" not in narrow
    assert vgg_table.widths(THIN) == THIN


@pytest.mark.parametrize("learn", [False, pytest.param(True, id="learned upsampling")])
def test_a_full_size_fcn8s_holds_no_weights_in_its_graph_and_adds_few_to_those_of_vgg19(learn):
    with fresh():
        build("fcn8s", num_classes=151, channels=vgg_table.widths(), learn_upsampling=learn)
        scores = sum(math.prod(shape) for name, shape in shapes().items() if name.startswith("score"))
        assert scores == 151 * (4096 + 512 + 256 + 3)  # 0.7 M
        nodes = tf.get_default_graph().as_graph_def().node
    assert {node.name: node.ByteSize() for node in nodes if node.ByteSize() > 10_000} == {}
    assert sum(node.ByteSize() for node in nodes) < 1_000_000


def test_a_full_size_tutorial_net_holds_no_weights_in_its_graph_and_has_a_large_decoder():
    with fresh():
        build("fcn8s_tutorial", num_classes=151, channels=vgg_table.widths())
        decoder = sum(math.prod(shape) for name, shape in shapes().items() if name.startswith("deconv"))
        assert decoder == (16 * 512 * 151 + 512) + (16 * 256 * 512 + 256) + (256 * 151 * 256 + 151)  # 13.2 M
        assert tf.get_default_graph().as_graph_def().ByteSize() < 1_000_000


def test_fresh_weights_of_the_tutorial_are_small():
    with fresh() as session:
        build("fcn8s_tutorial")
        start(session)
        found = nets_help.values()
    for name in OWN["fcn8s_tutorial"]:
        assert 0.00005 < found[f"{name}/kernel"].std() < 0.0001  # deviation 0.0001, cut at two of them
        assert not found[f"{name}/bias"].any()


@pytest.mark.parametrize("name", NETS)
def test_bfloat16_logits_are_close_to_those_of_float32(name):
    found = []
    for precision in ("float32", "bfloat16"):
        with fresh() as session:
            graph = build(name, precision=precision)
            randomise(session, gains=GAINS)
            found.append(session.run(graph.logits, {graph.images: photo(17, 21)}))
            assert graph.logits.dtype == tf.float32
    assert np.abs(found[1] - found[0]).max() < 0.05 * np.abs(found[0]).max()
    assert (found[0] != found[1]).any()
