"""Write a trained net into a file that others read; the suffix of --to says which kind (docs/export.md).

    python -m fcn export --run runs/NAME --to NAME                  a SavedModel, a folder (or NAME.savedmodel)
    python -m fcn export --run runs/NAME --to NAME.pb               a frozen graph; or .tflite, .onnx
    python -m fcn export --run runs/NAME --to NAME.npz              weights alone; or .mat, a DagNN for MatConvNet

What was written is read back and must give, on images of two sizes, what the checkpoint gives. Then only does it get
its name.
"""

import pathlib

from fcn.config import command_line
from fcn.core import errors, registry
from fcn.export import writer
from fcn.runs import checkpoint_choice, record


def main(argv):
    parser = command_line.Parser(argv, description=__doc__.split("\n\n")[0], prog="python -m fcn export")
    parser.add_argument("--run", required=True, help="a run's folder, or that of one checkpoint in it")
    parser.add_argument("--checkpoint", default=checkpoint_choice.BEST, metavar="best|latest|PATH",
                        help="best: the highest validation mean IoU (default, as in eval_fcn.py)")
    parser.add_argument("--to", required=True, metavar="PATH", help="what is written: NAME (a SavedModel, a folder), "
                        + ", ".join(f"NAME.{name}" for name in registry.names("export_formats")))
    arguments = parser.parse_args(argv)
    path = pathlib.Path(arguments.to)
    if not pathlib.Path(arguments.run).is_dir():
        raise errors.UsageError("is no folder", where=arguments.run)
    if path.suffix[1:] not in ("", *registry.names("export_formats")):  # the run's plugin folders may have the format
        record.read_record(checkpoint_choice.run_of(arguments.run))
    name = writer.format_of(path)
    chosen = checkpoint_choice.choose(arguments.run, arguments.checkpoint)
    print(f"checkpoint: {chosen.text}", flush=True)
    print("\n  ".join(writer.export(chosen, path, name)))
