"""The text of --loss: a loss, dice, or a weighted sum of losses with options, 0.5*dice(smooth=1)+focal(gamma=2).

Contract of the options: fcn/models/losses/__init__.py.
"""

import argparse
import dataclasses
import re

from fcn.config.parsers import FIX, check_name, real
from fcn.core import registry

EXAMPLE = "0.5*dice+focal or dice(smooth=1)+2*focal"
NOT_OPTIONS = ("class_weights", "sigmoid")  # keyword-only parameters that batch_loss.py sets
TERM = re.compile(r"(?P<factor>[^*()]*\*)?(?P<name>[^*()]*)(\((?P<options>[^()]*)\))?", re.DOTALL)
WORDS = {"true": True, "false": False}


@dataclasses.dataclass(frozen=True)
class LossTerm:
    """factor * name(options). options: {name: text}, unchecked."""

    factor: float
    name: str
    options: dict[str, str] = dataclasses.field(default_factory=dict)

    def values(self):
        """Return {option: number, bool or word}. Raises UsageError for an unknown loss, else ArgumentTypeError."""
        known, limits = known_options(self.name), registry.constant("losses", self.name, "LIMITS", {})
        for option in self.options:
            if not known:
                raise argparse.ArgumentTypeError(f"the loss {self.name} has no option '{option}': it has none{FIX}"
                                                 f"write {self.name} without options.")
            check_name(option, list(known), f"option of the loss {self.name}")
        return {option: _value(f"{self.name}({option}={text})", text, known[option], limits.get(option))
                for option, text in self.options.items()}


def parse_loss(text):
    """Return the text of a loss or a sum of losses unchanged. Raises ArgumentTypeError if it is not valid."""
    for term in parse(text):
        check_name(term.name, registry.names("losses"), "loss")
        term.values()
    return text


def parse(text):
    """Return a list of LossTerm. Raises ArgumentTypeError for invalid syntax. Names and options are not checked."""
    if not isinstance(text, str):
        raise argparse.ArgumentTypeError(f"{text} is not a text")
    return [_term(part, text) for part in re.split(r"\+(?![^()]*\))", text)]


def known_options(name):
    """Return {option: default} of a loss. Raises UsageError for an unknown name."""
    return {option: default for option, default in parameters(name).items() if option not in NOT_OPTIONS}


def parameters(name):
    """Return {keyword-only parameter: default} of the function of a loss. Raises UsageError for an unknown name."""
    function = "build" if "build" in registry.functions("losses", name) else "per_pixel"
    return registry.keywords("losses", name, function)


def _term(part, text):
    """The LossTerm of one term of the sum `text`."""
    found = TERM.fullmatch(part.strip())
    if not found or not found["name"].strip():
        problem = "a term without a loss" if not part.strip("* \t0123456789.") else f"the invalid term '{part}'"
        raise argparse.ArgumentTypeError(f"'{text}' has {problem}: expected a sum of losses such as {EXAMPLE}")
    factor = (found["factor"] or "1*")[:-1].strip()
    try:
        number = float(factor)
    except ValueError:
        number = -1.0
    if not 1e-6 <= number <= 1e6:
        raise argparse.ArgumentTypeError(f"invalid factor '{factor}' in '{text}': expected a number from 0.000001 to "
                                         "1000000, as in 0.5*dice+focal")
    return LossTerm(number, found["name"].strip(), _options(found["options"] or "", found["name"].strip(), text))


def _options(inside, name, text):
    """{option: text} of the text between parentheses."""
    options: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in inside.split(","))):
        option, equals, value = (word.strip() for word in part.partition("="))
        if not (option and equals and value):
            raise argparse.ArgumentTypeError(f"invalid option '{part}' in '{text}': expected OPTION=VALUE, as in "
                                             f"dice(smooth=1){FIX}fcn train --help-all and docs/training.md list the "
                                             "options of losses.")
        if option in options:
            raise argparse.ArgumentTypeError(f"the option {option} of {name} is given twice in '{text}'{FIX}give it "
                                             "once.")
        options[option] = value
    return options


def _value(shown, text, default, limits):
    """The value of an option: true or false, one of the words in limits, or a number within limits."""
    if isinstance(default, bool):
        if text.lower() in WORDS:
            return WORDS[text.lower()]
        raise argparse.ArgumentTypeError(f"invalid value '{text}' in {shown}: expected true or false")
    if isinstance(default, str):
        if limits:
            check_name(text, limits, f"value in {shown}:")
        return text
    low, high = limits or (-float("inf"), float("inf"))
    try:
        number = real(text)
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        wanted = f"a number from {low:g} to {high:g}" if limits else "a number"
        raise argparse.ArgumentTypeError(f"invalid value '{text}' in {shown}: expected {wanted}")
    return number
