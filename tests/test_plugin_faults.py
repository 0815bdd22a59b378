"""Faults in plugins: each ends in one message that names the plugin's file, with exit code 2, before it does harm."""

import re

import numpy as np
import page_help
import pytest

from fcn.cli import evaluate
from fcn.config import training_config
from fcn.core import errors, registry
from fcn.data import augment
from fcn.metrics import protocols
from fcn.models import batch_loss, graph_builder
from fcn.models.architecture import Architecture
from fcn.models.batch_loss import LossSettings
from fcn.models.tf_compat import tf
from fcn.reporting import html_report
from fcn.training import weight_update
from fcn.training.schedules import Schedule

ENCODER = """from fcn.models import layers
FEATURES = (("half", {stride}, 4),)
def preprocess(images, mean_rgb):
    return images
def build(images, settings):
    return {{"half": layers.max_pool(layers.conv(images, "c", 3, 4))}}
"""
NET = """from fcn.models import layers
from fcn.models.tf_compat import tf
ENCODER = "bad"
def decode(features, num_classes, settings):
    return tf.image.resize(layers.conv(features["half"], "score", 1, num_classes + {more}), settings.image_size)
"""


@pytest.fixture
def plugin(tmp_path):
    """write(kind, text) puts bad.py into a plugin folder and uses the folder."""
    def write(kind, text):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / "bad.py").write_text(text)
        registry.use([tmp_path])
    with tf.Graph().as_default():
        tf.set_random_seed(0)
        yield write
    registry.use()


def refused(expected):
    return pytest.raises(errors.UsageError, match=rf"bad\.py: {expected}")


@pytest.mark.parametrize("stride, more, expected", [
    (4, 0, r"feature half of an image of \[96, 160\] px has size \[48, 80\], expected \[24, 40\] for stride 4"),
    (2, 1, "the decoder gives 4 channels, expected 3")])
def test_undeclared_strides_and_channels_are_refused(plugin, stride, more, expected):
    plugin("encoders", ENCODER.format(stride=stride))
    plugin("nets", NET.format(more=more))
    with refused(expected):
        graph_builder.build(Architecture("bad", 3))


def test_declared_strides_and_channels_are_accepted(plugin):
    plugin("encoders", ENCODER.format(stride=2))
    plugin("nets", NET.format(more=0))
    assert graph_builder.build(Architecture("bad", 3)).num_classes == 3


@pytest.mark.parametrize("factor", ["-1", "float('nan')", "float('inf')", "None"])
def test_invalid_learning_rate_factor_is_reported(plugin, factor):
    plugin("schedules", f"def factor(t, step, settings):\n    return {factor}\n")
    with refused(r"the factor of step 3 is .*, expected a finite number of at least 0"):
        Schedule(0.1, "bad").rate(3, 9)


@pytest.mark.parametrize("moves_label, change, expected", [
    (False, "image / 255.0", r"returned the image as float64 \(6, 8, 3\), expected uint8"),
    (False, "image.swapaxes(0, 1)", r"returned the image as uint8 \(8, 6, 3\), expected uint8 \(6, 8, 3\)"),
    (True, "image[:2]", r"returned a sample of \(2, 8\) px, expected \(6, 8\)")])
def test_augmentation_that_changes_type_or_size_is_refused(plugin, moves_label, change, expected):
    plugin("augmentations", f"MOVES_LABEL = {moves_label}\ndef draw(rng):\n    return 1\n"
                            f"def change(image, value):\n    return {change}\n")
    image, label = np.zeros((6, 8, 3), np.uint8), np.zeros((6, 8), np.uint8)
    with refused(expected):
        augment.sample(image, label, (6, 8), augment.Augmentation(("bad",)), 0)


@pytest.mark.parametrize("text, expected", [
    ("def per_pixel(logits, labels):\n    return None\n", r"per_pixel\(\) gives None"),
    ("def per_pixel(logits, labels):\n    return logits\n", r"per_pixel\(\) gives <tf.Tensor"),
    ("def build(logits, labels, policy):\n    return logits\n", r"build\(\) gives <tf.Tensor")])
def test_loss_of_the_wrong_shape_is_refused(plugin, text, expected):
    plugin("losses", text)
    with refused(expected):
        batch_loss.build(tf.zeros((1, 2, 2, 3)), tf.zeros((1, 2, 2), tf.int32), graph_builder.LabelPolicy(),
                         LossSettings("bad"))


def test_optimizer_without_an_operation_is_refused(plugin):
    plugin("optimizers", "def apply(grads, rate_of, momentum):\n    return None\n")
    x = tf.get_variable("x/kernel", (1,))
    with refused(r"apply\(\) gives None, expected an operation"):
        weight_update.build(tf.reduce_sum(x), tf.constant(1.0), weight_update.Rule("bad"))


def test_an_exception_in_a_plugin_names_its_file_and_line(plugin, capsys):
    plugin("schedules", "def factor(t, step, settings):\n    return 1 / 0\n")
    assert errors.run_command(lambda argv: Schedule(0.1, "bad").rate(3, 9), []) == 2
    said = capsys.readouterr().err
    assert "bad.py:2: ZeroDivisionError: division by zero" in said and "Traceback" not in said


