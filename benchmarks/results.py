#!/usr/bin/env python3
"""Write a page with tables and plots per machine, and the table of machines in benchmarks/RESULTS.md.

    python benchmarks/results.py

benchmarks/results/MACHINE/README.md and results.png are of the JSON files in that folder. Each table has its command,
commit, machine, date and versions. Text outside the two markers of a page is kept.
"""

import argparse
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1]))

import evaluate_speed
import gemm
import goals
import gpu
import gpu_types
import growth
import machines
import measuring
import onednn
import startup

from fcn.core import atomic_io, ownership  # measuring adds the repository to sys.path

BEGIN, END = "<!-- what follows is written by benchmarks/results.py -->", "<!-- end of what is written -->"
JOBS = {"train": "Training step with Adam", "predict": "Prediction"}
DUELS = {"train-atonce": "fcn8s_atonce, training, batch 2", "predict-atonce": "fcn8s_atonce, prediction, batch 2",
         "train-fcn32s": "fcn32s, training, batch 2",
         "paper": "fcn8s against its own dense-bilinear form, training, batch 2",
         "plain-train": "What each change gains in a training step of batch 2: with it against with it undone",
         "plain-predict": "The same in a prediction of batch 1"}
LEGEND = "Bold: missed. Empty: not measured, or no variant of the peer is healthy."
ON_GPU = {"tutorial": "The tutorial's net on the GPU", "paper": "The paper's fcn8s on the GPU", "xla": "XLA",
          "forms": "Both forms of layers on the GPU"}


def read(folder):
    """Return {file name without .json: content}, with the duels in a result of gpu.py."""
    found = {path.stem: json.loads(path.read_text()) for path in sorted(pathlib.Path(folder).glob("*.json"))}
    return (goals.of_gpu(found["tutorial"]) if "steps" in found.get("tutorial", {}) else {}) | found


def source(content):
    """Return the line under a table: the provenance of its numbers."""
    versions = ", ".join(f"{name} {content['versions'][name]}" for name in ("python", *measuring.PACKAGES)
                         if name in content["versions"])
    return (f"`{content['command']}`; commit {content['commit']}, {content['time'][:10]}; {content['machine']}; "
            f"{versions}.")


