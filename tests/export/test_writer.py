"""Exported files, run by the programs of their users, against a forward pass in NumPy; and what export refuses."""

import json
import pathlib
import re
import subprocess
import sys

import nets_help
import numpy as np
import pytest
from nets_help import DEFINITIONS, THIN, fresh, randomise, start

from fcn.cli import export
from fcn.core import errors, ownership, registry
from fcn.data.spec import DatasetSpec
from fcn.export.formats import _check, onnx, pb, savedmodel
from fcn.models import graph_builder, layers
from fcn.models.tf_compat import tf, tf_errors
from fcn.runs import checkpoint_choice, record
from fcn.training import checkpoint

ROOT = pathlib.Path(__file__).parents[2]
MEAN_RGB = [120.0, 110.0, 100.0]
NAMES = ("other", "wall", "sky", "tree")
PHOTOS = np.random.default_rng(5).integers(0, 256, (2, 33, 47, 3)).astype(np.uint8)
CASES = [*((net, {}) for net in DEFINITIONS), ("fcn8s", {"learn_upsampling": True}), ("fcn8s", {"alignment": "pad100"}),
         ("fcn16s", {"alignment": "pad100", "learn_upsampling": True}), ("fcn8s_shekkizh", {"alignment": "pad100"})]
# Scores of random weights are of one size in these nets only if the scaled pools get them back.
GAINS = {"fcn8s_atonce": {"score_pool4": 100, "score_pool3": 10_000}}


def make(folder, net="fcn8s", variant=None, ignored=(0,), precision="float32", size=(40, 56), crop=None):
    """A run's folder with one checkpoint of random weights, at step 3; {variable: array}."""
    with fresh() as session:
        arguments = {"net": net, "num_classes": len(NAMES), "ignored_ids": list(ignored), "channels": THIN,
                     "mean_rgb": MEAN_RGB, "choices": variant or {}, "loss": "cross_entropy", "reduction": "mean",
                     "class_weights": None, "precision": precision}
        graph_builder.of_run(arguments)
        start(session)
        arrays = randomise(session, seed=7, gains=GAINS.get(net))  # a seed with which every class is the best somewhere
        checkpoint.Store(folder / "checkpoints").save(session, {"step": 3, "score": None, "window": []})
    record.write_record(folder, {"config": {"size": size, "crop_size": crop}, "model": arguments,
                                 "spec": record.spec_to_dict(DatasetSpec(NAMES, tuple(ignored)))})
    return arrays


def by_hand(net, variant, arrays, photos):
    """Logits float64 (N, H, W, C) by the definition in nets_help."""
    options = DEFINITIONS[net] | ({"pad100": True} if variant.get("alignment") == "pad100" else {})
    return np.stack([nets_help.forward(photo - np.array(MEAN_RGB), arrays, **options)[0] for photo in photos])


def main(run, to):
    return export.main(["--run", str(run), "--to", str(to)])


def near(found, expected):
    return np.abs(found - expected).max() <= 1e-4 * np.ptp(expected)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(folder of a run of fcn8s that ignores class 0, its logits on PHOTOS by hand)."""
    folder = tmp_path_factory.mktemp("export") / "run"
    arrays = make(folder)
    logits = by_hand("fcn8s", {}, arrays, PHOTOS)
    assert (logits.argmax(axis=3) == 0).any()  # the ignored class would be predicted, were it not barred
    return folder, logits


def checked(run, path, suffix, photos, expected):
    """Export without main()'s own check, and compare with logits by hand."""
    chosen = checkpoint_choice.choose(run)
    form = registry.load("export_formats", suffix)
    form.write(path, chosen.path, chosen.content["model"])
    (logits, prediction), = form.outputs(path, [photos])
    assert near(logits, expected)
    assert (prediction == 1 + expected[..., 1:].argmax(axis=3)).mean() > 0.999


@pytest.mark.slow
@pytest.mark.parametrize(("net", "variant"), CASES)
def test_every_exported_net_matches_numpy(tmp_path, net, variant):
    expected = by_hand(net, variant, make(tmp_path / "run", net, variant), PHOTOS)
    for suffix in ("savedmodel", "pb", "tflite"):
        checked(tmp_path / "run", tmp_path / f"net.{suffix}", suffix, PHOTOS, expected)
    assert b"Flex" not in (tmp_path / "net.tflite").read_bytes()  # what an operator of TensorFlow's is called there


