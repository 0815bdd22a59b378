"""The parser of every command, and the flags that are settings of training_config.Config."""

import argparse
import difflib

from fcn.config import training_config
from fcn.config.parsers import augmentations, parse_folders
from fcn.core import errors, registry


class Parser(argparse.ArgumentParser):
    """argparse that complains in one block, not in a page, and names the flag nearest to an unknown one.

    Every command has --debug, which errors.run_command advises, and --plugins. That one is looked for in `argv`, the
    arguments that will be parsed, before any flag is added: it says which names flags may have.
    """

    def __init__(self, argv=None, **kwargs):
        super().__init__(allow_abbrev=False, **kwargs)
        self.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")
        add_flags(self, ("plugins",))
        if argv is not None:  # None: the parser of a sub-command
            only = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
            only.add_argument("--plugins", type=parse_folders, nargs="?", default=())
            registry.use(only.parse_known_args(argv)[0].plugins or ())

    def has(self, name):
        """Whether there is a flag for this setting."""
        return any(action.dest == name for action in self._actions)

    def error(self, message):
        self.exit(errors.UsageError.exit_code, f"UsageError: {message}\n  Fix: {self.prog} --help lists every flag.\n")

    def parse_args(self, args=None, namespace=None):
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            flags = [flag for action in self._actions for flag in action.option_strings]
            near = difflib.get_close_matches(unknown[0].split("=")[0], flags, 1)
            self.error(f"unknown argument {unknown[0]}" + (f"; did you mean {near[0]}?" if near else ""))
        return parsed


def add_flags(parser, wanted=()):
    """One flag a field, or a field of `wanted` (names). A flag that is not given is absent from the result, so that
    files may speak.
    """
    for name, default in training_config.fields().items():
        if (wanted and name not in wanted) or parser.has(name):
            continue
        flag, of = "--" + name.replace("_", "-"), training_config.about(name)
        shown = "x".join(map(str, default)) if isinstance(default, tuple) else default
        text = of.help.replace("{augmentations}", ", ".join(augmentations()))
        text = text.replace("{losses}", ", ".join(registry.names("losses")))
        text += f" (default: {shown})" if shown not in ("", None) else ""
        if of.parse is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text)
            continue
        allowed = of.allowed()
        parser.add_argument(flag, default=argparse.SUPPRESS, help=text.replace("%", "%%"), choices=allowed,
                            type=of.parse, metavar=None if allowed else "X")
