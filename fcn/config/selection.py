"""The validation score by which a run chooses its best checkpoint and stops early (--best-by)."""

SCORES = {"mean_iou": "mean IoU", "f_score": "F-score", "pixel_accuracy": "pixel accuracy",
          "loss": "loss"}  # key in the log: val_NAME
DEFAULT = "mean_iou"  # of runs of older versions


def of(state):
    """Return the name of the score in a checkpoint's state.json, a key of SCORES."""
    return state.get("best_by", DEFAULT)


def goodness(score, name):
    """Return a number that is larger for a better score. name: a key of SCORES."""
    return -score if name == "loss" else score
