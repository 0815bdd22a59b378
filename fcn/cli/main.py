"""The command `fcn`, and `python -m fcn`: the first word says which command of this package runs."""

import difflib
import importlib
import sys

from fcn.core import errors

COMMANDS = {   # name: what it does; the module has the same name
    "train": "train a net, or resume a run (train_fcn.py)",
    "evaluate": "score a net on a split, or predict images (eval_fcn.py)",
    "inspect": "check a data set before training",
    "export": "write a trained net as SavedModel, ONNX, TFLite, .pb, .npz or .mat",
    "report": "show the scores of an evaluation, or compare two",
    "compare": "compare runs: scores, settings, curves",
    "convert": "convert learning rate and weight decay to another loss reduction, batch or momentum",
    "csail": "read or write the HDF5 file of the MIT Scene Parsing benchmark",
    "csv_list": "write a CSV list of images and masks",
}


def main(argv):
    """Run the command that argv names. Raises UsageError for an unknown one."""
    if not argv or argv[0] in ("-h", "--help"):
        print(usage())
        return 0 if argv else errors.UsageError.exit_code
    if argv[0] not in COMMANDS:
        near = difflib.get_close_matches(argv[0], COMMANDS, 1)
        raise errors.UsageError(f"unknown command '{argv[0]}'; available: {', '.join(COMMANDS)}",
                                fix=f"did you mean fcn {near[0]}?" if near else "fcn --help describes them.")
    return importlib.import_module(f"fcn.cli.{argv[0]}").main(argv[1:])


def usage():
    width = max(map(len, COMMANDS))
    return "\n".join(["usage: fcn COMMAND ...", "", *(f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()),
                      "", "fcn COMMAND --help lists the flags of a command."])


def start():
    sys.exit(errors.run_command(main, sys.argv[1:]))
