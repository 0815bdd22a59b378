"""The folder is the registry: --net fcn16s loads fcn/nets/fcn16s.py, and nothing else has to know of it."""

import ast
import difflib
import importlib
import importlib.util
import pathlib

from fcn import errors

HERE = pathlib.Path(__file__).parent


def names(folder, suffix=".py"):
    """Names on the shelf `folder` ("nets", "layouts", ...), sorted."""
    return sorted(p.stem for p in (HERE / folder).glob(f"*{suffix}") if not p.stem.startswith("_"))


def pick(folder, name):
    """The module fcn.<folder>.<name>. Raises UsageError naming what is there."""
    check(folder, name)
    return importlib.import_module(f"fcn.{folder}.{name}")


def check(folder, name, suffix=".py"):
    """Raise UsageError unless `name` is on the shelf; imports nothing, so that it may be asked early."""
    known = names(folder, suffix)
    if name not in known:
        near = difflib.get_close_matches(str(name), known, 1)
        raise errors.UsageError(f"fcn/{folder} has no '{name}'; it holds {', '.join(known)}.",
                                cure=f"did you mean {near[0]}?" if near else None)


def functions(folder, name):
    """Names of the functions in the file fcn/<folder>/<name>.py, which is not imported: many import TensorFlow."""
    found = importlib.util.find_spec(f"fcn.{folder}.{name}")
    if found is None or found.origin is None:
        check(folder, name)
        return ()
    tree = ast.parse(pathlib.Path(found.origin).read_text(encoding="utf-8"))
    return tuple(node.name for node in tree.body if isinstance(node, ast.FunctionDef))
