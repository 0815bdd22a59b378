"""One weight update: batches joined as one large one, clipping, frozen variables, and what stops an update."""

import numpy as np
import pytest
from nets_help import THIN, fresh, randomise, start, values

from fcn.data.label_policy import LabelPolicy
from fcn.models import batch_loss, graph_builder, layers
from fcn.models.architecture import Architecture
from fcn.models.losses import cross_entropy
from fcn.models.tf_compat import tf, tf_errors
from fcn.training import weight_update

RNG = np.random.default_rng(11)
IMAGES = RNG.normal(size=(6, 4, 5, 2)).astype(np.float32)
LABELS = RNG.integers(0, 3, (6, 4, 5), np.uint8)
LABELS[0, :3] = 255  # images hold 5, 20, 12, 20, 0 and 20 labelled pixels
LABELS[2, :, 3:] = 255
LABELS[4] = 255
IN_TWO = ((slice(0, 1), slice(1, 5)), (slice(2, 5), slice(5, 6)))  # the batches of two steps
IN_THREE = ((slice(0, 1), slice(1, 4), slice(4, 5)), (slice(3, 4), slice(5, 6), slice(0, 3)))
RATE = 0.1
OPTIMIZERS = ("momentum", "adam", "adamw", "radam", "rmsprop")
NAMES = ("hidden/kernel", "hidden/bias", "score/kernel", "score/bias")


class Classifier:
    """A pixel classifier with a Step: the smallest thing that has all that a net has."""

    def __init__(self, optimizer, batches_per_step, reduction="mean", class_weights=None, **options):
        self.images = tf.placeholder(tf.float32, (None, None, None, 2))
        self.labels = tf.placeholder(tf.uint8, (None, None, None))
        logits = layers.conv(tf.nn.relu(layers.conv(self.images, "hidden", 3, 4)), "score", 1, 3)
        self.factor = tf.placeholder_with_default(1.0, ())  # on the loss, to spoil it
        losses, weights = batch_loss.weighted(cross_entropy.per_pixel, logits, self.labels,
                                              LabelPolicy(ignored_in_loss=(255,)), class_weights)
        self.objective, self.normalizer = batch_loss.reduce(losses * self.factor, weights, reduction)
        rule = weight_update.Rule(optimizer, **options)
        self.step = weight_update.build(self.objective, self.normalizer, rule, batches_per_step)

    def run(self, session, op, images, labels, factor=1):
        return session.run(op, {self.images: images, self.labels: labels, self.factor: factor,
                                self.step.learning_rate: RATE})


def trained(optimizer, steps, *reduction, **options):
    """{variable: value} after steps, each a list of slices of IMAGES, one a batch."""
    with fresh() as session:
        net = Classifier(optimizer, len(steps[0]), *reduction, **options)
        start(session)
        before = values()
        for parts in steps:
            for part in parts[:-1]:
                net.run(session, net.step.collect, IMAGES[part], LABELS[part])
            net.run(session, net.step.update, IMAGES[parts[-1]], LABELS[parts[-1]])
        after = values()
    assert (before["hidden/kernel"] != after["hidden/kernel"]).any()
    return {name: value for name, value in after.items() if not name.startswith("sum/")}


def joined(parts):
    return np.concatenate([np.arange(len(IMAGES))[part] for part in parts])


