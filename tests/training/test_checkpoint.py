"""Checkpoints that survive damage, a full disk and an end in the middle; layers out of them."""

import contextlib
import functools
import hashlib
import json
import os
import shutil

import numpy as np
import pytest
from nets_help import fresh, put, start, values

from fcn.core import errors, ownership
from fcn.models.tf_compat import tf, tf_errors
from fcn.runs import checkpoint_files
from fcn.training import checkpoint
from fcn.weights import checkpoint_reader
from fcn.weights.formats import _weights


class Run:
    """A session with two small layers, their Adam slots and a Store."""

    def __init__(self, session, folder):
        self.session, self.store = session, checkpoint.Store(folder)

    def __call__(self, step, score=None, **more):
        """Make every variable tell the step, and save."""
        put(self.session, {v.op.name: np.full(v.shape, step) for v in tf.global_variables()})
        return self.store.save(self.session, {"step": step, "score": score, "window": [[2.5, 10.0]], **more})

    def restored(self):
        """(state, what all variables hold, the lines said) of a fresh start."""
        start(self.session)
        said = []
        state = self.store.restore_latest(self.session, said.append)
        held = {float(v) for array in values().values() for v in np.ravel(array)}
        return state, held.pop() if len(held) == 1 else None, said


@pytest.fixture
def run(tmp_path):
    with fresh() as session:
        total = 0.0
        for name in ("a", "b"):
            kernel = tf.get_variable(f"{name}/kernel", (3, 3, 2, 4), initializer=tf.ones_initializer())
            bias = tf.get_variable(f"{name}/bias", (4,), initializer=tf.zeros_initializer())
            total += tf.reduce_sum(kernel) + tf.reduce_sum(bias)
        tf.train.AdamOptimizer(0.1).minimize(total)
        start(session)
        yield Run(session, tmp_path / "checkpoints")


def steps(run):
    return sorted(path.name for path in run.store.folder.iterdir())


def test_variables_and_optimizer_slots_are_restored_exactly(run):
    rng = np.random.default_rng(0)
    put(run.session, {v.op.name: rng.normal(size=v.shape) for v in tf.global_variables()})
    before = values()
    assert len(before) == 4 * 3 + 2  # weights, two slots each, two powers of Adam's
    path = run.store.save(run.session, {"step": 7, "score": 0.25, "window": [[2.5, 10.0]]})
    start(run.session)
    state = run.store.restore_latest(run.session, print)
    for name, value in values().items():
        np.testing.assert_array_equal(value, before[name], err_msg=name)
    files = state.pop("files")
    assert state == {"step": 7, "score": 0.25, "window": [[2.5, 10.0]], "fingerprints": None}
    assert path.name == "step-000007"
    content = {file.name: file.read_bytes() for file in path.iterdir() if file.name != "state.json"}
    assert files == {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
                     for name, data in content.items()}
    assert set(files) == {"model.index", "model.data-00000-of-00001"}


def test_state_checksum_covers_its_keys_in_order(tmp_path):
    checkpoint_files.write_state(tmp_path, {"step": 7, "a": [1, 2.5]})
    kept = json.loads((tmp_path / "state.json").read_text())
    assert kept == {"step": 7, "a": [1, 2.5],
                    "sha256": hashlib.sha256(b'{"a": [1, 2.5], "step": 7}').hexdigest()}


def test_same_step_gets_a_new_state_and_keeps_files(run):
    path = run(3)
    before = {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in path.iterdir()}
    run.store.save(run.session, {"step": 3, "score": 0.5})
    after = {file.name: (file.stat().st_ino, file.stat().st_mtime_ns) for file in path.iterdir()}
    assert {name for name in before if before[name] != after[name]} == {"state.json"}
    assert checkpoint_files.verify(path)["score"] == 0.5


def test_same_step_of_another_start_is_rewritten(run):
    run(3)
    run.store = checkpoint.Store(run.store.folder)  # it has not read what lies there: that may be damaged
    truncate(run.store.folder / "step-000003")
    assert checkpoint_files.verify(run(3, 0.5))["score"] == 0.5


def test_checkpoint_of_another_run_is_not_used(run):
    run(1)
    run.store.fingerprints = {"settings": "others"}
    run(2)
    run.store.fingerprints = None
    state, held, said = run.restored()
    assert (state["step"], held) == (1, 1)
    assert "step-000002: belongs to another run" in said[0]


