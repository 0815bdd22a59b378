"""Check a data set before training: its layout, pairs, problems, and pixels of each class.

    fcn inspect DATA [--layout auto] [--html data.html]

Every photo and label is decoded once, as in training. The exit code is 3 if a file cannot be used, or if training or
validation is empty.
"""

import pathlib
import shlex

import numpy as np

from fcn.config import command_line, parsers
from fcn.core import errors, progress_bar, tables
from fcn.core.errors import grouped
from fcn.data import class_counts, file_checks, images
from fcn.data.label_formats import blue_bits
from fcn.data.layouts import _auto

OF_LABELS = ("classes", "label_encoding", "mask_threshold", "ignore_label")  # settings of labels
NAMED = 20  # files of one problem
COLUMNS = [">id", "class", ">pixels", ">share", ">labels"]


def table(pixels, holding, spec):
    """Lines: id, class, pixels, share of all pixels, labels that hold it; then the classes that do not occur."""
    spec = spec.counted(pixels)
    rows = []
    for i in np.flatnonzero(pixels).tolist():
        name = spec.class_names[i] if i < spec.num_classes else ""
        name += " (ignored)" if i in spec.ignored_ids else ""
        if blue_bits.has_boundary(spec) and i in blue_bits.BOUNDARY_IDS:
            name = f"boundary of {spec.class_names[i - blue_bits.FLAG]}"
        rows.append([str(i), name.strip(), f"{pixels[i]:,}", f"{pixels[i] / pixels.sum():.3%}", f"{holding[i]:,}"])
    lines = tables.lines(COLUMNS, rows)
    absent = [spec.class_names[i] for i in spec.scored_ids if not pixels[i]]
    if absent:
        lines.append(f"{len(absent)} of {len(spec.scored_ids)} classes do not occur: {', '.join(absent[:10])}"
                     + (", ..." if len(absent) > 10 else ""))
    return lines


def parse(argv):
    """The arguments of `fcn inspect`."""
    parser = command_line.Parser(argv, prog="fcn inspect", description=__doc__.split("\n\n")[0])
    parser.add_argument("data", nargs="?", default="", metavar="DATA", help="folder of the data set, or a CSV list of "
                        "pairs")
    parser.add_argument("--data", dest="flag_data", metavar="DATA", help="the same as DATA")
    parser.add_argument("--html", type=pathlib.Path, metavar="FILE", help="write a page with the classes, examples of "
                        "each and unusual files")
    parser.set_defaults(layout="auto", images="", labels="", classes="", label_encoding=None, mask_threshold=None,
                        ignore_label=None, channels=None, max_pixels=images.MAX_PIXELS)
    command_line.add_flags(parser, ("layout", "images", "labels", *OF_LABELS, "channels", "max_pixels"), parser)
    arguments = parser.parse_args(argv)
    if bool(arguments.data) == bool(arguments.flag_data):
        parser.error(f"expected one data set{parsers.FIX}give its folder: fcn inspect DIR")
    arguments.data = arguments.data or arguments.flag_data
    return arguments


def training_command(arguments, choice):
    """The command line, for a shell, that trains on this data set as it was inspected."""
    flags = [f"--{name.replace('_', '-')} {shlex.quote(text)}" for name in (*OF_LABELS, "channels")
             if (text := _text(getattr(arguments, name)))]
    return " ".join([f"fcn train --data {shlex.quote(str(arguments.data))} {choice.flags()}", *flags])


def _text(value):
    return "" if value is None else ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def main(argv):
    """Describe a data set. Returns the exit code."""
    arguments = parse(argv)
    if arguments.html:
        from fcn.reporting import data_report, survey  # half a second
        data_report.check_place(arguments.html)
    choice = _auto.chosen(arguments)
    arguments.layout, arguments.images, arguments.labels = choice.layout, choice.images, choice.labels
    print(f"layout: {choice.layout}: {choice.why}")
    spec = spec_of(arguments)
    found = class_counts.listings(_auto.of(arguments), arguments.data)
    for split, listing in found.items():
        print("\n  ".join([f"{split}: {len(listing.pairs):,} pairs" + (" (drawn)" if listing.drawn else ""),
                           *listing.notes]))
    split_of = {pair: split for split, listing in found.items() for pair in listing.pairs}
    seen = survey.Survey(spec, split_of) if arguments.html else None
    report, counted = read(list(split_of), spec, arguments.max_pixels, seen)
    sparse = file_checks.sparse_ids_warning(spec, counted.pixels, arguments.ignore_label)
    print("\n".join([sizes_line(spec, counted.sizes), *table(counted.pixels, counted.images, spec), *sparse]))
    problems = list(dict.fromkeys([problem for listing in found.values() for problem in listing.problems]
                                  + report.problems + counted.problems))
    print("\n  ".join([f"problems: {len(problems) or 'none'}", *grouped(problems, NAMED)]))
    print(f"train on it with\n  {training_command(arguments, choice)}")
    if arguments.html:
        data_report.write_page(arguments.html, seen, data_report.Inspection(
            pathlib.Path(arguments.data), f"layout {choice.layout}: {choice.why}", found,
            file_checks.lines(report.kinds, arguments.max_pixels), sparse, problems,
            training_command(arguments, choice)))
        print(f"the page is {arguments.html}")
    empty = [split for split in ("training", "validation") if not found[split].pairs]
    if empty:
        print(f"no pairs for {' and '.join(empty)}")
    return errors.DataError.exit_code if problems or empty else 0


def spec_of(arguments):
    """The DatasetSpec of the data set, with the given flags."""
    spec = _auto.of(arguments).spec(arguments.data, arguments.classes, arguments.ignore_label)
    spec = spec.with_overrides(arguments.label_encoding, arguments.mask_threshold, arguments.channels)
    return spec if arguments.ignore_label is not None else blue_bits.with_boundary(spec)


def read(pairs, spec, max_pixels, seen):
    """(file_checks report, class_counts.Counts) of all pairs; prints conversions. seen: a Survey that gets them too."""
    with progress_bar.counted("check", len(pairs)) as progress:
        report = file_checks.check_files(pairs, spec, max_pixels, progress)
    for line in file_checks.lines(report.kinds, max_pixels):
        print(line)
    with progress_bar.counted("reading", len(report.good)) as progress:
        return report, class_counts.count(report.good, spec, progress, max_pixels, seen and seen.take)


def sizes_line(spec, sizes):
    """Label format and the most frequent sizes, as a line."""
    most = ", ".join(f"{height}x{width} ({number})" for (height, width), number in sizes.most_common(4))
    more = f" and {len(sizes) - 4} more" if len(sizes) > 4 else ""
    return f"labels: {spec.encoding}, height x width {most}{more}"
