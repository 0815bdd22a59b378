"""Several processes train as a single one: the same weights after 30 steps, and bit by bit the same on all workers."""

import numpy as np
import pytest
import steps_help
from cluster_help import HERE, finish, start

# optimizer:batches of a step:loss:norm. Batches have 0 to 60 labelled pixels; clipping, decay and averages are on.
CASES = ("momentum:6:cross_entropy:", "adam:6:cross_entropy:", "momentum:2:cross_entropy:",
         "adam:6:cross_entropy+dice:", "momentum:6:cross_entropy:norm", "momentum:6:cross_entropy:scaled")
SYNC = "momentum:6:cross_entropy:sync"


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 3])
def test_workers_train_as_a_single_process(tmp_path, count):
    cases = [*(case for case in CASES if int(case.split(":")[1]) % count == 0), SYNC]
    processes = start(count, lambda number: [HERE / "steps_help.py", tmp_path / f"{number}.npz", " ".join(cases)])
    finish(processes)
    found = [dict(np.load(tmp_path / f"{number}.npz")) for number in range(count)]
    for other in found[1:]:
        assert other.keys() == found[0].keys()
        for name, value in found[0].items():
            np.testing.assert_array_equal(other[name], value, err_msg=name)
    for case in cases:
        optimizer, batches, loss, norm = case.split(":")
        joined = count if norm == "sync" else 1
        alone = steps_help.trained(optimizer, int(batches) // joined, loss, norm, joined=joined)
        assert {f"{case}/{name}" for name in alone} == {name for name in found[0] if name.startswith(f"{case}/")}
        for name, value in alone.items():
            # By default, moving averages are means over the workers, which a single process does not compute.
            if "moving" not in name or norm == "sync":
                np.testing.assert_allclose(found[0][f"{case}/{name}"], value, rtol=0, atol=1e-6,
                                           err_msg=f"{case} {name}")
