"""Which features of an encoder a U-Net concatenates at each step of its decoder."""

from fcn.core import errors


def split(features, strides):
    """Return (name of the coarsest feature, skips): for each doubling of the size a feature's name, or None.

    features: {name: tensor}. strides: {feature: stride}, from fine to coarse; the last of several features with one
    stride is used. Raises UsageError if the largest stride is not a power of 2.

    Example: strides {"a": 2, "b": 4, "c": 8} give ("c", ["b", "a", None]).
    """
    coarsest = list(strides)[-1]
    largest = strides[coarsest]
    if largest < 2 or largest & (largest - 1):
        raise errors.UsageError(f"the coarsest feature {coarsest} has stride {largest}, a U-Net needs a power of 2",
                                fix="use another encoder or decoder.")
    name_of = {stride: name for name, stride in strides.items()}
    steps = [largest >> number for number in range(1, largest.bit_length())]
    return coarsest, [name_of.get(stride) for stride in steps]
