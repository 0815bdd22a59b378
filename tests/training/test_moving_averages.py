"""Variables that are not trained: a small net with batch normalisation is trained, resumed, transferred, exported."""

import numpy as np
import pytest
from nets_help import fresh, put, start, values

from fcn.cli import export
from fcn.core import errors, registry
from fcn.data.label_policy import LabelPolicy
from fcn.data.spec import DatasetSpec
from fcn.export import writer
from fcn.models import graph_builder, variables
from fcn.models.architecture import Architecture
from fcn.models.tf_compat import tf
from fcn.runs import record
from fcn.training import checkpoint, validation, weight_update
from fcn.weights import checkpoint_reader, initialize
from fcn.weights.formats import npz

pytestmark = pytest.mark.slow

NAMES = ("road", "sky", "tree")
AVERAGES = ("bn_a/moving_mean", "bn_a/moving_variance", "bn_b/moving_mean", "bn_b/moving_variance")
PHOTOS = np.random.default_rng(5).integers(0, 256, (2, 33, 47, 3)).astype(np.uint8)
MODEL = {"net": "normed", "num_classes": 3, "ignored_ids": [], "channels": {}, "mean_rgb": [100.0, 110.0, 120.0],
         "choices": {}, "loss": "cross_entropy", "reduction": "mean", "class_weights": None, "precision": "float32"}


ENCODER = '''
"""Two convolutions with batch normalisation."""

from fcn.models import layers
from fcn.models.tf_compat import tf

FEATURES = (("half", 2, 4),)


def preprocess(images, mean_rgb):
    return images / 128 - 1


def build(images, settings):
    x = layers.conv(images, "conv_a", layers.Window(3, stride=2), 4, bias=False)
    x = tf.nn.relu(layers.batch_norm(x, "bn_a", settings.training, momentum=0.8))
    x = layers.depthwise_conv(x, "conv_b", 3, bias=False)
    return {"half": tf.nn.relu(layers.batch_norm(x, "bn_b", settings.training, momentum=0.8))}
'''
NET = '''
"""Scores at half the size, upsampled."""

from fcn.models import layers

ENCODER = "normed"


def decode(features, num_classes, settings):
    x = layers.conv(features["half"], "classes", 1, num_classes)
    return layers.conv2d_transpose(x, "up", 2).crop(settings.image_size, 1)
'''


@pytest.fixture(scope="module")
def plugins(tmp_path_factory):
    """A plugin folder with the net "normed"."""
    root = tmp_path_factory.mktemp("plugins")
    for kind, text in (("encoders", ENCODER), ("nets", NET)):
        (root / kind).mkdir()
        (root / kind / "normed.py").write_text(text)
    registry.use([root])
    yield root
    registry.use()


@pytest.fixture(autouse=True)
def normed(plugins):
    registry.use([plugins])


def batch_at(number):
    rng = np.random.default_rng(number)
    return rng.integers(0, 256, (2, 17, 22, 3)).astype(np.uint8), rng.integers(0, 3, (2, 17, 22)).astype(np.uint8)


def train(session, graph, step, first, last, batches_per_step=2, is_first=False):
    """Steps first to last - 1 as loop.train takes them."""
    for number in range(first * batches_per_step, last * batches_per_step):
        images, labels = batch_at(number)
        feed = {graph.images: images, graph.labels: labels, graph.training: True, step.learning_rate: 0.05,
                graph.is_first: is_first}
        session.run(step.update if (number + 1) % batches_per_step == 0 else step.collect, feed)


def built(batches_per_step=2, frozen=(), norm_momentum=None, **options):
    graph = graph_builder.build(Architecture("normed", 3, mean_rgb=(100.0, 110.0, 120.0), **options), frozen=frozen)
    rule = weight_update.Rule("adam", norm_momentum=norm_momentum)
    return graph, weight_update.build(graph.objective, graph.normalizer, rule, batches_per_step)


