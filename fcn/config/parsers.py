"""Parsers of flags and of TOML values; each raises ArgumentTypeError that says what was expected."""

import argparse
import difflib
import os
import pathlib
import re

from fcn.core import registry
from fcn.data.spec import MAX_PIXELS, MOST_IDS

FIRST_AUGMENTATIONS = ("hflip", "vflip", "turn", "scale")  # config.json of every run has them first, others by name
ABBREVIATIONS = {"lr": "learning_rate", "wd": "weight_decay", "bs": "batch"}  # nearest() knows these
FIX = "\n  Fix: "  # in the text of an ArgumentTypeError, before how to correct the value


def parse_size(text):
    """'384' -> (384, 384), '360x480' -> (360, 480): height x width in pixels; 'native' -> None: each image's own."""
    if text in ("native", [0, 0]):
        return None
    try:
        sides = [whole(side) for side in (text if isinstance(text, (list, tuple)) else str(text).lower().split("x"))]
        height, width = sides * 2 if len(sides) == 1 else sides
    except (ValueError, TypeError):
        height = width = 0
    if height < 1 or width < 1:
        raise argparse.ArgumentTypeError(f"invalid size '{text}': expected 384 or HEIGHTxWIDTH")
    if height * width > MAX_PIXELS:
        raise argparse.ArgumentTypeError(f"invalid size '{text}': more than {MAX_PIXELS:,} pixels")
    return height, width


def parse_crop(text):
    """A size in pixels, which cannot be native."""
    size = parse_size(text)
    if size is None:
        raise argparse.ArgumentTypeError(f"invalid size 'native': expected 384 or HEIGHTxWIDTH{FIX}leave it out for "
                                         "whole images.")
    return size


def parse_augmentations(text):
    """'hflip,scale' -> ("hflip", "scale"); 'none' -> (). Always in the same order, whichever was given."""
    given = text if isinstance(text, (list, tuple)) else [name.strip() for name in str(text).split(",")]
    chosen, known = () if list(given) in (["none"], [""]) else tuple(given), augmentations()
    for name in chosen:
        check_name(name, known, "augmentation")
    return tuple(name for name in known if name in chosen)


def check_name(name, known, word="value", listed=""):
    """Raise ArgumentTypeError, with the nearest name if there is one, if `name` is not in the list `known`.

    listed: what the message says is expected; default: all of `known`.
    """
    if name not in known:
        near = nearest(str(name), known)
        raise argparse.ArgumentTypeError(f"unknown {word} '{name}': expected {listed or ', '.join(known)}"
                                         + (f"{FIX}did you mean {near}?" if near else ""))


def nearest(name, known):
    """The setting, flag or other name in `known` that is similar to `name`, or usually abbreviated so; "" if none."""
    meant = ABBREVIATIONS.get(name.strip("-").lower())
    found = [other for other in known if other.strip("-").replace("-", "_") == meant]
    return next(iter(found or difflib.get_close_matches(name, known, 1)), "")


def one_of(known, word="value"):
    """Parser of one of these names."""
    def name(text):
        check_name(text, known, word)
        return text
    return name


def augmentations():
    """Names of all augmentations, in the order in which settings list them."""
    names = registry.names("augmentations")
    return [*FIRST_AUGMENTATIONS, *(name for name in names if name not in FIRST_AUGMENTATIONS)]


def parse_folders(text):
    """'DIR:DIR' (';' on Windows) or a list -> absolute paths, () for none."""
    given = text if isinstance(text, (list, tuple)) else str(text).split(os.pathsep)
    if not all(isinstance(folder, str) for folder in given):
        raise argparse.ArgumentTypeError(f"invalid list of folders {text}")
    return tuple(str(pathlib.Path(folder).absolute()) for folder in given if folder)


def parse_ids(text):
    """'11' -> (11,), '0,255' -> (0, 255)."""
    try:
        values = tuple(whole(v) for v in (text if isinstance(text, (list, tuple)) else str(text).split(",")))
    except ValueError:
        values = (-1,)
    if not all(0 <= v < MOST_IDS for v in values):
        raise argparse.ArgumentTypeError(f"invalid label ids '{text}': expected numbers from 0 to {MOST_IDS - 1}, such "
                                         "as 11 or 0,255")
    return values


def optional(parse):
    """Parser that reads '' as None: as if the setting had not been given."""
    def optionally(text):
        return None if text in ("", None) else parse(text)
    return optionally


def whole(value):
    """int(value); 2.7 and true are refused. Raises ValueError."""
    if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
        raise ValueError(f"{value} is not a whole number")
    return int(value)


