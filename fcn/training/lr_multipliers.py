"""What the learning rate of each variable is multiplied by: patterns of names, frozen layers, new layers.

Names of variables are LAYER/kernel, LAYER/bias and the like. encoder_layers: names of the encoder's layers in the order
of the forward pass (graph_builder.TrainingGraph.encoder_layers); all others are new.
"""

import fnmatch
import math

from fcn.core import errors


def factors(names, encoder_layers, rate_factors=(), freeze="", new_layer_factor=1.0):
    """{name of a variable: factor on its rate, 0 if it is frozen}: the product of all that is said of it.

    rate_factors: (pattern, factor) pairs (parsers.factors), e.g. ("*/bias", 2.0). freeze: as in frozen().
    new_layer_factor: of layers that the encoder does not have. Raises UsageError for a pattern that fits nothing, a
    frozen layer that the encoder lacks, and if nothing is left to train.
    """
    for pattern, _ in rate_factors:
        if not fnmatch.filter(names, pattern):
            raise errors.UsageError(f"--rate-factors: no variable fits '{pattern}'",
                                    fix=f"names are such as {', '.join(names[-3:])}.")
    kept = frozen(encoder_layers, freeze)
    found = {}
    for name in names:
        layer = layer_of(name)
        by_pattern = math.prod(factor for pattern, factor in rate_factors if fnmatch.fnmatchcase(name, pattern))
        found[name] = by_pattern * (layer not in kept) * (1.0 if layer in encoder_layers else new_layer_factor)
    if not any(found.values()):
        raise errors.UsageError("everything is frozen, nothing is left to train",
                                fix="--rate-factors, --freeze and --new-layer-factor say what is; free a layer.")
    return found


def frozen(encoder_layers, freeze):
    """The encoder's layers from the first one up to and with `freeze`: a layer ("conv3_2"), or what the names of
    several begin with ("conv4", of conv4_1 to conv4_4). Empty if freeze is "". Raises UsageError for a layer that is
    not there.
    """
    if not freeze:
        return []
    named = [layer for layer in encoder_layers if layer == freeze or layer.startswith((f"{freeze}_", f"{freeze}/"))]
    if not named:
        raise errors.UsageError(f"--freeze {freeze}: the encoder has no such layer",
                                fix=f"it has {', '.join(encoder_layers)}.")
    return list(encoder_layers[:encoder_layers.index(named[-1]) + 1])


def layer_of(name):
    """'conv1_1' of 'conv1_1/kernel'."""
    return name.rpartition("/")[0]
