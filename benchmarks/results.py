#!/usr/bin/env python3
"""Write the generated part of benchmarks/RESULTS.md and benchmarks/results.png from benchmarks/results/*.json.

    python benchmarks/results.py

Each table has its command, commit, machine, date and versions. Text outside the two markers in RESULTS.md is kept.
"""

import argparse
import json
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import evaluate_speed
import gemm
import goals
import growth
import measuring
import startup

from fcn.core import atomic_io, ownership  # measuring adds the repository to sys.path

BEGIN, END = "<!-- what follows is written by benchmarks/results.py -->", "<!-- end of what is written -->"
JOBS = {"train": "Training step with Adam", "predict": "Prediction"}
DUELS = {"paper": "The paper's fcn8s against its own dense-bilinear form, training, batch 2",
         "plain-train": "What each change gains in a training step of batch 2: with it against with it undone",
         "plain-predict": "The same in a prediction of batch 1"}


def read(folder):
    """Return {file name without .json: content}."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(pathlib.Path(folder).glob("*.json"))}


def source(content):
    """Return the line under a table: the provenance of its numbers."""
    versions = ", ".join(f"{name} {content['versions'][name]}" for name in ("python", *measuring.PACKAGES)
                         if name in content["versions"])
    return (f"`{content['command']}`; commit {content['commit']}, {content['time'][:10]}; {content['machine']}; "
            f"{versions}.")


def duel_rows(duel):
    """Return a Markdown table of one duel, fastest first: seconds, images/s, relative speed, memory, share of peak."""
    good = sorted(goals.contenders({"a-1": duel}, "a", 1), key=lambda one: one["ratio"])
    ours = [one["name"] for one in good if one["name"].startswith("ours:")]
    head = ["contender", "seconds", "images/s", *(f"{name} is ... times as fast" for name in ours), "peak memory",
            "share of peak"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for one in good:
        share = goals.share_of_peak(duel, one["name"])
        lines.append(f"| {one['name']} | {one['seconds']:.3f} | {one['images_per_second']:.3g} "
                     f"| {' | '.join(against(duel, name, one['name']) for name in ours)} "
                     f"| {one['peak_bytes'] / goals.GB:.2f} GB | {'' if share is None else f'{share:.0%}'} |")
    lines += [f"| {name} | failed: {row['failed']} {'| ' * (len(head) - 2)}|" for name, row in duel["rows"].items()
              if row["failed"]]
    return "\n".join(lines)


def against(duel, ours, name):
    """Return a relative speed such as '1.50 (1.41 to 1.62)'; '' for a contender relative to itself."""
    return "" if ours == name else "{:.2f} ({:.2f} to {:.2f})".format(*goals.times_as_fast(duel, ours, name))


def growth_tables(content):
    tables = [growth.table(content["steps"], axis) for axis in growth.BASE]
    rows = [f"| {one['images']} | {one['seconds']:.1f} s | {one['peak_bytes'] / goals.GB:.2f} GB |"
            for one in content["evaluations"] if not one["failed"]]
    return "\n\n".join([*tables, "\n".join(["| images evaluated (an eighth of the channels) | time | peak memory |",
                                           "|---|---|---|", *rows])])


SECTIONS = {
    "gemm": ("What the machine can do", lambda content: gemm.table(content["threads"])),
    "startup": ("From a .mat to the first step", lambda content: startup.table(content["starts"],
                                                                               content["file_bytes"])),
    "evaluate_speed": ("Evaluation end to end, and waiting for data", evaluate_speed.table),
    "growth": ("How a step grows", growth_tables),
}


def generated(results):
    """Return the text between the markers."""
    commits = sorted({content["commit"] for content in results.values()})
    parts = ["## Against the goals", goals.table(results),
             f"By the tables below, of commit {' and '.join(commits)}.", "![images a second, and growth](results.png)"]
    for name, content in results.items():
        if "rows" in content and content.get("job") in JOBS:
            title = DUELS.get(name, f"{JOBS[content['job']]}, batch {content['batch']}")
            parts += [f"## {title}", duel_rows(content), source(content)]
    for name, (title, table) in SECTIONS.items():
        if name in results:
            parts += [f"## {title}", table(results[name]), source(results[name])]
    for content in results.values():
        if "text" in content:
            parts += [f"## {content['title']}", f"```text\n{content['text'].strip()}\n```", source(content)]
        if "markdown" in content:
            parts += [f"## {content['title']}", content["markdown"], source(content)]
    return "\n\n".join(parts)


def insert(page, text):
    """Return the page with `text` between the markers. Missing markers are appended."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before.rstrip()}\n\n{BEGIN}\n\n{text}\n\n{END}\n{after.lstrip()}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", default=str(measuring.RESULTS), help="folder of the JSON files")
    parser.add_argument("--page", default=str(measuring.RESULTS.parent / "RESULTS.md"))
    given = parser.parse_args()
    found, page = read(given.results), pathlib.Path(given.page)
    picture, before = page.with_name("results.png"), page.read_text() if page.exists() else "# Results"
    if ownership.occupied(picture) and BEGIN not in before:
        sys.exit(f"{picture} exists without a generated page beside it; give another --page")
    atomic_io.write_whole(page, insert(before, generated(found)).encode())
    from results_plot import draw
    draw(found, picture)
    print(goals.table(found))
    print(f"written: {page}, {picture}")


if __name__ == "__main__":
    main()
