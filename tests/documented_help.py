"""The commands of the documentation, and a folder of small data, weights and runs under the names that they use."""

import contextlib
import io
import json
import pathlib
import re
import shlex
import shutil

import numpy as np
import scipy.io
from conftest import save
from formats_help import thin_fcn
from PIL import Image
from scripts_help import call
from video_help import encoded

from fcn.cli import main
from fcn.data import demo_drawing
from fcn.weights import demo
from fcn.weights.formats import dagnn

ROOT = pathlib.Path(__file__).parents[1]
# Added to every training, so that it takes seconds: a later flag replaces an earlier one.
SMALL = {"size": 64, "crop-size": 48, "crops-per-image": 1, "batch": 1, "batches-per-step": 1, "steps": 2,
         "eval-every": 2, "eval-batches": 1, "save-every": 2, "log-every": 1}
# Added to a training that names no net: without pretrained weights, the net of tests/plugins is the fastest.
FASTEST = {"net": "example", "weights": "none", "learning-rate": "1e-2", "plugins": "mine"}
OWN_NET = {"--net", "--recipe", "--stages", "--demo", "--weights"}
# The small runs end at step 2, not at the steps of the documented ones.
STEPS = ((r"step-0\d{5}\b", "step-000002"), (r"\bvalidation-\d+", "validation-2"))
SPLITS = {"train": range(1, 5), "val": range(5, 7)}


def blocks(page, language):
    """[(line number, text)] of the fenced blocks of one language in a page."""
    text = page.read_text()
    return [(text[:match.start()].count("\n") + 1, match[1])
            for match in re.finditer(rf"^```{language}\n(.*?)^```", text, re.DOTALL | re.MULTILINE)]