def test_weights_alone_can_be_read_for_evaluation(run):
    path = run(5)
    with fresh() as session:
        kernel = tf.get_variable("a/kernel", (3, 3, 2, 4))
        checkpoint_reader.restore(session, path)
        assert (session.run(kernel) == 5).all()


def test_checkpoint_of_another_net_is_refused_with_its_path(run):
    path = run(5)
    with fresh() as session:
        tf.get_variable("c/kernel", (3,))
        with pytest.raises(errors.WeightsError, match="step-000005: has no variable c/kernel"):
            checkpoint_reader.restore(session, path)


def test_a_checkpoint_of_other_widths_is_refused(run):
    path = run(5)
    with fresh() as session:
        tf.get_variable("a/kernel", (3, 3, 2, 5))
        with pytest.raises(errors.WeightsError, match="step-000005"):
            checkpoint_reader.restore(session, path)


def test_no_checkpoint_means_nothing_to_resume(run):
    assert run.restored() == (None, None, [])
    assert checkpoint_files.best([]) == (None, None)


def test_newest_checkpoint_is_chosen_by_step_not_time(run):
    run(900)
    os.utime(run(1000000), (1, 1))
    state, held, said = run.restored()
    assert (state["step"], held, said) == (1000000, 1000000, [])


def truncate(path):
    data = path / "model.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:-20])


def flip_a_bit(path, name="model.data-00000-of-00001", at=0.5):
    content = bytearray((path / name).read_bytes())
    content[int(at * (len(content) - 1))] ^= 1
    (path / name).write_bytes(content)


def pad(path):
    data = path / "model.data-00000-of-00001"
    data.write_bytes(data.read_bytes() + bytes(4096))


def lengthen_the_score(path):
    """Another number, and all the same JSON."""
    state = path / "state.json"
    text = state.read_text()
    assert text.count('"score": 0.25') == 1
    state.write_text(text.replace('"score": 0.25', '"score": 0.26'))


DAMAGE = {
    "a cut data file": truncate,
    "zeros behind the data": pad,
    "a flipped bit": flip_a_bit,
    # TensorFlow itself reads an index with some bits flipped and gives equal values, or other ones
    **{f"a flipped bit in the index at {at}": functools.partial(flip_a_bit, name="model.index", at=at)
       for at in (0.0, 0.2, 0.5, 0.8, 1.0)},
    "no data file": lambda path: (path / "model.data-00000-of-00001").unlink(),
    "no index": lambda path: (path / "model.index").unlink(),
    "an empty index": lambda path: (path / "model.index").write_bytes(b""),
}


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_damaged_newest_checkpoint_falls_back_to_the_previous(run, damage):
    run(1)
    damage(run(2))
    state, held, said = run.restored()
    assert (state["step"], held) == (1, 1)
    assert len(said) == 1
    assert "damaged" in said[0]
    assert "step-000002" in said[0]


def test_changed_digit_of_a_state_is_detected(run):
    run(1)
    lengthen_the_score(run(2, 0.25))
    state, _, said = run.restored()
    assert state["step"] == 1
    assert "step-000002" in said[0]
    assert "the checksum of state.json does not match" in said[0]


def test_every_flipped_byte_of_a_state_is_noticed_or_harmless(run):
    path = run(2, 0.25)
    file, state = path / "state.json", checkpoint_files.verify(path)
    content = file.read_bytes()
    for at, byte in enumerate(content):
        file.write_bytes(content[:at] + bytes([byte ^ 1 << at % 8]) + content[at + 1:])
        with contextlib.suppress(errors.WeightsError):
            assert checkpoint_files.verify(path) == state  # a space may become another one


def test_wrong_list_of_checkpoints_is_ignored(run):
    run(1)
    path = run(2)
    for folder in (run.store.folder, path):
        (folder / "checkpoint").write_text('model_checkpoint_path: "/elsewhere/model"\n')
    state, held, said = run.restored()
    assert (state["step"], held, said) == (2, 2, [])


STATES = {"none": None, "torn": '{"step": 2, "sco', "zeros": "\0" * 40, "a null": "null", "empty": "{}", "a list": "[]"}


