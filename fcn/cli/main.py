"""The command `fcn`, and `python -m fcn`: the first word says which command of this package runs."""

import difflib
import importlib
import importlib.metadata
import platform
import sys

from fcn.core import errors

GROUPS = {  # {group: {command: what it does}}; the module in this package has its name, with _ for -
    "nets": {
        "train": "train a net, or resume a run",
        "evaluate": "score a net on a data set",
        "predict": "predict photos without labels",
        "launch": "run one of these in several processes, which train or evaluate together",
        "export": "write a trained net as SavedModel, ONNX, TFLite, .pb, .npz or .mat",
    },
    "results": {
        "reproduce": "train and evaluate a recipe, and compare its scores with the published ones",
        "report": "show the scores of an evaluation, or compare two evaluations",
        "score": "score predicted label files of DIVA-HisDB, without a net",
        "compare": "compare runs: scores, settings, curves",
    },
    "data sets": {
        "inspect": "check a data set before training",
        "csv_list": "write a CSV list of images and masks",
        "convert-labels": "convert annotations of COCO or labelme to label files",
        "csail": "read or write the HDF5 file of the MIT Scene Parsing benchmark",
    },
    "settings": {
        "convert": "convert learning rate and weight decay to another loss reduction or batch",
    },
}
COMMANDS = {name: text for commands in GROUPS.values() for name, text in commands.items()}


def main(argv):
    """Run the command that argv names. Raises UsageError for an unknown one."""
    if argv[:1] == ["help"] and argv[1:]:
        argv = [argv[1], "--help"]
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(usage())
        return 0 if argv else errors.UsageError.exit_code
    if argv[0] == "--version":
        print(versions())
        return 0
    if argv[0] not in COMMANDS:
        near = difflib.get_close_matches(argv[0], [*COMMANDS, "--version", "--help"], 1)
        raise errors.UsageError(f"unknown command '{argv[0]}': expected {', '.join(COMMANDS)}",
                                fix=f"did you mean fcn {near[0]}?" if near else "fcn --help describes the commands.")
    return importlib.import_module(f"fcn.cli.{argv[0].replace('-', '_')}").main(argv[1:])


def usage():
    """The list of commands that `fcn --help` prints."""
    width = max(map(len, COMMANDS))
    lines = ["usage: fcn COMMAND [options]"]
    for title, commands in GROUPS.items():
        lines += ["", f"{title}:", *(f"  {name:<{width}}  {text}" for name, text in commands.items())]
    return "\n".join([*lines, "", "fcn COMMAND --help shows the options of a command, fcn --version the versions."])


def versions():
    """'fcn 0.1.0, TensorFlow 2.21.0, Python 3.11.2', without importing TensorFlow."""
    def version(package):
        try:
            return importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            return "not installed"
    return f"fcn {version('fcn')}, TensorFlow {version('tensorflow')}, Python {platform.python_version()}"


def start():
    """Entry point of the command `fcn`."""
    sys.exit(errors.run_command(main, sys.argv[1:]))
