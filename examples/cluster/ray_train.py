#!/usr/bin/env python3
"""Train with Ray Train as the launcher: Ray starts the workers, sets TF_CONFIG, and restarts all when one is lost.

    pip install -e '.[ray]'
    python examples/cluster/ray_train.py --workers 2 -- --demo --run $PWD/runs/ray --batch 4 --batches-per-step 2

What follows -- are the arguments of `fcn train`. Folders must exist on all machines under the same path, and be
absolute, because Ray starts the workers in folders of its own.
"""

import argparse
import sys

import ray
from ray.train import FailureConfig, RunConfig, ScalingConfig
from ray.train.tensorflow import TensorflowTrainer


def worker(config):
    """Run `fcn train` in a process that Ray has started. A return code other than 0 is a failure for Ray."""
    from fcn.cli import train
    from fcn.core import errors
    code = errors.run_command(train.main, config["words"])
    if code:
        raise RuntimeError(f"fcn train ended with exit code {code}")


def main(argv):
    """Start the workers and wait for them."""
    own, words = (argv[:argv.index("--")], argv[argv.index("--") + 1:]) if "--" in argv else (argv, [])
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--gpu", action="store_true", help="give each worker a GPU")
    parser.add_argument("--restarts", type=int, default=3)
    parser.add_argument("--address", help="of a running cluster (default: start Ray on this machine)")
    arguments = parser.parse_args(own)
    ray.init(address=arguments.address, include_dashboard=False)
    trainer = TensorflowTrainer(
        worker, train_loop_config={"words": words},
        scaling_config=ScalingConfig(num_workers=arguments.workers, use_gpu=arguments.gpu),
        run_config=RunConfig(failure_config=FailureConfig(max_failures=arguments.restarts)))
    trainer.fit()


if __name__ == "__main__":
    main(sys.argv[1:])
