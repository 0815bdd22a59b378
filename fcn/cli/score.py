"""Score predicted label files of DIVA-HisDB against label files, as DIVA's Layout Analysis Evaluator does.

    fcn score LABEL.png PREDICTION.png
    fcn score LABELS PREDICTIONS --json scores.json --pictures errors      two folders

docs/evaluation.md explains the protocol, diva_layout.
"""

import contextlib
import json
import pathlib

from fcn.config import command_line, parsers
from fcn.core import atomic_io, ownership
from fcn.data.spec import MAX_PIXELS
from fcn.evaluation import layout_score


def main(argv):
    """Score label files. Returns the exit code."""
    parser = command_line.Parser(argv, prog="fcn score", description=__doc__.split("\n\n")[0])
    parser.add_argument("labels", metavar="LABELS", help="a label file, or a folder of label files")
    parser.add_argument("predictions", metavar="PREDICTIONS", help="a predicted label file, or a folder of them, with "
                        "the names of the labels")
    parser.add_argument("--json", metavar="FILE", type=pathlib.Path, help="also write all numbers, a new file")
    parser.add_argument("--pictures", metavar="DIR", type=pathlib.Path, help="write a picture of the errors in each "
                        "image, a new folder")
    parser.add_argument("--max-pixels", type=parsers.count, default=MAX_PIXELS, metavar="N",
                        help=f"refuse files with more pixels (default: {MAX_PIXELS})")
    arguments = parser.parse_args(argv)
    if arguments.json:
        command_line.check_writable(arguments.json)
        ownership.check_free(arguments.json, "--json")
    if arguments.pictures:
        ownership.check_free(arguments.pictures, "--pictures")
    with atomic_io.making(arguments.pictures) if arguments.pictures else contextlib.nullcontext() as pictures:
        found = layout_score.score_layout(arguments.labels, arguments.predictions, pictures, arguments.max_pixels)
    print(layout_score.table(found))
    if arguments.json:
        atomic_io.write_whole(arguments.json, json.dumps(found, indent=1).encode(), new=True)
        print(f"scores: {arguments.json}")
    if arguments.pictures:
        print(f"pictures: {arguments.pictures}")
