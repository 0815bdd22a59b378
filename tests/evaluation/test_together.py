"""Results of workers that have divided the images, put together, are those of a single process."""

import numpy as np
import pytest

from fcn.core.errors import Problem
from fcn.data.spec import DatasetSpec
from fcn.evaluation import together
from fcn.metrics.confusion import Counting
from fcn.reporting.gallery import Gallery

SPEC = DatasetSpec(("a", "b", "c"))
RNG = np.random.default_rng(4)
IMAGES = [(f"image {k}", RNG.integers(0, 3, (6, 8)).astype(np.uint8), RNG.integers(0, 3, (6, 8)).astype(np.uint8))
          for k in range(25)]
SCORES = [0.5 if k % 4 == 0 else k / 25 for k in range(25)]  # several are equal


class Outputs:
    """What together.of_all() needs of a PredictionWriter."""

    def __init__(self, folder):
        self.folder, self.written, self.unwritten, self.finished = folder, [], [], False

    def finish_video(self):
        self.finished = True


class Worker:
    """One of `count` workers; the chief gets the values that the others have sent before."""

    def __init__(self, index, sent, outputs):
        self.index, self.is_chief, self.sent, self.outputs = index, index == 0, sent, outputs

    def exchange(self, value, patient):
        assert self.outputs.finished  # else a video of this worker would be left behind
        self.sent[self.index] = value
        return [self.sent.get(k) for k in range(len(self.sent))] if self.is_chief else None


def counted(numbers, folder):
    """(images, matrices, left out), numbers, outputs and gallery of a process that evaluates these images."""
    counting, gallery, outputs = Counting(3), Gallery(SPEC, count=3), Outputs(folder)
    for k in numbers:
        name, label, prediction = IMAGES[k]
        counting.add(name, label, prediction)
        gallery.offer(name, SCORES[k], np.zeros((6, 8, 3), np.uint8), label, prediction, k)
        outputs.written.append(folder / f"{name}.png")
    kinds = {"original": counting.done()} if counting.names else {}
    return (len(counting.names), kinds, []), list(numbers), outputs, gallery


@pytest.mark.parametrize("count", [2, 3, 30])  # of 30, some have no image
def test_workers_together_have_the_matrices_and_pictures_of_one(tmp_path, count):
    sent = {}
    for index in range(count - 1, 0, -1):
        own = counted(range(index, len(IMAGES), count), tmp_path)
        together.of_all(Worker(index, sent, own[2]), *own)
    own, numbers, outputs, gallery = counted(range(0, len(IMAGES), count), tmp_path)
    images, kinds, left_out = together.of_all(Worker(0, sent, outputs), own, numbers, outputs, gallery)
    (expected_images, expected, _), _, expected_outputs, expected_gallery = counted(range(len(IMAGES)), tmp_path)
    assert images == expected_images and left_out == []
    found, expected = kinds["original"], expected["original"]
    assert found.names == expected.names
    np.testing.assert_array_equal(found.counts.toarray(), expected.counts.toarray())
    assert sorted(outputs.written) == sorted(expected_outputs.written)
    assert gallery.lists() == expected_gallery.lists()


def test_problems_and_unwritten_files_of_all_workers_are_known(tmp_path):
    sent, (own, numbers, outputs, gallery) = {}, counted([1], tmp_path)
    outputs.unwritten.append(("image 1", OSError(28, "No space left on device")))
    problem = Problem(tmp_path / "bad.jpg", "is damaged", "replace it")
    together.of_all(Worker(1, sent, outputs), (1, own[1], [problem]), numbers, outputs, gallery)
    own, numbers, outputs, gallery = counted([0], tmp_path)
    _, _, left_out = together.of_all(Worker(0, sent, outputs), own, numbers, outputs, gallery)
    assert left_out == [problem]
    assert [(name, error.errno) for name, error in outputs.unwritten] == [("image 1", 28)]
