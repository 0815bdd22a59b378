"""Write the weights of a run into a file that others read: MatConvNet's DagNN (.mat) or NumPy (.npz).

    python -m fcn.export --run runs/NAME --to NAME.mat

The file is read back and compared, bit by bit, before the command says that it is done.
"""

import dataclasses
import pathlib
import sys

import numpy as np

from fcn import config, errors, initial, pretrained
from fcn.formats import dagnn, npz

FORMATS = {".mat": dagnn, ".npz": npz}


def main(argv):
    parser = config.Parser(description=__doc__.split("\n\n")[0], prog="python -m fcn.export")
    parser.add_argument("--run", required=True, help="a run's folder (its newest checkpoint), or a checkpoint's")
    parser.add_argument("--to", required=True, metavar="FILE", help="a new file, .mat or .npz")
    parser.add_argument("--debug", action="store_true", help="show tracebacks")
    arguments = parser.parse_args(argv)
    path = pathlib.Path(arguments.to)
    if path.suffix not in FORMATS:
        raise errors.UsageError(f"{path.suffix or 'no suffix'} is no format", where=path, cure="write .mat or .npz.")
    if not path.parent.is_dir():
        raise errors.UsageError("is no folder", where=path.parent, cure="make it, or give another --to.")
    if path.exists():
        raise errors.UsageError("is there already", where=path, cure="give another --to, or delete it.")
    if not pathlib.Path(arguments.run).is_dir():
        raise errors.UsageError("is no folder", where=arguments.run)
    weights = published_name(initial.from_run(arguments.run))
    aside = path.with_name(f".{path.name}.tmp{path.suffix}")
    try:
        FORMATS[path.suffix].write(aside, weights)
        differing = differences(weights, pretrained.read(aside))
        if differing:
            raise errors.FcnError(f"what was written is not what was read back: {', '.join(differing)}", where=aside)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)
    print(f"{path}: {weights.net}, {len(weights.layers)} layers, {path.stat().st_size:,} bytes, read back bit-equal")


def published_name(weights):
    """These Weights under the name of the published net that they are one of. Raises UsageError if they are none."""
    own = weights.choices
    if own["fusion"] != "scores" or own["score_relu"]:
        raise errors.UsageError(f"{weights.net} fuses features or has a ReLU on its scores; .mat and .npz hold nets "
                                "that fuse plain scores", cure="eval_fcn.py and train_fcn.py read the run itself.")
    if weights.net in ("fcn32s", "fcn16s"):
        return weights
    return dataclasses.replace(weights, net="fcn8s_atonce" if own["pool_scaling"] else "fcn8s")


def differences(one, other):
    """Names of the layers and facts in which two Weights differ."""
    def equal(name):
        pair = one.layers.get(name), other.layers.get(name)
        return all(pair) and all((a is None) == (b is None) and (a is None or np.array_equal(a, b))
                                 for a, b in zip(*pair, strict=True))
    layers = [name for name in {**one.layers, **other.layers} if not equal(name)]
    facts = [name for name in ("net", "class_names", "choices", "ignored_ids")
             if getattr(one, name) != getattr(other, name)]
    return layers + facts + ([] if np.array_equal(one.mean_rgb, other.mean_rgb) else ["mean_rgb"])


if __name__ == "__main__":
    sys.exit(errors.run(main, sys.argv[1:]))
