"""python keras_contender_help.py FOLDER: what the contender keras3 makes of FOLDER/batch.npz, for test_contenders.py.

A process of its own, because fcn/models/tf_compat.py puts TensorFlow into graph mode for good, in which Keras 3 does
not work.
"""

import json
import pathlib
import sys

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "benchmarks"))

from contenders import keras3


def main(folder):
    given = np.load(folder / "batch.npz")
    images, labels, channels = given["images"], given["labels"], json.loads(str(given["channels"]))

    def contender(job, variant):
        return keras3.Contender(job, images.shape[1:3], int(given["classes"]), channels, variant, 1.0)

    for variant in ("float32", "mixed_bfloat16"):
        made = contender("train", variant)
        found = {"scores": made.scores(images), "loss": made.train(images, labels)}
        found |= {f"after/{name}": array for name, array in made.weights().items()}
        if variant == "float32":
            found["prediction"] = contender("predict", variant).predict(images)
        np.savez(folder / variant, **found)


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
