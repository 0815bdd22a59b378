"""Evaluations for the tests of the page, one to be checked by hand and a large one; and a reader of HTML."""

import html.parser
import json
import re

import numpy as np
import results_help

from fcn.data.spec import DatasetSpec
from fcn.metrics import confusion
from fcn.reporting import gallery

SPEC = DatasetSpec(("other", "sky", "sea", "dune"), (0, 255), ((0, 0, 0), (10, 20, 200), (10, 20, 200), (90, 80, 0)))
HOSTILE = ("other", "</script><b>sky</b>", "sea & \"sun\" 'x' `y`", "$title {0} <!-- é雪 \u2028")
VOID = {"meta", "br"}  # elements without an end
LOG = [{"step": 10, "loss": 2.0, "loss_se": 0.1, "learning_rate": 1e-3},
       {"step": 20, "loss": 1.0, "loss_se": 0.1, "learning_rate": 5e-4},
       {"step": 20, "val_loss": 1.5, "val_loss_se": 0.2, "val_pixel_accuracy": 0.8, "val_mean_iou": 0.5}]


def two_images():
    """[(photo, label, prediction)] of 10 x 10 px: 45 sky and 45 sea, of which 18 are called sky; 100 sky, of which 10
    are called dune.
    """
    label, prediction = np.ones((2, 10, 10), np.uint8)
    label[:, 5:], prediction[:, 7:], label[9] = 2, 2, 0
    sky, dune = np.ones((2, 10, 10), np.uint8)
    dune[0] = 3
    photo = np.full((10, 10, 3), 120, np.uint8)
    return [(photo, label, prediction), (photo, sky, dune)]


def write(run, spec=SPEC, samples=None, names=("beach", "desert"), **facts):
    """An evaluation in run/eval/validation-20 and the log of its run; returns the folder."""
    folder = run / "eval" / "validation-20"
    counting, kept = confusion.Counting(spec.num_classes), gallery.Gallery(spec)
    for name, (photo, label, prediction) in zip(names, samples or two_images(), strict=True):
        counting.add(name, label, prediction)
        kept.offer(name, float((label == prediction).mean()), photo, label, prediction)
    facts = {"split": "validation", "checkpoint_step": 20, "inference": "whole images", "left_out": [],
             "weights": f"{run}/checkpoints/step-20", "settings": {"net": "fcn8s", "batch": 2}, "commit": "abc123",
             "command": "python eval_fcn.py --run r", "training": [{"command": "python train_fcn.py"}]} | facts
    results_help.write(folder, counting.done(), None, spec, facts)
    kept.write(folder)
    (run / "config.json").write_text("{}")
    (run / "log.jsonl").write_text("".join(json.dumps(entry) + "\n" for entry in LOG))
    return folder


def large(run):
    """150 classes, every cell of the matrix filled, 12 noisy images in the gallery."""
    draw = np.random.default_rng(0)
    spec = DatasetSpec(("other", *(f"a class called {i}" for i in range(1, 151))), (0,))
    blocks = draw.integers(0, 151, (12, 2, 30, 40), dtype=np.uint8).repeat(12, 2).repeat(12, 3)
    photos = draw.normal(128, 20, (12, 360, 480, 3)).clip(0, 255).astype(np.uint8)
    everything = [np.arange(1, 151, dtype=np.uint8).repeat(150).reshape(150, 150)]
    everything += [everything[0].T.copy(), np.zeros((150, 150, 3), np.uint8)]
    samples = [(photo, *maps) for photo, maps in zip(photos, blocks, strict=True)]
    samples.append((everything[2], everything[0], everything[1]))
    return write(run, spec, samples, [f"ADE_val_{k:08}" for k in range(13)])


class Parsed(html.parser.HTMLParser):
    """tags: (name, {attribute: value}); text: what people read; faults: ends that fit no beginning."""

    def __init__(self, text):
        super().__init__()
        self.open, self.tags, self.faults, self.parts = [], [], [], []
        self.feed(text)
        self.close()
        self.faults += self.open
        self.text = re.sub(r"\s+", " ", " ".join(self.parts))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.faults.append(tag)

    def handle_data(self, data):
        if not {"script", "style"} & set(self.open):
            self.parts.append(data)
