"""What a new run says about its start: file of another net, frozen random layers, late averages, slow precision.

rows: list of transfer.LayerReport. settings: training_config.Config. encoder_layers: names, in the order of the forward
pass.
"""

import math

from fcn.core import errors, machine
from fcn.models import components, tf_compat, variables
from fcn.training import lr_multipliers
from fcn.weights import transfer

LARGEST_INITIAL_SHARE = 0.1  # of moving averages at the end of a run, without a warning


def check_encoder(rows, settings, encoder_layers, found, is_net):
    """Raise WeightsError unless a file is of the encoder, if there is a published file of that.

    Other nets of keras.applications have layers of the same name and shape; deeper ones, such as ResNet101, have all
    and more. found: names of the layers of the file. is_net: whether it is of a net with a decoder.
    """
    encoder = components.of(settings.net).encoder
    if not found or not hasattr(encoder, "WEIGHTS"):
        return
    copied = {row.layer for row in rows if row.fate in ("copied", "reshaped")}
    missing = [layer for layer in encoder_layers if layer not in copied]
    patterns = {transfer.pattern(layer) for layer in encoder_layers}
    further = [row.layer for row in rows if row.fate == "dropped" and row.layer not in encoder_layers
               and transfer.pattern(row.layer) in patterns and not is_net]
    if missing or further:
        count = len(encoder_layers)
        why = (f"it lacks {', '.join(missing[:4])} ..., and has {', '.join(found[:4])} ..." if missing else
               f"beside them, it has {', '.join(further[:4])} ...")
        raise errors.WeightsError(f"has {count - len(missing)} of the {count} layers of the encoder "
                                  f"{encoder.__name__.rpartition('.')[2]}" + ", and more" * (not missing),
                                  where=settings.weights, why=why,
                                  fix=f"give {encoder.WEIGHTS} (weights/README.md), or --weights none.")


def check_frozen(rows, settings, encoder_layers):
    """Raise UsageError if layers that are frozen for the whole run have random values."""
    frozen = [] if settings.freeze_steps else lr_multipliers.frozen(encoder_layers, settings.freeze)
    random = [row.layer for row in rows if row.fate == "fresh" and row.layer in frozen]
    if random:
        raise errors.UsageError(f"--freeze {settings.freeze} would keep {len(random)} layers at random values, such as "
                                f"{random[0]}", fix="give --freeze none, or --weights with a file of the encoder "
                                "(weights/README.md).")


def note_of_moving_averages(rows, settings, steps):
    """Return a warning if moving averages in the default graph start from initial values and settle too late, or ""."""
    fresh = {row.layer for row in rows if row.fate == "fresh"}
    momentum = max((kept for variable, kept in variables.momenta(settings.norm_momentum).items()
                    if kept and variable.op.name.rpartition("/")[0] in fresh), default=0)
    return note(momentum, steps * settings.batches_per_step)


def note_of_precision(precision):
    """Return a warning if the precision is slow on this processor, or ""."""
    slow = precision == "bfloat16" and machine.has_bfloat16() is False and not tf_compat.has_gpu()
    return "note: this processor has no instructions for bfloat16; float32 is faster on it" * slow


def note(momentum, batches):
    """Return a warning if averages that keep `momentum` of themselves at each batch settle too late, or ""."""
    share = momentum ** batches
    enough = min(0.9, math.floor(100 * 0.01 ** (1 / batches)) / 100)
    return "" if share <= LARGEST_INITIAL_SHARE else (
        f"note: after {batches} batches, moving averages of batch normalisation will still be {share:.0%} initial "
        f"values, and scores too low; train longer, or give --norm-momentum {enough:g}")
