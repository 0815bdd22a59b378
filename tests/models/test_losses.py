"""Losses of users: a file that has per_pixel() and one that has build(), from a folder outside the program."""

import pathlib
import shutil

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nets_help import THIN, fresh, randomise, start
from scripts_help import SMALL

from fcn.cli import train
from fcn.config import training_config
from fcn.core import errors, registry
from fcn.data.label_policy import LabelPolicy
from fcn.models import batch_loss, graph_builder, layers
from fcn.models.architecture import Architecture
from fcn.models.batch_loss import LossSettings
from fcn.models.tf_compat import tf
from fcn.training import weight_update

FOCAL = '''"""Focal loss with gamma 2 (Lin et al. 2017)."""
from fcn.models.tf_compat import tf

def per_pixel(logits, labels):
    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=logits)
    return (1 - tf.exp(-entropy)) ** 2 * entropy
'''
DICE = '''"""1 - the mean Dice coefficient of the classes, of each image that has labelled pixels."""
from fcn.models import batch_loss
from fcn.models.tf_compat import tf

def build(logits, labels, policy):
    num_classes = int(logits.shape[-1])
    counts = batch_loss.counted(labels, num_classes, policy)
    mask = tf.cast(counts, tf.float32)[..., None]
    truth = tf.one_hot(labels, num_classes) * mask
    found = tf.nn.softmax(logits) * mask
    both, either = (tf.reduce_sum(x, (1, 2)) for x in (truth * found, truth + found))
    labelled = tf.cast(tf.reduce_any(counts, (1, 2)), tf.float32)
    dice = tf.reduce_mean((2 * both + 1) / (either + 1), axis=-1)
    return tf.reduce_sum((1 - dice) * labelled), tf.reduce_sum(labelled)
'''
POLICY = LabelPolicy(ignored_in_loss=(1, 255))
LOSSES = ("cross_entropy", "my_focal", "my_dice")
SUM = "0.5*my_dice + my_focal+2*cross_entropy"
BUILTIN_SUM = "dice(smooth=1)+0.5*lovasz+focal(gamma=1)"
EXAMPLES = pathlib.Path(__file__).parents[1] / "plugins"


@pytest.fixture(scope="module", autouse=True)
def plugins(tmp_path_factory):
    """my_focal and my_dice are losses; the examples of docs/plugins.md are there, too."""
    folder = tmp_path_factory.mktemp("plugins") / "mine"
    shutil.copytree(EXAMPLES, folder, ignore=shutil.ignore_patterns("__pycache__"))
    for name, text in (("my_focal", FOCAL), ("my_dice", DICE)):
        (folder / "losses" / f"{name}.py").write_text(text)
    registry.use([folder])
    yield folder
    registry.use()


def evaluated(logits, labels, loss, **options):
    """(objective, normalizer, loss_sum, pixels, gradient of the objective)."""
    with fresh() as session:
        z = tf.constant(logits, tf.float32)
        found = batch_loss.build(z, tf.constant(labels, tf.int32), POLICY, LossSettings(loss, **options))
        return session.run([found.objective, found.normalizer, found.loss_sum, found.pixels,
                            tf.gradients(found.objective, z)[0]])


def random_batch(seed, images=4):
    """Logits (images, 3, 5, 4) and labels with ids that are ignored, and some that are no channel."""
    rng = np.random.default_rng(seed)
    return rng.normal(0, 2, (images, 3, 5, 4)), rng.choice([0, 1, 2, 3, 4, 255], (images, 3, 5))


def test_focal_loss_by_hand():
    # Logits (0, 0) give each class probability 1/2: (1 - 1/2)^2 ln 2; logits (ln 3, 0) give the first one 3/4.
    logits = np.array([[[[0, 0], [np.log(3), 0], [5, 5]]]])
    objective, normalizer, *_ = evaluated(logits, [[[0, 0, 255]]], "my_focal")
    assert objective == pytest.approx(np.log(2) / 4 + np.log(4 / 3) / 16, rel=1e-5) and normalizer == 2


def test_dice_loss_by_hand():
    # Two pixels of class 0 with probability 1/2: Dice is (2 * 1 + 1) / (2 + 1 + 1) of class 0, 1 / (1 + 1) of class 1.
    logits = np.zeros((2, 1, 3, 2))
    objective, normalizer, loss_sum, pixels, _ = evaluated(logits, [[[0, 0, 255]], [[255, 1, 77]]], "my_dice")
    assert objective == loss_sum == pytest.approx(1 - (3 / 4 + 1 / 2) / 2) and normalizer == pixels == 1


def test_pixel_weights_by_hand():
    # Logits (0, 0): each pixel has loss ln 2. Weights: class 2 and 1, pixel 3, 1, 5; the third pixel is ignored.
    with fresh() as session:
        found = batch_loss.build(tf.zeros((1, 1, 3, 2)), tf.constant([[[0, 1, 255]]]), LabelPolicy((255,)),
                                 LossSettings(class_weights=(2, 1)), tf.constant([[[3.0, 1, 5]]]))
        sums = session.run([found.objective, found.normalizer])
    assert sums == pytest.approx([7 * np.log(2), 7], rel=1e-6)