@pytest.mark.slow
@pytest.mark.parametrize("text", STATES.values(), ids=STATES)
def test_checkpoint_with_a_damaged_state_is_not_used_and_removed(run, text):
    run(1)
    state_file = run(2) / "state.json"
    state_file.unlink() if text is None else state_file.write_text(text)
    state, held, _ = run.restored()
    assert (state["step"], held) == (1, 1)
    with pytest.raises(errors.WeightsError, match="step-000002: is not a checkpoint folder"):
        run.store.restore(run.session, state_file.parent)
    run(3)
    assert steps(run) == ["step-000001", "step-000003"]


def test_checkpoint_with_a_damaged_state_is_named(run):
    run(1)
    (run(2) / "state.json").write_text('{"step": 2, "sco')
    assert "step-000002" in run.restored()[2][0]


def test_run_with_only_damaged_checkpoints_does_not_start_anew(run):
    for step in (1, 2):
        truncate(run(step))
    with pytest.raises(errors.WeightsError, match="none of the checkpoints can be read"):
        run.restored()


def test_run_with_only_damaged_states_does_not_start_anew(run):
    (run(1) / "state.json").write_text("")
    with pytest.raises(errors.WeightsError):
        run.restored()


@pytest.mark.slow
def test_unfinished_checkpoint_is_never_used_and_removed_later(run):
    unfinished = ownership.temporary_path(run(1).with_name("step-000009"))
    shutil.copytree(run.store.folder / "step-000001", unfinished)
    assert [path.name for path, _ in checkpoint_files.listed(run.store.folder)] == ["step-000001"]
    assert run.restored()[0]["step"] == 1
    run(2)
    assert steps(run) == ["step-000001", "step-000002"]


def test_newest_two_and_the_best_checkpoint_are_kept(run):
    for step, score in ((1, 0.3), (2, 0.5), (3, 0.4), (4, None), (5, 0.45)):
        run(step, score)
    assert steps(run) == ["step-000002", "step-000004", "step-000005"]
    path, state = checkpoint_files.best(checkpoint_files.listed(run.store.folder))
    assert (path.name, state["score"]) == ("step-000002", 0.5)
    run(6, 0.6)
    assert steps(run) == ["step-000005", "step-000006"]
    run.store.keep = 3
    for step in (7, 8):
        run(step, 0.1)
    assert steps(run) == ["step-000006", "step-000007", "step-000008"]
    run(9, 0.1)
    assert steps(run) == ["step-000006", "step-000007", "step-000008", "step-000009"]


def test_checkpoints_of_stops_are_removed_before_regular_ones(run):
    for step, scheduled in ((3, True), (6, True), (7, False), (8, False)):
        run(step, scheduled=scheduled)
    assert steps(run) == ["step-000006", "step-000008"]
    run(9, scheduled=True)
    assert steps(run) == ["step-000006", "step-000009"]


def test_best_of_equal_scores_is_the_first():
    assert checkpoint_files.best([("b", {"score": 0.5, "step": 2}), ("a", {"score": 0.5, "step": 1})])[0] == "a"
    assert checkpoint_files.best([("b", {"score": 0.0, "step": 3}), ("a", {"score": None, "step": 2}),
                                  ("c", {"step": 1})])[0] == "b"
    assert checkpoint_files.best([("b", {"score": None, "step": 1})]) == (None, None)


def test_same_step_can_be_rewritten(run):
    run(3)
    run(3, 0.7)
    assert steps(run) == ["step-000003"]
    assert run.restored()[0]["score"] == 0.7


def test_newly_written_checkpoint_is_kept_despite_later_steps(run):
    run(5, 0.5)  # the best, so it is still there
    for step in (10, 20):
        truncate(run(step))
    assert run.restored()[0]["step"] == 5
    assert run(7).exists()
    assert run.restored()[0]["step"] == 7


def problem(*_, **__):
    raise tf_errors.ResourceExhaustedError(None, None, "model.data: No space left on device\nand a stack")


def problem_in_a_graph(*_, **__):
    """As TensorFlow 2.21 words what went wrong in a session."""
    raise tf_errors.ResourceExhaustedError(None, None, (
        "Graph execution error:\n\nDetected at node 'save/SaveV2' defined at (most recent call last):\n"
        "    File \"a.py\", line 9, in <module>\nNode: 'save/SaveV2'\n"
        "model.data.tempstate1; No space left on device\n\t [[{{node save/SaveV2}}]]\nHint: and a stack"))