@pytest.mark.parametrize(("precision", "tolerance"), [("bfloat16", 0.03), ("float16", 0.003)])
def test_logits_of_half_precision_are_float32_and_near(precision, tolerance):
    found = []
    for each in ("float32", precision):
        with fresh() as session:
            graph, _ = built(precision=each)
            start(session)
            assert graph.logits.dtype == graph.objective.dtype == tf.float32
            assert {v.dtype.base_dtype for v in variables.of_net()} == {tf.float32}
            found.append(session.run(graph.logits, {graph.images: PHOTOS, graph.training: True}))
    np.testing.assert_allclose(found[1], found[0], rtol=0, atol=tolerance * np.ptp(found[0]))
    assert (found[0] != found[1]).any()


@pytest.mark.parametrize("optimizer", ["adam", "momentum"])
def test_layers_frozen_at_first_are_trained_afterwards(optimizer):
    layers = ("conv_a", "bn_a")
    with fresh() as session:
        graph = graph_builder.build(Architecture("normed", 3), frozen_at_first=layers)
        held = {v.op.name: graph.is_first for v in tf.trainable_variables() if v.op.name.startswith(layers)}
        step = weight_update.build(graph.objective, graph.normalizer,
                                   weight_update.Rule(optimizer, weight_decay=0.1, held=held), 2)
        start(session)
        before = values()
        train(session, graph, step, 0, 2, is_first=True)
        between = values()
        train(session, graph, step, 2, 3)
        after = values()
    own = {name for name in before if name.startswith(layers) and name.count("/") == 1}
    assert own == {"conv_a/kernel", *(f"bn_a/{part}" for part in ("gamma", "beta", "moving_mean", "moving_variance"))}
    assert all((before[name] == between[name]).all() for name in own)
    assert all((between[name] != after[name]).any() for name in own)
    assert all((before[name] != between[name]).any() for name in ("classes/kernel", "bn_b/gamma", "bn_b/moving_mean"))


def test_layers_frozen_at_first_see_the_moving_averages():
    found = []
    for names, is_first in ((("bn_a", "bn_b"), True), ((), False)):
        with fresh() as session:
            graph = graph_builder.build(Architecture("normed", 3), frozen_at_first=names)
            start(session)
            feed = {graph.images: PHOTOS, graph.training: bool(names), graph.is_first: is_first}
            found.append(session.run(graph.logits, feed))
    np.testing.assert_array_equal(*found)


@pytest.fixture(scope="module")
def run(tmp_path_factory, plugins):
    """(folder of a run of three steps, values of its variables, logits on PHOTOS)."""
    folder = tmp_path_factory.mktemp("normed") / "run"
    with fresh() as session:
        graph, step = built()
        start(session)
        train(session, graph, step, 0, 3)
        checkpoint.Store(folder / "checkpoints").save(session, {"step": 3, "score": None, "window": []})
        held, logits = values(), session.run(graph.logits, {graph.images: PHOTOS})
    record.write_record(folder, {"config": {"size": (0, 0), "crop_size": None, "plugins": [str(plugins)]},
                                 "model": MODEL,
                                 "spec": record.spec_to_dict(DatasetSpec(NAMES, ()))})
    return folder, held, logits


def moments(kernel, images):
    """(mean, variance) over the images of conv_a's output, which bn_a sees."""
    with fresh() as session:
        x = tf.constant(images / 128 - 1, tf.float32)
        y = session.run(tf.nn.conv2d(x, kernel, 2, "SAME")).astype(np.float64)
    return y.mean((0, 1, 2)), y.var((0, 1, 2))


