"""Which workers the environment describes, and what is wrong with it."""

import json

import pytest

from fcn.config.training_config import Config
from fcn.core import errors
from fcn.distributed import cluster, joining

TWO = {"worker": ["a:1", "b:2"]}


def of(hosts, role="worker", index=0):
    return cluster.find({"TF_CONFIG": json.dumps({"cluster": hosts, "task": {"type": role, "index": index}})})


def test_without_variables_a_process_works_alone():
    assert cluster.find({}) is None and cluster.find({"TF_CONFIG": " "}) is None
    assert of({"worker": ["a:1"]}) is None and cluster.find({"SLURM_STEP_NUM_TASKS": "1"}) is None


def test_workers_are_numbered_in_the_order_of_tf_config():
    found = of(TWO, index=1)
    assert (found.workers, found.index, found.count, found.name(1)) == (("a:1", "b:2"), 1, 2, "worker 1 (b:2)")


def test_a_chief_is_number_0():
    hosts = {"worker": ["a:1", "b:2"], "chief": ["c:3"]}
    assert [of(hosts, *who).index for who in (("chief", 0), ("worker", 0), ("worker", 1))] == [0, 1, 2]
    assert of(hosts, "chief").workers == ("c:3", "a:1", "b:2")


def test_an_evaluator_in_the_cluster_is_no_worker():
    assert of({**TWO, "evaluator": ["c:3"]}).workers == ("a:1", "b:2")


@pytest.mark.parametrize(("text", "named"), [
    ("{", "JSONDecodeError"), ("[]", "TypeError"), ('{"cluster": {}}', "KeyError"),
    (json.dumps({"cluster": TWO, "task": {"type": "worker", "index": 2}}), "worker 2, and the cluster has 2"),
    (json.dumps({"cluster": TWO, "task": {"type": "chief", "index": 0}}), "chief 0, and the cluster has 0"),
    (json.dumps({"cluster": {**TWO, "ps": ["c:3"]}, "task": {"type": "worker", "index": 0}}), "role 'ps'"),
    (json.dumps({"cluster": TWO, "task": {"type": "evaluator", "index": 0}}), "role 'evaluator'"),
    (json.dumps({"cluster": {"worker": ["a:1", "a:1"]}, "task": {"type": "worker", "index": 0}}), "'a:1' occurs twice"),
    (json.dumps({"cluster": {"worker": ["a", "b:1"]}, "task": {"type": "worker", "index": 0}}), "HOST:PORT"),
], ids=["not JSON", "a list", "no task", "number", "no chief", "parameter server", "evaluator", "twice", "no port"])
def test_invalid_tf_config_is_refused_with_what_was_found(text, named):
    with pytest.raises(errors.UsageError, match="TF_CONFIG does not describe a cluster") as raised:
        cluster.find({"TF_CONFIG": text})
    assert named in str(raised.value) and text[:50] in str(raised.value)


def slurm(**changed):
    return {"SLURM_STEP_NUM_TASKS": "3", "SLURM_STEP_NODELIST": "n[2,10]", "SLURM_STEP_TASKS_PER_NODE": "2,1",
            "SLURM_PROCID": "2", "SLURM_LOCALID": "0"} | changed


@pytest.mark.slow
def test_slurms_processes_are_numbered_host_by_host_in_its_order():
    found = cluster.find(slurm())
    assert found.workers == ("n2:18888", "n2:18889", "n10:18888") and found.index == 2


@pytest.mark.slow
@pytest.mark.parametrize(("changed", "named"), [
    ({"SLURM_PROCID": "1", "SLURM_LOCALID": "0"}, "not numbered host by host"),
    ({"SLURM_STEP_TASKS_PER_NODE": "1(x2)"}, "process 2 of 3, and 2 on these hosts"),
    ({"SLURM_PROCID": "x"}, "invalid literal")], ids=["cyclic", "count", "number"])
def test_slurm_variables_that_contradict_each_other_are_refused(changed, named):
    with pytest.raises(errors.UsageError, match="Slurm's variables") as raised:
        cluster.find(slurm(**changed))
    assert named in str(raised.value)


@pytest.mark.parametrize(("batch", "batches", "count", "fix"), [
    (4, 1, 2, "--batch 2 --batches-per-step 2 has the same images"),
    (2, 3, 2, "--batch 3 --batches-per-step 2 has the same images"),
    (1, 1, 2, "another --learning-rate")])
def test_batches_that_cannot_be_divided_are_refused(batch, batches, count, fix):
    with pytest.raises(errors.UsageError, match=f"cannot be divided among {count} workers") as raised:
        joining.check_batches(Config(batch=batch, batches_per_step=batches), count)
    assert fix in raised.value.fix


def test_any_number_of_workers_that_divides_the_batches_is_right():
    for count in (1, 2, 3, 6):
        joining.check_batches(Config(batch=1, batches_per_step=6), count)


def test_synchronised_float16_needs_one_batch_per_worker():
    settings = Config(batch=1, batches_per_step=4, precision="float16", sync_batch_norm=True)
    joining.check_batches(settings, 4)
    with pytest.raises(errors.UsageError, match="one batch per worker") as raised:
        joining.check_batches(settings, 2)
    assert "--batch 2 --batches-per-step 2" in raised.value.fix


@pytest.mark.parametrize("given", ["0", "-1", "1.5", "soon"])
def test_invalid_timeout_is_refused(monkeypatch, given):
    monkeypatch.setenv(joining.TIMEOUT, given)
    with pytest.raises(errors.UsageError, match=joining.TIMEOUT):
        joining.join(cluster.Cluster(("a:1", "b:2"), 0))
