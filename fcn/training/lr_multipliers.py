"""Learning rate factors of variables: by name pattern, for frozen layers and for new layers.

Variables are named LAYER/kernel, LAYER/bias and so on. encoder_layers: the encoder's layers in the order of the forward
pass (graph_builder.TrainingGraph.encoder_layers); all other layers count as new.
"""

import fnmatch
import math

from fcn.core import errors

ENCODER = "encoder"  # in freeze: all layers of the encoder
NEW = "new"  # in rate_factors: layers that the encoder does not have


def factors(names, encoder_layers, rate_factors=(), freeze=""):
    """{name of a variable: factor on its learning rate, 0 if it is frozen}: the product of all that match it.

    rate_factors: (pattern, factor) pairs (parsers.factors), e.g. ("*/bias", 2.0); the pattern "new" matches the layers
    that the encoder does not have. freeze: as in frozen(). Raises UsageError for a pattern that matches nothing, a
    frozen layer that the encoder lacks, and if nothing is left to train.
    """
    def matches(name, pattern):
        return layer_of(name) not in encoder_layers if pattern == NEW else fnmatch.fnmatchcase(name, pattern)

    for pattern, _ in rate_factors:
        if not any(matches(name, pattern) for name in names):
            raise errors.UsageError(f"--rate-factors: no variable matches '{pattern}'",
                                    fix=f"use a name such as {', '.join(names[-3:])}, or a pattern such as '*/bias'.")
    kept = frozen(encoder_layers, freeze)
    found = {}
    for name in names:
        by_pattern = math.prod(factor for pattern, factor in rate_factors if matches(name, pattern))
        found[name] = by_pattern * (layer_of(name) not in kept)
    if not any(found.values()):
        raise errors.UsageError("all variables are frozen: nothing is left to train",
                                fix="leave a layer out of --rate-factors and --freeze.")
    return found


def frozen_layers(factor_of):
    """Return the layers of which no variable is trained. factor_of: {variable: factor} of factors()."""
    trained = {layer_of(name) for name, factor in factor_of.items() if factor}
    return [layer for layer in dict.fromkeys(map(layer_of, factor_of)) if layer not in trained]


def frozen(encoder_layers, freeze):
    """Return the encoder's layers from the first one to `freeze`, inclusive; [] if freeze is "".

    freeze: "encoder" for all, a layer ("conv3_2") or the prefix of several ("conv4" for conv4_1 to conv4_4). Raises
    UsageError if the encoder has no such layer.
    """
    if not freeze:
        return []
    if freeze == ENCODER:
        return list(encoder_layers)
    named = [layer for layer in encoder_layers if layer == freeze or layer.startswith((f"{freeze}_", f"{freeze}/"))]
    if not named:
        raise errors.UsageError(f"--freeze {freeze}: the encoder has no such layer",
                                fix=f"use encoder for all of it, or one of {', '.join(encoder_layers)}.")
    return list(encoder_layers[:encoder_layers.index(named[-1]) + 1])


def layer_of(name):
    """Return the layer of a variable, such as 'conv1_1' for 'conv1_1/kernel'."""
    return name.rpartition("/")[0]
