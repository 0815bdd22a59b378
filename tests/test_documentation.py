"""Paths, links and commands in the Markdown files, and paths in the texts of the program, exist."""

import io
import pathlib
import re
import tokenize

import pytest

from fcn.cli.main import COMMANDS

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [path for folder in (".", "docs", "weights", "data_cache", "benchmarks")
         for path in sorted((ROOT / folder).glob("*.md"))]
SOURCES = sorted((ROOT / "fcn").rglob("*.py"))
PATH = re.compile(r"(?<![\w/.-])((?:fcn|tests|docs|benchmarks)/[\w./]*\w)(?!\*|\w|[(<{])")
IN_FCN = re.compile(r"(?<![\w/.-])((?:core|data|metrics|config|models|runs|training|evaluation|reporting|cli)/"
                    r"[\w/]*\w\.py)")
LINK = re.compile(r"\]\((?!https?:)([^)#\s=]*)(#[^)\s]*)?\)")


def name(path):
    return str(path.relative_to(ROOT))


def missing(text):
    """Paths in a text that do not exist; NAME stands for any name."""
    paths = {*PATH.findall(text), *(f"fcn/{path}" for path in IN_FCN.findall(text))}
    return sorted(path for path in paths if "NAME" not in path and not (ROOT / path).exists())


def headings(page):
    """The anchors that GitHub gives the headings of a page."""
    lines = [line.lstrip("# ") for line in page.read_text().splitlines() if line.startswith("#")]
    return [re.sub(r"[^\w\- ]", "", line.lower()).replace(" ", "-") for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_paths_in_a_page_exist(page):
    assert missing(page.read_text()) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_of_a_page_exist(page):
    for path, heading in LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not heading or heading[1:] in headings(target), heading


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_in_a_page_exist(page):
    text = page.read_text()
    assert set(re.findall(r"python -m fcn (\w+)", text)) <= {*COMMANDS, "COMMAND"}
    assert page.name == "CHANGELOG.md" or re.findall(r"python -m fcn\.\w+", text) == []


def test_paths_in_docstrings_and_comments_exist():
    found = {}
    for source in SOURCES:
        tokens = tokenize.generate_tokens(io.StringIO(source.read_text()).readline)
        texts = [token.string for token in tokens if token.type in (tokenize.STRING, tokenize.COMMENT)]
        found[name(source)] = missing("\n".join(texts))
    assert {source: paths for source, paths in found.items() if paths} == {}


def test_paths_in_recipes_exist():
    for recipe in (ROOT / "fcn/config/recipes").glob("*.toml"):
        assert missing(recipe.read_text()) == []


def test_missing_path_is_detected():
    text = "`fcn/cli/main.py`, fcn/nets/fcn8s.py, docs/data.md, fcn/models/nets/NAME.py, `core/errors.py`, core/none.py"
    assert missing(text) == ["fcn/core/none.py", "fcn/nets/fcn8s.py"]