def test_misspelled_kind_folder_is_reported(tmp_path):
    (tmp_path / "losses").mkdir()
    (tmp_path / "optimizer").mkdir()
    with pytest.raises(errors.UsageError, match=r"(?s)optimizer: unknown kind of plugin.*did you mean optimizers"):
        registry.use([tmp_path])
    registry.use()


def test_plugin_that_exits_on_import_is_named(plugin):
    plugin("losses", "import sys\nsys.exit(3)\n")
    with pytest.raises(errors.UsageError, match=r"bad\.py:2: cannot be imported: SystemExit"):
        registry.load("losses", "bad")


def test_plugin_function_that_exits_is_named(plugin, capsys):
    plugin("schedules", "import sys\ndef factor(t, step, settings):\n    sys.exit('enough')\n")
    assert errors.run_command(lambda argv: Schedule(0.1, "bad").rate(3, 9), []) == 2
    assert "bad.py:3: SystemExit: enough" in capsys.readouterr().err


PROTOCOL = """import numpy as np
from fcn.metrics.protocols import berkeley
SIZE, TEXT = "original", "mine"
scored, compute, ratios = berkeley.scored, berkeley.compute, berkeley.ratios
"""


@pytest.mark.parametrize("line, expected", [
    ("SIZE = 'mine'", "SIZE is 'mine'"),
    ("def scored(num_classes, ignored_ids): return [num_classes]",
     r"scored\(\) returns \[4\], expected ids from 0 to 3"),
    ("def compute(sums, weights, ids): return None", r"compute\(\) returns None, expected a dict with pixel_accuracy"),
    ("def ratios(sums, ids): return {'mean_iou': 1}", r"ratios\(\) returns .*, expected a dict"),
    ("def ratios(sums, ids): return dict.fromkeys(compute(sums, np.ones((1, 3))))", r"ratios\(\) returns None as"),
    ("def compute(sums, weights, ids): return dict.fromkeys(ratios(sums), 0.5)",
     r"compute\(\) returns .* of shape \(\) for two rows of weights, expected \(2,\)"),
    ("def compute(sums, weights, ids): return berkeley.compute(sums, weights) | {'f1': weights.sum(1)}",
     r"compute\(\) returns .*, f1, but ratios\(\) returns")])
def test_invalid_protocol_is_reported_before_the_net_runs(plugin, line, expected):
    plugin("protocols", PROTOCOL + line)
    with refused(expected):
        protocols.check(4, (0,))


def test_valid_protocol_is_accepted(plugin):
    plugin("protocols", PROTOCOL)
    protocols.check(4, (0,))
    protocols.check(256, ())


def test_section_without_order_is_refused(plugin):
    plugin("sections", "ORDER, TITLE, LINK = None, 'Mine', 'mine'\ndef build(report):\n    return ''\n")
    with refused("ORDER is None"):
        html_report.check_sections()


@pytest.mark.parametrize("fault", ["{}['images']", "int('x')"])
def test_section_that_raises_is_named(plugin, tmp_path, capsys, fault):
    folder = page_help.write(tmp_path / "run")
    plugin("sections", f"ORDER, TITLE, LINK = 1, 'Mine', 'mine'\ndef build(report):\n    return {fault}\n")
    assert errors.run_command(lambda argv: html_report.write_page(folder), []) == 2
    said = capsys.readouterr().err
    assert "bad.py:3: " in said and "report.json" not in said


@pytest.mark.parametrize("name, expected", [
    ("layouts/auto.py", "the name 'auto' is reserved"), ("augmentations/none.py", "the name 'none' is reserved"),
    ("losses/a+b.py", r"'a\+b' is not a valid name of a Python module"),
    ("losses/2*a.py", r"'2\*a' is not a valid name"), ("nets/my-net.py", "'my-net' is not a valid name"),
    ("nets/class.py", "'class' is not a valid name")])
def test_invalid_plugin_names_are_refused(tmp_path, name, expected):
    (tmp_path / name).parent.mkdir()
    (tmp_path / name).write_text("")
    with pytest.raises(errors.UsageError, match=rf"(?s){re.escape(name)}: {expected}.*rename the file"):
        registry.use([tmp_path])
    registry.use()


def test_two_augmentations_with_one_stream_are_refused(plugin):
    plugin("augmentations", "STREAM = 12\ndef draw(rng):\n    return 1\ndef change(array, value):\n    return array\n")
    with refused("the augmentation 'hflip' has STREAM 12, too"):
        training_config.import_plugins(training_config.Config(augment=("hflip", "bad")))
    training_config.import_plugins(training_config.Config(augment=("vflip", "bad")))


@pytest.mark.parametrize("weights, expected", [
    ("x.npz", "holds the unknown net 'mine'"), ("x.npz", "give --plugins FOLDER with FOLDER/nets/mine.py"),
    ("run", "Fix: --run ")])
def test_weights_of_a_net_whose_plugin_is_missing(tmp_path, capsys, weights, expected):
    np.savez(tmp_path / "x.npz", net=np.array("mine"), mean_rgb=np.zeros(3))
    (tmp_path / "run").mkdir()
    assert errors.run_command(evaluate.main, ["--weights", str(tmp_path / weights), "--images", "x"]) in (2, 4)
    assert expected in capsys.readouterr().err
