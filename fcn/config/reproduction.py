"""The table [reproduction] of a recipe: the published scores that it is compared with, and how it is evaluated.

    [reproduction]
    mean_iou = 0.292                                                    the published scores, fractions of 1: SCORES
    split = "test"                                                      the split that they are of
    protocol = "berkeley"                                               the protocol that defines them
    checkpoint = "latest"                                               latest or best
    evaluation = ["--flip"]                                             options of fcn evaluate
    stages = ["long2015_fcn32s", "long2015_fcn16s"]                     recipes that are trained before this one

Only `fcn reproduce` reads it.
"""

import dataclasses

from fcn.config import parsers, provenance, settings_file
from fcn.core import errors, registry

SCORES = {"pixel_accuracy": "pixel accuracy", "mean_accuracy": "mean accuracy", "mean_iou": "mean IoU",
          "frequency_weighted_iou": "f.w. IoU"}
KINDS: dict[str, tuple] = {  # {key of the table: (type, example)}
    **dict.fromkeys(SCORES, ((int, float), "0.292, a fraction of 1")),
    "split": (str, '"test"'), "protocol": (str, '"berkeley"'), "checkpoint": (str, '"latest"'),
    "evaluation": (list, '[...], options of fcn evaluate such as "--flip"'), "stages": (list, '["long2015_fcn32s"]'),
}
NOT_EVALUATION = ("run", "weights", "checkpoint", "split", "data", "images", "labels", "out", "skip-bad",
                  "max-pixels")  # options of fcn evaluate that fcn reproduce gives


@dataclasses.dataclass(frozen=True)
class Reproduction:
    """What a recipe is compared with.

    recipe: its name. published: {a key of SCORES: 0 to 1}. source: where they are published. The other fields as above.
    """

    recipe: str
    source: str
    published: dict[str, float]
    split: str = "validation"
    protocol: str = "benchmark"
    checkpoint: str = "best"
    evaluation: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()


def names():
    """The recipes that have a table [reproduction]; a file of a plugin folder that cannot be read has none."""
    def has_table(name):
        try:
            return _table(name)
        except errors.UsageError:
            return False
    return [name for name in registry.names("recipes") if has_table(name)]


def _table(recipe):
    return settings_file.table(registry.path("recipes", recipe), settings_file.REPRODUCTION)


def read(recipe):
    """The Reproduction of a recipe. Raises UsageError for a recipe without one, and for an invalid table."""
    path, values = registry.path("recipes", recipe), _table(recipe)
    if not values:
        raise errors.UsageError("the recipe has no published scores to compare with", where=path,
                                fix=f"fcn train --recipe {recipe} trains it. Recipes with scores: "
                                    f"{', '.join(names())}.")
    _check(values, path)
    published = {name: values.pop(name) for name in SCORES if name in values}
    sources = provenance.sources(path)
    lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    stated = filter(None, (sources.get(name) for name in published))
    return Reproduction(recipe, "; ".join(dict.fromkeys(stated)), published, **values | lists)


def _check(values, path):
    """Raise UsageError for a key that is unknown or missing, a value of the wrong type, and a score above 1."""
    checkpoints = ("best", "latest")
    for key, value in values.items():
        if key not in KINDS:
            near = parsers.nearest(key, KINDS)
            raise errors.UsageError(f"[{settings_file.REPRODUCTION}] has no '{key}'", where=path,
                                    fix=f"did you mean {near}?" if near else f"it may have {', '.join(KINDS)}.")
        kind, example = KINDS[key]
        parts = value if isinstance(value, list) else ()
        if not isinstance(value, kind) or isinstance(value, bool) or value in ("", []) or not all(
                isinstance(part, str) for part in parts) or (key in SCORES and not 0 <= value <= 1):
            raise errors.UsageError(f"{key} = {value!r} is not valid", where=path, fix=f"write {key} = {example}.")
    if values.get("checkpoint", checkpoints[0]) not in checkpoints:
        raise errors.UsageError(f"checkpoint = {values['checkpoint']!r} is not valid", where=path,
                                fix=f"write checkpoint = \"{checkpoints[0]}\" or \"{checkpoints[1]}\".")
    own = [word for word in values.get("evaluation", ())
           if word.startswith("--") and word.split("=")[0].removeprefix("--") in NOT_EVALUATION]
    if own:
        raise errors.UsageError(f"evaluation = {values['evaluation']!r} is not valid: {own[0]} belongs to the command, "
                                "or is a key of its own (split, checkpoint)", where=path, fix=f"leave out {own[0]}.")
    if "protocol" in values:
        registry.path("protocols", values["protocol"])
    if not set(values) & set(SCORES):
        raise errors.UsageError(f"[{settings_file.REPRODUCTION}] has no published score", where=path,
                                fix=f"write one of {', '.join(SCORES)}, such as mean_iou = 0.292.")