def real(value):
    """float(value); true is refused. Raises ValueError."""
    if isinstance(value, bool):
        raise ValueError(f"{value} is not a number")
    return float(value)


MOST = 2 ** 31 - 1  # numbers of batches, samples and seeds are int32 in the graph


def between(low, high, kind=whole):
    """Parser of a number from low to high; NaN is refused."""
    wanted = f"{'a whole number' if kind is whole else 'a number'} {_range(low, high)}"

    def number(text):
        try:
            value = kind(text)
        except (TypeError, ValueError):  # TypeError: a list, of a TOML file
            value = float("nan")
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"invalid number '{text}': expected {wanted}")
        return value
    return number


def _range(low, high):
    if high < MOST:
        return f"from {low} to {high}"
    return "above 0" if 0 < low < 1 else f"of at least {low}"


def parse_mean(text):
    """'123.68,116.779,103.939' -> numbers from 0 to 255: red, green, blue, or one for each channel."""
    try:
        values = tuple(real(v) for v in (text if isinstance(text, (list, tuple)) else str(text).split(",")))
    except ValueError:
        values = ()
    if not values or not all(0 <= v <= 255 for v in values):
        raise argparse.ArgumentTypeError(f"invalid colour '{text}': expected RED,GREEN,BLUE from 0 to 255")
    return values


def parse_factors(text):
    """'*/bias=2, conv*=0' unchanged, if it can be read as patterns of names and their factors. 'none' gives ''."""
    text = "" if text == "none" else text
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
            raise argparse.ArgumentTypeError(f"invalid factor '{part}': expected PATTERN=FACTOR with a pattern of "
                                             "variable names, such as '*/bias=2, conv1_*=0', or new=10")
    return found


def parse_freeze(text):
    """'conv4', 'conv3_2', 'fc6': the last layer that is frozen; 'none' or '': no layer. The encoder knows the names."""
    if not isinstance(text, str) or not re.fullmatch(r"[\w./-]*", text):
        raise argparse.ArgumentTypeError(f"invalid layer '{text}': expected the name of a layer or stage, such as "
                                         "conv3_2 or conv4")
    return "" if text == "none" else text


def parse_interval(text):
    """'500' -> 500 steps; '5%' or 0.05 -> 0.05, a share of the time."""
    try:
        steps = whole(text)
        if 1 <= steps <= MOST:
            return steps
    except (TypeError, ValueError):
        if (share := _share(text)) is not None:
            return share
    raise argparse.ArgumentTypeError(f"invalid interval '{text}': expected a number of steps such as 500, or a "
                                     "share of the time such as 5%")


def parse_share(text):
    """'5%' or 0.05 -> 0.05."""
    share = _share(text)
    if share is None:
        raise argparse.ArgumentTypeError(f"invalid share '{text}': expected 5% or 0.05")
    return share


def _share(text):
    """A share between 0 and 1, or None."""
    try:
        value = real(text[:-1]) / 100 if isinstance(text, str) and text.endswith("%") else real(text)
    except (TypeError, ValueError):
        return None
    return value if 0 < value < 1 else None


count, counted_from_0, positive = between(1, MOST), between(0, MOST), between(1e-30, 1e30, real)
fraction = between(1e-6, 1.0, real)


def parse_scales(text):
    """'0.75,1,1.25' -> (0.75, 1.0, 1.25)."""
    try:
        scales = tuple(real(part) for part in str(text).split(","))
    except ValueError:
        scales = (0.0,)
    if not all(0.1 <= scale <= 8 for scale in scales):
        raise argparse.ArgumentTypeError(f"invalid scales '{text}': expected numbers from 0.1 to 8, such as "
                                         "0.75,1,1.25")
    return tuple(sorted(set(scales)))


def parse_overlap(text):
    """'0.5' or '50%' -> 0.5, '0' -> 0.0; 'exact' unchanged. A share of 1 or more is refused with the window."""
    if text == "exact":
        return text
    overlap = 0.0 if str(text) in ("0", "0%", "0.0") else _share(text)
    if overlap is None and str(text).isdecimal():
        return float(text)
    if overlap is None:
        raise argparse.ArgumentTypeError(f"invalid overlap '{text}': expected a share of the window's size such as 0.5 "
                                         "or 50%, or exact")
    return overlap


def parse_threshold(text):
    """'0.4' -> 0.4, 'best' unchanged. Thresholds are multiples of 0.005."""
    if text == "best":
        return text
    try:
        threshold = real(text)
    except ValueError:
        threshold = 0.0
    if not 0.005 <= threshold <= 0.995:
        raise argparse.ArgumentTypeError(f"invalid threshold '{text}': expected a probability from 0.005 to 0.995, or "
                                         "best")
    return round(threshold * 200) / 200