def assert_close(found, expected, tolerance=1e-6):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_allclose(found[name], value, rtol=tolerance, atol=tolerance * np.abs(value).max(),
                                   err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize(("optimizer", "steps"), [("momentum", IN_TWO), ("adam", IN_THREE)])
@pytest.mark.parametrize("class_weights", [None, (0.5, 3.0, 1.0)], ids=["", "class weights"])
@pytest.mark.parametrize("reduction", ["mean", "sum", "mean-per-image"])
def test_accumulated_step_equals_one_large_batch(optimizer, steps, class_weights, reduction):
    several = trained(optimizer, steps, reduction, class_weights)
    one = trained(optimizer, [[joined(parts)] for parts in steps], reduction, class_weights)
    # A rate of 0.1 is large beside a sum's gradient, and Adam divides small gradients by their own size.
    assert_close(several, one, 1e-5)


@pytest.mark.slow
def test_reductions_and_class_weights_make_different_steps():
    found = [trained("momentum", IN_TWO, *options)["hidden/kernel"] for options in (
        ("mean",), ("sum",), ("mean-per-image",), ("mean", (0.5, 3.0, 1.0)))]
    for i, one in enumerate(found):
        assert all(np.abs(one - other).max() > 0.001 for other in found[:i])


def test_mean_of_batch_means_would_differ():
    with fresh() as session:
        net = Classifier("momentum", 1)
        start(session)
        kernel = tf.trainable_variables()[0]
        gradient = tf.gradients(net.objective, kernel)[0]

        def mean(part):
            total, pixels = net.run(session, [gradient, net.normalizer], IMAGES[part], LABELS[part])
            return total / max(pixels, 1)
        ours = mean(joined(IN_THREE[0]))
        theirs = np.mean([mean(part) for part in IN_THREE[0]], axis=0)
    assert np.abs(ours - theirs).max() > 0.05 * np.abs(ours).max()


@pytest.mark.slow
def test_accumulation_changes_no_weight_and_an_update_clears_it():
    with fresh() as session:
        net = Classifier("adam", 2)
        start(session)
        before = values()
        net.run(session, net.step.collect, IMAGES[:2], LABELS[:2])
        between = values()
        changed = {name for name, value in before.items() if (between[name] != value).any()}
        assert changed == {name for name in before if name.startswith("sum/")}
        assert between["sum/pixels"] == 25
        net.run(session, net.step.update, IMAGES[2:3], LABELS[2:3])
        after = values()
        assert not any(after[name].any() for name in after if name.startswith("sum/"))
        assert not {name for name in before if name.startswith("sum/")} & {v.op.name for v in tf.global_variables()}


def test_single_batch_step_needs_no_sums():
    with fresh():
        net = Classifier("adam", 1)
        assert net.step.collect is None
        assert tf.local_variables() == []
        assert [v for _, v in net.step.grads] == tf.trainable_variables()


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_factor_of_1_changes_nothing(optimizer):
    plain = trained(optimizer, IN_TWO, weight_decay=0.01)
    same = trained(optimizer, IN_TWO, weight_decay=0.01, factor_of=dict.fromkeys(NAMES, 1.0))
    assert plain.keys() == same.keys()
    for name, value in plain.items():
        np.testing.assert_array_equal(same[name], value, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_factor_of_0_freezes_and_needs_no_slots(optimizer):
    with fresh() as session:
        factor_of = {"hidden/kernel": 0.0, "hidden/bias": 0.0, "score/kernel": 1.0, "score/bias": 2.0}
        net = Classifier(optimizer, 2, weight_decay=0.1, factor_of=factor_of, clip_norm=1e-3)
        start(session)
        before = values()
        for part in (slice(0, 1), slice(1, 2)):
            op = net.step.collect if part.start == 0 else net.step.update
            net.run(session, op, IMAGES[part], LABELS[part])
        after = values()
        assert [v.op.name for _, v in net.step.grads] == ["score/kernel", "score/bias"]
    assert {name for name in after if "hidden" in name} == {"hidden/kernel", "hidden/bias"}
    for name in ("hidden/kernel", "hidden/bias"):
        np.testing.assert_array_equal(after[name], before[name])
    for name in ("score/kernel", "score/bias"):
        assert (after[name] != before[name]).any()


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_variable_without_influence_on_the_loss_is_unchanged(optimizer):
    with fresh() as session:
        idle = tf.get_variable("idle/kernel", (), initializer=tf.ones_initializer())
        net = Classifier(optimizer, 1, weight_decay=0.5, factor_of=dict.fromkeys(("idle/kernel", *NAMES), 3.0))
        assert idle not in [v for _, v in net.step.grads]
        start(session)
        net.run(session, net.step.update, IMAGES, LABELS)
        assert session.run(idle) == 1
        assert [name for name in values() if "idle" in name] == ["idle/kernel"]


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("batches_per_step", "clip_norm"), [(1, 0.01), (2, 0.0), (2, 0.01)])
def test_non_finite_loss_changes_no_weight_slot_or_sum(optimizer, batches_per_step, clip_norm):
    with fresh() as session:
        net = Classifier(optimizer, batches_per_step, weight_decay=0.1, factor_of=dict.fromkeys(NAMES, 2.0),
                         clip_norm=clip_norm)
        start(session)
        for op in [net.step.collect] * (batches_per_step - 1) + [net.step.update]:  # so that slots hold something
            net.run(session, op, IMAGES, LABELS)
        ops = [net.step.update]
        if batches_per_step > 1:  # a step with good batches behind it, when the bad one comes
            net.run(session, net.step.collect, IMAGES, LABELS)
            ops.append(net.step.collect)
        before = values()
        for op in ops:
            for bad in (np.nan, np.inf):
                with pytest.raises(tf_errors.InvalidArgumentError, match="the loss is not finite"):
                    net.run(session, op, IMAGES, LABELS, bad)
        after = values()
    assert all(before[name].any() for name in before if name.startswith("sum/"))
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("clip_norm", [0.0, 1e-3])
@pytest.mark.parametrize("batches_per_step", [1, 2])
def test_non_finite_gradient_with_finite_loss_changes_nothing(optimizer, clip_norm, batches_per_step):
    with fresh() as session:
        roots = tf.get_variable("roots/kernel", (2,), initializer=tf.constant_initializer([0.0, 1.0]))
        other = tf.get_variable("other/kernel", (), initializer=tf.ones_initializer())
        loss = tf.reduce_sum(tf.sqrt(roots)) + 2 * other  # the slope of a root is infinite at 0
        rule = weight_update.Rule(optimizer, weight_decay=0.1, clip_norm=clip_norm)
        step = weight_update.build(loss, tf.constant(1.0), rule, batches_per_step)
        start(session)
        before = values()
        for op in [step.collect] * (batches_per_step - 1) + [step.update]:  # met in its own batch
            with pytest.raises(tf_errors.InvalidArgumentError, match="the gradient is not finite"):
                session.run(op, {step.learning_rate: RATE})
        after = values()
    assert len(before) > 3
    for name, value in before.items():
        np.testing.assert_array_equal(after[name], value, err_msg=name)


def test_non_finite_loss_is_found_in_its_own_batch():
    with fresh() as session:
        net = Classifier("adam", 2)
        start(session)
        with pytest.raises(tf_errors.InvalidArgumentError, match="the loss is not finite"):
            net.run(session, net.step.collect, IMAGES, LABELS, np.nan)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("reduction", ["mean", "sum", "mean-per-image"])
@pytest.mark.parametrize("batches_per_step", [1, 2])
def test_unlabelled_step_keeps_the_weights(optimizer, reduction, batches_per_step):
    with fresh() as session:
        net = Classifier(optimizer, batches_per_step, reduction)
        start(session)
        before = values()
        if net.step.collect is not None:
            net.run(session, net.step.collect, IMAGES[4:5], LABELS[4:5])
        net.run(session, net.step.update, IMAGES[4:5], LABELS[4:5])
        after = values()
    for name in NAMES:
        np.testing.assert_array_equal(after[name], before[name])


def test_unlabelled_step_still_applies_momentum_and_decay():
    """Caffe's v = m v + rate g, w = w - v with the gradient 0 + decay w of a kernel: by hand, from the step before."""
    with fresh() as session:
        net = Classifier("momentum", 1, momentum=0.5, weight_decay=0.25)
        start(session)
        first = values()
        net.run(session, net.step.update, IMAGES, LABELS)
        second = values()
        net.run(session, net.step.update, IMAGES[4:5], LABELS[4:5])
        third = values()
    for name in NAMES:
        velocity = 0.5 * (first[name] - second[name]) + RATE * (0.25 * second[name] if "kernel" in name else 0)
        np.testing.assert_allclose(third[name], second[name] - velocity, rtol=1e-5, atol=1e-7)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [[[[3, 4]]], [[[3], [4]]], [[[4], [3]]]])
