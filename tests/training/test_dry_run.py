"""--dry-run, --sanity and the lines on memory and disk: what they say is so, and they leave nothing behind."""

import collections
import hashlib
import math
import types

import numpy as np
import pytest
from nets_help import THIN, THIN16, fresh, start
from scripts_help import tiny_runs

from fcn.cli import train
from fcn.config import variants
from fcn.core import atomic_io, errors, registry
from fcn.data.label_policy import LabelPolicy
from fcn.data.spec import DatasetSpec
from fcn.models import components, graph_builder, published_nets
from fcn.models.architecture import Architecture
from fcn.models.encoders import vgg
from fcn.models.tf_compat import tf
from fcn.runs import run_log
from fcn.training import dry_run, overfit_check, resources, weight_update

USAGE = collections.namedtuple("USAGE", "total used free")


@pytest.fixture(autouse=True)
def no_graph_left_behind():
    """The script builds in the default graph of this process, which other tests use, too."""
    yield
    tf.reset_default_graph()


@pytest.fixture
def quickly(monkeypatch):
    """Steps are timed as few and as short as may be."""
    monkeypatch.setattr(dry_run, "TIMED_S", 0)


def train_toy(toy, work, *words):
    flags = ("--data", toy / "scenes", "--weights", toy / "vgg.mat", "--cache-dir", work / "cache", "--run",
             work / "run", "--layout", "ade20k", "--size", "40x56", "--crop-size", "33x47", "--batch", 2,
             "--eval-batches", 1, "--seed", 3, "--no-deterministic", "--steps", 4)
    with tiny_runs():
        train.main([str(word) for word in (*flags, *words)])


def bytes_of(folder):
    return {path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob("*") if path.is_file()}


def line_with(said, start):
    return next(line.split() for line in said.splitlines() if line.strip().startswith(start))


@pytest.mark.slow
def test_dry_run_prints_requirements_and_creates_no_run(toy, tmp_path, quickly, capsys):
    train_toy(toy, tmp_path, "--dry-run", "--batches-per-step", "2", "--eval-every", "2")
    said = capsys.readouterr().out
    assert said.splitlines()[-1] == "dry run: nothing was written but the caches"
    assert line_with(said, "logits")[1:] == ["33", "x", "47", "x", "12", "1"]
    assert line_with(said, "pool3")[1:] == ["5", "x", "6", "x", "4", "8"]
    body = (3 * 36 + 4) + 15 * (4 * 36 + 4) + (49 * 16 + 4) + (16 + 4)
    assert f"encoder {body:,}, decoder {3 * (4 * 12 + 12)}, total {body + 180:,}" in said
    assert "running sums of the gradients" in said and "4 steps, 2 validations, 2 checkpoints: about" in said
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


@pytest.fixture(scope="module")
def begun(toy, tmp_path_factory):
    """Folder with cache/ and run/, a run of 2 steps. Do not change it."""
    folder = tmp_path_factory.mktemp("begun")
    train_toy(toy, folder, "--steps", "2")
    return folder


@pytest.mark.slow
def test_dry_run_reads_an_existing_run_without_changes(toy, begun, quickly, capsys):
    before = bytes_of(begun)
    train_toy(toy, begun, "--dry-run", "--learning-rate", "0.001")
    said = capsys.readouterr().out
    assert "resumed at step 2" in said and "learning_rate: 5e-05 in the run, 0.001 now" in said
    assert "2 steps, 1 validations, 1 checkpoints" in said
    assert bytes_of(begun) == before


@pytest.mark.slow
def test_dry_run_refuses_other_settings_of_a_run(toy, begun):
    with pytest.raises(errors.UsageError, match="batch: 2 in the run, 3 now"):
        train_toy(toy, begun, "--dry-run", "--batch", "3")


@pytest.mark.slow
def test_non_finite_loss_ends_a_dry_run_and_leaves_no_file(toy, tmp_path):
    with pytest.raises(errors.DivergedError, match="is not finite at step"):
        train_toy(toy, tmp_path, "--dry-run", "--optimizer", "momentum", "--learning-rate", "1e30")
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


@pytest.mark.slow
def test_overfit_check_leaves_the_weights_of_the_run_unchanged(toy, tmp_path, quickly, capsys):
    train_toy(toy, tmp_path, "--dry-run", "--sanity", "--learning-rate", "0.02", "--crop-size", "32x32", "--batch", "1")
    said = capsys.readouterr().out
    assert said.index("dry run: nothing") < said.index("overfits one batch: loss 2.48 -> ")  # ln 12, as at the start
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


