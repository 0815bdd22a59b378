"""What `make bench` compares is one net: the same scores, loss, ids and weights after a step from the same weights."""

import json
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest
from nets_help import THIN

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import contenders
from contenders import net, ours, tutorial

from fcn.core import errors

pytestmark = pytest.mark.slow

CLASSES, CHANNELS = 5, THIN | {"fc6": 16, "fc7": 12}  # so that some of them live behind their ReLU
SIZES = {"even": (64, 96), "odd": (40, 56)}  # 40 x 56: the pools are 20, 10, 5, 3, 2 px high and 28, 14, 7, 4, 2 wide
UNUSED = ("conv5_4/kernel", "conv5_4/bias")
MOVED = net.LEARNING_RATE  # by Adam's first step, whatever the gradient


def batch_of(size, unlabelled=False):
    images, labels = net.batch(2, SIZES[size], CLASSES)
    if unlabelled:
        labels[:, 5:20, 7:] = net.UNLABELLED
    return images, labels


CASES = {"even": batch_of("even"), "odd": batch_of("odd", unlabelled=True)}


def trained(module, case, variant):
    """{"scores", "loss", "after": weights after one step} of a contender, without dropout."""
    images, labels = CASES[case]
    made = module.Contender("train", images.shape[1:3], CLASSES, CHANNELS, variant, 1.0)
    return {"scores": made.scores(images), "loss": made.train(images, labels), "after": made.weights()}


def predicted(module, case, variant):
    images, _ = CASES[case]
    return module.Contender("predict", images.shape[1:3], CLASSES, CHANNELS, variant).predict(images)


@pytest.fixture(scope="module")
def expected():
    return {case: trained(ours, case, "float32") for case in CASES}


@pytest.fixture(scope="module")
def keras(tmp_path_factory):
    """{variant: what trained() gives, and "prediction"} of the odd case."""
    folder = tmp_path_factory.mktemp("keras")
    images, labels = CASES["odd"]
    np.savez(folder / "batch", images=images, labels=labels, classes=CLASSES, channels=json.dumps(CHANNELS))
    done = subprocess.run([sys.executable, Path(__file__).parents[1] / "keras_contender_help.py", folder],
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    found = {}
    for variant in ("float32", "mixed_bfloat16"):
        arrays = dict(np.load(folder / f"{variant}.npz"))
        found[variant] = arrays | {"after": {name.removeprefix("after/"): array for name, array in arrays.items()
                                             if name.startswith("after/")}}
    return found


@pytest.fixture(scope="module")
def pytorch():
    pytest.importorskip("torch", reason="PyTorch is not installed (extra [bench])")
    from contenders import pytorch
    return pytorch


def assert_same(found, expected):
    """The same net: scores and loss to rounding, and the same step of every weight whose gradient is not near Adam's
    epsilon, which PyTorch adds at another place.
    """
    scores = expected["scores"]
    np.testing.assert_allclose(found["scores"], scores, atol=1e-4 * np.abs(scores).max(), rtol=0)
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=1e-5)
    assert set(expected["after"]) - set(found["after"]) <= set(UNUSED)
    for name, array in expected["after"].items():
        if name not in UNUSED:
            is_clear = np.abs(array - net.draw(name, array.shape)) > 0.98 * MOVED
            np.testing.assert_allclose(found["after"][name][is_clear], array[is_clear], atol=0.03 * MOVED, rtol=0)


def assert_close(found, expected):
    """The same net in bfloat16, with 8 bits of every number."""
    scores = expected["scores"]
    assert np.abs(found["scores"] - scores).max() < 0.05 * np.abs(scores).max()
    np.testing.assert_allclose(found["loss"], expected["loss"], rtol=0.02)


def assert_same_ids(prediction, expected, share):
    """Ids are those with the best score, but for this share of the pixels."""
    assert prediction.dtype == np.uint8
    assert np.mean(prediction == expected["scores"].argmax(axis=3)) >= 1 - share