@pytest.mark.slow
@pytest.mark.parametrize(("net", "variant"), [("fcn8s_atonce", {}), ("fcn8s_shekkizh", {}),
                                              ("fcn16s", {"alignment": "pad100", "learn_upsampling": True})])
def test_every_decoder_in_onnxruntime_matches_numpy(tmp_path, net, variant):
    pytest.importorskip("tf2onnx")
    pytest.importorskip("onnxruntime")
    arrays = make(tmp_path / "run", net, variant)
    expected = by_hand(net, variant, arrays, PHOTOS)
    checked(tmp_path / "run", tmp_path / "net.onnx", "onnx", PHOTOS, expected)
    import onnx as package
    graph = package.load(tmp_path / "net.onnx").graph
    weights = {item.name for item in graph.initializer if item.name.endswith(("/kernel", "/bias"))}
    assert [item.name for item in graph.input] == ["images"]
    assert weights == {name for name in arrays if net != "fcn8s_shekkizh" or not name.startswith("conv5_4")}
    assert not [node.name for node in graph.node if node.op_type == "Transpose" and set(node.input) & weights]


@pytest.mark.slow
def test_documented_lines_run_without_this_project(run, tmp_path):
    folder, logits = run
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "docs/export.md").read_text(), re.DOTALL)
    blocks = {name: block for block in examples for name in ("ade.pb", "ade.tflite", "ade.onnx", "ade") if
              f'"{name}"' in block}
    assert len(blocks) == 4
    try:
        import onnxruntime  # noqa: F401
        import tf2onnx  # noqa: F401
    except ImportError:
        del blocks["ade.onnx"]
    lines = ["import numpy as np", "photos, found = np.load('photos.npy'), {}"]
    for name, block in blocks.items():
        main(folder, tmp_path / name)
        lines += [block, f"found[{name!r}] = prediction"]
    np.save(tmp_path / "photos.npy", PHOTOS)
    script = "\n".join([*lines, "np.savez('found.npz', probabilities=probabilities, **found)"])
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    with np.load(tmp_path / "found.npz") as found:
        assert found["probabilities"].dtype == np.float32
        powers = np.exp(logits[..., 1:] - logits[..., 1:].max(axis=3, keepdims=True))
        assert not found["probabilities"][..., 0].any()  # that of the ignored class
        expected = powers / powers.sum(axis=3, keepdims=True)
        np.testing.assert_allclose(found["probabilities"][..., 1:], expected, atol=1e-3)
        for name in blocks:
            assert found[name].dtype == np.uint8
            assert (found[name] == 1 + logits[..., 1:].argmax(axis=3)).mean() > 0.999, name


@pytest.mark.slow
def test_exported_graph_has_no_dropout_and_no_training(run, tmp_path):
    main(run[0], tmp_path / "net.pb")
    main(run[0], tmp_path / "net")
    frozen = tf.GraphDef.FromString((tmp_path / "net.pb").read_bytes())
    with fresh() as session:
        saved = tf.saved_model.load(session, savedmodel.TAGS, str(tmp_path / "net")).graph_def
    assert {node.name for node in frozen.node if node.op == "Placeholder"} == {"images"}
    for graph in (frozen, saved):
        operations = {node.op for node in graph.node}
        assert not [name for name in operations if re.search("Grad|Backprop(Filter|Input$)|Apply|RandomUniform", name)
                    and name != "Conv2DBackpropInput"]  # a transposed convolution is one
    variables = {f"{name}/{part}" for name in (*THIN, "score_fr", "score_pool4", "score_pool3")
                 for part in ("kernel", "bias")}
    constants = {node.name: node.ByteSize() for node in frozen.node if node.op == "Const"}
    assert variables <= constants.keys()
    assert max(size for name, size in constants.items() if name not in variables) < 2000


def test_dropout_without_probability_adds_no_node():
    with fresh() as session:
        x = tf.zeros((1, 2, 2, 1))
        before = len(session.graph.get_operations())
        assert layers.dropout(x, None, None) is x
        assert len(session.graph.get_operations()) == before


@pytest.mark.slow
def test_a_run_in_bfloat16_is_exported_in_float32(tmp_path):
    arrays = make(tmp_path / "run", precision="bfloat16")
    main(tmp_path / "run", tmp_path / "net.pb")
    (logits, _), = pb.outputs(tmp_path / "net.pb", [PHOTOS[:1]])
    assert near(logits, by_hand("fcn8s", {}, arrays, PHOTOS[:1]))
    assert json.loads((tmp_path / "net.pb.json").read_text())["trained_precision"] == "bfloat16"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "note"), [("net.pb", "net.pb.json"), ("net.savedmodel",
                                                                        "net.savedmodel/assets.extra/fcn.json")])