@pytest.mark.slow
@pytest.mark.parametrize("words, cause", [
    (["--learning-rate", "1e-9"], "the rate may be too small: try --learning-rate 1e-08"),
    (["--optimizer", "momentum", "--learning-rate", "1e6"], "the rate is too large: try --learning-rate 1e+05"),
    (["--freeze", "fc7", "--learning-rate", "1e-9"], "of the weights are trained")])
def test_failed_overfit_check_explains_possible_causes(toy, tmp_path, monkeypatch, words, cause):
    monkeypatch.setattr(overfit_check, "STEPS", 10)
    with pytest.raises(errors.DivergedError, match="the net does not overfit one batch") as raised:
        train_toy(toy, tmp_path, "--sanity", *words)
    assert cause in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


@pytest.mark.slow
def test_overfit_check_starts_at_the_loss_of_the_training(toy, tmp_path, monkeypatch):
    """Batch normalisation uses the batch in both; by its initial averages, this U-Net has another loss."""
    words = ["--net", "unet_vgg19", "--learning-rate", "1e-9", "--batches-per-step", "1", "--log-every", "1",
             "--average-loss", "1", "--steps", "1", "--norm-momentum", "0.1"]
    monkeypatch.setattr(overfit_check, "STEPS", 1)
    with pytest.raises(errors.DivergedError) as raised:
        train_toy(toy, tmp_path, "--sanity", *words)
    train_toy(toy, tmp_path, *words)
    first, *_ = run_log.read_entries(tmp_path / "run/log.jsonl")
    assert f"overfit one batch: loss {first['loss']:.3g} -> " in str(raised.value)


def test_stages_cannot_be_dry_run_together():
    with pytest.raises(errors.UsageError, match="--stages trains several"):
        train.main(["--stages", "long2015_fcn32s,long2015_fcn16s", "--dry-run"])


class Labels:
    """Stands for a Trainer: batch k is two images of these label values."""

    def __init__(self, *batches):
        self.batches = batches
        self.job = types.SimpleNamespace(
            settings=types.SimpleNamespace(data="DATA"), spec=DatasetSpec(("a", "b", "c")),
            content={"model": {"num_classes": 3, "ignored_ids": [], "class_weights": None,
                               "loss": "cross_entropy"}})

    def batch_at(self, number):
        labels = np.array(self.batches[min(number, len(self.batches) - 1)], np.uint8)
        return np.zeros((2, 1, 2, 3), np.uint8), labels.reshape(2, 1, 2)


def test_overfit_batch_is_the_first_with_two_classes():
    number, _, labels, prior = overfit_check.chosen(Labels([0, 0, 0, 0], [255, 255, 255, 255], [0, 1, 1, 255],
                                                           [0, 1, 2, 0]))
    assert number == 2 and labels.ravel().tolist() == [0, 1, 1, 255]
    assert prior == pytest.approx(-(math.log(1 / 3) / 3 + math.log(2 / 3) * 2 / 3))


def test_overfit_check_needs_two_classes():
    with pytest.raises(errors.DataError, match="has one class only"):
        overfit_check.chosen(Labels([1, 1, 1, 1]))


@pytest.mark.slow
@pytest.mark.parametrize("net, channels, size_px, alignment", [
    ("fcn8s_atonce", THIN, (33, 65), "same"), ("fcn32s", THIN16, (40, 21), "pad100"),
    ("fcn8s_tutorial", dict.fromkeys(THIN, 4), (32, 47), "same")])
def test_estimated_activations_match_the_graph(net, channels, size_px, alignment):
    architecture = Architecture(net, 5, channels, variant={"alignment": alignment})
    parts = components.of(net)
    with fresh() as session:
        graph = graph_builder.build(architecture)
        start(session)
        found = dry_run.feature_maps(session, graph, parts.strides(architecture), np.zeros((2, *size_px, 3), np.uint8))
    expected = parts.memory_map(architecture, size_px).activations
    assert {name: shape for name, shape in found.items() if name in expected} == {
        name: expected[name] for name in ("pool1", "pool2", "pool3", "pool4", "pool5", "fc6", "fc7")}
    assert found["images"] == (*size_px, 3) and found["logits"] == (*size_px, 5) and found["score_fr"][2] == 5


@pytest.mark.slow
@pytest.mark.parametrize("net, optimizer", [*((net, "radam") for net in registry.names("nets")), ("fcn8s", "adam")])
def test_real_width_graph_holds_no_weights(net, optimizer):
    with tf.Graph().as_default() as graph:
        built = graph_builder.build(Architecture(net, 151, published_nets.widths()), LabelPolicy((0,)))
        weight_update.build(built.objective, built.normalizer, weight_update.Rule(optimizer), batches_per_step=2)
        assert 1e5 < graph.as_graph_def().ByteSize() < dry_run.MOST_GRAPH


