"""Texts of flags, and values of TOML, into settings; each raises ArgumentTypeError that says what would be right."""

import argparse
import difflib
import os
import pathlib
import re

from fcn.core import registry
from fcn.data.spec import MAX_PIXELS

FIRST_AUGMENTATIONS = ("hflip", "vflip", "turn", "scale")  # config.json of every run has them first, others by name


def parse_size(text):
    """'384' -> (384, 384), '360x480' -> (360, 480): height x width in pixels; 'native' -> None: each image's own."""
    if text in ("native", [0, 0]):
        return None
    try:
        sides = [whole(side) for side in (text if isinstance(text, (list, tuple)) else str(text).lower().split("x"))]
        height, width = sides * 2 if len(sides) == 1 else sides
    except ValueError:
        height = width = 0
    if height < 1 or width < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no size; write 384, or 360x480 (height x width)")
    if height * width > MAX_PIXELS:
        raise argparse.ArgumentTypeError(f"'{text}' is more than {MAX_PIXELS:,} pixels")
    return height, width


def parse_crop(text):
    """A size in pixels; there is no native one."""
    size = parse_size(text)
    if size is None:
        raise argparse.ArgumentTypeError("a crop has a size; leave it out for whole images")
    return size


def parse_augmentations(text):
    """'hflip,scale' -> ("hflip", "scale"); 'none' -> (). Always in the same order, whichever was given."""
    given = text if isinstance(text, (list, tuple)) else [name.strip() for name in str(text).split(",")]
    chosen, known = () if list(given) in (["none"], [""]) else tuple(given), augmentations()
    for name in chosen:
        _check_known(name, known)
    return tuple(name for name in known if name in chosen)


def _check_known(name, known):
    if name not in known:
        near = difflib.get_close_matches(str(name), known, 1)
        raise argparse.ArgumentTypeError(f"'{name}' is none of {', '.join(known)}"
                                         + (f"; did you mean {near[0]}?" if near else ""))


def augmentations():
    """Names of all augmentations, in the order in which settings list them."""
    names = registry.names("augmentations")
    return [*FIRST_AUGMENTATIONS, *(name for name in names if name not in FIRST_AUGMENTATIONS)]


def parse_folders(text):
    """'DIR:DIR' (';' on Windows) or a list -> absolute paths, () for none."""
    given = text if isinstance(text, (list, tuple)) else str(text).split(os.pathsep)
    if not all(isinstance(folder, str) for folder in given):
        raise argparse.ArgumentTypeError(f"'{text}' is not a list of folders")
    return tuple(str(pathlib.Path(folder).absolute()) for folder in given if folder)


def parse_ids(text):
    """'11' -> (11,), '0,255' -> (0, 255)."""
    try:
        values = tuple(whole(v) for v in (text if isinstance(text, (list, tuple)) else str(text).split(",")))
    except ValueError:
        values = (-1,)
    if not all(0 <= v <= 255 for v in values):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of label ids from 0 to 255, such as 11 or 0,255")
    return values


def optional(parse):
    """Parser that takes '' for None: as if the setting had not been given."""
    def optionally(text):
        return None if text in ("", None) else parse(text)
    optionally.__name__ = parse.__name__  # argparse: "invalid number value: 'x'"
    return optionally


