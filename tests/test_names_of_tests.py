"""Names of tests are short enough to be read in a list, and none hides another one of its file."""

import ast
import pathlib

import pytest

LONGEST = 60
FILES = sorted(pathlib.Path(__file__).parent.rglob("test_*.py"))


def names(source):
    """The names of the test functions of a file, in its order."""
    return [node.name for node in ast.walk(ast.parse(source))
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_names_of_tests_are_short_and_unique(path):
    found = names(path.read_text())
    assert found
    assert [name for name in found if len(name) > LONGEST] == []
    assert sorted(set(found)) == sorted(found)


def test_nested_and_repeated_names_are_found():
    assert names("def test_a(): pass\nclass A:\n    def test_a(self): pass\ndef helper(): pass\n") == ["test_a"] * 2
