"""Paths and links in the Markdown files lead somewhere, and their commands and Python examples run."""

import configparser
import io
import os
import pathlib
import re
import runpy
import shutil
import tokenize

import documented_help
import pytest

from fcn.cli.main import COMMANDS
from fcn.core import registry

ROOT = pathlib.Path(__file__).parents[1]
PAGES = [path for folder in (".", "docs", "weights", "data_cache", "benchmarks")
         for path in sorted((ROOT / folder).glob("*.md"))] + sorted((ROOT / "benchmarks/results").glob("*/*.md"))
SOURCES = sorted((ROOT / "fcn").rglob("*.py"))
PATH = re.compile(r"(?<![\w/.-])((?:fcn|tests|docs|benchmarks)/[\w./]*\w)(?!\*|\w|[(<{])")
IN_FCN = re.compile(r"(?<![\w/.-])((?:core|data|metrics|config|models|runs|training|evaluation|reporting|cli)/"
                    r"[\w/]*\w\.py)")
LINK = re.compile(r"\]\((?!https?:)([^)#\s=]*)(#[^)\s]*)?\)")
NOT_RUN = {  # the start of a command: why it is only checked
    "make": "its targets are the commands that make these tests",
    "pip install": "it would change the environment",
    "python benchmarks/": "they take from minutes to hours; tests/benchmarks tests them",
}
# Examples whose Python blocks are run by other tests: tests/export/test_writer.py, tests/test_plugin_folder.py.
TESTED_ELSEWHERE = ("docs/export.md", "docs/plugins.md")
SHORTER = ((", steps=2000", ", steps=2"),
           (r'run="runs/nails"', 'run="runs/nails", epochs=1, size=64, crop_size=48, eval_every=2, eval_batches=1'),
           (r'net="fcn8s_atonce"', 'net="example", weights="none"'), *documented_help.STEPS)


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


def numbered(language, pages=PAGES):
    """A parameter for every block of this language, named after its page and line."""
    return [pytest.param(text, id=f"{name(page)}:{line}")
            for page in pages for line, text in documented_help.blocks(page, language)]


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_paths_in_a_page_exist(page):
    assert missing(page.read_text()) == []


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_of_a_page_exist(page):
    for path, heading in LINK.findall(re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)):
        target = page.parent / path if path else page
        assert target.exists(), path
        assert not heading or heading[1:] in headings(target), heading


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


def test_a_list_follows_a_blank_line():
    """The site's Markdown, unlike GitHub's, makes no list of lines that follow a paragraph directly."""
    for page in PAGES:
        text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
        assert re.findall(r"^(?![-*\d|]|  |\n).+\n(?:[-*]|\d\.) .*", text, re.MULTILINE) == [], page


def test_every_block_has_a_language_and_commands_are_in_bash():
    for page in PAGES:
        opened = re.findall(r"^ *```(.*)$", page.read_text(), re.MULTILINE)[::2]
        assert set(opened) <= {"bash", "python", "text", "json", "toml", "yaml"}, page
        others = "".join(text for _, text in documented_help.blocks(page, "text"))
        assert re.findall(r"^\$? ?(?:fcn|python|make|pip) .*", others, re.MULTILINE) == [], page


@pytest.fixture(scope="module")
def known_flags():
    """The flags of all commands, those of benchmarks, and of other programs."""
    helps = [documented_help.help_of(command) for command in (*COMMANDS, "csail export", "csail info", "csail import")]
    benchmarks = [path.read_text() for path in (ROOT / "benchmarks").glob("*.py")]
    return {*re.findall(r"--[a-z][\w-]*", "\n".join(helps + benchmarks)), "--signal", "--logdir", "--help"}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_commands_and_flags_in_a_page_exist(page, known_flags):
    if page.name in ("CHANGELOG.md", "RESULTS.md"):  # they name what earlier versions had
        return
    text = page.read_text()
    assert set(re.findall(r"(?:`|python -m |^)fcn (\w+)", text, re.MULTILINE)) <= {*COMMANDS, "COMMAND"}
    assert set(re.findall(r"(?<![\w-])--[a-z][\w-]*", text)) <= known_flags


def test_commands_that_are_not_run_are_right():
    makefile, extras = (ROOT / "Makefile").read_text(), configparser.ConfigParser()
    extras.read(ROOT / "setup.cfg")
    found = [words for block in numbered("bash") for words in documented_help.commands(block.values[0])]
    skipped = [words for words in found if not_run(words)]
    assert {not_run(words) for words in skipped} == set(NOT_RUN)  # no line of the table is out of date
    for program, *words in skipped:
        if program == "make":
            assert re.search(rf"^{words[0]}:", makefile, re.MULTILINE), words
            for word in words[1:]:
                assert re.search(rf"^{word.partition('=')[0]} \?=", makefile, re.MULTILINE), words
        elif program == "pip":
            assert words[1:] in (["-e", "."], *(["-e", f".[{extra}]"] for extra in extras["options.extras_require"]))
        elif program == "python":
            assert (ROOT / words[0]).exists(), words


def not_run(words):
    """The line of NOT_RUN that a command falls under, or None."""
    return next((start for start in NOT_RUN if " ".join(words).startswith(start)), None)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder, before = tmp_path_factory.mktemp("documented"), pathlib.Path.cwd()
    os.chdir(folder)
    try:
        documented_help.prepare(folder)
    finally:
        os.chdir(before)
    return folder


@pytest.fixture
def small_world(prepared, tmp_path, monkeypatch):
    """The current folder is a copy of the prepared one."""
    folder = shutil.copytree(prepared, tmp_path / "world", symlinks=True)
    monkeypatch.chdir(folder)
    yield folder
    registry.use()


@pytest.mark.slow
@pytest.mark.parametrize("block", numbered("bash"))
def test_documented_commands_run(block, small_world):
    made = set()
    for words in documented_help.commands(block):
        if not not_run(words):
            documented_help.run(documented_help.fcn_words(words), made)


@pytest.mark.slow
@pytest.mark.parametrize("page", [page for page in PAGES if documented_help.blocks(page, "python")
                                  and name(page) not in TESTED_ELSEWHERE], ids=name)
def test_python_examples_of_a_page_run(page, small_world):
    code = "\n".join(block for _, block in documented_help.blocks(page, "python"))
    for text, shorter in SHORTER:
        code = re.sub(text, shorter, code)
    exec(compile(code, str(page), "exec"), {})


@pytest.mark.slow
@pytest.mark.parametrize("script", sorted((ROOT / "examples").glob("*.py")), ids=name)
def test_examples_run(script, small_world, monkeypatch):
    monkeypatch.setenv("STEPS", "2")
    runpy.run_path(str(script), run_name="__main__")