@pytest.mark.parametrize(("given", "kept"), [(None, 0.8), (0.5, 0.5), (0.0, 0.0)])
def test_every_batch_of_a_step_updates_the_averages_once(given, kept):
    """The layers say 0.8, --norm-momentum may say otherwise."""
    with fresh() as session:
        graph, step = built(norm_momentum=given)
        start(session)
        kernel = values()["conv_a/kernel"]
        train(session, graph, step, 0, 1)
        held = values()
    mean, variance = np.zeros(4), np.ones(4)
    for number in (0, 1):
        of_batch = moments(kernel, batch_at(number)[0])
        mean, variance = (kept * old + (1 - kept) * new for old, new in zip((mean, variance), of_batch, strict=True))
    assert (held["conv_a/kernel"] != kernel).all()
    np.testing.assert_allclose(held["bn_a/moving_mean"], mean, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(held["bn_a/moving_variance"], variance, rtol=1e-4)


@pytest.mark.parametrize("frozen", [("bn_a",), ("conv_a", "bn_a", "conv_b", "bn_b")])
def test_frozen_layer_uses_its_averages_and_keeps_them(frozen):
    """As Keras with trainable = False: in training too. Other layers use the batch and are updated."""
    stored = {"bn_a/moving_mean": np.float32([0.1, -0.2, 0.3, 0]), "bn_a/moving_variance": np.float32([1, 2, 0.5, 3])}
    kept = [name for name in AVERAGES if name.partition("/")[0] in frozen]
    with fresh() as session:
        graph, step = built(1, frozen=frozen)
        start(session)
        put(session, stored)
        before = values()
        images, labels = batch_at(0)
        feed = {graph.images: images, graph.labels: labels}
        by_batch, by_averages = (session.run(graph.logits, feed | {graph.training: on}) for on in (True, False))
        train(session, graph, step, 0, 1, 1)
        after = values()
    assert [name for name in AVERAGES if (after[name] == before[name]).all()] == kept
    assert (np.abs(by_batch - by_averages).max() < 1e-6) == (len(kept) == len(AVERAGES))


def test_validation_uses_the_averages_unchanged(run):
    folder, held, logits = run
    with fresh() as session:
        graph, _ = built()
        start(session)
        checkpoint.Store(folder / "checkpoints").restore_latest(session, pytest.fail)
        images, labels = batch_at(9)
        session.run([graph.loss_sum, graph.prediction], {graph.images: images, graph.labels: labels})
        of_one, = session.run(graph.logits, {graph.images: PHOTOS[:1]})
        by_batch = session.run(graph.logits, {graph.images: PHOTOS, graph.training: True})
        after = values()
    np.testing.assert_allclose(of_one, logits[0], atol=1e-6)  # rounding depends on the batch size
    assert np.abs(by_batch - logits).max() > 0.1 * np.ptp(logits)
    assert all((after[name] == held[name]).all() for name in held)


@pytest.mark.parametrize("wrong", ["classes/kernel", "bn_b/moving_mean"])
def test_validation_has_no_score_if_scores_are_not_numbers(wrong):
    """Else argmax of NaN would be class 0, which may be most of the labels."""
    with fresh() as session:
        graph, _ = built()
        start(session)
        batches = [batch_at(0), batch_at(1)]
        before, _ = validation.validate(session, graph, batches, LabelPolicy(()))
        put(session, {wrong: np.full(values()[wrong].shape, np.nan)})
        found, samples = validation.validate(session, graph, batches, LabelPolicy(()))
    assert before["val_loss"] > 0 and before["val_mean_iou"] > 0 and "not_finite" not in before
    assert found == {"val_loss": None, "val_loss_se": None, "val_pixel_accuracy": None, "val_mean_iou": None,
                     "val_f_score": None, "not_finite": True}
    assert len(samples) == 3


def test_resumed_run_ends_with_the_bytes_of_an_uninterrupted_one(run, tmp_path):
    found = []
    for stop in (None, 3):
        with fresh() as session:
            graph, step = built()
            start(session)
            store = checkpoint.Store(tmp_path / str(stop))
            if stop:
                train(session, graph, step, 0, stop)
                store.save(session, {"step": stop})
                session.run(tf.global_variables_initializer())
                store.restore_latest(session, pytest.fail)
            train(session, graph, step, stop or 0, 5)
            found.append(values())
    assert set(AVERAGES) < found[0].keys() == found[1].keys()
    for name in found[0]:
        np.testing.assert_array_equal(*(each[name] for each in found), err_msg=name)


def test_net_is_its_variables_without_those_of_the_optimizer(run):
    folder, held, _ = run
    own = checkpoint_reader.read_variables(folder / "checkpoints/step-000003")
    assert own.keys() == {"conv_a/kernel", "conv_b/kernel", "classes/kernel", "classes/bias", *AVERAGES,
                          *(f"{bn}/{part}" for bn in ("bn_a", "bn_b") for part in ("gamma", "beta"))}
    assert all((own[name] == held[name]).all() for name in own)
    with fresh():
        built()
        assert {v.op.name for v in variables.of_net()} == own.keys()


def test_weights_of_a_run_include_its_averages(run):
    folder, held, logits = run
    with fresh() as session:
        graph, _ = built()
        rows = initialize.load_weights(session, initialize.from_run(folder), NAMES, 3, "name", None)
        np.testing.assert_array_equal(session.run(graph.logits, {graph.images: PHOTOS}), logits)
    row = next(row for row in rows if row.layer == "bn_a")
    assert (row.fate, row.shape, row.why) == ("copied", (4,), "beta, gamma, moving_mean, moving_variance")
    parts = [held[f"bn_a/{part}"] for part in ("beta", "gamma", "moving_mean", "moving_variance")]
    assert row.norm == pytest.approx(np.linalg.norm(np.concatenate(parts)))


def test_missing_averages_are_fresh_and_misfits_are_dropped(run):
    weights = initialize.from_run(run[0])
    for part in ("beta", "gamma", "moving_mean", "moving_variance"):
        del weights.others[f"bn_a/{part}"]
    weights.others["bn_b/moving_mean"] = np.zeros(9, np.float32)
    weights.others["bn_c/gamma"] = np.zeros(9, np.float32)
    with fresh() as session:
        built(1)
        rows = initialize.load_weights(session, weights, NAMES, 3, "name", None)
        held = values()
    fates = {(row.layer, row.fate, row.why) for row in rows if row.layer.startswith("bn")}
    parts = "beta, gamma, moving_mean, moving_variance"
    assert fates == {("bn_a", "fresh", "gamma, beta, moving_mean, moving_variance"),
                     ("bn_b", "fresh", "gamma, beta, moving_mean, moving_variance"),
                     ("bn_b", "dropped", f"{parts}: expected (4,)"),
                     ("bn_c", "dropped", "gamma: this net has no such variable")}
    assert (held["bn_b/moving_variance"] == 1).all()


@pytest.mark.parametrize("name", ["net", "net.pb", "net.npz", "net.tflite", "net.onnx"])
def test_every_export_format_uses_the_averages(run, tmp_path, name):
    if name == "net.onnx":
        pytest.importorskip("tf2onnx")
        pytest.importorskip("onnxruntime")
    export.main(["--run", str(run[0]), "--to", str(tmp_path / name)])  # it verifies what it wrote
    form = registry.load("export_formats", writer.format_of(tmp_path / f"new{name.removeprefix('net')}"))
    (logits, prediction), = form.outputs(tmp_path / name, [PHOTOS])
    np.testing.assert_allclose(logits, run[2], rtol=0, atol=1e-4 * np.ptp(run[2]))
    assert (prediction == run[2].argmax(axis=3)).mean() > 0.999


def test_npz_holds_every_variable_and_starts_another_run(run, tmp_path):
    folder, held, _ = run
    export.main(["--run", str(folder), "--to", str(tmp_path / "net.npz")])
    with np.load(tmp_path / "net.npz") as file:
        stored = {key for key in file if "/" in key}
    assert stored == checkpoint_reader.read_variables(folder / "checkpoints/step-000003").keys()
    weights = npz.read(tmp_path / "net.npz")
    assert (weights.net, weights.class_names, weights.num_classes) == ("normed", NAMES, 3)
    with fresh() as session:
        built(1)
        initialize.load_weights(session, weights, NAMES, 3, "name", None)
        assert all((values()[name] == held[name]).all() for name in AVERAGES)


def test_file_without_an_average_is_not_a_complete_net(run, tmp_path):
    weights = initialize.from_run(run[0])
    del weights.others["bn_a/moving_mean"]
    with fresh() as session:
        graph_builder.inference(Architecture("normed", 3), ())
        with pytest.raises(errors.WeightsError, match=r"have no .*bn_a/moving_mean"):
            initialize.load_all(session, weights)


def test_non_finite_average_is_found_before_saving():
    with fresh() as session:
        built()
        finite = weight_update.all_finite()
        start(session)
        assert session.run(finite)
        next(v for v in tf.global_variables() if v.op.name == "bn_a/moving_mean").load([0, np.nan, 0, 0], session)
        assert not session.run(finite)


def test_mat_cannot_hold_batch_norm(run, tmp_path):
    with pytest.raises(errors.UsageError, match="normed is not a published FCN on VGG"):
        export.main(["--run", str(run[0]), "--to", str(tmp_path / "net.mat")])
