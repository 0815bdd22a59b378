"""Import a plugin, and check that it defines what its kind asks for; each fault is one message with file and line."""

import importlib
import inspect
import pathlib
import sys
import traceback

from fcn.core import errors


def check_syntax(file):
    """Raise UsageError if a file is no valid Python; it is not run."""
    try:
        compile(file.read_bytes(), str(file), "exec")
    except (SyntaxError, ValueError, OSError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) else ""
        raise errors.UsageError("cannot be read as Python", where=f"{file}{line}", why=str(error)) from None


def load(name, file):
    """The module `name`, which its package finds as this file. Raises UsageError if it fails while it is imported."""
    if str(getattr(sys.modules.get(name), "__file__", file)) != str(file):
        del sys.modules[name]  # a plugin of this name in a folder that was used before
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
                                where=lines[-1] if lines else file) from error


def contract_problems(module, required):
    """(problem, "file:line" or None) of each entry of `required`, such as "SIZE", "compute(sums, weights)", or two of
    these joined by " or ", that the module lacks or whose function does not take these parameters.
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
    """(why a function cannot be called with these positional arguments or "", "file:line" of its definition)."""
    if not callable(function):
        return f"it is {function!r}", None
    try:
        inspect.signature(function).bind(*parameters)
    except TypeError as error:
        code = getattr(inspect.unwrap(function), "__code__", None)
        return str(error), code and f"{code.co_filename}:{code.co_firstlineno}"
    return "", None
