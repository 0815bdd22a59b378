"""The parser of every command, and the flags that are settings of training_config.Config."""

import argparse
import functools
import re
import shlex

from fcn.config import old_settings, training_config
from fcn.config.parsers import FIX, nearest, parse_folders
from fcn.config.setting import GROUPS
from fcn.core import errors, registry

MORE, HELP_COLUMN = "--help-all", 30


class Parser(argparse.ArgumentParser):
    """argparse with errors of one block that name the nearest flag, and with options that only --help-all shows.

    Every command has --debug and --plugins. The latter is looked for in `argv`, the arguments that will be parsed,
    before any flag is added, because plugins add names that flags accept. argv None: the parser of a sub-command.
    has_more: there are options that only --help-all shows (add_option).
    """

    def __init__(self, argv=None, has_more=False, **kwargs):
        super().__init__(allow_abbrev=False, formatter_class=functools.partial(
            argparse.RawDescriptionHelpFormatter, max_help_position=HELP_COLUMN), **kwargs)
        self.shows_all = not has_more or MORE in (argv or ())
        self.sections = {}
        if argv is not None:
            only = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
            only.add_argument("--plugins", type=parse_folders, nargs="?", default=())
            registry.use(only.parse_known_args(argv)[0].plugins or ())
        if has_more:
            self.add_argument(MORE, action="help", help="show all options, also those that are rarely needed")
        else:  # all are shown by --help
            self.add_argument(MORE, action="help", help=argparse.SUPPRESS)
        self.add_option(self, "--debug", is_common=not has_more, action="store_true", default=argparse.SUPPRESS,
                        help="show the traceback of an error")
        add_flags(self, ("plugins",), self)

    def section(self, title, text=""):
        """The argument group of this title; `text` describes it."""
        if title not in self.sections:
            self.sections[title] = self.add_argument_group(title, text or None)
        return self.sections[title]

    def add_option(self, section, *flags, is_common=True, help, **kwargs):
        """Add an option to an argument group; unless it is common, only --help-all shows it."""
        section.add_argument(*flags, help=help if is_common or self.shows_all else argparse.SUPPRESS, **kwargs)

    def has(self, name):
        """Whether there is a flag for this setting."""
        return any(action.dest == name for action in self._actions)

    def error(self, message):
        """Print the message with a fix and exit with code 2."""
        if found := re.fullmatch(r"argument (.+): invalid choice: '(.*)' \(choose from (.+)\)", message):
            known = [word.strip("' ") for word in found[3].split(",")]
            near = nearest(found[2], known)
            message = f"argument {found[1]}: unknown value '{found[2]}': expected {', '.join(known)}" + (
                f"{FIX}did you mean {near}?" if near else "")
        fix = "" if FIX in message else FIX + self._fix(message)
        self.exit(errors.UsageError.exit_code, f"UsageError: {message}{fix}\n")

    def _fix(self, message):
        """How to correct an error of argparse: '--batch N; fcn train --help-all describes it.'"""
        page = f"{self.prog} {MORE if self.has('help_all') else '--help'}"
        if one_of := re.fullmatch(r"one of the arguments (.*) is required", message):
            return f"give {' or '.join(one_of[1].split())}; {page} describes them."
        match = re.match(r"argument ([^:]+): ", message)
        named = [action for action in self._actions if match and match[1].split("/")[-1] in (
            *action.option_strings, action.metavar)]
        if not named:
            return f"{page} lists the options."
        usage = " ".join([*named[0].option_strings[-1:], str(named[0].metavar or "")]).strip()
        return f"give {usage}; {page} describes it."

    def parse_args(self, args=None, namespace=None):
        """As argparse, with a near match for an unknown option."""
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            self.error(self._unknown(unknown[0]))
        return parsed

    def _unknown(self, word):
        flag = word.split("=")[0]
        if flag.lstrip("-").removeprefix("no-").replace("-", "_") in old_settings.REMOVED and self.has("optimizer"):
            name = flag.lstrip("-").removeprefix("no-").replace("-", "_")
            return f"{flag} was removed{FIX}{old_settings.REMOVED[name]}"
        flags = [known for action in self._actions for known in action.option_strings]
        near = nearest(flag, flags)
        return f"unknown argument {word}" + (f"{FIX}did you mean {near}?" if near else "")


def add_flags(parser, wanted=(), section=None, common=None):
    """Add one flag for each setting, or for those in `wanted`, in the section of their group or in `section`.

    common: settings that --help shows; by default those that are is_common. A flag that is not given is absent from the
    result, so that files and recipes count.
    """
    if common is None:
        common = [name for name in training_config.fields() if training_config.about(name).is_common]
    shown_groups = {training_config.about(name).group for name in common}
    for name in training_config.fields():
        group = training_config.about(name).group
        if (not wanted or name in wanted) and not parser.has(name):
            text = GROUPS[group] if parser.shows_all or group in shown_groups else ""
            _add_flag(parser, section or parser.section(group, text), name, name in common)


def _add_flag(parser, section, name, is_common):
    flag, of, default = "--" + name.replace("_", "-"), training_config.about(name), training_config.fields()[name]
    text = of.full_help() + _default(default)
    options = {"action": argparse.BooleanOptionalAction} if of.parse is bool else {
        "type": of.value, "metavar": of.metavar or "{" + ",".join(of.allowed() or ()) + "}"}
    parser.add_option(section, flag, is_common=is_common, default=argparse.SUPPRESS, help=text.replace("%", "%%"),
                      **options)


def _default(value):
    """' (default: 384x384)' of a default that a user can give, else ''."""
    if value in ("", None, (), False):
        return ""
    if isinstance(value, tuple):
        value = ("x" if isinstance(value[0], int) else ",").join(map(str, value))
    return f" (default: {'on' if value is True else value})"


def check_writable(path):
    """Raise UsageError if a file cannot be at this path: it is a folder, or its folder does not exist."""
    if path.is_dir():
        raise errors.UsageError("is a folder, expected a file", where=path, fix=f"give {path / 'NAME'}{path.suffix}.")
    if not path.parent.is_dir():
        raise errors.UsageError("cannot be written: its folder does not exist", where=path,
                                fix=f"mkdir -p {shlex.quote(str(path.parent))}")
