"""Losses of the program: segmentation_models' formulas in NumPy, Lovasz by definition, finite differences."""

import itertools

import numpy as np
import pytest
from nets_help import fresh

from fcn.data.label_policy import LabelPolicy
from fcn.models import batch_loss
from fcn.models.batch_loss import LossSettings
from fcn.models.losses import lovasz
from fcn.models.tf_compat import tf

POLICY = LabelPolicy(ignored_in_loss=(255,))
OF_IMAGES = ("dice", "jaccard", "tversky", "lovasz")
LOSSES = (*OF_IMAGES, "focal", "cross_entropy(label_smoothing=0.1)")
SMOOTH = 1e-5


def evaluated(logits, labels, loss, policy=POLICY, pixel_weights=None, **settings):
    """(objective, normalizer, gradient of the objective). Logits (N, H, W, C); with (N, H, W), of a sigmoid output."""
    with fresh() as session:
        x = tf.constant(logits, tf.float32)
        found = built(x, labels, loss, policy, pixel_weights, **settings)
        return session.run([found.objective, found.normalizer, tf.gradients(found.objective, x)[0]])


def built(x, labels, loss, policy=POLICY, pixel_weights=None, **settings):
    """The BatchLoss of logits as evaluated() takes them, a tensor."""
    is_sigmoid = x.shape.rank == 3
    z = tf.stack([tf.zeros_like(x), x], -1) if is_sigmoid else x
    weights = None if pixel_weights is None else tf.constant(pixel_weights, tf.float32)
    return batch_loss.build(z, tf.constant(labels, tf.int32), policy, LossSettings(loss, sigmoid=is_sigmoid,
                                                                                   **settings), weights)


def value(*args, **settings):
    objective, normalizer, _ = evaluated(*args, **settings)
    return objective / normalizer


