"""Write a CSV list (images,masks,split) of a folder of images and masks or labels: the layout csv_list reads it.

    fcn csv_list FOLDER [--out FILE]
"""

import pathlib
import sys

from fcn.config import command_line
from fcn.core import errors
from fcn.data.layouts import binary_masks, csv_list


def main(argv):
    """Write a CSV list of pairs. Returns the exit code."""
    parser = command_line.Parser(argv, prog="fcn csv_list", description=__doc__.split("\n\n")[0])
    parser.add_argument("folder", metavar="FOLDER", help=binary_masks.FOLDERS.expected("usual"))
    parser.add_argument("--out", metavar="FILE", help="the list, a new file (default: "
                        "FOLDER/list.csv)")
    arguments = parser.parse_args(argv)
    out = arguments.out or pathlib.Path(arguments.folder) / "list.csv"
    count, problems = csv_list.write(arguments.folder, out)
    for line in errors.several(problems):
        print(f"left out: {line}", file=sys.stderr)
    print(f"{out}: {count} pairs")