def test_usage_notes_are_written_beside_the_net(run, tmp_path, capsys, name, note):
    main(run[0] / "checkpoints/step-000003", tmp_path / name)
    said = capsys.readouterr().out
    assert str(tmp_path / note) in said and "1 x 97 x 75 and 2 x 64 x 96 px" in said and "100.00% of the" in said
    facts = json.loads((tmp_path / note).read_text())
    assert (facts["class_names"], facts["ignored_ids"], facts["never_predicted"]) == (list(NAMES), [0], [0])
    assert facts["colours"][0] == [0, 0, 0] and len(facts["colours"]) == 4
    assert (facts["trained_size_px"], facts["trained_crop_px"], facts["step"]) == ([40, 56], None, 3)
    assert facts["mean_rgb"] == MEAN_RGB and facts["verified"]["equal_predictions"] == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted({name, note.split("/")[0]})


@pytest.mark.slow
def test_ignored_id_beyond_the_classes_excludes_no_channel(tmp_path):
    make(tmp_path / "run", ignored=(255,), size=None, crop=(33, 47))
    main(tmp_path / "run", tmp_path / "net.pb")
    facts = json.loads((tmp_path / "net.pb.json").read_text())
    assert (facts["ignored_ids"], facts["never_predicted"]) == ([255], [])
    assert (facts["trained_size_px"], facts["trained_crop_px"]) == (None, [33, 47])


# Two classes that may be predicted and one that may not: logits (0, 1, 9) and (0, 8, 9), the spread is 9.
LOGITS = np.array([[[[0, 1, 9], [0, 8, 9]]]], np.float32)
ANSWER = LOGITS, np.array([[[1, 1]]], np.uint8)


def test_file_with_equal_outputs_passes_the_check():
    assert _check.compare([ANSWER], [ANSWER], (2,)) == {"largest_difference": 0, "equal_predictions": 1}
    nudged = LOGITS + np.float32([0, 0, 9e-5 * 9])
    found = _check.compare([ANSWER, ANSWER], [ANSWER, (nudged, ANSWER[1])], (2,))
    assert found["largest_difference"] == pytest.approx(9e-5, rel=0.02) and found["equal_predictions"] == 1


@pytest.mark.parametrize(("answer", "said"), [
    ((LOGITS + np.float32([0, 0, 11e-5 * 9]), ANSWER[1]), "by 0.00011 of their range"),
    ((LOGITS * np.float32([1, np.nan, 1]), ANSWER[1]), "by nan of their range"),
    ((LOGITS, np.array([[[1, 0]]], np.uint8)), "a class that is not the argmax of its logits on 50.00% of the pixels"),
    ((LOGITS, np.array([[[1, 2]]], np.uint8)), "not the argmax"),  # the best logit, which is barred
    ((LOGITS, np.array([[[1, 1]]], np.int64)), "int64"),
    ((LOGITS[:, :, :1], ANSWER[1]), r"outputs float32 \(1, 1, 1, 3\)"),
])
def test_file_with_other_outputs_is_refused(answer, said):
    with pytest.raises(errors.WeightsError, match=said):
        _check.compare([ANSWER], [answer], (2,))


def test_classes_with_equal_scores_may_be_swapped():
    tied = np.array([[[[1, 1 + 1e-5, -9], [1, 5, -9]]]], np.float32)
    one, other = np.array([[[1, 1]]], np.uint8), np.array([[[0, 1]]], np.uint8)
    assert _check.compare([(tied, one)], [(tied, other)], (2,))["equal_predictions"] == 0.5


def test_tie_with_an_ignored_class_allows_no_other_prediction():
    logits = np.array([[[[0, 9, 9]]]], np.float32)
    with pytest.raises(errors.WeightsError, match="not the argmax"):
        _check.compare([(logits, np.uint8([[[1]]]))], [(logits, np.uint8([[[0]]]))], (2,))


def test_check_images_have_two_sizes_one_odd_and_vary():
    one, two = _check.images()
    assert (one.shape, two.shape, one.dtype) == ((1, 97, 75, 3), (2, 64, 96, 3), np.uint8)
    assert all(batch.std() > 50 for batch in (one, two)) and (two[0] != two[1]).any()


