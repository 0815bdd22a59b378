"""Where every setting comes from: a flag, a file, a line of a recipe with its source, the run, or the default.

A line of a recipe reads `learning_rate = 1e-14  # source: voc-fcn8s/solver.prototxt, base_lr`. The comment is kept
with the value, so that a comparison of two recipes names the source of each number.
"""

import json
import pathlib
import re
import tomllib

from fcn.config import settings_file, training_config, variants
from fcn.core import registry

ASSIGNMENT = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")
MARK = "source:"


def sources(path) -> dict:
    """{key: comment without its "source:"} of a TOML file with one value per line; "" without a comment."""
    found = {}
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        if match := ASSIGNMENT.match(line):
            found[match[1]] = _comment(line).removeprefix(MARK).strip()
    return found


def _comment(line):
    """The comment of one TOML line. A # within a text starts none: what is before it would not be valid TOML."""
    for place in (i for i, letter in enumerate(line) if letter == "#"):
        try:
            tomllib.loads(line[:place])
        except tomllib.TOMLDecodeError:
            continue
        return line[place + 1:].strip()
    return ""


def origins_of(flags=None, config_file=None, recipe=None, run_settings=None) -> dict:
    """{setting: where it comes from}; the arguments and their precedence are those of training_config.resolve."""
    found = dict.fromkeys(training_config.fields(), "default") | dict.fromkeys(run_settings or {}, "the run")
    if recipe:
        found |= _of_file(registry.path("recipes", recipe), f"recipe {recipe}")
    if config_file:
        found |= _of_file(config_file, f"--config {config_file}")
    found |= dict.fromkeys(flags or {}, "flag")
    return {key: found[key] for key in training_config.fields()}


def _of_file(path, name):
    comments = sources(path)
    return {key: f"{name}: {comments[key]}" if comments.get(key) else name for key in training_config.read_toml(path)}


def as_toml(settings, where) -> str:
    """TOML of every setting, in the table of its group, with its origin (where: of origins_of) as a comment.

    --config reads the same settings back. A setting that is left to the net or to the weights' file is written as "".
    """
    lines = {}
    for key, value in vars(settings).items():
        origin = " ".join(where.get(key, "default").split())  # one line, whatever a file is called
        left = " (the net's)" if value is None and key in variants.NAMES else ""
        lines[key] = f"{f'{key} = {toml_setting(key, value)}':<40}  # {origin}{left}"
    return settings_file.text(lines, training_config.groups())


def toml_setting(name, value) -> str:
    """The value of the setting `name` as TOML."""
    return '"native"' if name == "size" and value is None else toml_value(value)


def toml_value(value) -> str:
    """A value in TOML syntax."""
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_value, value))}]"
    if value is None:
        return '""'
    # JSON's texts, numbers, true and false are valid TOML, except that TOML also escapes DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def with_choices(settings, where):
    """(settings as a dict, origins), the choices left to the net replaced by the net's own."""
    table, where = dict(vars(settings)), dict(where)
    own = variants.variants_of(settings.net, **{name: table[name] for name in variants.NAMES})
    for name in variants.NAMES if own else ():
        if table[name] is None:
            table[name], where[name] = getattr(own, name), f"the net {settings.net}"
    return table, where


def diff(one, other) -> str:
    """Every setting in which two sets differ, with both values and both origins.

    one, other: (name, settings, origins of origins_of).
    """
    names = [one[0], other[0]]
    (left, left_from), (right, right_from) = (with_choices(*side[1:]) for side in (one, other))
    differing = [key for key in left if left[key] != right[key]]
    values = {key: (toml_setting(key, left[key]), toml_setting(key, right[key])) for key in differing}
    width = max([len(value) for pair in values.values() for value in pair] + list(map(len, names)))
    lines = [f"{len(differing)} settings differ, {len(left) - len(differing)} are the same"]
    for key in differing:
        lines += ["", key]
        for name, value, where in zip(names, values[key], (left_from[key], right_from[key]), strict=True):
            lines.append(f"  {value:<{width}}  {where if where.startswith(f'recipe {name}:') else f'{name}: {where}'}")
    return "\n".join(lines)