def half_a_save(session, prefix, **_):
    with open(prefix + ".data-00000-of-00001.tempstate1", "wb") as file:  # noqa: PTH123
        file.write(b"half")
    raise OSError(28, "No space left on device")


@pytest.mark.slow
@pytest.mark.parametrize("failing", [problem, problem_in_a_graph, half_a_save])
def test_full_disk_is_a_machine_error_and_keeps_checkpoints(run, monkeypatch, failing):
    run(1)
    run(2)
    run.store = checkpoint.Store(run.store.folder)  # as of another start, which comes to step 2 again
    with monkeypatch.context() as patch:
        patch.setattr(run.store._saver, "save", failing)
        with pytest.raises(errors.MachineError, match="No space left on device") as caught:
            run(2, 0.5)  # not even that one is lost
        assert "and a stack" not in str(caught.value)
        assert str(caught.value).count("\n") == 2  # what and where, why, fix
        assert caught.value.exit_code == 5
        with pytest.raises(errors.MachineError):
            run(3)
    assert steps(run) == ["step-000001", "step-000002"]
    assert run.restored()[1] == 2


def test_save_without_disk_space_is_not_started(run, monkeypatch):
    run(1)
    needed = 4 * (3 * 2 * (3 * 3 * 2 * 4 + 4) + 2) + 1_000_000  # two layers and two slots each, two powers of Adam's
    room = [needed - 1]
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: shutil._ntuple_diskusage(10**9, 0, room[0]))
    with pytest.raises(errors.MachineError, match=r"this needs 1 MB, the disk has 1 MB free\n.*are intact") as caught:
        run(2)
    assert caught.value.exit_code == 5
    assert steps(run) == ["step-000001"]
    room[0] = needed
    assert run(2).exists()


def test_values_are_loaded_by_name_and_not_stored_in_the_graph(run):
    before = len(tf.get_default_graph().as_graph_def().node)
    checkpoint_reader.put(run.session, {"a/kernel": np.full((3, 3, 2, 4), 2.0), "a/bias": np.full(4, 3.0),
                                        "c/bias": 1.0})
    held = values()
    assert (held["a/kernel"] == 2).all()
    assert (held["a/bias"] == 3).all()
    assert (held["b/kernel"] == 1).all()
    assert len(tf.get_default_graph().as_graph_def().node) == before


def test_variables_are_read_without_a_graph_and_without_slots(run):
    rng = np.random.default_rng(0)
    put(run.session, {v.op.name: rng.normal(size=v.shape) for v in tf.global_variables()})
    before = values()
    found = checkpoint_reader.read_variables(run.store.save(run.session, {"step": 7}))
    assert list(found) == ["a/bias", "a/kernel", "b/bias", "b/kernel"]
    for name, array in found.items():
        np.testing.assert_array_equal(array, before[name])


def test_variables_are_grouped_by_layer_into_kernels_and_others():
    names = ("up/kernel", "stem/bias", "stem/kernel", "norm/gamma", "norm/moving_mean", "shift/bias")
    arrays = {name: np.full((1, 1, 1, 1), number) for number, name in enumerate(names)}
    layers, others = _weights.by_layer(arrays)
    assert layers == {"stem": (arrays["stem/kernel"], arrays["stem/bias"]), "up": (arrays["up/kernel"], None)}
    assert list(others) == ["norm/gamma", "norm/moving_mean", "shift/bias"]


@pytest.mark.slow
@pytest.mark.parametrize("damage", list(DAMAGE.values()), ids=DAMAGE)
def test_variables_of_a_damaged_checkpoint_are_an_error(tmp_path, damage):
    with fresh() as session:  # without slots, so that the damage is in the layer
        tf.get_variable("a/kernel", (4, 4, 2, 2), initializer=tf.ones_initializer())
        start(session)
        path = checkpoint.Store(tmp_path).save(session, {"step": 1})
    damage(path)
    with pytest.raises(errors.WeightsError, match="step-000001: is damaged"):
        checkpoint_reader.read_variables(path)
    with fresh() as session:
        tf.get_variable("a/kernel", (4, 4, 2, 2))
        with pytest.raises(errors.WeightsError, match="step-000001: is damaged"):
            checkpoint_reader.restore(session, path)