def test_training_moves_most_weights(expected):
    for found in expected.values():
        assert np.ptp(found["scores"]) > 1
        moved = {name: np.abs(array - net.draw(name, array.shape)) > 0.98 * MOVED
                 for name, array in found["after"].items() if name not in UNUSED}
        few = {name: share for name, array in moved.items() if (share := array.mean()) < 0.3}
        assert set(few) <= {"fc6/kernel"}  # whose outer taps see nothing on so small a map


def test_tutorial_graph_is_the_same_net(expected):
    assert_same(trained(tutorial, "even", "float32"), expected["even"])


@pytest.mark.parametrize(("case", "layout"), [("even", "nchw"), ("odd", "nchw"), ("odd", "channels_last")])
def test_pytorch_net_is_the_same_in_either_layout_at_any_size(expected, pytorch, case, layout):
    assert_same(trained(pytorch, case, f"{layout}-float32"), expected[case])


@pytest.mark.parametrize(("net_name", "layout"), [("fcn32s", "nchw"), ("fcn8s_atonce", "channels_last")])
@pytest.mark.parametrize("case", CASES)
def test_pytorch_nets_of_the_paper_are_the_same(pytorch, net_name, layout, case):
    of_pytorch = trained(pytorch, case, f"{net_name}-{layout}-float32")
    assert_same(of_pytorch, trained(ours, case, f"{net_name}-float32"))


def test_keras_net_is_the_same(expected, keras):
    assert_same(keras["float32"], expected["odd"])


def test_bfloat16_nets_are_the_same_up_to_rounding(expected, keras):
    assert_close(trained(ours, "odd", "bfloat16"), expected["odd"])
    assert_close(keras["mixed_bfloat16"], expected["odd"])


@pytest.mark.parametrize("layout", ["nchw", "channels_last"])
def test_pytorch_bfloat16_net_is_the_same_up_to_rounding(expected, pytorch, layout):
    assert_close(trained(pytorch, "odd", f"{layout}-bfloat16"), expected["odd"])


def test_all_contenders_predict_the_argmax(expected, keras):
    assert_same_ids(predicted(ours, "odd", "float32"), expected["odd"], 0)
    assert_same_ids(predicted(ours, "odd", "bfloat16"), expected["odd"], 0.05)
    assert_same_ids(predicted(tutorial, "even", "float32"), expected["even"], 0.001)
    assert_same_ids(keras["float32"]["prediction"], expected["odd"], 0.001)


def test_pytorch_keeps_its_memory_on_request_only(pytorch, monkeypatch):
    calls = []
    monkeypatch.setattr(pytorch.ctypes, "CDLL", lambda _: types.SimpleNamespace(
        mallopt=lambda *given: calls.append(given) or True))
    for variant, expected in (("nchw-float32", []), ("nchw-float32-kept", [(-4, 0), (-1, -1), (-2, 1 << 28)])):
        calls.clear()
        trained(pytorch, "odd", variant)
        assert calls == expected


def test_pytorch_predicts_the_argmax(expected, pytorch):
    assert_same_ids(predicted(pytorch, "odd", "nchw-float32"), expected["odd"], 0.001)
    assert_same_ids(predicted(pytorch, "odd", "channels_last-bfloat16"), expected["odd"], 0.05)


def test_unknown_contender_or_variant_is_answered_with_the_known():
    with pytest.raises(errors.UsageError, match="ours, tutorial, pytorch, keras3"):
        contenders.build("theirs", "train", 1, (32, 32), 5, "float32")
    with pytest.raises(errors.UsageError, match="float32, float32-scattered"):
        contenders.build("ours", "train", 1, (32, 32), 5, "float16")


@pytest.mark.parametrize("job", ["train", "predict"])
def test_step_returns_a_loss_or_ids(job):
    found = contenders.build("ours", job, 2, (32, 64), 5, "float32", CHANNELS)()
    assert found > 0 if job == "train" else (found.shape, found.dtype) == ((2, 32, 64), np.uint8)