def test_unlabelled_image_does_not_halve_the_mean_per_image(steps):
    """Image 4 has none: the step of the images 3 and 4, in one batch or in two, is that of image 3."""
    found = trained("momentum", steps, "mean-per-image")
    assert_close(found, trained("momentum", [[[3]]], "mean-per-image"), 1e-6)
    halved, whole = (trained("momentum", [[[number] for number in numbers]], "sum") for numbers in ([3, 4], [3]))
    assert np.abs(halved["hidden/bias"] - whole["hidden/bias"]).max() > 0.01  # Caffe's sum counts every image


def slopes(slopes, clip_norm, decay=0.0, optimizer="momentum", **options):
    """(norm, {name: how far it has moved}) of one step at rate 1 of variables whose gradients are these numbers."""
    with fresh() as session:
        found = {name: tf.get_variable(name, (), initializer=tf.ones_initializer()) for name in slopes}
        step = weight_update.build(tf.add_n([slope * found[name] for name, slope in slopes.items()]), tf.constant(1.0),
                                   weight_update.Rule(optimizer, weight_decay=decay, clip_norm=clip_norm, **options))
        start(session)
        _, norm = session.run([step.update, step.norm], {step.learning_rate: 1.0})
        return norm, {name: pytest.approx(1 - value, abs=1e-6) for name, value in session.run(found).items()}


