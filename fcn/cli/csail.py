"""Read or write CSAIL's HDF5 file, on which the Torch code of the MIT Scene Parsing benchmark trains.

    fcn csail export --data DIR --size 384 --out data_ADE20K_384x384.h5
    fcn csail info FILE.h5
    fcn csail import FILE.h5 --out DIR       a data set of --layout ade20k

Content of the two files, FILE.h5 and FILE.json, with its sources (of CSAILVision/sceneparsing unless named otherwise):
- /images (N, 3, H, W) and /annotations (N, H, W), H = W: trainCode/torch/DataLoader.lua, which reads both into
  ByteTensors, so uint8.
- channels in the order R, G, B: trainingCode/torch/net_utils.lua subtracts (124.69, 118.69, 109.54), "in RGB order",
  and turns the BGR of the first Caffe kernel round.
- an annotation is the class id + 1, so 1 is "other" (ignored) and 2..151 are the 150 classes: trainingCode/torch/
  train_segmentation.lua hands them as they are to a Torch criterion, which counts from 1, gives weight 0 to class 1 and
  takes 1 off before counting pixels above 0. jimmyyhwu/semantic-segmentation, models/init.lua, for the same kind of
  file: "label indices go from 2 to nClasses+1, index 1 corresponds to unlabeled pixels".
- the JSON is {"images": [{"split": "train"}, ...]}; entry i (from 0) is row i; the splits are "train" and "val":
  DataLoader.lua, train_segmentation.lua. utils.lua reads one line of it, so it must be one line.

No source says: the key of an image's name ("image name and split info" is all; this module writes "file_path", as in
karpathy/neuraltalk2's prepro.py, from which DataLoader.lua is derived); how images were resized (this module resizes
as for the caches); how the HDF5 datasets are stored (here contiguous, uncompressed). "class_names" in the JSON is an
addition of this project, which the Torch code ignores.
"""

import concurrent.futures
import functools
import pathlib
import shlex

import numpy as np

from fcn.config import command_line, parsers, training_config
from fcn.core import atomic_io, machine, ownership, progress_bar, registry, tables
from fcn.data import dataset, images
from fcn.data.csail.reader import SPLITS, open_file
from fcn.data.csail.writer import check_place, export
from fcn.data.layouts import ade20k
from fcn.data.spec import NUM_IDS

OF_THE_DATA = ("images", "labels", "classes", "label_encoding", "mask_threshold", "ignore_label", "max_pixels",
               "skip_bad", "cache_dir")


def unpack(splits, folder, progress=None):
    """Write the Splits of open_file as a data set of --layout ade20k: photos and labels as PNG, without loss.

    It is written under a temporary name and renamed. Raises UsageError if `folder` exists and is not empty.
    """
    folder = pathlib.Path(folder).absolute()
    ownership.check_free(folder, "--out")
    folder.parent.mkdir(parents=True, exist_ok=True)
    with atomic_io.making(folder, sync=False) as aside:
        _write_tree(splits, aside, progress or (lambda done: None))


def _write_tree(splits, folder, progress):
    holding, done = {split: np.zeros(NUM_IDS, np.int64) for split in SPLITS.values()}, 0  # images that hold each id
    pool = concurrent.futures.ThreadPoolExecutor(machine.cores())
    try:
        for split, part in splits.items():
            for kind in ("images", "annotations"):
                (folder / kind / split).mkdir(parents=True)
            for held in pool.map(functools.partial(_write_pair, part, folder, split), range(len(part))):
                holding[split] += held
                done += 1
                progress(done)
    finally:
        pool.shutdown(cancel_futures=True)
    pixels, class_names = sum(part.class_pixels for part in splits.values()), next(iter(splits.values())).class_names
    shares = pixels / max(pixels[1:].sum(), 1)
    rows = [(i, f"{shares[i]:.4f}", holding["training"][i], holding["validation"][i], name)
            for i, name in enumerate(class_names[1:], 1)]
    ade20k.write_object_info(folder / f"objectInfo{len(rows)}.txt", rows)


def _write_pair(part, folder, split, index):
    """Write photo and label of a row; bool (256,): the ids in the label."""
    name, label = f"{part.names[index]}.png", part.label(index)
    images.write_png(folder / "images" / split / name, part.image(index))
    images.write_png(folder / "annotations" / split / name, label)
    return np.bincount(label.ravel(), minlength=NUM_IDS) > 0


def describe(splits, most=10):
    """Lines on sizes, splits and the most frequent classes."""
    first = next(iter(splits.values()))
    height, width = first.shapes[0]
    lines = [f"images of {height}x{width} pixels, {len(first.class_names)} classes"]
    for split, part in splits.items():
        lines.append(f"{split}: {len(part)} images, {part.names[0]} to {part.names[-1]}")
        rows = [[f"{part.class_pixels[i] / part.class_pixels.sum():.2%}", str(i), part.class_names[i]]
                for i in np.argsort(-part.class_pixels, kind="stable")[:most] if part.class_pixels[i]]
        lines += tables.lines([">share", ">id", "class"], rows, indent=2)
    return "\n".join(lines)


def parse(argv):
    """The arguments of `fcn csail`."""
    parser = command_line.Parser(argv, prog="fcn csail",
                                 description=__doc__.split("\n\n")[0] + "\nFormat: docs/data.md")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    writer = commands.add_parser("export", help="write FILE.h5 and FILE.json from a data set")
    writer.add_argument("--data", required=True, metavar="DIR", help="folder of the data set")
    layouts = registry.names("layouts")
    writer.add_argument("--layout", default="ade20k", metavar="NAME", type=parsers.one_of(layouts, "layout"),
                        help=f"folder structure (default: ade20k): {', '.join(layouts)}")
    writer.add_argument("--size", type=parsers.count, default=384, metavar="PX", help="height and width (default: 384)")
    command_line.add_flags(writer, OF_THE_DATA)
    writer.add_argument("--out", required=True, metavar="FILE.h5")
    for name, text in (("info", "sizes, splits, classes"), ("import", "write a data set of --layout ade20k from it")):
        reader = commands.add_parser(name, help=text)
        reader.add_argument("file", metavar="FILE.h5")
        reader.add_argument("--unshifted", action="store_true", help="annotations are class ids: 0 is other")
        if name == "import":
            reader.add_argument("--out", required=True, metavar="DIR")
    return parser.parse_args(argv)


def main(argv):
    """Read or write CSAIL's HDF5 file. Returns the exit code."""
    arguments = parse(argv)
    if arguments.command == "export":
        check_place(arguments.out)  # before a cache is built, which takes minutes
        settings = training_config.resolve(vars(arguments) | {"size": (arguments.size,) * 2})
        spec, training, validation = dataset.prepare_caches(settings, dataset.find_data(settings))
        with progress_bar.counted("writing", len(training) + len(validation)) as advance:
            export({"training": training, "validation": validation}, spec, arguments.out, advance)
        print(f"{arguments.out} and {pathlib.Path(arguments.out).with_suffix('.json')}")
        return
    if arguments.command == "import":
        ownership.check_free(arguments.out, "--out")
    print(f"{arguments.file}: counting labels ...", flush=True)
    splits = open_file(arguments.file, shift=0 if arguments.unshifted else 1)
    print(describe(splits))
    if arguments.command == "import":
        with progress_bar.counted("unpacking", sum(map(len, splits.values()))) as advance:
            unpack(splits, arguments.out, advance)
        print(f"written; use it with --layout ade20k --data {shlex.quote(arguments.out)}")
