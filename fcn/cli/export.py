"""Write a trained net as a file for other software; the ending of --to selects the format (docs/export.md).

    fcn export --run runs/NAME --to NAME                  a SavedModel, a folder (or NAME.savedmodel)
    fcn export --run runs/NAME --to NAME.pb               a frozen graph; or .tflite, .onnx
    fcn export --run runs/NAME --to NAME.npz              weights alone; or .mat, a DagNN for MatConvNet

The file is read back and compared with the checkpoint on images of two sizes before it gets its name.
"""

import pathlib

from fcn.config import command_line
from fcn.core import errors, registry
from fcn.export import writer
from fcn.runs import checkpoint_choice, record


def main(argv):
    """Export a run as a file of another format. Returns the exit code."""
    parser = command_line.Parser(argv, description=__doc__.split("\n\n")[0], prog="fcn export")
    parser.add_argument("--run", required=True, metavar="DIR", help="folder of a run, or of one of its "
                        "checkpoints")
    parser.add_argument("--checkpoint", default=checkpoint_choice.BEST, metavar="best|latest|DIR",
                        help="checkpoint of the run; best (default): best validation score (--best-by)")
    parser.add_argument("--to", required=True, metavar="PATH", help="NAME (a SavedModel, a folder), "
                        + ", ".join(f"NAME.{name}" for name in registry.names("export_formats")))
    arguments = parser.parse_args(argv)
    path = pathlib.Path(arguments.to)
    if not pathlib.Path(arguments.run).is_dir():
        raise errors.UsageError("--run is not a folder", where=arguments.run, fix="give the folder of a run, such as "
                                "runs/NAME.")
    if path.suffix[1:] not in ("", *registry.names("export_formats")):  # a plugin of the run may have this format
        record.read_record(checkpoint_choice.run_of(arguments.run))
    name = writer.format_of(path)
    chosen = checkpoint_choice.choose(arguments.run, arguments.checkpoint)
    print(f"checkpoint: {chosen.text}", flush=True)
    print("\n  ".join(writer.export(chosen, path, name)))
