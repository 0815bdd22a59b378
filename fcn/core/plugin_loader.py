"""Import a plugin and check it against the contract of its kind. Each problem is one message with file and line."""

import importlib
import inspect
import pathlib
import sys
import traceback

from fcn.core import errors


def check_syntax(file):
    """Raise UsageError if a file is not valid Python. The file is not run."""
    try:
        compile(file.read_bytes(), str(file), "exec")
    except (SyntaxError, ValueError, OSError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
        raise errors.UsageError("cannot be read as Python", where=f"{file}{line}", why=str(error),
                                fix="correct this line, or move the file out of the plugin folder.") from None


def load(name, file):
    """Import the module `name` from a file on the path of its package. Raises UsageError if the import fails."""
    if str(getattr(sys.modules.get(name), "__file__", file)) != str(file):
        del sys.modules[name]  # a plugin of the same name, from a plugin folder used before
    importlib.invalidate_caches()
    try:
        return importlib.import_module(name)
    except errors.FcnError:
        raise
    except (Exception, SystemExit) as error:
        root = file.parents[1]
        lines = [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(error.__traceback__)
                 if pathlib.Path(frame.filename).is_relative_to(root)]
        raise errors.UsageError(f"cannot be imported: {type(error).__name__}: {error}",
                                where=lines[-1] if lines else file,
                                fix="correct the plugin (docs/plugins.md has an example of each kind).") from error


def contract_problems(module, required):
    """Yield (problem, "file:line" or None) for each entry of `required` that the module does not fulfil.

    An entry is a name ("SIZE"), a function with its parameters ("compute(sums, weights)"), or two of these joined by
    " or ".
    """
    for entry in required:
        found = [text for text in entry.split(" or ") if hasattr(module, text.partition("(")[0])]
        if not found:
            yield f"lacks {entry}", None
        for text in found:
            name, _, parameters = text.rstrip(")").partition("(")
            problem, where = _call_problem(getattr(module, name), parameters.split(", ")) if parameters else ("", None)
            if problem:
                yield f"{name} cannot be called as {text}: {problem}", where


def _call_problem(function, parameters):
    """(why a function cannot take these positional arguments, "file:line" of its definition); ("", None) if it can."""
    if not callable(function):
        return f"it is {function!r}", None
    try:
        inspect.signature(function).bind(*parameters)
    except TypeError as error:
        code = getattr(inspect.unwrap(function), "__code__", None)
        return str(error), code and f"{code.co_filename}:{code.co_firstlineno}"
    return "", None
