"""The results of several workers that have divided the images of an evaluation, as those of a single process."""

import pathlib

from fcn.core.errors import Problem
from fcn.metrics import confusion


def of_all(workers, own, numbers, outputs, gallery):
    """Return (images, {kind: ConfusionMatrices}, left_out) of all workers, in the order of the images.

    workers: Workers. own: the same of this one. numbers: of its images with labels. outputs: PredictionWriter. gallery:
    Gallery. The chief's outputs and gallery get those of the others; a worker that is not the chief returns its own.
    """
    images, counted, left_out = own
    outputs.finish_video()
    found = workers.exchange({
        "images": images, "numbers": numbers, "gallery": gallery.parts(),
        "counted": {kind: matrices.parts() for kind, matrices in counted.items()},
        "left_out": [[str(problem.path), problem.reason, problem.fix] for problem in left_out],
        "written": [str(path.relative_to(outputs.folder)) for path in outputs.written],
        "unwritten": [[name, error.errno, error.strerror] for name, error in outputs.unwritten]}, patient=True)
    if not workers.is_chief:
        return own
    for other in found[1:]:
        gallery.add(other["gallery"])
        outputs.written += [outputs.folder / path for path in other["written"]]
        outputs.unwritten += [(name, OSError(number, text)) for name, number, text in other["unwritten"]]
    labelled = [one for one in found if one["counted"]]
    order = [number for one in labelled for number in one["numbers"]]
    kinds = labelled[0]["counted"] if labelled else {}
    counted = {kind: confusion.joined([one["counted"][kind] for one in labelled], order) for kind in kinds}
    left_out = [Problem(pathlib.Path(path), *rest) for one in found for path, *rest in one["left_out"]]
    return sum(one["images"] for one in found), counted, left_out
