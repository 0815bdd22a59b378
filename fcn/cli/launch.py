"""Start a command in several processes on this machine, one per GPU, which train or evaluate together.

    fcn launch --workers 2 -- fcn train --data DIR --run runs/NAME
    fcn launch --workers 4 -- train_fcn.py --recipe camvid --data CAMVID --batches-per-step 4
    fcn launch --workers 2 -- fcn evaluate --run runs/NAME

When one process is lost, all are started again and resume from the last checkpoint. docs/scaling.md describes several
machines.
"""

import os

from fcn.config import command_line, parsers
from fcn.core import errors
from fcn.distributed import joining, local_launcher


def main(argv):
    """Run a command in several processes. Returns the exit code."""
    arguments = parse(argv)
    if arguments.timeout:
        os.environ[joining.TIMEOUT] = str(arguments.timeout)
    command = local_launcher.as_process(arguments.command)
    return local_launcher.Launcher(command, arguments.workers, arguments.restarts,
                                   lambda line: print(line, flush=True)).until_done()


def parse(argv):
    """The arguments of `fcn launch`. Raises UsageError without a command."""
    own, command = (argv[:argv.index("--")], argv[argv.index("--") + 1:]) if "--" in argv else (argv, [])
    parser = command_line.Parser(own, prog="fcn launch", description=__doc__.split("\n\n")[0],
                                 usage="fcn launch --workers N [options] -- COMMAND", epilog=__doc__.split("\n\n")[2])
    parser.add_argument("--workers", type=parsers.count, required=True, metavar="N", help="number of processes; with "
                        "GPUs, each uses one")
    parser.add_argument("--restarts", type=parsers.between(0, 1000), default=3, metavar="N", help="give up after so "
                        "many restarts without a new checkpoint (default: 3)")
    parser.add_argument("--timeout", type=parsers.count, metavar="S", help="seconds without "
                        "an answer of another worker, after which a worker ends; longer than a step, and than writing "
                        f"a checkpoint (default: that of {joining.TIMEOUT}, else {joining.TIMEOUT_S})")
    arguments = parser.parse_args(own)
    if not command:
        raise errors.UsageError("no command is given", fix="write it after --, such as: fcn launch --workers 2 -- fcn "
                                "train --demo --batch 2 --batches-per-step 2.")
    arguments.command = command
    return arguments