def trainer(folder, size=1000, keep=2, batch=2):
    """What quick() and memory_of() ask of a Trainer; call it within a graph with variables."""
    def cache(shapes):
        return types.SimpleNamespace(shapes=np.array(shapes), uniform=len(shapes) == 1)
    settings = types.SimpleNamespace(keep=keep, batch=batch, optimizer="adam", batches_per_step=1, weight_decay=0.0,
                                     ema=0.0)
    content = {"model": {"net": "fcn32s", "choices": dict.fromkeys(variants.NAMES), "precision": "float32",
                         "channels": THIN, "num_classes": 3, "mean_rgb": [1, 2, 3]}}
    job = types.SimpleNamespace(run=folder, settings=settings, content=content, training=cache([(32, 64)]),
                                validation=cache([(64, 96), (32, 200)]))
    return types.SimpleNamespace(job=job, workers=None, sampling=types.SimpleNamespace(crop_size=None),
                                 store=types.SimpleNamespace(bytes=size, folder=folder / "checkpoints"),
                                 graph=types.SimpleNamespace(objective=tf.constant(0.0)),
                                 update=types.SimpleNamespace(grads=[(None, v) for v in tf.trainable_variables()]))


@pytest.fixture
def free(monkeypatch):
    def set_free(size):
        monkeypatch.setattr("shutil.disk_usage", lambda folder: USAGE(10 ** 9, 0, size))
    return set_free


@pytest.fixture
def variables():
    with tf.Graph().as_default():
        tf.set_random_seed(0)  # a test before this one may have made the process deterministic
        tf.get_variable("fc7/kernel", (1, 1, 10, 30))
        tf.get_variable("fc7/bias", (30,))
        yield


def test_disk_without_room_for_a_checkpoint_stops_the_run_early(variables, free, tmp_path):
    free(999)
    with pytest.raises(errors.MachineError, match="this needs 1 kB, the disk has 999 bytes free"):
        dry_run.quick(trainer(tmp_path))
    free(1000)
    assert len(dry_run.quick(trainer(tmp_path))) == 2


def test_disk_without_room_for_all_checkpoints_is_warned_of(variables, free, tmp_path):
    free(4999)
    assert "warning: the disk cannot hold 5 checkpoints" in dry_run.quick(trainer(tmp_path, keep=3))[1]
    free(5000)
    (line,) = dry_run.quick(trainer(tmp_path, keep=3))
    assert "checkpoints of 1 kB, up to 5 at once = 5 kB of 5 kB free" in line


@pytest.mark.parametrize(("memory", "warned"), [(10 ** 11, 0), (1000, 1)])
def test_memory_of_the_gpu_is_estimated(variables, free, tmp_path, memory, warned, monkeypatch):
    free(10 ** 9)
    monkeypatch.setattr(dry_run.tf_compat, "detect_device", lambda: types.SimpleNamespace(memory=memory))
    run = trainer(tmp_path)
    _, line, *warnings = dry_run.quick(run)
    parts = dry_run.memory_of(run)
    needed = atomic_io.format_bytes(sum(parts.values()) - resources.PROGRAM)
    assert line == (f"memory of the GPU: about {needed}, and up to 2.4 GB for cuDNN, of "
                    f"{atomic_io.format_bytes(memory)}")
    assert len(warnings) == warned


def test_existing_checkpoints_make_room_for_new_ones(variables, free, tmp_path):
    (tmp_path / "checkpoints/step-000001").mkdir(parents=True)
    (tmp_path / "checkpoints/step-000001/model").write_bytes(bytes(1500))
    free(2500)
    assert len(dry_run.quick(trainer(tmp_path))) == 1
    free(2499)
    assert len(dry_run.quick(trainer(tmp_path))) == 2


def test_memory_counts_variables_and_the_largest_images(variables, tmp_path):
    one = trainer(tmp_path)
    assert dry_run.sizes_px(one) == ((32, 64), (32, 200))
    parts = dry_run.memory_of(one)
    assert parts["weights"] == 330 * 4 and parts["adam's numbers beside them"] == 330 * 8
    of_image = resources.activations(vgg.memory_map(THIN, (32, 64), None), (32, 64), 3, ["fc7"])
    assert parts["maps of a batch"] == 2 * of_image and dry_run.memory_of(one, 5)["maps of a batch"] == 5 * of_image


@pytest.mark.parametrize("crop, uniform, expected", [
    (None, True, ((32, 64), (32, 200))), ((16, 16), True, ((16, 16), (32, 200))),
    ((16, 16), False, ((16, 16), (16, 16)))])
def test_validation_takes_whole_images_unless_crops_are_set(variables, tmp_path, crop, uniform, expected):
    one = trainer(tmp_path)
    one.sampling.crop_size, one.job.validation.uniform = crop, uniform
    assert dry_run.sizes_px(one) == expected
