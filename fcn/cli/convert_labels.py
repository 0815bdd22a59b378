"""Convert annotations of COCO or labelme to label files, once; then any command reads the data set.

    fcn convert-labels instances.json --images DIR --output OUT
    fcn convert-labels instances_val2017.json --images val2017 --output OUT --split validation
    fcn convert-labels DIR --images DIR --output OUT                     DIR has the JSON files of labelme

OUT has links to the images, a label of class ids for each image, and classes.json. Small objects are in front of large
ones, crowds are ignored (255). A conversion that was interrupted is resumed by the same command.
"""

import pathlib
import shlex

from fcn.config import command_line
from fcn.core import errors, progress_bar, tables
from fcn.data import file_checks
from fcn.data.coco import annotations, convert, labelme
from fcn.data.spec import MAX_PIXELS

SPLITS = ("training", "validation", "test")


def parse(argv):
    """The arguments of `fcn convert-labels`."""
    parser = command_line.Parser(argv, prog="fcn convert-labels", description=__doc__.split("\n\n")[0])
    parser.add_argument("file", metavar="FILE.json", type=pathlib.Path, help="COCO annotations of instances, or a "
                        "folder of JSON files of labelme")
    parser.add_argument("--images", required=True, metavar="DIR", type=pathlib.Path,
                        help="folder in which the names of the file (file_name) are")
    parser.add_argument("--output", "--out", required=True, metavar="OUT", type=pathlib.Path,
                        help="folder of the data set")
    parser.add_argument("--split", default="", choices=SPLITS, help="the split that this file is, if each split has a "
                        "file of its own")
    parser.set_defaults(skip_bad=False, max_pixels=MAX_PIXELS)
    command_line.add_flags(parser, ("skip_bad", "max_pixels"), parser)
    return parser.parse_args(argv)


def main(argv):
    """Write a data set from annotations. Returns the exit code."""
    arguments = parse(argv)
    if not arguments.images.is_dir():
        raise errors.DataError("is not a folder", where=arguments.images, fix="give --images the folder of the images.")
    print(f"{arguments.file}: reading ...", flush=True)
    content = (labelme if arguments.file.is_dir() else annotations).read(arguments.file)
    where = convert.place(arguments.file, arguments.images, arguments.output, arguments.split, content.spec)
    with progress_bar.counted("check", len(content.entries)) as advance:
        usable, problems = convert.check(content.entries, arguments.images, arguments.max_pixels, advance)
    print("\n".join(describe(content)))
    problems = content.problems + problems
    if problems and not arguments.skip_bad:
        file_checks.refuse(problems, len(content.entries))
    if not usable:
        raise errors.DataError("no usable images", where=arguments.file, why=errors.several(problems),
                               fix=file_checks.NO_OTHERS)
    convert.write_classes(where)
    with progress_bar.counted("labels", len(usable)) as advance:
        written, existed, empty = convert.write(usable, where, advance)
    lines = [f"{where.folder / 'labels'}: {written:,} labels written"
             + (f", {existed:,} were there from an earlier start" if existed else ""), *content.notes]
    lines += [f"{empty:,} outlines lie between pixels or outside their image, and paint nothing."] if empty else []
    lines += [f"left out: {line}" for line in errors.several(problems)]
    print("\n  ".join(lines))
    print(f"check it: fcn inspect --layout paired {shlex.quote(str(arguments.output))}")


def describe(content):
    """Lines: number of images and annotations, and the id, name and category of each class."""
    rows = [[str(i), name, str(content.category_ids[i - 1]) if i else "", f"{content.counts.get(i, 0):,}" if i else ""]
            for i, name in enumerate(content.spec.class_names)]
    (void,) = content.spec.ignored_ids
    crowds = content.counts.get(void, 0)
    rows += [[str(void), "(ignored)", "", f"{crowds:,}"]] if crowds else []
    return [f"{len(content.entries):,} images, {sum(content.counts.values()):,} annotations",
            *tables.lines([">id", "class", ">category", ">annotations"], rows)]
