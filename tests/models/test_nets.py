"""Every net, and every choice, against the NumPy nets of nets_help.py; sizes, gradients, fresh weights."""

import math

import nets_help
import numpy as np
import pytest
from nets_help import AVERAGE, DEFINITIONS, MAXIMUM, THIN, THIN16, fresh, randomise, start

from fcn.config.variants import ALLOWED, Variants, variants_of
from fcn.core import errors, registry
from fcn.data import label_policy
from fcn.models import convolution, graph_builder, published_nets
from fcn.models.architecture import Architecture
from fcn.models.tf_compat import tf

pytestmark = pytest.mark.slow

NETS = registry.names("nets")
PORTS = ("fcn8s_shekkizh", "fcn8s_tutorial")
MEAN_RGB = (120.0, 110.0, 100.0)
BACKBONES = {"VGG-19": THIN, "VGG-16": THIN16}
GAINS = {"score_fr": 10.0, "score_pool2": 0.1}  # all streams large enough to be missed
AT_ONCE = GAINS | {"score_pool4": 100.0, "score_pool3": 10000.0}  # against the scales on the pools


def gains(net, variant=None):
    return AT_ONCE if variants_of(net, **(variant or {})).pool_scaling else GAINS


def build(name, num_classes=3, channels=THIN, ignored=(), variant=None, **options):
    return graph_builder.build(Architecture(name, num_classes, channels, MEAN_RGB, variant or {}, **options),
                               label_policy.of_net(ignored, num_classes))


