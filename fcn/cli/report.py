"""Show the scores of an evaluation: all, those of some classes or images, or compared with another evaluation.

    fcn report FOLDER [--classes stuff] [--images 'ADE_val_0000*'] [--against FOLDER]

Scores are computed from the confusion matrices in the folder, without the net. Only --html changes the
folder. --card writes a summary for tables of results.
"""

import pathlib
import shlex

from fcn.config import command_line, parsers
from fcn.core import atomic_io, errors, ownership, registry
from fcn.evaluation import paired_comparison, result_folder, results, stored
from fcn.metrics import class_groups, confidence, protocols
from fcn.reporting import result_card
from fcn.runs import record


def main(argv):
    """Compute the scores of an evaluation again, or compare two evaluations. Returns the exit code."""
    arguments = parse(argv)
    folder = stored.folder_of(arguments.folder)
    if arguments.html:
        write_page(folder)
    if arguments.card:
        write_card(folder, arguments.card)
    rows = compare(folder, arguments) if arguments.against else show(folder, arguments)
    if arguments.csv:
        atomic_io.write_whole(arguments.csv, results.as_csv(rows).encode("utf-8", "backslashreplace"), new=True)
        print(f"scores: {arguments.csv}")


def parse(argv):
    """The arguments of `fcn report`."""
    parser = command_line.Parser(argv, description=__doc__.split("\n\n")[0], prog="fcn report")
    parser.add_argument("folder", metavar="FOLDER", help="folder of an evaluation, or of a run (its newest evaluation)")
    parser.add_argument("--classes", metavar="NAMES_OR_IDS", help="average over these classes only: a comma-separated "
                        "list of names and ids; for ADE20K also stuff and discrete")
    parser.add_argument("--images", metavar="FILE_OR_GLOB", help="these images only: a file with a name per line, or a "
                        "pattern")
    parser.add_argument("--protocol", metavar="NAME", help="this protocol only: "
                        f"{', '.join(registry.names('protocols'))}, or a plugin that the evaluation used")
    parser.add_argument("--against", metavar="FOLDER", help="compare with another evaluation of the same images")
    parser.add_argument("--samples", type=parsers.count, default=confidence.SAMPLES, metavar="N",
                        help=f"permutations of --against (default: {confidence.SAMPLES})")
    parser.add_argument("--csv", metavar="FILE", type=pathlib.Path, help="also write the scores as CSV")
    parser.add_argument("--card", metavar="FILE.json", type=pathlib.Path, help="also write a result card: a small JSON "
                        "file on the run, its training and these scores (docs/results.md)")
    parser.add_argument("--html", action="store_true", help="write report.html again")
    arguments = parser.parse_args(argv)
    if arguments.samples != confidence.SAMPLES and not arguments.against:
        raise errors.UsageError("--samples is the number of permutations of --against",
                                fix="leave it out, or give --against FOLDER.")
    if arguments.csv:
        command_line.check_writable(arguments.csv)
        ownership.check_free(arguments.csv, "--csv")
    partial = [f"--{name}" for name in ("classes", "images") if getattr(arguments, name) is not None]
    if arguments.card and partial:
        raise errors.UsageError(f"--card holds the scores of all classes and images: {partial[0]} has no effect on it",
                                fix=f"leave out {partial[0]}, or --card.")
    if arguments.card:
        command_line.check_writable(arguments.card)
        ownership.check_free(arguments.card, "--card", result_card.is_card)
    return arguments


def write_card(folder, path):
    """Write the result card of an evaluation in the folder of a run. Raises UsageError for one without a run."""
    content = results.read_report(folder)
    run = next((parent for parent in folder.resolve().parents if (parent / "config.json").exists()), None)
    if run is None:
        raise errors.UsageError("--card: this evaluation is not in the folder of a run", where=folder,
                                fix="give an evaluation that fcn evaluate --run RUN has put into the run's folder.")
    if (content.get("training") or [None])[0] != (record.read_record(run).get("starts") or [None])[0]:
        raise errors.UsageError("--card: this evaluation is of another run than the one whose folder it is in",
                                where=folder, why=f"it scores {content.get('weights')}",
                                fix=f"fcn evaluate --run {shlex.quote(str(run))} scores this run; give its results.")
    atomic_io.write_json(path, result_card.card(run, content, path.stem))
    print(f"result card: {path}")


