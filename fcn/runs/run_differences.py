"""Differences between runs: settings (files by their content, not their path), package versions and machines."""

import pathlib

from fcn.config import training_config
from fcn.data import class_weights
from fcn.runs.run_facts import dig

# Settings that are paths, and the part of config.json that identifies the content.
IDENTITIES = {
    "data": lambda content: dig(content, "files"),
    "weights": lambda content: (dig(content, "weights", "sha256") or dig(content, "weights", "files")
                                or dig(content, "config", "weights")),
    "classes": lambda content: _classes(content),
    "class_weights": lambda content: dig(content, "model", "class_weights"),
}
NOWHERE = ("cache_dir", "plugins")  # settings that are not compared
SCORES_NEED = ("data", "classes", "size")  # settings that must be equal for scores to be comparable


def differences_between(runs):
    """{what differs: [a text per run]}: settings, versions of packages, machines. Missing settings have their defaults.

    runs: list of run_facts.Run.
    """
    found, settings = {}, [training_config.from_dict(run.content["config"]) for run in runs]
    for name in (name for name in training_config.fields() if name not in NOWHERE):
        values = [getattr(one, name) for one in settings]
        if name in IDENTITIES and not all(_by_name(name, value) for value in values):
            identities = [value if _by_name(name, value) else IDENTITIES[name](run.content)
                          for run, value in zip(runs, values, strict=True)]
            if _differ(identities):
                found[name] = _lettered(name, identities, values)
        elif _differ(values):
            found[name] = [shown(name, value) for value in values]
    last = [dig(run.content, "starts", -1) for run in runs]
    packages = sorted({name for start in last for name in _keys(dig(start, "versions"))})
    for name, keys in [*((package, ("versions", package)) for package in packages), ("machine", ("machine",))]:
        values = [dig(start, *keys) for start in last]
        if _differ(values):
            found[name] = [plain(value) for value in values]
    return found


def shown(name, value):
    """A setting's value as on the command line."""
    if name == "size" and value is None:
        return "native"
    if isinstance(value, tuple):
        return ("x" if name in ("size", "crop_size") else ",").join(map(str, value)) or "none"
    return plain(None if value == "" else value)


def warnings(runs, differing):
    """Yield lines on why the scores of these runs cannot be compared. differing: keys of differences_between()."""
    needed = [name for name in SCORES_NEED if name in differing]
    if needed:
        yield f"warning: these runs differ in {', '.join(needed)}: their losses and scores cannot be compared"
    settings = [training_config.from_dict(run.content["config"]) for run in runs]
    images = [one.eval_batches * one.batch for one in settings if _are_numbers(one.eval_batches, one.batch)]
    if not needed and _differ(images):
        counts = ", ".join(str(count or "all") for count in images)
        yield (f"note: validations used different numbers of images ({counts} at most); fcn evaluate uses the whole "
               "split")


def plain(value, form="{}"):
    """The value as text by a format string; "-" for None."""
    return "-" if value is None else form.format(value)


def _classes(content):
    """The meaning of label ids. Ignored ids beyond the classes are left out, because they may be padding only."""
    spec = dig(content, "spec")
    names, ignored = (dig(spec, key) for key in ("class_names", "ignored_ids"))
    if not isinstance(names, list) or not isinstance(ignored, list):
        return None
    return [names, [i for i in ignored if _are_numbers(i) and i < len(names)],
            dig(spec, "mask_threshold") if dig(spec, "encoding") == "binary" else None]


def _by_name(name, value):
    """Whether this value of a setting is a keyword and not a path."""
    return name == "class_weights" and value in class_weights.KNOWN


def _lettered(name, identities, values):
    """['A (camvid)', 'B (ade)', 'A (copy)']: values with the same identity have the same letter."""
    known: list = []
    texts = []
    for identity, value in zip(identities, values, strict=True):
        if identity is None:
            texts.append("unknown")
            continue
        known += [] if identity in known else [identity]
        short = pathlib.Path(str(value)).name or (f"{len(identity[0])} classes" if name == "classes" else "")
        number = known.index(identity)
        texts.append(f"{chr(65 + number) if number < 26 else number + 1} ({short})")
    return texts


def _differ(values):
    return any(value != values[0] for value in values)


def _are_numbers(*values):
    return all(isinstance(value, int) for value in values)


def _keys(versions):
    return versions if isinstance(versions, dict) else ()