def test_gradient_of_norm_5_is_scaled_to_the_limit():
    assert slopes({"a": 3.0, "b": 4.0}, 0.0) == (5, {"a": 3, "b": 4})
    assert slopes({"a": 3.0, "b": 4.0}, 0.5) == (5, {"a": 0.3, "b": 0.4})
    assert slopes({"a": -3.0, "b": 4.0}, 2.5) == (5, {"a": -1.5, "b": 2})
    assert slopes({"a": 0.0, "b": 0.0}, 2.5) == (0, {"a": 0, "b": 0})


@pytest.mark.slow
def test_small_gradient_is_not_clipped():
    plain, clipped = (trained("momentum", IN_TWO, clip_norm=norm) for norm in (0.0, 1e6))
    for name, value in plain.items():
        np.testing.assert_array_equal(clipped[name], value, err_msg=name)


def test_decay_follows_clipping_and_takes_rate_factors():
    assert slopes({"a/kernel": 3.0, "b/kernel": 4.0}, 0.5, decay=0.1) == (5, {"a/kernel": 0.4, "b/kernel": 0.5})
    assert slopes({"a": 3.0, "b": 4.0}, 0.5, factor_of={"a": 10.0, "b": 1.0}) == (5, {"a": 3, "b": 0.4})


def test_frozen_variables_do_not_count_in_the_gradient_norm():
    assert slopes({"a": 3.0, "b": 4.0}, 1.5, factor_of={"a": 1.0, "b": 0.0}) == (3, {"a": 1.5, "b": 0})


@pytest.mark.parametrize(("held", "expected"), [(True, (3, {"a": 1.5, "b": 0})), (False, (5, {"a": 0.9, "b": 1.2}))])
def test_held_variable_has_rate_0_and_does_not_count(held, expected):
    with fresh() as session:
        found = {name: tf.get_variable(name, (), initializer=tf.ones_initializer()) for name in ("a", "b")}
        is_held = tf.placeholder_with_default(False, ())
        step = weight_update.build(3 * found["a"] + 4 * found["b"], tf.constant(1.0),
                                   weight_update.Rule("momentum", clip_norm=1.5, held={"b": is_held}))
        start(session)
        _, norm = session.run([step.update, step.norm], {step.learning_rate: 1.0, is_held: held})
        moved = {name: pytest.approx(1 - value, abs=1e-6) for name, value in session.run(found).items()}
        assert (norm, moved) == expected


def test_held_variable_with_an_infinite_gradient_stops_the_run():
    with fresh() as session:
        a, b = (tf.get_variable(name, (), initializer=tf.zeros_initializer()) for name in "ab")
        step = weight_update.build(a + tf.sqrt(b), tf.constant(1.0),
                                   weight_update.Rule("momentum", held={"b": tf.constant(True)}))
        start(session)
        with pytest.raises(tf_errors.InvalidArgumentError, match="the gradient is not finite"):
            session.run(step.update, {step.learning_rate: 1.0})


