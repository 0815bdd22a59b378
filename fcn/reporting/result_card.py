"""Result cards: one small JSON file about a run and one of its evaluations, for tables of results.

A card holds no images, no absolute path and no name of a host. docs/results_page.py makes docs/results.md from cards.
"""

import json
import pathlib
import re
import shlex

from fcn.config import reproduction, training_config
from fcn.core import errors, registry
from fcn.runs import curves, record, run_log

KEYS = {"name", "recipe", "net", "layout", "train_split", "split", "images", "inference", "step", "steps", "seed",
        "minutes", "peak_memory_gb", "machine", "commit", "date", "versions", "command", "class_names", "protocols",
        "per_class", "constant", "curve", "stages"}
PROTOCOLS = ("benchmark", "berkeley")
MOST_POINTS = 100
OF_THE_MACHINE = ("data", "weights", "cache_dir", "plugins")  # settings that are not in a command
PATHS = ("classes", "images", "labels", "class_weights")  # settings that may be absolute paths


def card(run, content, name=""):
    """The card of a run and the content of a report.json of one of its evaluations, a dict with KEYS.

    minutes: of training with its validations, without the start of the program and the building of caches; what a
    crash has undone counts too. stages: {"command", "minutes"} of each run before, from whose weights this one started.
    name: by default that of the run's folder. Raises UsageError if the run is damaged.
    """
    run = pathlib.Path(run)
    found = record.read_record(run)
    if not found.get("starts"):
        raise errors.UsageError("names no start of the run", where=run / "config.json",
                                fix="give a run of fcn train of this version.")
    settings, last = training_config.from_dict(found["config"]), found["starts"][-1]
    recipe = recipe_of(found["starts"][0]["command"], run.resolve().name)
    speed = run_log.read_entries(run / "speed.jsonl")
    return {
        "name": name or run.resolve().name, "recipe": recipe, "net": settings.net, "layout": settings.layout,
        "train_split": settings.train_split, "split": content["split"], "images": content["images"],
        "inference": content["inference"], "step": content["checkpoint_step"], "steps": found["steps"],
        "seed": settings.seed, "minutes": round(seconds(speed) / 60, 1),
        "peak_memory_gb": round(max((entry.get("memory_gb") or 0 for entry in speed), default=0), 2),
        "machine": last.get("device") or last["machine"], "commit": last["commit"], "date": last["time"][:10],
        "versions": {package: last["versions"][package] for package in ("python", "tensorflow")},
        "command": command(settings, recipe), "class_names": list(content["class_names"]),
        "protocols": {protocol: {part: content["protocols"][protocol][part] for part in ("scores", "intervals")}
                      for protocol in PROTOCOLS if protocol in content["protocols"]},
        "per_class": {row["name"]: row["iou"] for row in content["per_class"]},
        "constant": content["anchors"][0], "stages": stages(settings),
        "curve": curve(run_log.read_entries(run / "log.jsonl")),
    }


def stages(settings):
    """{"command", "minutes"} of each run before, the first one first; of a run that is no longer there, nothing."""
    weights = pathlib.Path(settings.weights)
    run = next((path for path in (weights, weights.parent.parent) if (path / "config.json").exists()), None)
    if run is None:
        return []
    found = record.read_record(run)
    its, recipe = training_config.from_dict(found["config"]), recipe_of(found["starts"][0]["command"], run.name)
    return [*stages(its), {"command": command(its, recipe),
                           "minutes": round(seconds(run_log.read_entries(run / "speed.jsonl")) / 60, 1)}]


def recipe_of(command_line, run):
    """The recipe that a command names, None without one. run: name of the run's folder; of a stage NUMBER-RECIPE."""
    words = [part for word in shlex.split(command_line)
             for part in (word.split("=", 1) if word.startswith("--") else [word])]
    options = {word[2:]: words[place + 1:] for place, word in enumerate(words) if word.startswith("--")}
    stage = run.partition("-")[2] if run.partition("-")[0].isdecimal() else ""
    if "reproduce" in words:
        arguments = words[words.index("reproduce") + 1:]
        named = [stage, *(word for before, word in zip(["", *arguments], arguments, strict=False)
                          if not before.startswith("--"))]  # no value of an option
    else:
        named = options.get("recipe", [])[:1] or ([stage] if "stages" in options else
                                                  ["demo"] if "demo" in options else [])
    return next((name for name in named if name in registry.names("recipes")), None)


