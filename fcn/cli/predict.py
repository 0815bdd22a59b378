"""Predict photos or videos -> a folder with label files and pictures of the predictions.

    fcn predict PHOTOS --run runs/NAME
    fcn predict 'photos/*.jpg' --run runs/NAME --out predictions
    fcn predict clip.mp4 --run runs/NAME                    a label file per frame, and a video of the overlays
    fcn predict PHOTOS --weights pascal-fcn8s-dag.mat       a published net
"""

from fcn.cli import evaluate, evaluate_flags
from fcn.distributed import joining


def main(argv):
    """Predict images without labels. Returns the exit code."""
    arguments = evaluate_flags.parse_prediction(argv, __doc__.split("\n\n")[0])
    joining.only_chief_prints()
    with joining.together() as workers:
        evaluate.evaluate(arguments, workers)