def show(folder, arguments):
    """Print the table of an evaluation, or of the classes and images that are given; rows of a CSV file."""
    content = results.read_report(folder)
    if arguments.classes is not None or arguments.images is not None or "uncertainty" not in content:
        whole = stored.read_evaluation(folder)
        part, ids = part_of(whole, arguments)
        content = part.content | results.measured(part.original, part.network, part.spec, part.content.get("layout"),
                                                  ids, part.others)
        content["warnings"] = part.content["warnings"]  # those of all images: a part may lack most classes
        if ids or arguments.images is not None:
            content.pop("subsets", None)
            content["anchors"] = content["anchors"][:1]  # published scores are of all images and classes
            print(f"{len(part.original.names)} of {len(whole.original.names)} images, "
                  f"{len(content['per_class'])} of {len(whole.spec.scored_ids)} classes")
    if arguments.protocol:
        registry.path("protocols", arguments.protocol)
        content["protocols"] = {name: entry for name, entry in content["protocols"].items()
                                if name == arguments.protocol}
        if not content["protocols"]:
            raise errors.UsageError(f"--protocol {arguments.protocol}: this evaluation has no predictions at network "
                                    "size", where=folder, fix="leave out --protocol.")
        if arguments.protocol != "benchmark":
            content.pop("subsets", None)
    print(results.table(content))
    return [{"protocol": name, "number": number, "value": value,
             **dict(zip(("low", "high"), entry["intervals"][number] or (None, None), strict=True))}
            for name, entry in content["protocols"].items() for number, value in entry["scores"].items()]


def compare(folder, arguments):
    """Print a paired comparison; rows of a CSV file."""
    one, ids = part_of(stored.read_evaluation(folder), arguments)
    other, _ = part_of(stored.read_evaluation(stored.folder_of(arguments.against)), arguments)
    if arguments.protocol:
        registry.path("protocols", arguments.protocol)
    rows, classes, notes = paired_comparison.compare(one, other, ids, arguments.samples, arguments.protocol)
    if not rows:
        raise errors.UsageError(f"--protocol {arguments.protocol}: the evaluations have no predictions of one size",
                                why=notes, fix="leave out --protocol.")
    print(paired_comparison.text(one, other, rows, classes, notes))
    return [{**{key: row[key] for key in ("protocol", "number", "one", "other", "difference")},
             **dict(zip(("low", "high"), row["interval"] or (None, None), strict=True)), "p": row["p"]} for row in rows]


def part_of(whole, arguments):
    """(the Evaluation of the images of --images, the class ids of --classes or None).

    Raises UsageError, and DataError if no pixel of these images is labelled.
    """
    if arguments.images is not None:
        whole = whole.select(stored.matching(whole.original.names, arguments.images))
    if not whole.original.total()[list(whole.spec.scored_ids)].any():
        raise errors.DataError(f"these {len(whole.original.names)} images have no labelled pixels: there is nothing to "
                               "score", where=whole.folder, fix="leave out --images, or give others.")
    scored = protocols.computed(whole.original, None, whole.spec.ignored_ids)["benchmark"][1].ids
    asked = arguments.classes
    return whole, None if asked is None else class_groups.parse_classes(asked, whole.spec.class_names, scored)


def write_page(folder):
    """Write report.html of an evaluation again and print its path."""
    from fcn.reporting import html_report
    with result_folder.rewriting(folder, "report.html"):
        html_report.write_page(folder)
    print(f"page: {folder / 'report.html'}")