def command(settings, recipe):
    """The command that trains with these settings: the recipe, and the flags of those that differ from it."""
    base = training_config.resolve({}, recipe=recipe)
    words = ["fcn", "train", *(flag("recipe", recipe) if recipe else []), *flag("data", "DATA")]
    if settings.weights == training_config.NO_WEIGHTS:
        words += flag("weights", settings.weights) if base.weights != settings.weights else []
    elif pathlib.Path(settings.weights).name != pathlib.Path(base.weights).name:
        words += flag("weights", "WEIGHTS" if pathlib.Path(settings.weights).suffix else "RUN")  # of the stage before
    for key, value in vars(settings).items():
        if key not in OF_THE_MACHINE and value != getattr(base, key):
            is_path = key in PATHS and pathlib.PurePath(value).is_absolute()
            words += flag(key, key.upper() if is_path else value)
    return shlex.join(words)


def flag(key, value):
    """The words of a setting on the command line."""
    name = key.replace("_", "-")
    if value is None:
        return [f"--{name}", "native" if key == "size" else ""]
    if isinstance(value, bool):
        return [f"--{'' if value else 'no-'}{name}"]
    if key in ("size", "crop_size"):
        return [f"--{name}", "x".join(map(str, value))]
    if isinstance(value, tuple | list):
        return [f"--{name}", ",".join(map(str, value)) or "none"]
    return [f"--{name}", str(value)]


def seconds(entries):
    """Sum of the training times of all starts, from the entries of speed.jsonl."""
    total = latest = 0.0
    for entry in entries:
        if entry.get("event") == "start":
            total, latest = total + latest, 0.0
        latest = entry.get("elapsed_s") or latest
    return total + latest


def curve(entries):
    """{"step", "loss", "validation_step", "validation_loss", "mean_iou"}: lists, from the entries of log.jsonl."""
    steps, losses, _ = curves.series(entries, "loss")
    every = -(-len(steps) // MOST_POINTS) or 1
    at, scores, _ = curves.series(entries, "val_mean_iou")
    of_step = dict(zip(*curves.series(entries, "val_loss")[:2], strict=True))
    return {"step": [int(step) for step in steps[::every]], "loss": [round(float(x), 4) for x in losses[::every]],
            "validation_step": [int(step) for step in at],
            "validation_loss": [round(float(of_step[step]), 4) if step in of_step else None for step in at],
            "mean_iou": [round(float(x), 4) for x in scores]}


def is_card(path):
    """Whether a file is a card."""
    try:
        read(path)
        return True
    except errors.DataError:
        return False


def read(path):
    """The card in a file. Raises DataError."""
    try:
        content = json.loads(pathlib.Path(path).read_bytes())
        missing = KEYS - content.keys() or {name for name in PROTOCOLS if not content["protocols"].get(name)}
        wrong = f"it lacks {', '.join(sorted(missing))}" if missing else _wrong(content)
    except (OSError, ValueError, AttributeError, TypeError, KeyError, RecursionError) as error:
        wrong = f"{type(error).__name__}: {error}"
    if wrong:
        raise errors.DataError("is not a result card", where=path, why=wrong,
                               fix="write it again with fcn report RUN --card FILE.")
    return content


def _wrong(content):
    """What docs/results_page.py could not show; "" for a valid card."""
    texts, numbers = ("name", "net", "layout", "split", "machine", "inference"), ("minutes", "peak_memory_gb")
    found = [key for key in texts if not isinstance(content[key], str)]
    found += [key for key in numbers if not isinstance(content[key], int | float)]
    found += [f"{protocol}: {name}" for protocol in PROTOCOLS for name in reproduction.SCORES
              if not 0 <= content["protocols"][protocol]["scores"][name] <= 1]
    found += ["stages"] if not all(isinstance(one["command"], str) and one["minutes"] >= 0
                                   for one in content["stages"]) else []
    points = content["curve"]
    found += ["curve"] if len(points["step"]) != len(points["loss"]) or len(
        {len(points[key]) for key in ("validation_step", "validation_loss", "mean_iou")}) != 1 else []
    found += ["layout"] if not re.fullmatch(r"\w+", str(content["layout"])) else []
    return f"not valid: {', '.join(found)}" if found else ""
