#!/usr/bin/env python3
"""Write the generated parts of docs/results.md and README.md, and the curves, from the result cards in docs/results/.

    python docs/results_page.py             after fcn report RUN --card docs/results/NAME.json
    python docs/results_page.py --check     exit code 1 if a page is out of date

Text outside the two markers of a page is kept.
"""

import argparse
import hashlib
import itertools
import pathlib
import sys

ROOT = pathlib.Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from fcn.config import reproduction, training_config  # noqa: E402
from fcn.core import atomic_io, errors, ownership  # noqa: E402
from fcn.data import render  # noqa: E402
from fcn.metrics import baselines  # noqa: E402
from fcn.reporting import result_card  # noqa: E402
from fcn.runs import curves  # noqa: E402

BEGIN, END = "<!-- what follows is written by docs/results_page.py -->", "<!-- end of what is written -->"
CARDS = ROOT / "docs/results"
NAMES = {"nyudv2": "NYUDv2, 40 classes", "camvid": "CamVid, 11 classes", "ade20k": "ADE20K, 150 classes",
         "voc": "PASCAL VOC, 21 classes"}
SCORES = ("pixel_accuracy", "mean_accuracy", "mean_iou", "frequency_weighted_iou")
HEAD = ("| run | trained on | evaluated on | pixel acc | mean acc | mean IoU | f.w. IoU | minutes | memory | machine | "
        "commit |\n|---|---|---|---|---|---|---|---|---|---|---|")
README_HEAD = ("| net | data | pixel accuracy | mean IoU | published mean IoU | training | commit |\n"
               "|---|---|---|---|---|---|---|")
IN_README = 5


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a page is out of date")
    arguments = parser.parse_args()
    cards = [result_card.read(path) for path in sorted(CARDS.glob("*.json"))]
    pages = {ROOT / "docs/results.md": section(cards), ROOT / "README.md": best(cards)}
    changed = {path: text for path, text in ((path, replaced(path, text)) for path, text in pages.items())
               if text != path.read_text()}
    drawn = [(CARDS / picture(found[0]), found) for found in by_data(cards)]
    if arguments.check:
        old = [path.name for path in [*changed, *(path for path, _ in drawn if not path.exists())]]
        sys.exit(f"out of date: {', '.join(old)}; run python docs/results_page.py" if old else 0)
    for path, _ in drawn:
        ownership.check_free(path, is_ours=lambda path: render.png_made_by(path, curves.COMPARISON))
    for path, text in changed.items():
        atomic_io.write_whole(path, text.encode())
    for path, found in drawn:
        curves.overlay([(card["name"], entries(card)) for card in found], path)


def replaced(path, text):
    """The text of a page with new text between its markers."""
    before, _, rest = path.read_text().partition(BEGIN)
    _, found, after = rest.partition(END)
    if not found:
        sys.exit(f"{path} lacks the lines {BEGIN} and {END}")
    middle = f"\n\n{text}\n\n" if text else "\n"
    return f"{before}{BEGIN}{middle}{END}{after}"


def by_data(cards):
    """Lists of the cards of a data set, the highest mean IoU first; scores of images that were trained on last."""
    def data(card):
        return card["layout"], tuple(card["class_names"])
    ordered = sorted(cards, key=lambda card: (data(card), is_trained_on(card), -scores(card)["mean_iou"]))
    return [list(found) for _, found in itertools.groupby(ordered, data)]


def is_trained_on(card):
    """Whether the scored images were trained on."""
    return card["split"].startswith("train") or (card["train_split"] == "trainval" and card["split"].startswith("val"))


def is_benchmark(card):
    """Whether the classes are those of the published results of this layout."""
    return baselines.CLASSES.get(card["layout"]) == tuple(card["class_names"])


def data_name(card):
    """Name of the data set of a card."""
    return NAMES[card["layout"]] if is_benchmark(card) else f"{card['layout']}, {len(card['class_names'])} own classes"


def picture(card):
    """File of the curves of a data set."""
    names = "\n".join(card["class_names"])
    return f"{card['layout']}{'' if is_benchmark(card) else '-' + hashlib.sha256(names.encode()).hexdigest()[:6]}.png"


