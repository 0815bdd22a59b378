"""Tables of the commands are aligned and show any text as it is; in CSV no cell is a formula, and numbers stay numbers.
"""

import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcn.core import tables
from fcn.data.layouts import _csv_rows, _split
from fcn.evaluation import results


def columns_of(text):
    """Columns that a text takes on a terminal, by Unicode's own table."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def test_numbers_are_right_aligned_and_texts_left():
    assert tables.lines([">id", "class", ">IoU"], [["7", "sky", "0.5"], ["12", "open sea", "-"]], indent=2) == [
        "  id  class     IoU",
        "   7  sky       0.5",
        "  12  open sea    -"]


def test_table_without_titles_has_no_header_line():
    assert tables.lines(["<", ">"], [["weights", "1 MB"], ["gradients", "12 MB"]]) == [
        "weights     1 MB", "gradients  12 MB"]
    assert tables.lines(["<", ">"], []) == []
    assert tables.lines(["<a", ">b"], []) == ["a  b"]


@pytest.mark.parametrize("name", ["[bold]sky[/bold]", "[/]", ":smile:", "\\[x]", "<b>", "{0} %s", "http://x.org"])
def test_markup_is_printed_literally(name):
    assert tables.lines(["<name", ">n"], [[name, "1"]])[1].split() == [*name.split(), "1"]
    assert tables.lines([tables.wrapped(name)], [["1"]])[0] == name


@pytest.mark.parametrize(("name", "shown"), [
    ("\x1b[31mred", "\\x1b[31mred"), ("two\nlines", "two\\nlines"), ("tab\tbell\a", "tab\\tbell\\x07"),
    ("cr\rx", "cr\\rx"), ("\u202egnp", "\\u202egnp"), ("\udc80", "\\udc80"), ("a\u2028b", "a\\u2028b"),
    ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e")])
def test_control_characters_are_escaped(name, shown):
    assert tables.escape_invisible(name) == shown
    assert tables.lines(["<n", "<x"], [[name, "end"]])[1] == f"{shown}  end"


def test_wide_characters_take_two_columns():
    rows = [["天空", "1"], ["sky", "22"], ["海の色", "3"]]
    title, *shown = tables.lines(["class", ">n"], rows)
    assert {columns_of(line) for line in shown} == {columns_of(title)}
    assert shown == ["天空     1", "sky     22", "海の色   3"]


def test_long_text_is_wrapped_and_numbers_are_not():
    title, *shown = tables.lines(["class", ">pixels", "<interval"],
                                 [["x" * 150 + "天" * 30, "1,234,567,890", "[0.1234, 0.5678]"]])
    assert max(columns_of(line) for line in (title, *shown)) <= tables.WIDTH
    assert shown[0].endswith("1,234,567,890  [0.1234, 0.5678]")
    assert "".join(line.split()[0] for line in shown) == "x" * 150 + "天" * 30


def test_text_is_wrapped_between_words():
    assert tables.lines(["<n", "why"], [["1", "needed is (7, 7)"]], width=16) == ["n  why", "1  needed is (7,", "   7)"]


def test_numbers_are_whole_in_narrow_tables():
    shown = tables.lines([">a", "name", ">b"], [["1" * 60, "some name here", "2" * 60]], width=40)
    assert "1" * 60 in shown[1] and "2" * 60 in shown[1]


def test_without_a_width_each_row_is_one_line():
    assert tables.lines(["a", "b"], [["x " * 400, "end"]], width=None)[1] == "x " * 400 + "  end"


def test_terminal_variables_change_nothing(monkeypatch):
    for name, value in (("FORCE_COLOR", "1"), ("COLUMNS", "20"), ("TERM", "xterm-256color"), ("TTY_COMPATIBLE", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert tables.lines(["class"], [["a name of some thirty letters"]])[1] == "a name of some thirty letters"


FORMULAS = ("=HYPERLINK(\"http://x\")", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "--1", "-a")
HARMLESS = ("wall", "a=b", "-", "-5", "-0.5", "+1e-3", "-inf", "", "it's", "'", "'quoted'", "1-2")


@pytest.mark.parametrize("text", FORMULAS)
def test_formula_is_written_as_text_and_read_back(text):
    assert tables.escape_formula(text) == f"'{text}"
    assert tables.unescape_formula(tables.escape_formula(text)) == text


@pytest.mark.parametrize("cell", [*HARMLESS, -5, -0.25, None, True])
def test_numbers_and_other_texts_stay_as_they_are(cell):
    assert tables.escape_formula(cell) is cell


@pytest.mark.slow
@given(st.text())
def test_every_text_is_read_back_and_none_is_a_formula(text):
    written = tables.escape_formula(text)
    assert tables.unescape_formula(written) == text
    if written[:1] in "=+-@\t\r\n" and len(written) > 1:
        float(written)


def test_csv_of_an_evaluation_holds_no_formula():
    text = results.as_csv([{"id": 1, "name": "=1+1", "iou": -0.5, "accuracy": None}])
    assert list(csv.reader(io.StringIO(text))) == [["id", "name", "iou", "accuracy"], ["1", "'=1+1", "-0.5", ""]]


def test_split_and_list_of_pairs_read_their_names_back(tmp_path):
    names = dict.fromkeys((*FORMULAS[:4], "'=1", "plain", "-5"), "training")
    _split.write(tmp_path / "split.csv", names)
    assert _split.read(tmp_path / "split.csv") == names
    assert "\n=" not in (tmp_path / "split.csv").read_text()
    rows = [("images", "masks", "split"), ("=1.png", "+a/1.png", "training")]
    (tmp_path / "list.csv").write_text(tables.csv_text(rows))
    row, = _csv_rows.read(tmp_path / "list.csv")[0]
    assert (row.image, row.label) == (tmp_path / "=1.png", tmp_path / "+a/1.png")