@pytest.mark.slow
def test_clipping_applies_to_the_step_not_to_each_batch():
    several, one = (trained("momentum", steps, clip_norm=0.02) for steps in (
        IN_THREE, [[joined(parts)] for parts in IN_THREE]))
    assert_close(several, one, 1e-5)


CLIP = 0.1  # far below what the gradients have
SCENES = RNG.integers(0, 256, (10, 8, 33, 40, 3), np.uint8)  # 10 steps of 8 images
CLASSES = RNG.integers(0, 4, (10, 8, 33, 40), np.uint8)
for number, labels in enumerate(CLASSES.reshape(80, 33, 40)):
    labels[:number * 7 % 34] = 0  # 0 is ignored: from none of an image's rows to all 33


def run_of_a_vgg(optimizer, batch):
    """({variable: value}, norms) of a thin net after some steps of 8 images in batches of so many; always one start.

    5 steps with RMSprop, else 10: as soon as a gradient is near its epsilon, rounding decides on the step.
    """
    with fresh() as session:
        net = graph_builder.build(Architecture("fcn8s_atonce", 4, THIN, (120.0, 110.0, 100.0)), LabelPolicy((0,)))
        rule = weight_update.Rule(optimizer, weight_decay=0.01, clip_norm=CLIP)
        step = weight_update.build(net.objective, net.normalizer, rule, 8 // batch)
        start(session)
        drawn, norms = randomise(session), []
        for images, labels in list(zip(SCENES, CLASSES, strict=True))[:5 if optimizer == "rmsprop" else 10]:
            for first in range(0, 8, batch):
                last = first + batch == 8
                feed = {net.images: images[first:first + batch], net.labels: labels[first:first + batch]}
                feed |= {step.learning_rate: 1e-3} if last else {}
                norm = session.run([step.update, step.norm] if last else [step.collect], feed)[-1]
                norms += [norm] if last else []
        after = {v.op.name: session.run(v) for v in tf.trainable_variables()}
    assert all((after[name] != drawn[name]).any() for name in drawn)
    return after, norms


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_vgg_is_equal_after_8_single_images_or_one_batch_of_8(optimizer):
    several, norms = run_of_a_vgg(optimizer, 1)
    one, others = run_of_a_vgg(optimizer, 8)
    assert min(norms) > CLIP
    np.testing.assert_allclose(norms, others, rtol=1e-4)
    assert_close(several, one, 1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["hidden/kernel", "score/bias", "hidden/kernel/RAdam_1"])
def test_single_non_finite_value_is_found_in_all_saved_variables(bad, where):
    with fresh() as session:
        Classifier("radam", 2)
        finite = weight_update.all_finite()
        start(session)
        assert session.run(finite)
        (variable,) = (v for v in tf.global_variables() if v.op.name == where)
        value = session.run(variable)
        value.flat[-1] = bad
        variable.load(value, session)
        assert not session.run(finite)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_graph_with_large_variables_is_small(optimizer):
    with fresh():
        kernel = tf.get_variable("a/kernel", (700, 700), initializer=tf.zeros_initializer())
        rule = weight_update.Rule(optimizer, weight_decay=0.1, clip_norm=1.0)
        weight_update.build(tf.nn.l2_loss(kernel), tf.constant(1.0), rule, 2)
        weight_update.all_finite()
        assert len(tf.get_default_graph().as_graph_def().SerializeToString()) < 100_000  # the variable: 1,960,000


def test_sums_are_cleared_only_after_the_weights_changed():
    with fresh():  # the order is that of the graph: a race would pass any test of values most of the time
        net = Classifier("adam", 2)
        clearing = [op for op in net.step.update.control_inputs if op.type == "AssignVariableOp"]
        assert len(clearing) == len(tf.local_variables())
        (applied,) = set(net.step.update.control_inputs) - set(clearing)
        assert all(waits_for(op, applied) for op in clearing)


def waits_for(op, other):
    """Whether the graph lets `op` run only after `other`."""
    before = [*op.control_inputs, *(tensor.op for tensor in op.inputs)]
    return other in before or any(waits_for(one, other) for one in before)