def commands(block):
    """The words of each command in a block: comments are left out, lines that end in a backslash are joined."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def fcn_words(words):
    """The words after `fcn` in a command, file patterns replaced by what they match; None for another program."""
    if words[0] == "until":  # until fcn ...; do ...
        words = " ".join(words[1:]).partition(";")[0].split()
    if words[0] != "fcn":
        return None
    for pattern, small in STEPS:
        words = [re.sub(pattern, small, word) for word in words]
    matches = [sorted(map(str, pathlib.Path().glob(word))) if "*" in word else [] for word in words]
    return [path for word, found in zip(words[1:], matches[1:], strict=True) for path in found or [word]]


def help_of(command):
    """All options of a command, as its help prints them."""
    out = io.StringIO()
    option = "--help-all" if command in ("train", "evaluate", "predict") else "--help"
    with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
        main.main([*command.split(), option])
    return out.getvalue()


def run(words, made):
    """Run `fcn WORDS`. A training starts anew if its run is not in `made`, the folders of earlier calls.

    Recipes build a VGG, which takes long: their trainings prepare the data and end after the first batch.
    """
    if words[0] == "train":
        added = SMALL if OWN_NET & set(words) else SMALL | FASTEST
        if {"--recipe", "--stages"} & set(words):
            words = [*words, *([] if {"--print-config", "--diff"} & set(words) else
                               ["--print-config"] if "--stages" in words else ["--show-batch", f"{len(made)}.png"])]
            added = added | {"run": f"runs/recipe-{len(made)}"}
        elif "--run" not in words and "--demo" not in words:
            added = added | {"run": f"runs/unnamed-{len(made)}"}
        words = [*words, *(word for name, value in added.items() for word in (f"--{name}", str(value)))]
        folder = ([words[i + 1] for i, word in enumerate(words) if word == "--run"] or ["runs/demo"])[-1]
        if folder not in made:
            shutil.rmtree(folder, ignore_errors=True)
        made.add(folder)
    if words[0] == "reproduce":  # a run of its own: after another one of the page, --split would differ
        words = [*words, *(word for name, value in (SMALL | {"run": f"runs/reproduced-{len(made)}"}).items()
                           for word in (f"--{name}", str(value)))]
        made.add(words[-1])
    return call(["python", "-m", "fcn", *words]).stdout


def scenes(root, images, labels, name="{:04d}", change=lambda ids: ids):
    """Four training and two validation scenes below root; `{}` in a folder is the split. Returns root."""
    for split, numbers in SPLITS.items():
        for number in numbers:
            image, ids = demo_drawing.draw(0, 0, number)
            save(root / images.format(split) / f"{name.format(number)}.jpg", image)
            save(root / labels.format(split) / f"{name.format(number)}.png", change(ids))
    return root


def annotated(folder, photo):
    """COCO annotations of one image, with a triangle."""
    with Image.open(folder / photo) as image:
        entry = {"id": 1, "file_name": photo, "width": image.width, "height": image.height}
    triangle = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[0, 0, 60, 0, 60, 60]]}
    return {"images": [entry], "categories": [{"id": 1, "name": "person"}], "annotations": [triangle]}


def prepare(folder):
    """Make the files and folders that the documentation names. The current folder must be `folder`."""
    scenes(folder / "DATA", "{}/images", "{}/targets")
    (folder / "DATA/classes.txt").write_text("\n".join(["other", *demo_drawing.LABELS]))
    (folder / "classes.json").write_text(json.dumps({"names": ["other", *demo_drawing.LABELS]}))
    for name in ("PETS", "SEVEN", "VOC_SBD"):
        (folder / name).symlink_to("DATA")
    for split, numbers in SPLITS.items():
        for number in numbers:
            image, ids = demo_drawing.draw(0, 0, number)
            depth_mm = Image.fromarray(1000 + 100 * ids.astype(np.uint16))
            save(folder / f"NYUD/{split}/rgb/{number:04d}.png", image)
            save(folder / f"NYUD/{split}/depth/{number:04d}.png", depth_mm)
            save(folder / f"RGBD/{split}/images/{number:04d}.png", np.dstack([image, ids]))
            save(folder / f"RGBD/{split}/targets/{number:04d}.png", ids)
    scenes(folder / "CAMVID", "{}/images", "{}/targets", "0001TP_{:06d}")
    scenes(folder / "VOC2012", "JPEGImages", "SegmentationClass")
    for split, numbers in SPLITS.items():
        listed = folder / f"VOC2012/ImageSets/Segmentation/{split}.txt"
        listed.parent.mkdir(parents=True, exist_ok=True)
        listed.write_text("".join(f"{number:04d}\n" for number in numbers))
    scenes(folder / "NYUDV2", "images", "labels", "img_{}")
    for split, numbers in (SPLITS | {"test": SPLITS["val"]}).items():
        (folder / f"NYUDV2/{split}.txt").write_text("".join(f"{number}\n" for number in numbers))
    scenes(folder / "nails", "images", "masks", change=lambda ids: np.uint8(ids > 3) * 255)
    for number in range(4):
        image, ids = demo_drawing.draw(0, 0, number)
        save(folder / f"SCANS/Images/{number % 2}/{number}.png", image)
        save(folder / f"SCANS/Masks/{number % 2}/{number}.png", np.uint8(ids > 3) * 255)
    for number in range(6):
        image, ids = demo_drawing.draw(0, 0, number)
        save(folder / f"isbi2012/images/{number}.png", image[..., 1])
        save(folder / f"isbi2012/labels/{number}.png", np.uint8(ids > 3) * 255)
        save(folder / f"clothing-co-parsing/photos/{number + 1:04d}.jpg", image)
        (folder / "clothing-co-parsing/annotations/pixel-level").mkdir(parents=True, exist_ok=True)
        scipy.io.savemat(folder / f"clothing-co-parsing/annotations/pixel-level/{number + 1:04d}.mat",
                         {"groundtruth": ids})
    for name in ("gt/page.png", "predicted/page.png"):  # labels of DIVA-HisDB
        save(folder / name, Image.fromarray(np.full((4, 4, 3), (0, 0, 8), np.uint8)))
    demo.write_scenes(folder / "ADEChallengeData2016", 4, 2)
    (folder / "ADEChallengeData2016/objectInfo.txt").unlink()  # without it there are the benchmark's 150 classes
    demo.write_scenes(folder / "data_cache/demo-1/scenes", 4, 2)
    for name in ("photo.jpg", "photos/1.jpg", "photos/cam2/11.jpg"):
        save(folder / name, Image.fromarray(demo_drawing.draw(0, 0, 1)[0]))
    for name, photo in (("train", "1.jpg"), ("val", "cam2/11.jpg")):
        (folder / f"instances_{name}.json").write_text(json.dumps(annotated(folder / "photos", photo)))
    encoded(folder / "clip.mp4", np.stack([demo_drawing.draw(0, 0, 1)[0]] * 2))
    layers = demo.narrow_vgg(0, dict.fromkeys(range(1, 6), 4), 4)
    (folder / "weights").mkdir()
    for name in ("weights/imagenet-vgg-verydeep-19.mat", "data_cache/demo-1/vgg19-narrow.mat"):
        demo.write_mat(folder / name, layers)
    for name in ("conv3_4", "conv4_4", "conv5_4"):
        del layers[name]
    demo.write_mat(folder / "weights/imagenet-vgg-verydeep-16.mat", layers)
    shutil.copytree(ROOT / "tests/plugins", folder / "mine", ignore=shutil.ignore_patterns("__pycache__"))
    dagnn.write(folder / "pascal-fcn8s-dag.mat", thin_fcn("fcn8s", classes=21, first_width=4))
    for line in ("train --data ADEChallengeData2016 --run runs/ade",
                 "train --data CAMVID --run runs/camvid", "evaluate --run runs/camvid", "evaluate --run runs/ade",
                 "evaluate --run runs/ade --scales 0.75,1,1.25 --flip"):
        run(line.split(), set())
    for name in ("demo", "mine", "NAME"):
        shutil.copytree(folder / "runs/ade", folder / "runs" / name)
