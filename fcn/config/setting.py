"""What is known of a setting: its group, its help text, and which values it takes."""

import collections.abc
import dataclasses

from fcn.config import variants
from fcn.config.parsers import augmentations, check_name, optional
from fcn.core import registry

# Groups of settings: sections of --help and tables of a TOML file. What --help says of each beside its name.
GROUPS = {
    "data": "",
    "model": "",
    "variants": "options in which published FCNs differ; by default the net's own",
    "loss": "",
    "optimizer": "",
    "schedule": "",
    "validation": "validation, checkpoints and logging",
    "run": "",
}


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is known of a field of Config.

    group: a key of GROUPS. metavar: what --help calls the value; "" lists the choices. is_common: --help shows it; the
    others are in --help-all. parse: text of a flag, or value of a TOML file -> value; raises ValueError or
    ArgumentTypeError. kind: of plugins (registry.KINDS), whose names are allowed. choices: values allowed besides;
    without kind and choices, every value that `parse` accepts is allowed.
    """

    group: str
    metavar: str
    help: str
    parse: collections.abc.Callable = str
    is_common: bool = False
    kind: str | None = None
    choices: tuple[str, ...] = ()

    def allowed(self):
        """The values that are allowed, None for any."""
        return [*self.choices, *(registry.names(self.kind) if self.kind else ())] or None

    def value(self, given):
        """The value of a flag's text or of a TOML value. Raises ValueError, ArgumentTypeError."""
        value, allowed = self.parse(given), self.allowed()
        if allowed and value is not None and self.kind:
            check_name(value, [*self.choices, *registry.all_names(self.kind)], registry.KINDS[self.kind].word,
                       self.listed())
        elif allowed and value is not None:
            check_name(value, allowed)
        return value

    def listed(self):
        """The allowed values as a text."""
        return ", ".join([*self.choices, *([registry.described(self.kind)] if self.kind else ())])

    def full_help(self):
        """The help text, with names that plugins may add."""
        text = self.help.replace("{augmentations}", ", ".join(augmentations()))
        text = text.replace("{losses}", ", ".join(registry.names("losses")))
        return f"{text}: {self.listed()}" if self.metavar and self.allowed() else text


def setting(group, default, metavar, help, parse=str, **more):
    """A field of Config; the arguments are those of Setting."""
    return dataclasses.field(default=default, metadata={"setting": Setting(group, metavar, help, parse, **more)})


def variant(name, help):
    """A field in which published nets differ (variants.Variants); by default the net's own value."""
    return setting("variants", None, "", help, optional(str), choices=variants.ALLOWED[name])
