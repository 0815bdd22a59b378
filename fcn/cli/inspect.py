"""Check a data set before training: its layout, pairs, problems, and pixels of each class.

    fcn inspect DATA [--layout auto] [--html data.html]

Every photo and label is decoded once, as in training. The exit code is 3 if a file cannot be used, or if training or
validation is empty.
"""

import collections
import concurrent.futures
import pathlib
import shlex

import numpy as np

from fcn.config import command_line, parsers
from fcn.core import errors, machine, progress_bar, tables
from fcn.core.errors import Problem, grouped
from fcn.data import file_checks, images, label_files
from fcn.data.label_formats import blue_bits
from fcn.data.layouts import _auto
from fcn.data.spec import MOST_IDS

SPLITS = ("training", "validation", "test")
OF_LABELS = ("classes", "label_encoding", "mask_threshold", "ignore_label")  # settings of labels
NAMED = 20  # files of one problem
COLUMNS = [">id", "class", ">pixels", ">share", ">labels"]


def listings(layout, root):
    """{split: Listing}; a data set may lack a test split. Raises DataError."""
    found = {}
    for split in SPLITS:
        try:
            found[split] = layout.listing(root, split)
        except errors.DataError:
            if split != "test":
                raise
    return found


def count(some_pairs, spec, progress, max_pixels=images.MAX_PIXELS, take=None):
    """Read all pairs: (pixels of each id (65536,), labels that hold it (65536,), Counter of sizes, Problems).

    take: called with each pair, image and label, by several threads.
    """
    pixels, holding = np.zeros(MOST_IDS, np.int64), np.zeros(MOST_IDS, np.int64)
    sizes: collections.Counter = collections.Counter()
    problems = []
    with concurrent.futures.ThreadPoolExecutor(machine.cores()) as pool:
        for done, result in enumerate(pool.map(lambda pair: _counted(pair, spec, max_pixels, take), some_pairs), 1):
            if isinstance(result, Problem):
                problems.append(result)
            else:
                pixels += result[0]
                holding += result[0] > 0
                sizes[result[1]] += 1
            progress(done)
    return pixels, holding, sizes, problems


def _counted(pair, spec, max_pixels, take):
    """(pixels of each id, (height, width)) of a pair, or its Problem."""
    try:
        image, label = label_files.read_pair(pair, spec, max_pixels=max_pixels)
    except errors.DataError as error:
        return file_checks.problem(error, pair.label)
    if take:
        take(pair, image, label)
    return np.bincount(label.ravel(), minlength=MOST_IDS), label.shape


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
    """Describe a data set, a run or a weight file. Returns the exit code."""
    arguments = parse(argv)
    if arguments.html:
        from fcn.reporting import data_report, survey  # half a second
        data_report.check_place(arguments.html)
    choice = _auto.chosen(arguments)
    arguments.layout, arguments.images, arguments.labels = choice.layout, choice.images, choice.labels
    print(f"layout: {choice.layout}: {choice.why}")
    layout = _auto.of(arguments)
    spec = layout.spec(arguments.data, arguments.classes, arguments.ignore_label)
    spec = spec.with_overrides(arguments.label_encoding, arguments.mask_threshold, arguments.channels)
    spec = spec if arguments.ignore_label else blue_bits.with_boundary(spec)
    found = listings(layout, arguments.data)
    for split, listing in found.items():
        print("\n  ".join([f"{split}: {len(listing.pairs):,} pairs" + (" (drawn)" if listing.drawn else ""),
                           *listing.notes]))
    everything = [pair for listing in found.values() for pair in listing.pairs]
    with progress_bar.counted("check", len(everything)) as progress:
        report = file_checks.check_files(everything, spec, arguments.max_pixels, progress)
    for line in file_checks.lines(report.kinds, arguments.max_pixels):
        print(line)
    with progress_bar.counted("reading", len(report.good)) as progress:
        seen = arguments.html and survey.Survey(spec, {pair: split for split, listing in found.items()
                                                       for pair in listing.pairs})
        pixels, holding, sizes, problems = count(report.good, spec, progress, arguments.max_pixels, seen and seen.take)
    most = ", ".join(f"{height}x{width} ({number})" for (height, width), number in sizes.most_common(4))
    print(f"labels: {spec.encoding}, height x width {most}"
          + (f" and {len(sizes) - 4} more" if len(sizes) > 4 else ""))
    sparse = file_checks.sparse_ids_warning(spec, pixels, arguments.ignore_label)
    print("\n".join([*table(pixels, holding, spec), *sparse]))
    problems = list(dict.fromkeys([p for listing in found.values() for p in listing.problems]
                                 + report.problems + problems))
    print("\n  ".join([f"problems: {len(problems) or 'none'}", *grouped(problems, NAMED)]))
    print(f"train on it with\n  {training_command(arguments, choice)}")
    if arguments.html:
        data_report.write_page(arguments.html, seen, data_report.Inspection(
            pathlib.Path(arguments.data), f"layout {choice.layout}: {choice.why}", found,
            file_checks.lines(report.kinds, arguments.max_pixels), sparse, problems,
            training_command(arguments, choice)))
        print(f"the page is {arguments.html}")
    empty = [split for split in SPLITS[:2] if not found[split].pairs]
    if empty:
        print(f"no pairs for {' and '.join(empty)}")
    return errors.DataError.exit_code if problems or empty else 0
