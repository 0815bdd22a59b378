"""What the learning rate of each variable is multiplied by: patterns of names, frozen layers, new layers.

Names of variables are LAYER/kernel and LAYER/bias; a layer is of the body if vgg_table knows it, and new if not.
"""

import fnmatch
import math

from fcn import errors, vgg_table

BODY = (*vgg_table.CONVOLUTIONS, *vgg_table.FULLY_CONNECTED)


def factors(names, rate_factors=(), freeze="", new_layer_factor=1.0):
    """{name of a variable: factor on its rate, 0 if it is frozen}: the product of all that is said of it.

    rate_factors: (pattern, factor) pairs (parsers.factors), e.g. ("*/bias", 2.0). freeze: as in frozen().
    new_layer_factor: of layers that no VGG has. Raises UsageError for a pattern that fits nothing, a frozen layer
    that the body lacks, and if nothing is left to train.
    """
    for pattern, _ in rate_factors:
        if not fnmatch.filter(names, pattern):
            raise errors.UsageError(f"--rate-factors: no variable fits '{pattern}'",
                                    cure=f"names are such as {', '.join(names[-3:])}.")
    kept = frozen([layer_of(name) for name in names], freeze)
    found = {}
    for name in names:
        layer = layer_of(name)
        by_pattern = math.prod(factor for pattern, factor in rate_factors if fnmatch.fnmatchcase(name, pattern))
        found[name] = by_pattern * (layer not in kept) * (1.0 if layer in BODY else new_layer_factor)
    if not any(found.values()):
        raise errors.UsageError("everything is frozen, nothing is left to train",
                                cure="--rate-factors, --freeze and --new-layer-factor say what is; free a layer.")
    return found


def frozen(layers, freeze):
    """The layers of the body from conv1_1 up to and with `freeze`: a layer ("conv3_2", "fc6"), or a stage ("conv4").

    layers: the net's, in any order, or those of vgg_table.widths(). Empty if freeze is "". Raises UsageError for a
    layer that is not there.
    """
    if not freeze:
        return []
    body = [layer for layer in BODY if layer in layers]
    asked = [layer for layer in body if layer.startswith(freeze)]
    if not asked:
        raise errors.UsageError(f"--freeze {freeze}: the body has no such layer", cure=f"it has {', '.join(body)}.")
    return body[:body.index(asked[-1]) + 1]


def layer_of(name):
    """'conv1_1' of 'conv1_1/kernel'."""
    return name.split("/")[0]
