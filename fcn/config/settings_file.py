"""TOML files of settings: with one table per group ([data], [model], ...), or flat."""

import difflib
import pathlib
import tomllib

from fcn.config import old_settings, parsers
from fcn.config.setting import GROUPS
from fcn.core import errors, file_kinds

REPRODUCTION = "reproduction"  # the table that holds no settings (reproduction.py)


def read(path, group_of):
    """{setting: value as TOML has it} of a file. group_of: {setting: the table that it belongs to}.

    Raises UsageError naming the file for a syntax error, an unknown table or setting, a setting in the wrong table and
    one that is there twice.
    """
    found: dict = {}
    for key, value in _parsed(path).items():
        if key == REPRODUCTION:
            continue
        if isinstance(value, dict):
            _check_table(key, value, group_of, path)
        for name, its in value.items() if isinstance(value, dict) else [(key, value)]:
            check_setting(name, group_of, path)
            if name in found:
                raise errors.UsageError(f"{name} is given twice, once outside of [{group_of[name]}]", where=path,
                                        fix=f"leave one of them, below [{group_of[name]}].")
            found[name] = its
    return found


def table(path, name):
    """The table `name` of a TOML file, {} without it. Raises UsageError for a file that is not TOML."""
    found = _parsed(path).get(name, {})
    return found if isinstance(found, dict) else {}


def _parsed(path):
    try:
        return tomllib.loads(pathlib.Path(path).read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise errors.UsageError("cannot be read: there is no such file", where=path, fix=_other_file(path)) from None
    except tomllib.TOMLDecodeError as error:
        raise errors.UsageError("cannot be read as TOML", where=path, why=file_kinds.why_unreadable(path, error),
                                fix=_syntax_fix(str(error))) from None
    except (OSError, UnicodeDecodeError) as error:
        raise errors.UsageError("cannot be read as TOML", where=path, why=file_kinds.why_unreadable(path, error),
                                fix="give a text file with lines such as batch = 4.") from None


def _other_file(path):
    folder = pathlib.Path(path).absolute().parent
    near = difflib.get_close_matches(pathlib.Path(path).name, [file.name for file in folder.glob("*.toml")], 1)
    return f"did you mean {pathlib.Path(path).with_name(near[0])}?" if near else "check the path."


def _syntax_fix(message):
    if "Cannot declare" in message or "Cannot overwrite" in message:
        return "leave one of the two; a setting with the name of a table stands below it: data = ... below [data]."
    return 'correct this line: numbers and true or false as they are, texts in quotes, as in net = "fcn8s".'


def _check_table(table, values, group_of, path):
    """Raise UsageError for an unknown table, and for a known setting in the wrong one."""
    if table not in GROUPS:
        groups = {group_of[name] for name in values if name in group_of}
        near = [*groups] if len(groups) == 1 else difflib.get_close_matches(table, GROUPS, 1)
        raise errors.UsageError(f"there is no table [{table}]", where=path, why=f"tables are {_listed(GROUPS)}",
                                fix=f"did you mean [{near[0]}]?" if near else "move its settings to one of these.")
    for name in values:
        if name in group_of and group_of[name] != table:
            raise errors.UsageError(f"{name} does not belong to [{table}]", where=path,
                                    fix=f"move it to [{group_of[name]}].")


def check_setting(name, group_of, path):
    """Raise UsageError for an unknown or a removed setting. path: the file for the message, None without."""
    if name in group_of:
        return
    if name in old_settings.REMOVED:
        raise errors.UsageError(f"{name} was removed", where=path, fix=old_settings.REMOVED[name])
    near = parsers.nearest(name, group_of)
    place = f" in [{group_of[near]}]" if near and path else ""
    raise errors.UsageError(f"unknown setting '{name}'", where=path, fix=f"did you mean {near}{place}?" if near
                            else "fcn train --help-all lists the settings.")


def _listed(names):
    return ", ".join(f"[{name}]" for name in names)


def text(lines, group_of):
    """TOML text of {setting: its line}, with a table for each group."""
    tables = []
    for group in GROUPS:
        own = [line for name, line in lines.items() if group_of[name] == group]
        if own:
            tables.append("\n".join([f"[{group}]", *own]))
    return "\n\n".join(tables)
