"""Compare runs: a table of scores and progress, the settings in which they differ, and a picture of all curves.

    fcn compare runs/* [--out compare.png] [--csv runs.csv]

Folders without a run are skipped. Runs are sorted by best mean IoU.
"""

import pathlib
import shlex

from rich.console import Console
from rich.text import Text

from fcn.config import command_line
from fcn.core import atomic_io, errors, ownership, tables
from fcn.data import render
from fcn.runs import curves, run_differences, run_facts
from fcn.runs.run_differences import plain


def main(argv):
    """Compare runs: settings, scores and curves. Returns the exit code."""
    arguments = parse(argv)
    runs, passed_over = run_facts.find(arguments.runs)
    if not runs:
        raise errors.UsageError("there is no run to compare", why=errors.several(passed_over),
                                fix="give folders that fcn train has written, such as runs/*.")
    runs.sort(key=lambda run: -(run.facts["best_mean_iou"] or 0))
    differing = run_differences.differences_between(runs)
    console = Console(highlight=False)
    show(console, runs, passed_over, differing)
    curves.overlay([(run.name, run.entries) for run in runs], arguments.out)
    say(console, f"curves: {arguments.out}")
    if arguments.csv:
        atomic_io.write_whole(arguments.csv, as_csv(runs, differing).encode("utf-8", "backslashreplace"), new=True)
        say(console, f"table: {arguments.csv}")


def show(console, runs, passed_over, differing):
    """Print the tables, the protocols of the scores, and warnings."""
    for line in passed_over:
        say(console, f"skipped: {line}")
    for columns in (COLUMNS, SCORES):
        rows = [[run.name, *(cell(run.facts) for cell in columns.values())] for run in runs]
        if {cell for row in rows for cell in row[1:]} != {plain(None)}:
            print_table(console, ["run", *columns], rows)
            say(console, "")
    protocols: dict = {}
    for run in runs:
        protocols.setdefault(run.facts["evaluated_protocol"], []).append(run.name)
    for protocol, names in protocols.items():
        if protocol:
            say(console, f"evaluated ({', '.join(names)}): {protocol}")
    for line in run_differences.warnings(runs, differing):
        say(console, line, "bold")
    if differing:
        print_table(console, ["differs", *(run.name for run in runs)],
                    [[key, *values] for key, values in differing.items()])
    elif len(runs) > 1:
        say(console, "settings, data, packages and machine are the same")


def parse(argv):
    """The arguments of `fcn compare`."""
    parser = command_line.Parser(argv, description=__doc__.split("\n\n")[0], prog="fcn compare")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folders of runs, or of --stages")
    parser.add_argument("--out", default="compare.png", metavar="FILE.png", type=pathlib.Path,
                        help="picture of the curves (default: compare.png)")
    parser.add_argument("--csv", metavar="FILE", type=pathlib.Path, help="also write the table as CSV")
    arguments = parser.parse_args(argv)
    if arguments.out.suffix.lower() != ".png":
        raise errors.UsageError(f"--out {arguments.out}: the picture is a PNG file",
                                fix=f"give --out {shlex.quote(str(arguments.out.with_suffix('.png')))}.")
    for path in filter(None, (arguments.out, arguments.csv)):
        command_line.check_writable(path)
    ownership.check_free(arguments.out, "--out", lambda path: render.png_made_by(path, curves.COMPARISON))
    if arguments.csv:
        ownership.check_free(arguments.csv, "--csv")
    return arguments


def say(console, text, style=""):
    """Print a text without wrapping it."""
    console.print(Text(text, style), soft_wrap=True)


def print_table(console, titles, rows):
    """Print a table as wide as the terminal; in a file or pipe, a row is one line of any length."""
    width = console.width if console.is_terminal else None
    for line in tables.lines([tables.wrapped(title) for title in titles], rows, width=width):
        say(console, line)


def plus_minus(mean, error):
    """'1.234 ± 0.005', without a missing error."""
    return plain(mean, "{:.3f}") + (f" ± {error:.3f}" if error else "")


def at_step(score, step, split=None):
    """'0.3120 validation @ 500'."""
    return " ".join([plain(score, "{:.4f}"), *([split] if split else []), *([f"@ {step}"] if step is not None else [])])


COLUMNS = {
    "steps": lambda f: f"{f['steps_done']}/{plain(f['steps_planned'])}",
    "best mean IoU": lambda f: at_step(f["best_mean_iou"], f["best_step"]),
    "validation loss": lambda f: plus_minus(f["validation_loss"], f["validation_loss_se"]),
    "training loss": lambda f: plus_minus(f["training_loss"], f["training_loss_se"]),
    "images/s": lambda f: plain(f["images_per_s"], "{:.2f}"),
    "starts": lambda f: plain(f["starts"]),
    "commit": lambda f: plain(f["commit"]),
    "evaluated": lambda f: at_step(f["evaluated_mean_iou"], f["evaluated_step"], f["evaluated_split"]),
}
SCORES = {  # a second table
    "best F-score": lambda f: plain(f["best_f_score"], "{:.4f}"),
    "evaluated F-score": lambda f: plain(f["evaluated_f_score"], "{:.4f}"),
    "training accuracy": lambda f: plain(f["training_accuracy"], "{:.4f}"),
    "validation accuracy": lambda f: plain(f["validation_accuracy"], "{:.4f}"),
}


def as_csv(runs, differing):
    """CSV text with a row for each run: its facts in full precision, and the settings that differ."""
    return tables.csv_text([["run", "folder", *run_facts.NAMES, *differing],
                           *([run.name, str(run.folder), *(run.facts[name] for name in run_facts.NAMES),
                              *(values[number] for values in differing.values())] for number, run in enumerate(runs))])