@pytest.mark.slow
@pytest.mark.parametrize(("form", "name"), [(pb, "net.pb"), (savedmodel, "net")], ids=["file", "folder"])
def test_file_that_differs_from_the_checkpoint_is_removed(run, tmp_path, monkeypatch, form, name):
    sound = form.outputs
    monkeypatch.setattr(form, "outputs", lambda *given: [(logits + 1, ids) for logits, ids in sound(*given)])
    with pytest.raises(errors.WeightsError, match=r"logits that differ .* of their range"):
        main(run[0], tmp_path / name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_leftovers_of_a_killed_export_are_removed(run, tmp_path):
    left = ownership.temporary_path(tmp_path / "net")
    (left / "net").mkdir(parents=True)
    (left / "net/saved_model.pb").write_text("half of it")
    main(run[0], tmp_path / "net")
    assert [path.name for path in tmp_path.iterdir()] == ["net"]


@pytest.mark.slow
def test_full_disk_is_reported_and_leaves_nothing(run, tmp_path, monkeypatch):
    def full(self):
        raise tf_errors.ResourceExhaustedError(None, None, "no space left on device")
    monkeypatch.setattr(tf.saved_model.Builder, "save", full)
    with pytest.raises(errors.MachineError, match=r"(?s)SavedModel could not be written.*no space left"):
        main(run[0], tmp_path / "net")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_damaged_checkpoint_is_reported_and_nothing_written(tmp_path):
    make(tmp_path / "run")
    data = next((tmp_path / "run/checkpoints/step-000003").glob("model.data*"))
    data.write_bytes(data.read_bytes()[:-1])
    with pytest.raises(errors.WeightsError, match="is damaged"):
        main(tmp_path / "run", tmp_path / "net.pb")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["npz", "mat"])
def test_weights_only_formats_need_a_published_net(tmp_path, suffix):
    make(tmp_path / "run", "fcn8s_shekkizh")
    with pytest.raises(errors.UsageError, match="fuses features"):
        main(tmp_path / "run", tmp_path / f"net.{suffix}")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["npz", "mat"])
def test_weights_file_is_checked_by_running_its_net(run, tmp_path, suffix):
    folder, logits = run
    main(folder, tmp_path / f"net.{suffix}")
    (found, prediction), = registry.load("export_formats", suffix).outputs(tmp_path / f"net.{suffix}", [PHOTOS])
    assert near(found, logits) and prediction.min() == 1


@pytest.mark.slow
def test_net_with_a_fourth_score_is_a_file_of_its_own(tmp_path):
    expected = by_hand("fcn4s", {}, make(tmp_path / "run", "fcn4s"), PHOTOS)
    main(tmp_path / "run", tmp_path / "net.npz")
    (found, _), = registry.load("export_formats", "npz").outputs(tmp_path / "net.npz", [PHOTOS])
    assert near(found, expected)
    with pytest.raises(errors.UsageError, match=r"fcn4s is not a published FCN.*\.mat"):
        main(tmp_path / "run", tmp_path / "net.mat")


@pytest.mark.slow
def test_onnx_without_its_packages_is_reported_with_the_fix(run, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(errors.MachineError, match=r"(?s)tf2onnx and onnxruntime: not installed.*\[onnx\]"):
        main(run[0], tmp_path / "net.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", registry.names("export_formats"))
def test_export_format_has_write_outputs_and_a_description(name):
    form = registry.load("export_formats", name)
    assert form.write.__code__.co_varnames[:3] == ("path", "checkpoint", "model")
    assert form.outputs.__code__.co_varnames[:2] == ("path", "batches")
    assert form.__doc__


def test_probabilities_that_do_not_match_the_logits_are_refused():
    logits = np.random.default_rng(0).normal(size=(1, 4, 5, 3)).astype(np.float32)
    logits[..., 0] += 9  # barred below
    shares = np.exp(logits) * [0, 1, 1]
    shares = (shares / shares.sum(axis=3, keepdims=True)).astype(np.float32)
    prediction = (logits[..., 1:].argmax(axis=3) + 1).astype(np.uint8)
    _check.probabilities(logits, prediction, shares)
    for wrong in (np.full_like(shares, 7), shares[..., [0, 2, 1]], shares * 0.99):
        with pytest.raises(errors.WeightsError, match="not the softmax of its logits"):
            _check.probabilities(logits, prediction, wrong)