def photo(height, width, count=1, seed=0):
    """uint8 (count, height, width, 3): random patches of 12 px and noise on them, so that no map of a net is flat."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 200, (count, height // 12 + 1, width // 12 + 1, 3)).repeat(12, 1).repeat(12, 2)
    return (patches[:, :height, :width] + rng.integers(0, 56, (count, height, width, 3))).astype(np.uint8)


@pytest.fixture
def fewer_nodes(monkeypatch):
    """fc6 as an ordinary convolution, for tests of variables alone: a graph is built in half the time."""
    monkeypatch.setattr(convolution, "convolve_as_matmul", convolution.convolve_as_conv2d)


def shapes():
    return {v.op.name: tuple(v.shape.as_list()) for v in tf.trainable_variables()}


# --- the forward pass ---

def expect_numpy(net, definition, channels=THIN, variant=None, sizes=((45, 71),)):
    """The logits of the graph are those of nets_help.forward, whose streams are all large enough to be missed."""
    with fresh() as session:
        graph = build(net, channels=channels, variant=variant)
        weights = randomise(session, gains=gains(net, variant))
        batches = [photo(*size, count=2 if size == sizes[0] else 1) for size in sizes]
        found = [session.run(graph.logits, {graph.images: images}) for images in batches]
    for size, images, logits in zip(sizes, batches, found, strict=True):
        references = [nets_help.forward(image - np.array(MEAN_RGB), weights, **definition) for image in images]
        expected = np.stack([logits for logits, _ in references])
        largest = np.abs(expected).max()
        assert logits.shape == expected.shape
        assert np.abs(logits - expected).max() < 1e-4 * largest
        if size == sizes[0]:
            assert all(np.ptp(stream, axis=(0, 1)).max() > 0.01 * largest for _, streams in references
                       for stream in [*streams, expected[0]])


def test_every_net_has_a_numpy_reference():
    assert sorted(DEFINITIONS) == NETS


@pytest.mark.parametrize(("backbone", "alignment"), [("VGG-19", "same"), ("VGG-19", "pad100"), ("VGG-16", "pad100")])
@pytest.mark.parametrize("name", NETS)
def test_forward_pass_of_every_net_matches_numpy(name, backbone, alignment):
    expect_numpy(name, DEFINITIONS[name] | {"pad100": alignment == "pad100"}, BACKBONES[backbone],
                 {"alignment": alignment}, sizes=((45, 71), (64, 33), (1, 1)))


# net, the one choice that differs, and the change of the net's definition
SWITCHES: list[tuple[str, dict, dict]] = [
    ("fcn8s", {"pool": "avg"}, {"pools": (AVERAGE,) * 5}),
    ("fcn8s", {"pool": "avg1to4"}, {"pools": (AVERAGE,) * 4 + (MAXIMUM,)}),
    ("fcn8s", {"last_layer": "relu5_4"}, {}),
    ("fcn8s", {"last_layer": "conv5_4"}, {"last": "conv5_4"}),
    ("fcn8s", {"last_layer": "relu5_3"}, {"last": "relu5_3"}),
    ("fcn8s", {"last_layer": "conv5_3"}, {"last": "conv5_3"}),
    ("fcn8s", {"fusion": "features"}, {"fuse": "features"}),
    ("fcn16s", {"fusion": "features"}, {"fuse": "features"}),
    ("fcn32s", {"fusion": "features"}, {"fuse": "features"}),
    ("fcn8s", {"pool_scaling": True}, {"scales": (0.01, 0.0001)}),
    ("fcn8s_atonce", {"pool_scaling": False}, {"scales": (1, 1)}),
    ("fcn8s", {"score_relu": True, "init_stddev": 0.01}, {"relu_on_scores": True}),
    ("fcn8s_tutorial", {"score_relu": False}, {"relu_on_scores": False}),
    ("fcn8s_tutorial", {"pool": "max"}, {"pools": (MAXIMUM,) * 5}),
    ("fcn8s_tutorial", {"fusion": "scores"}, {"fuse": "scores"}),  # its upsampling is learned
    ("fcn8s_shekkizh", {"last_layer": "last"}, {"last": None}),
]


@pytest.mark.parametrize(("net", "choice", "change"), SWITCHES,
                         ids=[f"{net}-{choice}" for net, choice, _ in SWITCHES])
def test_variant_changes_only_what_it_names(net, choice, change):
    expect_numpy(net, DEFINITIONS[net] | change, variant=choice)


@pytest.mark.parametrize(("choice", "change"), [
    ({"pool": "avg"}, {"pools": (AVERAGE,) * 5}),
    ({"fusion": "features"}, {"fuse": "features"}),
    ({"learn_upsampling": True}, {}),
], ids=["pool", "fusion", "learn_upsampling"])
def test_variants_work_with_100_px_padding(choice, change):
    expect_numpy("fcn8s", DEFINITIONS["fcn8s"] | change | {"pad100": True}, variant=choice | {"alignment": "pad100"})


def test_every_value_of_every_variant_is_tried_on_fcn8s():
    tried = {(field, value) for net, choice, _ in SWITCHES for field, value in choice.items() if net == "fcn8s"}
    tried |= set(vars(Variants()).items()) | {("alignment", "pad100"), ("fc", "random")}  # above and below
    assert tried >= {(field, value) for field, values in ALLOWED.items() for value in values}
    assert tried >= {("pool_scaling", True), ("score_relu", True)}


@pytest.mark.parametrize("last", ["relu5_3", "conv5_3"])
def test_a_vgg16_ends_at_conv5_3(last):
    expect_numpy("fcn8s", DEFINITIONS["fcn8s"] | {"last": last}, THIN16, {"last_layer": last})


@pytest.mark.parametrize("last", ["relu5_4", "conv5_4"])
def test_vgg16_does_not_need_layers_of_vgg19(last):
    with fresh(), pytest.raises(errors.UsageError, match=rf"--last-layer {last}.*VGG-16"):
        build("fcn8s", channels=THIN16, variant={"last_layer": last})


def test_source_of_fc6_and_fc7_only_concerns_loading():
    graphs = []
    for origin in ALLOWED["fc"]:
        with fresh():
            build("fcn8s", variant={"fc": origin})
            nodes = tf.get_default_graph().as_graph_def().node
            graphs.append([(node.name, node.op, list(node.input)) for node in nodes])
    assert graphs[0] == graphs[1]


def test_every_height_from_1_to_64_px_works_with_100_px_padding():
    with fresh() as session:
        graph = build("fcn8s", variant={"alignment": "pad100"})
        start(session)
        for height in range(1, 65):
            logits, prediction = session.run([graph.logits, graph.prediction], {graph.images: photo(height, 1)})
            assert logits.shape == (1, height, 1, 3)
            assert prediction.shape == (1, height, 1)


@pytest.mark.parametrize("name", ["fcn8s_atonce", "fcn8s_tutorial"])
def test_bfloat16_logits_are_close_to_those_of_float32(name):
    found = []
    for precision in ("float32", "bfloat16"):
        with fresh() as session:
            graph = build(name, precision=precision)
            randomise(session, gains=gains(name))
            found.append(session.run(graph.logits, {graph.images: photo(17, 21)}))
            assert graph.logits.dtype == tf.float32
    assert np.abs(found[1] - found[0]).max() < 0.05 * np.abs(found[0]).max()
    assert (found[0] != found[1]).any()


# --- gradients ---

def cross_entropy(logits, labels, ignored):
    """Mean over the labelled pixels, float64."""
    rows, columns = np.nonzero(labels != ignored)
    z = logits[rows, columns]
    return (np.log(np.exp(z).sum(axis=1)) - z[range(len(z)), labels[rows, columns]]).mean()


def expect_finite_differences(net, definition, groups, variant=None):
    """The gradient of the graph is that of central differences of the float64 NumPy net, along random directions.

    groups(names): lists of variables that are moved together. The graph computes in float32 but is not differenced, so
    steps are small enough to leave the kinks of ReLU and maximum alone.
    """
    rng, image = np.random.default_rng(5), photo(33, 35)[0]
    labels = rng.choice(np.array([0, 1, 2, 255], np.uint8), (33, 35))
    with fresh() as session:
        graph = build(net, ignored=(255,), variant=variant)
        weights = randomise(session, gains={name: gain / 10 for name, gain in gains(net, variant).items()})
        gradients = tf.gradients(graph.objective / graph.normalizer, tf.trainable_variables())
        found = dict(zip(weights, gradients, strict=True))
        dead = sorted(name for name, gradient in found.items() if gradient is None)
        found = session.run({name: gradient for name, gradient in found.items() if gradient is not None},
                            {graph.images: image[None], graph.labels: labels[None]})
    assert dead == (["conv5_4/bias", "conv5_4/kernel"] if net in PORTS else [])
    found |= {name: np.zeros_like(weights[name]) for name in dead}

    def loss(step):
        moved = weights | {name: weights[name] + change for name, change in step.items()}
        return cross_entropy(nets_help.forward(image - np.array(MEAN_RGB), moved, **definition)[0], labels, 255)

    for group in groups(list(weights)):
        step = {name: 1e-5 * np.abs(weights[name]).mean() * rng.normal(size=weights[name].shape) for name in group}
        difference = (loss(step) - loss({name: -change for name, change in step.items()})) / 2
        products = np.concatenate([(found[name] * change).ravel() for name, change in step.items()])
        assert difference == pytest.approx(products.sum(), abs=1e-4 * np.linalg.norm(products)), group
        assert products.any() == (not set(group) <= set(dead))


@pytest.mark.parametrize("name", NETS)
def test_gradient_of_every_variable_matches_finite_differences(name):
    expect_finite_differences(name, DEFINITIONS[name], lambda names: [[name] for name in names],
                              {"learn_upsampling": True})


@pytest.mark.parametrize("name", ["fcn8s", "fcn8s_tutorial"])
def test_gradient_with_100_px_padding_matches_finite_differences(name):
    def groups(names):
        body = [name for name in names if name.startswith("conv")]
        head = [name for name in names if not name.startswith(("conv", "fc"))]
        return [names, body[:8], body[8:], names[len(body):], head]
    expect_finite_differences(name, DEFINITIONS[name] | {"pad100": True}, groups, {"alignment": "pad100"})


@pytest.mark.parametrize("name", PORTS)
def test_conv5_4_of_the_ports_gets_no_gradient(name):
    with fresh():
        graph = build(name)
        gradients = tf.gradients(graph.loss_sum, tf.trainable_variables())
        dead = [v.op.name for v, gradient in zip(tf.trainable_variables(), gradients, strict=True) if gradient is None]
    assert dead == ["conv5_4/kernel", "conv5_4/bias"]


@pytest.mark.parametrize("name", PORTS)
def test_every_vgg16_weight_changes_the_loss_of_the_ports(name):
    with fresh() as session:
        graph = build(name, channels=THIN16)
        largest = [tf.reduce_max(tf.abs(g)) for g in tf.gradients(graph.loss_sum, tf.trainable_variables())]
        weights = randomise(session, gains=gains(name))
        labels = np.random.default_rng(0).integers(0, 3, (2, 45, 71), np.uint8)
        largest = session.run(largest, {graph.images: photo(45, 71, count=2), graph.labels: labels})
    assert {name: size for name, size in zip(weights, largest, strict=True) if not size > 0} == {}


# --- variables ---

SCORES = {"score_fr": 1, "score_pool4": 1, "score_pool3": 1}
DECONVS = {"score_fr": 1, "deconv1": 4, "deconv2": 4, "deconv3": 16}
OWN = {  # what a net has beside VGG's layers: the sides of its kernels
    "fcn32s": {"score_fr": 1},
    "fcn16s": {"score_fr": 1, "score_pool4": 1},
    "fcn8s": SCORES, "fcn8s_atonce": SCORES, "fcn4s": SCORES | {"score_pool2": 1},
    "fcn8s_shekkizh": DECONVS, "fcn8s_tutorial": DECONVS,
}


@pytest.mark.parametrize(("name", "backbone"), [*((name, "VGG-19") for name in NETS), ("fcn8s", "VGG-16")])
@pytest.mark.usefixtures("fewer_nodes")
def test_variables_are_named_and_shaped_like_the_weights_file(name, backbone):
    with fresh():
        build(name, channels=BACKBONES[backbone], variant={"last_layer": "last"})
        found, depth = shapes(), 3
    for layer, width in BACKBONES[backbone].items():
        side = {"fc6": 7, "fc7": 1}.get(layer, 3)
        assert found.pop(f"{layer}/kernel") == (side, side, depth, width)
        assert found.pop(f"{layer}/bias") == (width,)
        depth = width
    assert set(found) == {f"{layer}/{part}" for layer in OWN[name] for part in ("kernel", "bias")}
    assert {layer: found[f"{layer}/kernel"][:2] for layer in OWN[name]} == {n: (k, k) for n, k in OWN[name].items()}


# How many numbers a net learns at 21, 60 and 151 classes C, by hand from the kernels' shapes:
#   VGG-19's convolutions 20,024,384 (3 x 3, with biases); VGG-16's 14,714,688: less 590,080 + 2 x 2,359,808
#   fc6 7 x 7 x 512 x 4096 + 4096 = 102,764,544; fc7 4096 x 4096 + 4096 = 16,781,312
#   so the bodies are 139,570,240 and 134,260,544
#   score_fr 4097 C; score_pool4 513 C; score_pool3 257 C; score_pool2 129 C; bilinear kernels are not learned
#   deconv1 4 x 4 x 512 C + 512; deconv2 4 x 4 x 256 x 512 + 256 = 2,097,408; deconv3 16 x 16 x 256 C + C = 65,537 C
#   so the ports add (4097 + 8192 + 65,537) C + 2,097,920 = 77,826 C + 2,097,920, conv5_4 counted though never used
COUNTS = {
    ("fcn32s", "vgg19"): {21: 139_656_277, 60: 139_816_060, 151: 140_188_887},
    ("fcn16s", "vgg19"): {21: 139_667_050, 60: 139_846_840, 151: 140_266_350},
    ("fcn8s", "vgg19"): {21: 139_672_447, 60: 139_862_260, 151: 140_305_157},           # 140.3 M
    ("fcn8s_atonce", "vgg19"): {21: 139_672_447, 60: 139_862_260, 151: 140_305_157},
    ("fcn4s", "vgg19"): {21: 139_675_156, 60: 139_870_000, 151: 140_324_636},
    ("fcn8s_shekkizh", "vgg19"): {21: 143_302_506, 60: 146_337_720, 151: 153_419_886},
    ("fcn8s_tutorial", "vgg19"): {21: 143_302_506, 60: 146_337_720, 151: 153_419_886},  # 153.4 M
    ("fcn32s", "vgg16"): {21: 134_346_581, 60: 134_506_364, 151: 134_879_191},
    ("fcn16s", "vgg16"): {21: 134_357_354, 60: 134_537_144, 151: 134_956_654},
    ("fcn8s", "vgg16"): {21: 134_362_751, 60: 134_552_564, 151: 134_995_461},
    ("fcn8s_atonce", "vgg16"): {21: 134_362_751, 60: 134_552_564, 151: 134_995_461},
    ("fcn4s", "vgg16"): {21: 134_365_460, 60: 134_560_304, 151: 135_014_940},
    ("fcn8s_shekkizh", "vgg16"): {21: 137_992_810, 60: 141_028_024, 151: 148_110_190},
    ("fcn8s_tutorial", "vgg16"): {21: 137_992_810, 60: 141_028_024, 151: 148_110_190},
}


def published(backbone):
    counts = {"vgg19": (2, 2, 4, 4, 4), "vgg16": (2, 2, 3, 3, 3)}[backbone]
    widths = {f"conv{stage}_{i + 1}": width for stage, (count, width) in
              enumerate(zip(counts, (64, 128, 256, 512, 512), strict=True), 1) for i in range(count)}
    return widths | {"fc6": 4096, "fc7": 4096}


@pytest.mark.parametrize(("name", "backbone"), COUNTS)
@pytest.mark.usefixtures("fewer_nodes")
def test_nets_of_published_width_have_the_counted_parameters(name, backbone):
    found = {}
    for num_classes in COUNTS[name, backbone]:
        with tf.Graph().as_default():
            nets_help.scores(name, tf.placeholder(tf.float32, (None, None, None, 3)), num_classes, published(backbone))
            assert tf.global_variables() == tf.trainable_variables()
            found[num_classes] = sum(math.prod(shape) for shape in shapes().values())
    assert found == COUNTS[name, backbone]


def test_parameter_table_holds_every_net():
    assert {name for name, _ in COUNTS} == set(NETS)


@pytest.mark.parametrize(("fusion", "learned"), [
    ("scores", 60 * 60 * (4 * 4 + 4 * 4 + 16 * 16)),  # upscore2, upscore_pool4, upscore8; no biases
    ("features", 0),                                  # they are learned in any case
])
@pytest.mark.usefixtures("fewer_nodes")
def test_learned_upsampling_adds_its_kernels_to_the_parameters(fusion, learned):
    counts = []
    for learn in (False, True):
        with tf.Graph().as_default():
            build("fcn8s", 60, published("vgg16"), variant={"fusion": fusion, "learn_upsampling": learn})
            counts.append(sum(math.prod(shape) for shape in shapes().values()))
    assert counts[1] - counts[0] == learned


def test_published_widths_are_configurations_d_and_e():
    assert published_nets.widths() == published("vgg19")
    for backbone in ("vgg16", "vgg19"):
        known = published(backbone)
        assert list(published_nets.BACKBONES[backbone]) == list(known)[:-2]
        assert published_nets.widths(known) == known
        assert published_nets.widths(dict(list(known.items())[:-2])) == known  # a file that ends at pool5


def test_widths_come_from_the_weights_file():
    narrow = published_nets.widths({"conv1_1": 8, "conv5_4": 48, "something_else": 9})
    assert (narrow["conv1_1"], narrow["conv1_2"], narrow["fc6"], narrow["fc7"]) == (8, 64, 384, 384)
    assert "something_else" not in narrow
    assert published_nets.widths(THIN) == THIN
    assert published_nets.widths(THIN16) == THIN16


@pytest.mark.slow
@pytest.mark.parametrize(("name", "learn"), [("fcn32s", True), ("fcn8s", False), ("fcn8s_tutorial", True)])
def test_full_size_graph_holds_no_weights(name, learn):
    with fresh():
        build(name, 151, published("vgg19"), variant={"learn_upsampling": learn})
        nodes = tf.get_default_graph().as_graph_def().node
    # The largest is one channel of the bilinear kernel: 64 x 64 in FCN-32s.
    assert max(node.ByteSize() for node in nodes) < 64 * 64 * 4 + 200
    assert sum(node.ByteSize() for node in nodes) < 1_000_000


# --- the values that training starts with ---

def first_values(name, channels=THIN, **variant):
    with fresh() as session:
        build(name, 40, channels=channels, variant=variant)
        start(session)
        return nets_help.values()


WIDE = THIN | {"conv5_3": 40, "conv5_4": 40, "fc6": 60, "fc7": 60}  # enough numbers to tell a deviation by
CUT = 0.8796  # what a normal that is cut at two deviations has left of its own


@pytest.mark.parametrize("name", ["fcn32s", "fcn16s", "fcn8s", "fcn8s_atonce"])
@pytest.mark.usefixtures("fewer_nodes")
def test_scores_start_at_zero_and_random_fc6_fc7_with_he(name):
    found = first_values(name, WIDE)
    assert not any(value.any() for layer, value in found.items() if layer.startswith("score") or "bias" in layer)
    assert found["fc6/kernel"].std() == pytest.approx(CUT * math.sqrt(2 / (49 * 40)), rel=0.03)
    assert found["fc7/kernel"].std() == pytest.approx(CUT * math.sqrt(2 / 60), rel=0.03)


@pytest.mark.parametrize(("name", "deviation"), [("fcn8s_shekkizh", 0.02), ("fcn8s_tutorial", 0.0001)])
@pytest.mark.usefixtures("fewer_nodes")
def test_fresh_weights_of_the_ports_use_their_authors_deviation(name, deviation):
    found = first_values(name, WIDE)
    for layer in ("fc6", "fc7", *OWN[name]):
        assert found[f"{layer}/kernel"].std() == pytest.approx(CUT * deviation, rel=0.05)
        assert np.abs(found[f"{layer}/kernel"]).max() <= 2 * deviation
        assert not found[f"{layer}/bias"].any()


@pytest.mark.usefixtures("fewer_nodes")
def test_given_deviation_applies_to_scores_fc6_fc7_and_fusion():
    plain, given = first_values("fcn8s", WIDE), first_values("fcn8s", WIDE, init_stddev=0.5)
    fused = first_values("fcn8s", WIDE, init_stddev=0.5, fusion="features")
    for layer in ("fc6", "fc7", *SCORES):
        assert given[f"{layer}/kernel"].std() == pytest.approx(CUT * 0.5, rel=0.1)
    for layer in DECONVS:
        assert fused[f"{layer}/kernel"].std() == pytest.approx(CUT * 0.5, rel=0.1)
    same = {layer for layer, value in plain.items() if np.array_equal(value, given[layer])}
    assert set(plain) - same == {f"{layer}/kernel" for layer in ("fc6", "fc7", *SCORES)}


@pytest.mark.usefixtures("fewer_nodes")
def test_fused_features_start_small_not_at_zero():
    found = first_values("fcn8s", WIDE, fusion="features")
    for layer in ("deconv1", "deconv2", "deconv3"):
        assert found[f"{layer}/kernel"].std() == pytest.approx(CUT * 0.0001, rel=0.05)
    assert not found["score_fr/kernel"].any()


UPSCORES = {"fcn32s": ("upscore",), "fcn16s": ("upscore2", "upscore16"),
            "fcn8s": ("upscore2", "upscore_pool4", "upscore8")}


@pytest.mark.parametrize("name", UPSCORES)
def test_learned_upsampling_starts_with_the_logits_of_the_fixed(name):
    found = []
    for learn in (False, True):
        with fresh() as session:
            graph = build(name, variant={"learn_upsampling": learn})
            start(session)
            nets_help.put(session, {layer: np.random.default_rng(1).normal(size=shape)
                                    for layer, shape in shapes().items() if layer.startswith("score_")})
            found.append(session.run(graph.logits, {graph.images: photo(19, 40)}))
            learned = {layer for layer in shapes() if layer.startswith("upscore")}
            assert learned == ({f"{layer}/kernel" for layer in UPSCORES[name]} if learn else set())
    np.testing.assert_allclose(*found, rtol=1e-4, atol=1e-5 * np.abs(found[0]).max())
    assert found[0].std() > 0


@pytest.mark.parametrize("name", ["fcn8s", "fcn8s_atonce"])
def test_zero_scores_make_the_first_loss_log_of_num_classes(name):
    with fresh() as session:
        graph = build(name, num_classes=151, ignored=(0,))
        start(session)
        labels = np.random.default_rng(0).integers(0, 151, (1, 9, 14), np.uint8)
        loss, pixels = session.run([graph.loss_sum, graph.pixels], {graph.images: photo(9, 14), graph.labels: labels})
    assert pixels == (labels > 0).sum()
    assert loss / pixels == pytest.approx(math.log(151), rel=1e-6)
    assert f"{loss / pixels:.3f}" == "5.017"