def section(cards):
    """The tables of docs/results.md."""
    return "\n\n".join(f"### {data_name(found[0])}\n\n{table(found)}" for found in by_data(cards)) or "No runs yet."


def table(cards):
    """The runs on a data set, published results, curves and commands."""
    rows = [row(card) for card in cards] + published(cards[0])
    commands = [f"- `{card['name']}`: {''.join(before(one) for one in card['stages'])}`{card['command']}`; "
                f"{card['inference']}; step {card['step']:,} of {card['steps']:,}, seed {card['seed']}, {card['date']}"
                for card in cards]
    return "\n".join([HEAD, *rows, "", f"![Loss and scores of the runs](results/{picture(cards[0])})", "",
                      "Commands, options of the evaluation, evaluated step:", "", *commands])


def before(stage):
    """The text of a stage before the run."""
    return f"`{stage['command']}` ({stage['minutes']:.0f} minutes), then "


def minutes(card):
    """Minutes of training of all stages."""
    return f"{card['minutes'] + sum(stage['minutes'] for stage in card['stages']):.0f}"


def scores(card):
    """The scores of a card by the protocol of the FCN authors, which counts classes that occur."""
    return card["protocols"]["berkeley"]["scores"]


def row(card):
    """A run as a line of the table."""
    cells = [number(card, name) for name in SCORES]
    note = "images, trained on" if is_trained_on(card) else "images"
    return (f"| `{card['name']}`, {card['net']} | {card['train_split']} | {card['split']}, {card['images']} {note} "
            f"| {' | '.join(cells)} | {minutes(card)} | {card['peak_memory_gb']:.1f} GB | {card['machine']} | "
            f"{(card['commit'] or '-')[:7]} |")


def number(card, name):
    """A score; mean IoU with its interval."""
    found, between = scores(card)[name], card["protocols"]["berkeley"]["intervals"][name]
    if name != "mean_iou":
        return f"{found:.3f}"
    return f"**{found:.3f}**" + (f" [{between[0]:.3f}, {between[1]:.3f}]" if between else "")


def published(card):
    """Lines of the published results of the data set of a card, and of the constant answer."""
    rows = baselines.published_results(card["layout"], card["class_names"])
    return [f"| {one['name']} | | {one['source']} | "
            + " | ".join("-" if one[name] is None else f"{one[name]:.3f}" for name in SCORES) + " | | | | |"
            for one in [*rows, card["constant"]]]


def best(cards):
    """The runs in README.md: of each data set the best, then the next ones; none on images that were trained on."""
    groups = by_data([card for card in cards if not is_trained_on(card)])
    ordered = [card for rank in itertools.zip_longest(*groups) for card in rank if card]
    rows = [f"| {card['net']} ([`{card['name']}`](docs/results.md)) | {card['images']} images of "
            f"{data_name(card)}, {card['split']} | {number(card, 'pixel_accuracy')} | "
            f"{number(card, 'mean_iou')} | {published_by_recipe(card)} | "
            f"{minutes(card)} minutes, {card['machine']} | {(card['commit'] or '-')[:7]} |"
            for card in ordered[:IN_README]]
    return "\n".join([README_HEAD, *rows]) if rows else ""


def published_by_recipe(card):
    """The published mean IoU that the recipe of a card is compared with, its split and source; "-" without one.

    Only of the recipe's net, and of the protocol of scores().
    """
    if card["recipe"] not in reproduction.names():
        return "-"
    target, settings = reproduction.read(card["recipe"]), training_config.resolve({}, recipe=card["recipe"])
    found = target.published.get("mean_iou")
    if not found or (target.protocol, settings.net) != ("berkeley", card["net"]):
        return "-"
    return f"{found:.3f} ({target.split}; {target.source})"


def entries(card):
    """The curve of a card as entries of log.jsonl."""
    curve = card["curve"]
    return [*({"step": step, "loss": loss} for step, loss in zip(curve["step"], curve["loss"], strict=True)),
            *({"step": step, "val_loss": loss, "val_mean_iou": score} for step, loss, score in
              zip(curve["validation_step"], curve["validation_loss"], curve["mean_iou"], strict=True))]


if __name__ == "__main__":
    sys.exit(errors.run_command(lambda argv: main(), sys.argv[1:]))
