"""Learning rate factors of variables: by name pattern, for frozen layers and for new layers.

Variables are named LAYER/kernel, LAYER/bias and so on. encoder_layers: the encoder's layers in the order of the forward
pass (graph_builder.TrainingGraph.encoder_layers); all other layers count as new.
"""

import fnmatch
import math

from fcn.core import errors


def factors(names, encoder_layers, rate_factors=(), freeze="", new_layer_factor=1.0):
    """Return {variable: product of the factors that apply to its learning rate}, 0 for a frozen variable.

    names: all trainable variables. rate_factors: (pattern, factor) pairs (parsers.factors), e.g. ("*/bias", 2.0).
    freeze: see frozen(). new_layer_factor: factor of layers outside the encoder. Raises UsageError if a pattern matches
    nothing, the encoder has no layer `freeze`, or every variable is frozen.
    """
    for pattern, _ in rate_factors:
        if not fnmatch.filter(names, pattern):
            raise errors.UsageError(f"--rate-factors: no variable matches '{pattern}'",
                                    fix=f"use names such as {', '.join(names[-3:])}.")
    frozen_layers = frozen(encoder_layers, freeze)
    found = {}
    for name in names:
        layer = layer_of(name)
        by_pattern = math.prod(factor for pattern, factor in rate_factors if fnmatch.fnmatchcase(name, pattern))
        found[name] = by_pattern * (layer not in frozen_layers) * (1.0 if layer in encoder_layers else new_layer_factor)
    if not any(found.values()):
        raise errors.UsageError("all variables are frozen",
                                fix="change --rate-factors, --freeze or --new-layer-factor so that a layer is trained.")
    return found


def frozen(encoder_layers, freeze):
    """Return the encoder's layers from the first one to `freeze`, inclusive; [] if freeze is "".

    freeze: a layer ("conv3_2") or the prefix of several ("conv4" for conv4_1 to conv4_4). Raises UsageError if the
    encoder has no such layer.
    """
    if not freeze:
        return []
    named = [layer for layer in encoder_layers if layer == freeze or layer.startswith((f"{freeze}_", f"{freeze}/"))]
    if not named:
        raise errors.UsageError(f"--freeze {freeze}: the encoder has no such layer",
                                fix=f"use one of {', '.join(encoder_layers)}.")
    return list(encoder_layers[:encoder_layers.index(named[-1]) + 1])


def layer_of(name):
    """Return the layer of a variable, such as 'conv1_1' for 'conv1_1/kernel'."""
    return name.rpartition("/")[0]