def whole(value):
    """int(value), but 2.7 and true are no whole numbers. Raises ValueError."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"{value} is no whole number")
    return int(value)


def real(value):
    if isinstance(value, bool):
        raise ValueError(f"{value} is no number")
    return float(value)


def between(low, high, kind=whole):
    """Parser of a number from low to high; NaN is refused."""
    def number(text):
        try:
            value = kind(text)
        except TypeError:  # a list, of a TOML file
            raise ValueError(f"{text} is no number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} is not from {low} to {high}")
        return value
    number.__name__ = "number"  # argparse: "invalid number value: 'x'"
    return number


def parse_mean(text):
    """'123.68,116.779,103.939' -> three numbers: red, green, blue, 0-255."""
    try:
        values = tuple(real(v) for v in (text if isinstance(text, (list, tuple)) else str(text).split(",")))
    except ValueError:
        values = ()
    if len(values) != 3 or not all(0 <= v <= 255 for v in values):
        raise argparse.ArgumentTypeError(f"'{text}' is no colour; write red,green,blue from 0 to 255")
    return values


def parse_factors(text):
    """'*/bias=2, conv*=0' as it is, if it can be read as patterns of variable names and their factors."""
    factors(text)
    return text


def factors(text):
    """[(pattern, factor), ...] of a rate_factors text. Raises ArgumentTypeError."""
    if not isinstance(text, str):
        raise argparse.ArgumentTypeError(f"{text} is not a text")
    found = []
    for part in filter(None, (p.strip() for p in text.split(","))):
        pattern, _, factor = part.partition("=")
        try:
            found.append((pattern.strip(), real(factor)))
        except ValueError:
            found.append(("", -1.0))
        if not found[-1][0] or not 0 <= found[-1][1] <= 1e6:
            raise argparse.ArgumentTypeError(f"'{part}' is no factor; write patterns of variable names and their "
                                             "factors, such as '*/bias=2, conv1_*=0'")
    return found


def parse_loss(text):
    """The text of a loss or a sum of losses, 'dice' or '0.5*dice+focal', unchanged. Raises ArgumentTypeError."""
    for _, name in loss_terms(text):
        _check_known(name, registry.names("losses"))
    return text


def loss_terms(text):
    """[(factor, name), ...] of a loss, 'dice', or a sum of losses, '0.5*dice+focal'. Raises ArgumentTypeError."""
    if not isinstance(text, str):
        raise argparse.ArgumentTypeError(f"{text} is not a text")
    found = []
    for term in text.split("+"):
        factor, star, name = (part.strip() for part in term.rpartition("*"))
        if not name:
            raise argparse.ArgumentTypeError(f"'{text}' has a term without a loss; write a sum of losses as dice+focal "
                                             "or 0.5*dice+focal")
        try:
            found.append((float(factor) if star else 1.0, name))
        except ValueError:
            found.append((-1.0, name))
        if not 0 < found[-1][0] <= 1e6:
            raise argparse.ArgumentTypeError(f"'{factor}' in '{text}' is not a valid factor; write a number above 0 "
                                             "and up to 1000000, such as 0.5*dice+focal")
    return found


def parse_freeze(text):
    """'conv4', 'conv3_2', 'fc6': the last layer that keeps its weights, or '' for nothing. The encoder has the names.
    """
    if not isinstance(text, str) or not re.fullmatch(r"[\w./-]*", text):
        raise argparse.ArgumentTypeError(f"'{text}' is no name of a layer or stage, such as conv3_2 or conv4")
    return text


def parse_average_loss(text):
    """'20' -> 20 batches; 'auto' as it is."""
    try:
        return text if text == "auto" else count(text)
    except (ValueError, TypeError):
        raise argparse.ArgumentTypeError(f"'{text}' is no number of batches; write 20, or auto") from None


def parse_share(text):
    """'5%' or 0.05 -> 0.05."""
    try:
        value = real(text[:-1]) / 100 if isinstance(text, str) and text.endswith("%") else real(text)
    except (TypeError, ValueError):
        value = 0.0
    if not 0 < value < 1:
        raise argparse.ArgumentTypeError(f"'{text}' is no share; write 5% or 0.05")
    return value


MOST = 2 ** 31 - 1  # numbers of batches, samples and seeds are int32 in the graph
count, counted_from_0, positive = between(1, MOST), between(0, MOST), between(1e-30, 1e30, real)
fraction = between(1e-6, 1.0, real)


def parse_scales(text):
    """'0.75,1,1.25' -> (0.75, 1.0, 1.25)."""
    try:
        scales = tuple(real(part) for part in str(text).split(","))
    except ValueError:
        scales = (0.0,)
    if not all(0.1 <= scale <= 8 for scale in scales):
        raise argparse.ArgumentTypeError(f"'{text}' is no list of scales from 0.1 to 8, such as 0.75,1,1.25")
    return tuple(sorted(set(scales)))


def parse_overlap(text):
    """'0.5' or '50%' -> 0.5; 'exact' stays."""
    if text == "exact":
        return text
    try:
        return 0.0 if float(str(text).removesuffix("%")) == 0 else parse_share(text)
    except ValueError:
        return parse_share(text)
