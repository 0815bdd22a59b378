"""Train a small net on generated scenes, evaluate it, and segment a photo with it: the Python API, cell by cell.

Run it as a script (python examples/segment_photos.py), or cell by cell in an editor that knows `# %%`. It writes into
the current folder and takes about five minutes on two cores; STEPS=20 makes it a trial of seconds.
"""

# %% Data and weights: generated scenes in ADE20K's layout, and a narrow VGG-19.
import logging
import os

import fcn
from fcn.weights import demo

logging.basicConfig(level=logging.INFO, format="%(message)s")
data, weights = demo.prepare("data_cache")

# %% Train. The same call resumes an interrupted run, and returns at once when the run is complete.
steps = int(os.environ.get("STEPS", 2200))
run = fcn.train(data, run="runs/example", recipe="demo", weights=weights, steps=steps)
print("best mean IoU in training:", run.best_mean_iou)

# %% Evaluate on the validation split, with intervals and a report.
model = run.load()
scores = model.evaluate()
print("mean IoU:", scores.mean_iou)
for name, iou in scores.per_class.items():
    print(f"{name:12}", "does not occur" if iou is None else f"{iou:.3f}")
scores.save("report.html")

# %% Predict one image. `ids` is uint8 (height, width).
photo = next((data / "images/validation").glob("*.jpg"))
ids = model.predict(photo)
for i in range(model.num_classes):
    if (ids == i).any():
        print(f"{model.class_names[i]:12} {(ids == i).mean():.1%} of the image")

# %% Draw the prediction beside the image.
import matplotlib.pyplot as plt  # noqa: E402

figure, (left, right) = plt.subplots(1, 2)
left.imshow(plt.imread(photo))
right.imshow(model.palette[ids])
figure.savefig("prediction.png")
model.close()