@pytest.mark.parametrize("loss", LOSSES)
def test_ignored_pixels_have_no_gradient_in_any_loss(loss):
    logits, labels = random_batch(0)
    gradient = evaluated(logits, labels, loss)[-1]
    counts = np.isin(labels, (0, 2, 3))
    assert not gradient[~counts].any()
    assert gradient[counts].any(axis=-1).all()


@pytest.mark.slow
@settings(max_examples=6, deadline=None)
@given(seed=st.integers(0, 1000), cut=st.integers(1, 3), loss=st.sampled_from(LOSSES))
def test_sums_over_parts_of_a_batch_add_up(seed, cut, loss):
    logits, labels = random_batch(seed)
    whole = evaluated(logits, labels, loss)
    parts = [evaluated(logits[part], labels[part], loss) for part in (slice(cut), slice(cut, None))]
    for one, other, both in zip(parts[0][:4], parts[1][:4], whole[:4], strict=True):
        assert one + other == pytest.approx(both, rel=1e-5)
    np.testing.assert_allclose(np.concatenate([part[-1] for part in parts]), whole[-1], rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_class_weights_and_reductions_apply_to_any_pixel_loss():
    logits, labels = random_batch(1)
    losses = [evaluated(logits[i:i + 1], labels[i:i + 1], "my_focal", class_weights=(2, 1, 1, 0.5)) for i in range(4)]
    found = evaluated(logits, labels, "my_focal", reduction="mean-per-image", class_weights=(2, 1, 1, 0.5))
    assert found[:2] == pytest.approx([sum(loss / pixels for loss, pixels, *_ in losses), 4], rel=1e-5)
    assert found[2:4] == pytest.approx([sum(one[2] for one in losses), sum(one[3] for one in losses)], rel=1e-5)


@pytest.mark.parametrize("given, message", [
    ({"loss_reduction": "sum"}, "--loss-reduction sum: --loss my_dice is over whole images"),
    ({"border_weight": 10}, "--border-weight: --loss my_dice is over whole images"),
    ({"class_weights": "median", "loss_reduction": "mean-per-image"},
     "--loss-reduction mean-per-image and --class-weights: --loss my_dice")])
def test_image_loss_refuses_pixel_settings(given, message):
    with pytest.raises(errors.UsageError, match=message):
        training_config.resolve({"loss": "my_dice", **given})
    assert training_config.resolve({"loss": "my_dice"}).loss == "my_dice"
    assert training_config.resolve({"loss": "my_focal", **given}).loss == "my_focal"
    with pytest.raises(errors.UsageError, match="over whole images"):
        LossSettings("my_dice", given.get("loss_reduction", "mean"), border_weight=given.get("border_weight", 0))


@pytest.mark.slow
@pytest.mark.parametrize("loss", LOSSES[1:])
def test_a_net_trains_with_a_loss_from_a_plugin_folder(loss):
    images, labels = np.full((2, 32, 32, 3), 20, np.uint8), np.zeros((2, 32, 32), np.uint8)
    images[1], labels[1], labels[:, :4] = 230, 1, 255  # a dark image of class 0, a bright one of class 1
    with fresh() as session:
        graph = graph_builder.build(Architecture("fcn32s", 2, THIN, (128.0, 128.0, 128.0)), LabelPolicy((255,)),
                                    LossSettings(loss))
        step = weight_update.build(graph.objective, graph.normalizer, weight_update.Rule("adam"), batches_per_step=2)
        start(session)
        randomise(session)
        shown = []
        for update in [step.collect, step.update] * 12:
            feed = {graph.images: images, graph.labels: labels, step.learning_rate: 0.01}
            loss_sum, pixels, _ = session.run([graph.loss_sum, graph.pixels, update], feed)
            shown.append(loss_sum / pixels)
    assert shown[-1] < 0.95 * shown[0]


def test_a_sum_of_losses_by_hand():
    # Both probabilities are 1/2: a pixel's cross entropy is ln 2, its focal loss ln 2 / 4; Dice as above.
    logits = np.zeros((2, 1, 3, 2))
    objective, normalizer, loss_sum, pixels, _ = evaluated(logits, [[[0, 0, 255]], [[255, 1, 77]]], SUM)
    expected = [2 * (np.log(2) / 4 + 2 * np.log(2)), 0.5 * 3 / 8]
    assert objective == pytest.approx(expected, rel=1e-6) and loss_sum == pytest.approx(expected, rel=1e-6)
    assert normalizer.tolist() == pixels.tolist() == [2, 1]


@pytest.mark.slow
def test_sum_of_pixel_losses_has_one_normalizer():
    logits, labels = random_batch(2)
    options = {"reduction": "mean-per-image", "class_weights": (2, 1, 1, 0.5)}
    one, other = (evaluated(logits, labels, loss, **options) for loss in ("my_focal", "cross_entropy"))
    both = evaluated(logits, labels, "0.25*my_focal+cross_entropy", **options)
    for place in (0, 2, 4):
        np.testing.assert_allclose(both[place], 0.25 * one[place] + other[place], rtol=1e-4, atol=1e-6)
    assert both[1] == one[1] and both[3] == one[3]
    objective, normalizer, *_ = evaluated(logits, labels, "my_dice+my_focal", **options)
    assert objective[0] == one[0] and normalizer[0] == one[1]  # they are of the losses of pixels alone


def step_gradient(loss, batches, images, labels):
    """The gradient of a step of these batches, each a slice, for the kernel of a 1 x 1 convolution."""
    with fresh() as session:
        x, y = tf.placeholder(tf.float32, (None, None, None, 2)), tf.placeholder(tf.int32, (None, None, None))
        found = batch_loss.build(layers.conv(x, "score", 1, 4), y, POLICY, LossSettings(loss))
        step = weight_update.build(found.objective, found.normalizer, weight_update.Rule("momentum"), len(batches))
        start(session)
        for batch in batches[:-1]:
            session.run(step.collect, {x: images[batch], y: labels[batch]})
        ((gradient, _),) = [pair for pair in step.grads if pair[1].op.name == "score/kernel"]
        return session.run(gradient, {x: images[batches[-1]], y: labels[batches[-1]]})


@pytest.mark.slow
def test_accumulated_batches_of_a_sum_equal_one_large_batch():
    images, labels = np.random.default_rng(3).normal(size=(4, 3, 5, 2)), random_batch(3)[1]
    labels[0, 1:], labels[2] = 255, 255  # batches with few and with no labelled pixels
    whole = [slice(0, 4)]
    one = step_gradient(SUM, whole, images, labels)
    terms = {name: step_gradient(name, whole, images, labels) for name in LOSSES}
    by_hand = 0.5 * terms["my_dice"] + terms["my_focal"] + 2 * terms["cross_entropy"]
    np.testing.assert_allclose(one, by_hand, rtol=1e-4, atol=1e-6)
    several = step_gradient(SUM, [slice(0, 1), slice(1, 3), slice(3, 4)], images, labels)
    np.testing.assert_allclose(several, one, rtol=1e-4, atol=1e-6)


@pytest.mark.slow
def test_accumulated_batches_of_built_in_losses_equal_one():
    images, labels = np.random.default_rng(4).normal(size=(4, 3, 5, 2)), random_batch(4)[1]
    labels[2] = 255
    one = step_gradient(BUILTIN_SUM, [slice(0, 4)], images, labels)
    several = step_gradient(BUILTIN_SUM, [slice(0, 1), slice(1, 3), slice(3, 4)], images, labels)
    assert np.abs(one).max() > 0.01
    np.testing.assert_allclose(several, one, rtol=1e-4, atol=1e-6)


def test_class_weights_are_refused_without_effect_only():
    weights = {"class_weights": "median"}
    assert training_config.resolve({"loss": "dice", **weights}).class_weights == "median"
    assert training_config.resolve({"loss": "dice+focal", "output": "sigmoid", **weights}).loss == "dice+focal"
    with pytest.raises(errors.UsageError, match=r"--class-weights: --loss dice is over whole images of one class"):
        training_config.resolve({"loss": "dice", "output": "sigmoid", **weights})
    with pytest.raises(errors.UsageError, match="--loss-reduction sum: --loss dice is over whole images, not"):
        training_config.resolve({"loss": "dice", "loss_reduction": "sum", **weights})


def test_settings_of_pixels_need_a_pixel_loss_in_the_sum():
    with pytest.raises(errors.UsageError, match=r"--loss my_dice\+my_dice is over whole images"):
        training_config.resolve({"loss": "my_dice+my_dice", "loss_reduction": "sum"})
    assert training_config.resolve({"loss": SUM, "loss_reduction": "sum"}).loss == SUM


@pytest.mark.slow
def test_run_with_a_sum_of_losses_is_resumed_exactly(toy, tmp_path, plugins):
    words = ["--data", toy / "scenes", "--weights", "none", "--cache-dir", tmp_path / "cache", "--run",
             tmp_path / "run", *SMALL, "--eval-every", "2", "--net", "example", "--loss", SUM, "--steps", "4",
             "--plugins", plugins, "--no-deterministic"]
    run, last = tmp_path / "run", tmp_path / "run/checkpoints/step-000004"
    train.main([str(word) for word in words])
    written = {path.name: path.read_bytes() for path in [run / "log.jsonl", *last.iterdir()]}
    assert b'"val_loss": ' in written["log.jsonl"]
    shutil.rmtree(last)  # as if it had been killed after its second step
    train.main([str(word) for word in words])
    assert {path.name: path.read_bytes() for path in [run / "log.jsonl", *last.iterdir()]} == written