def duel_rows(duel):
    """Return a Markdown table of one duel, fastest first: seconds, images/s, relative speed, memory, share of peak."""
    good = sorted(goals.contenders({"a-1": duel}, "a", 1), key=lambda one: one["ratio"])
    ours = [one["name"] for one in good if one["name"].startswith("ours:") and one["name"].endswith(goals.PRECISIONS)]
    head = ["contender", "seconds", "images/s", *(f"{name} is ... times as fast" for name in ours), "peak memory",
            "share of peak", "idle"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for one in good:
        lines.append(f"| {one['name']} | {one['seconds']:.3f} | {one['images_per_second']:.3g} "
                     f"| {' | '.join(against(duel, name, one['name']) for name in ours)} "
                     f"| {one['peak_bytes'] / goals.GB:.2f} GB | {peak(duel, one['name'])} | {idle(one)} |")
    lines += [f"| {name} | failed: {row['failed']} {'| ' * (len(head) - 2)}|" for name, row in duel["rows"].items()
              if row["failed"]]
    return "\n".join(lines)


def peak(duel, name):
    """Return the share of the peak as text, with a remark if the contender is not worth comparing with."""
    share = goals.share_of_peak(duel, name)
    remark = "" if name.startswith("ours:") or goals.healthy(duel, name) else ", unhealthy"
    return "" if share is None else f"{share:.0%}{remark}"


def idle(row):
    return "" if row.get("idle") is None else f"{row['idle']:.2f}"


def against(duel, ours, name):
    """Return a relative speed such as '1.50 (1.41 to 1.62)'; '' for a contender relative to itself."""
    return "" if ours == name else "{:.2f} ({:.2f} to {:.2f})".format(*goals.times_as_fast(duel, ours, name))


def growth_tables(content):
    tables = [growth.table(content["steps"], axis) for axis in growth.BASE]
    rows = [f"| {one['images']} | {one['seconds']:.1f} s | {one['peak_bytes'] / goals.GB:.2f} GB |"
            for one in content["evaluations"] if not one["failed"]]
    return "\n\n".join([*tables, "\n".join(["| images evaluated (an eighth of the channels) | time | peak memory |",
                                           "|---|---|---|", *rows])])


def unet_tables(content):
    return "\n\n".join(f"{JOBS[job].split()[0]}, batch {duel['batch']}, {duel['size'][0]}x{duel['size'][1]}:\n\n"
                       + duel_rows(duel) for job, duel in content["jobs"].items())


def duel_title(name, content):
    return DUELS.get(name, f"{JOBS[content['job']]}, batch {content['batch']}")


KINDS = (  # a key of the content; what makes its title of (name, content); what makes its table of the content
    ("threads", lambda *_: "What the machine can do", lambda content: gemm.table(content["threads"])),
    ("rows", duel_title, duel_rows),
    ("jobs", lambda _, content: f"{content['net']} against Keras", unet_tables),
    ("precisions", lambda _, content: f"Kernels of oneDNN, {JOBS[content['job']].lower()}, batch {content['batch']}",
     onednn.table),
    ("starts", lambda *_: "From a .mat to the first step",
     lambda content: startup.table(content["starts"], content["file_bytes"])),
    ("training", lambda *_: "Evaluation end to end, and waiting for data", evaluate_speed.table),
    ("evaluations", lambda *_: "How a step grows", growth_tables),
    ("peaks", lambda name, _: ON_GPU.get(name, name), lambda content: gpu.table(content["steps"], content["gpus"])),
    ("types", lambda *_: "Peak of the GPU", lambda content: gpu_types.table(content["types"])),
    ("text", lambda _, content: content["title"], lambda content: f"```text\n{content['text'].strip()}\n```"),
    ("markdown", lambda _, content: content["title"], lambda content: content["markdown"]),
)


def generated(results):
    """Return the text between the markers of a machine's page."""
    parts = []
    if "machine" in results:
        parts = ["## The machine", machines.table(results["machine"]), source(results["machine"])]
    parts += ["## Against the goals", goals.table({"found": results}), LEGEND,
              "![images per second, and growth of a step](results.png)"]
    for key, title, table in KINDS:
        for name, content in sorted(results.items(), key=lambda one: one[0] in DUELS):
            if key in content and "command" in content:
                parts += [f"## {title(name, content)}", table(content), source(content)]
    parts += ["A contender in float32 below 20 % of the peak is *unhealthy* and is not compared with. *idle*: share of "
              "a core that the contender uses between its turns."]
    return "\n\n".join(parts)


def commits(results):
    """Return (commits of the results, days of the first and last one), as text."""
    found = [content for content in results.values() if "commit" in content]
    days = sorted({content["time"][:10] for content in found})
    names = sorted({re.split(r"[, ]", content["commit"] or "unknown")[0] for content in found})
    return ", ".join(names), days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"


def overview(found, root):
    """Return the text between the markers of RESULTS.md. found: {folder: results}. root: folder of the page."""
    headings = {}
    for folder, results in found.items():
        title = machines.title(next(one for one in results.values() if "machine" in one))
        commit, days = commits(results)
        link = pathlib.Path(folder, "README.md").relative_to(root).as_posix()
        headings[f"[{title}]({link})<br>commit {commit}<br>{days}"] = results
    text = (f"How many times as fast as the peer, unless stated. {LEGEND} A peer at its best is the fastest of its "
            "variants in any precision.")
    return "\n\n".join(["## Machines", text, goals.table(headings)])


def insert(page, text):
    """Return the page with `text` between the markers. Missing markers are appended."""
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    return f"{before.rstrip()}\n\n{BEGIN}\n\n{text}\n\n{END}\n{after.lstrip()}"


def write(page, text, title):
    """Write `text` between the markers of a page, which is made with this title if it does not exist."""
    before = page.read_text() if page.exists() else f"# {title}"
    atomic_io.write_whole(page, insert(before, text).encode())


def write_machine(folder, results):
    """Write README.md and results.png of a machine's folder."""
    picture, page = folder / "results.png", folder / "README.md"
    if ownership.occupied(picture) and not (page.exists() and BEGIN in page.read_text()):
        sys.exit(f"{picture} exists without a generated page beside it; move it away")
    write(page, generated(results), machines.title(next(one for one in results.values() if "machine" in one)))
    from results_plot import draw
    draw(results, picture)
    print(f"written: {page}, {picture}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=pathlib.Path, default=measuring.RESULTS, help="folder of the machines' ones")
    parser.add_argument("--page", type=pathlib.Path, default=measuring.RESULTS.parent / "RESULTS.md")
    given = parser.parse_args()
    found = {folder: results for folder in sorted(given.results.iterdir())
             if folder.is_dir() and (results := read(folder))}
    for folder, results in found.items():
        write_machine(folder, results)
    write(given.page, overview(found, given.page.parent), "Results")
    print(f"written: {given.page}")


if __name__ == "__main__":
    main()
