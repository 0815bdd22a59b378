#!/usr/bin/env python3
"""Train a net: `python train_fcn.py --help`. The command is fcn/cli/train.py; `fcn train` is the same."""

import sys

from fcn.cli import train
from fcn.core import errors

if __name__ == "__main__":
    sys.exit(errors.run_command(train.main, sys.argv[1:]))
