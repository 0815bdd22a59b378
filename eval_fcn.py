#!/usr/bin/env python3
"""Evaluate a net: `python eval_fcn.py --help`. The command is fcn/cli/evaluate.py; `fcn evaluate` is the same."""

import sys

from fcn.cli import evaluate
from fcn.core import errors

if __name__ == "__main__":
    sys.exit(errors.run_command(evaluate.main, sys.argv[1:]))
