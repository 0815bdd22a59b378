"""Arguments of the Python API: paths, sizes and scales, checked before anything is read."""

import argparse
import os
import pathlib

from fcn.config import parsers, training_config
from fcn.core import errors


def path_of(name, value):
    """Return a pathlib.Path. Raises UsageError for a value that cannot be a path."""
    try:
        text = os.fspath(value)
        if not isinstance(text, str) or not text or "\0" in text:
            raise TypeError
        os.path.lexists(text)
    except (TypeError, ValueError):
        raise errors.UsageError(f"{name}={value!r}: expected a path (str or pathlib.Path)",
                                fix=f"give {name} as a text such as 'runs/mine'.") from None
    path = pathlib.Path(text)
    if any(len(os.fsencode(part)) > 255 for part in path.parts):
        raise errors.UsageError(f"{name}: the name is too long: {text[:60]}...", fix="give a shorter name.")
    return path


def size_of(name, value, parse=parsers.parse_size):
    """Return (height, width) px of an int, a pair or a text; None stays None. Raises UsageError."""
    value = training_config.plain(value)
    if value is None:
        return None
    try:
        return parse(value)
    except (argparse.ArgumentTypeError, TypeError, ValueError) as error:
        raise errors.UsageError(f"{name}={value!r}: {str(error).partition(parsers.FIX)[0]}",
                                fix=f"give {name} in pixels: 384, or (height, width).") from None


def scales_of(value):
    """Return a tuple of floats from 0.1 to 8. Raises UsageError."""
    value = training_config.plain(value)
    numbers = [value] if isinstance(value, int | float) else value
    try:
        if isinstance(numbers, str | bytes | dict) or not all(type(number) in (int, float) for number in numbers):
            raise TypeError
        return parsers.parse_scales(",".join(map(repr, numbers)))
    except (argparse.ArgumentTypeError, TypeError):
        raise errors.UsageError(f"scales={value!r}: expected numbers from 0.1 to 8",
                                fix="give scales such as (0.75, 1, 1.25).") from None


def threshold_of(value):
    """Return a probability from 0.005 to 0.995, rounded to a multiple of 0.005; None stays None. Raises UsageError."""
    value = training_config.plain(value)
    try:
        if value is not None and type(value) not in (int, float):
            raise TypeError
        return None if value is None else parsers.parse_threshold(repr(value))
    except (argparse.ArgumentTypeError, TypeError):
        raise errors.UsageError(f"threshold={value!r}: expected a probability from 0.005 to 0.995",
                                fix="give threshold=0.4, or the best_threshold of the Scores of evaluate().") from None