def batch(seed=0, channels=3):
    """Logits (3, 4, 5, channels), labels without ignored pixels; class 2 is absent in the last image."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, channels, (3, 4, 5))
    labels[2] %= 2
    return rng.normal(0, 2, (3, 4, 5, channels)), labels


def probabilities(logits, labels):
    """(probabilities, truth), float64 (N, H, W, K), as segmentation_models takes them: K = 1 for a sigmoid output."""
    if logits.ndim == 3:
        return 1 / (1 + np.exp(-logits))[..., None], (labels == 1)[..., None].astype(float)
    e = np.exp(logits - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True), np.eye(logits.shape[-1])[labels]


# segmentation_models 1.0.1, base/functional.py: iou_score, f_score, categorical_focal_loss, binary_focal_loss.

def sm_region_loss(kind, pr, gt, per_image, smooth=SMOOTH, beta=1.0):
    axes = (1, 2) if per_image else (0, 1, 2)
    tp = (gt * pr).sum(axes)
    fp, fn = pr.sum(axes) - tp, gt.sum(axes) - tp
    if kind == "jaccard":
        return 1 - np.mean((tp + smooth) / (gt.sum(axes) + pr.sum(axes) - tp + smooth))
    return 1 - np.mean(((1 + beta ** 2) * tp + smooth) / ((1 + beta ** 2) * tp + beta ** 2 * fn + fp + smooth))


def sm_focal_loss(pr, gt, gamma=2.0, alpha=0.25):
    pr = np.clip(pr, 1e-7, 1 - 1e-7)
    loss = -gt * alpha * (1 - pr) ** gamma * np.log(pr)
    if pr.shape[-1] == 1:
        loss += -(1 - gt) * (1 - alpha) * pr ** gamma * np.log(1 - pr)
    return loss.mean()


@pytest.mark.parametrize("is_sigmoid", [False, True])
@pytest.mark.parametrize(("text", "kind", "options"), [
    ("dice", "dice", {}), ("dice(smooth=1,beta=2)", "dice", {"smooth": 1, "beta": 2}), ("jaccard", "jaccard", {}),
    ("jaccard(smooth=0.5)", "jaccard", {"smooth": 0.5})])
def test_region_losses_equal_segmentation_models(text, kind, options, is_sigmoid):
    logits, labels = batch(channels=2 if is_sigmoid else 3)
    logits = logits[..., 1] if is_sigmoid else logits
    pr, gt = probabilities(logits, labels)
    assert value(logits, labels, text) == pytest.approx(sm_region_loss(kind, pr, gt, True, **options), rel=1e-5)
    of_batch = text.replace(")", ",per_image=false)") if ")" in text else f"{text}(per_image=false)"
    assert value(logits, labels, of_batch) == pytest.approx(sm_region_loss(kind, pr, gt, False, **options), rel=1e-5)


@pytest.mark.parametrize("options", [{}, {"gamma": 1.5, "alpha": 0.4}, {"gamma": 0, "alpha": 1}])
def test_focal_loss_equals_segmentation_models(options):
    text = "focal(" + ",".join(f"{name}={number}" for name, number in options.items()) + ")"
    logits, labels = batch(channels=2)
    assert value(logits[..., 1], labels, text) == pytest.approx(sm_focal_loss(
        *probabilities(logits[..., 1], labels), **options), rel=1e-5)
    logits, labels = batch()
    assert value(logits, labels, text) == pytest.approx(3 * sm_focal_loss(
        *probabilities(logits, labels), **options), rel=1e-5)


def test_epsilon_clips_as_segmentation_models():
    logits, labels = np.full((1, 1, 2), -100.0), np.array([[[1, 0]]])
    expected = sm_focal_loss(*probabilities(logits, labels))
    objective, normalizer, gradient = evaluated(logits, labels, "focal(epsilon=1e-7)")
    assert objective / normalizer == pytest.approx(expected, rel=1e-4) and not gradient.any()
    assert value(logits, labels, "focal") == pytest.approx(0.25 * 100 / 2)


def test_tversky_by_hand():
    # Probabilities of class 1: 1/2 and 1/2, labels 1 and 0: TP = FP = FN = 1/2, for each of both classes.
    logits, labels = np.zeros((1, 1, 2, 2)), [[[1, 0]]]
    assert value(logits, labels, "tversky") == pytest.approx(1 - 0.5 / (0.5 + 0.15 + 0.35), rel=1e-4)
    assert value(logits, labels, "tversky(alpha=1,beta=4,smooth=2)") == pytest.approx(1 - 2.5 / 5, rel=1e-5)


def test_tversky_includes_dice_and_jaccard():
    logits, labels = batch()
    assert value(logits, labels, "tversky(alpha=0.5,beta=0.5,smooth=1)") == pytest.approx(
        value(logits, labels, "dice(smooth=2)"), rel=1e-6)
    assert value(logits, labels, "tversky(alpha=1,beta=1)") == pytest.approx(value(logits, labels, "jaccard"), rel=1e-6)


def test_label_smoothing_by_hand():
    # Logits (ln 3, 0): probabilities 3/4 and 1/4; the target is 0.9 and 0.1 with smoothing 0.2.
    logits, expected = np.array([[[[np.log(3), 0]]]]), -0.9 * np.log(3 / 4) - 0.1 * np.log(1 / 4)
    assert value(logits, [[[0]]], "cross_entropy(label_smoothing=0.2)") == pytest.approx(expected, rel=1e-6)
    assert value(-logits[..., 0], [[[0]]], "cross_entropy(label_smoothing=0.2)") == pytest.approx(expected, rel=1e-6)


# --- Lovasz ---

def jaccard_loss(wrong, truth):
    """1 - IoU of a class whose pixels `truth` are predicted wrong where `wrong`, two tuples of 0 and 1."""
    predicted = [t ^ w for t, w in zip(truth, wrong, strict=True)]
    union = sum(t | p for t, p in zip(truth, predicted, strict=True))
    return 1 - sum(t & p for t, p in zip(truth, predicted, strict=True)) / union if union else 0.0


def extension(errors, truth):
    """The Lovasz extension of a submodular function is the largest sum over all orders of the pixels."""
    found = []
    for order in itertools.permutations(range(len(errors))):
        wrong, total = [0] * len(errors), 0.0
        for pixel in order:
            before, wrong[pixel] = jaccard_loss(wrong, truth), 1
            total += errors[pixel] * (jaccard_loss(wrong, truth) - before)
        found.append(total)
    return max(found)


def test_lovasz_extension_equals_all_orders_of_4_pixels():
    truths = list(itertools.product((0, 1), repeat=4))
    errors = np.random.default_rng(0).uniform(0, 1, (16, 4)).round(1)  # with equal ones
    with fresh() as session:
        found = session.run(lovasz.extension(tf.constant(errors[:, None], tf.float32),
                                             tf.constant(np.array(truths)[:, None], tf.float32)))
    expected = [extension(e, t) for e, t in zip(errors, truths, strict=True)]
    np.testing.assert_allclose(found[:, 0], expected, rtol=1e-5, atol=1e-6)


def test_lovasz_extension_at_corners_is_the_jaccard_loss():
    corners = list(itertools.product((0, 1), repeat=4))
    pairs = np.array(list(itertools.product(corners, corners)))
    with fresh() as session:
        found = session.run(lovasz.extension(*(tf.constant(pairs[:, i, None], tf.float32) for i in (0, 1))))
    np.testing.assert_allclose(found[:, 0], [jaccard_loss(w, t) for w, t in pairs.tolist()], atol=1e-6)


@pytest.mark.parametrize("per_image", [True, False])
def test_lovasz_softmax_by_definition(per_image):
    logits, labels = batch(1)
    logits, labels = logits[:, :2, :2], labels[:, :2, :2].copy()  # 4 pixels an image
    if not per_image:
        logits, labels = logits[2:], labels[2:]
    labels[0, 0, 0] = 255
    pr, gt = probabilities(logits, np.where(labels == 255, 0, labels))
    expected = []
    for p, t, counts in zip(pr, gt, labels != 255, strict=True):
        of_classes = [extension(abs(t - p)[counts][:, c], t[counts][:, c].astype(int).tolist()) for c in range(3)
                      if t[counts][:, c].any()]
        expected.append(np.mean(of_classes))
    assert value(logits, labels, f"lovasz(per_image={str(per_image).lower()})") == pytest.approx(
        np.mean(expected), rel=1e-5)


def test_lovasz_hinge_by_definition():
    z, labels = np.array([[[1.5, 0.3], [-0.2, 2]]]), np.array([[[1, 0], [1, 0]]])
    expected = extension([0, 1.3, 1.2, 3], (1, 0, 1, 0))
    assert value(z, labels, "lovasz") == pytest.approx(expected, rel=1e-5)


# --- all losses ---

@pytest.mark.slow
@pytest.mark.parametrize("is_sigmoid", [False, True])
@pytest.mark.parametrize("loss", [*LOSSES, "dice(per_image=false,classes=present)", "focal(gamma=0.5)"])
def test_gradients_equal_finite_differences(loss, is_sigmoid):
    logits, labels = batch(2, 2 if is_sigmoid else 3)
    logits, labels = logits[1:, :2, :2], labels[1:, :2, :2].copy()
    logits = logits[..., 1] if is_sigmoid else logits
    labels[0, 0, 1] = 255
    with fresh() as session:
        x = tf.placeholder(tf.float32, logits.shape)
        objective = built(x, labels, loss).objective
        gradient = session.run(tf.gradients(objective, x)[0], {x: logits})
        for place in np.ndindex(logits.shape):
            step = np.zeros_like(logits)
            step[place] = 4e-3
            above, below = (session.run(objective, {x: logits + sign * step}) for sign in (1, -1))
            assert gradient[place] == pytest.approx((above - below) / 8e-3, abs=2e-3)


@pytest.mark.parametrize("is_sigmoid", [False, True])
@pytest.mark.parametrize("loss", [*OF_IMAGES, "focal"])
def test_perfect_and_empty_masks(loss, is_sigmoid):
    labels = np.zeros((2, 3, 4), int)
    labels[0, 1:, 1:] = 1  # the second image has no pixel of class 1
    logits = 200.0 * np.eye(2)[labels] - 100
    logits = logits[..., 1] if is_sigmoid else logits
    assert value(logits, labels, loss) == pytest.approx(0, abs=1e-6)
    objective, _, gradient = evaluated(-logits, labels, loss)  # all wrong
    assert np.isfinite(objective) and np.isfinite(gradient).all() and objective > 0.9


@pytest.mark.parametrize("is_sigmoid", [False, True])
@pytest.mark.parametrize("loss", [*LOSSES, "dice(per_image=false)", "lovasz(per_image=false)",
                                  "jaccard(classes=present)"])
def test_ignored_masks_have_no_loss(loss, is_sigmoid):
    logits, labels = batch(3, 2)
    logits = logits[..., 1] if is_sigmoid else logits
    labels[0], labels[1, 2:] = 255, 255
    objective, normalizer, gradient = evaluated(logits, labels, loss)
    assert not gradient[labels == 255].any() and gradient[2].any()
    changed = np.where((labels == 255) if is_sigmoid else (labels == 255)[..., None], 7.0, logits)
    assert evaluated(changed, labels, loss)[:2] == pytest.approx([objective, normalizer], rel=1e-6)
    assert normalizer == (2 if loss.split("(")[0] in OF_IMAGES else (labels != 255).sum())
    objective, normalizer, gradient = evaluated(logits, np.full_like(labels, 255), loss)
    assert objective == normalizer == 0 and not gradient.any()


def test_order_of_pixels_does_not_matter():
    logits, labels = batch(4)
    labels[1, 0] = 255
    order = np.random.default_rng(0).permutation(20)
    flat = logits.reshape(3, 1, 20, 3)[:, :, order], labels.reshape(3, 1, 20)[:, :, order]
    for loss in LOSSES:
        assert value(*flat, loss) == pytest.approx(value(logits, labels, loss), rel=1e-5), loss


@pytest.mark.parametrize("loss", OF_IMAGES)
def test_ignored_channels_are_no_classes(loss):
    logits, labels = batch(5)
    labels = np.where(labels == 2, 255, labels)
    two = evaluated(logits[..., :2], labels, f"{loss}(classes=all)")
    logits[..., 2] = -50  # a channel without probability
    three = evaluated(logits, labels, f"{loss}(classes=all)", policy=LabelPolicy((2, 255)))
    assert three[:2] == pytest.approx(two[:2], rel=1e-5)


@pytest.mark.parametrize("loss", OF_IMAGES)
def test_class_weights_give_a_weighted_mean(loss):
    logits, labels = batch(6)
    text, weights = f"{loss}(classes=all)", np.array([2.0, 0.5, 4.0])
    of_class = [evaluated(logits, labels, text, class_weights=tuple(row))[0] for row in np.eye(3)]
    objective = evaluated(logits, labels, text, class_weights=tuple(weights))[0]
    assert objective == pytest.approx(weights @ of_class / weights.sum(), rel=1e-5)
    assert np.mean(of_class) == pytest.approx(evaluated(logits, labels, text)[0], rel=1e-5)


def test_absent_classes_are_left_out_by_choice():
    logits, labels = batch(7)
    logits, labels = logits[2:], labels[2:]  # class 2 is absent
    pr, gt = probabilities(logits, labels)
    two = sm_region_loss("dice", pr[..., :2], gt[..., :2], True)
    assert value(logits, labels, "dice(classes=present)") == pytest.approx(two, rel=1e-5)
    assert value(logits, labels, "dice") == pytest.approx((2 * two + 1) / 3, rel=1e-4)


def test_pixel_weights_multiply_pixel_losses_only():
    logits, labels = batch(8)
    weights = np.random.default_rng(1).uniform(0, 3, labels.shape)
    entropy = -np.log((np.multiply(*probabilities(logits, labels))).sum(-1))
    found = evaluated(logits, labels, "cross_entropy", pixel_weights=weights)
    assert found[:2] == pytest.approx([(weights * entropy).sum(), weights.sum()], rel=1e-5)
    assert evaluated(logits, labels, "dice", pixel_weights=weights)[0] == evaluated(logits, labels, "dice")[0]


@pytest.mark.parametrize("loss", OF_IMAGES)
def test_losses_of_images_add_up_over_batches(loss):
    logits, labels = batch(9)
    whole = evaluated(logits, labels, loss)[:2]
    parts = [evaluated(logits[part], labels[part], loss)[:2] for part in (slice(0, 1), slice(1, 3))]
    assert np.sum(parts, 0) == pytest.approx(whole, rel=1e-5)
    of_batch = [evaluated(logits[part], labels[part], f"{loss}(per_image=false)")[:2] for part in (
        slice(0, 1), slice(1, 3))]
    alone = [value(logits[part], labels[part], f"{loss}(per_image=false)") for part in (slice(0, 1), slice(1, 3))]
    assert np.sum(of_batch, 0) == pytest.approx([alone[0] + 2 * alone[1], 3], rel=1e-5)  # weighted by images
