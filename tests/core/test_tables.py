"""Tables of the commands: aligned, wide letters too, and any text shown as it is."""

import io
import unicodedata

import pytest

from fcn.core import tables


def columns_of(text):
    """Columns that a text takes on a terminal, by Unicode's own table."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


def test_numbers_stand_to_the_right_and_texts_to_the_left():
    assert tables.lines([">id", "class", ">IoU"], [["7", "sky", "0.5"], ["12", "open sea", "-"]], indent=2) == [
        "  id  class     IoU",
        "   7  sky       0.5",
        "  12  open sea    -"]


def test_a_table_without_titles_has_no_line_of_them():
    assert tables.lines(["<", ">"], [["weights", "1 MB"], ["gradients", "12 MB"]]) == [
        "weights     1 MB", "gradients  12 MB"]
    assert tables.lines(["<", ">"], []) == []
    assert tables.lines(["<a", ">b"], []) == ["a  b"]


@pytest.mark.parametrize("name", ["[bold]sky[/bold]", "[/]", ":smile:", "\\[x]", "<b>", "{0} %s", "http://x.org"])
def test_markup_is_shown_as_it_is(name):
    assert tables.lines(["<name", ">n"], [[name, "1"]])[1].split() == [*name.split(), "1"]
    assert tables.lines([tables.words(name)], [["1"]])[0] == name


@pytest.mark.parametrize(("name", "shown"), [
    ("\x1b[31mred", "\\x1b[31mred"), ("two\nlines", "two\\nlines"), ("tab\tbell\a", "tab\\tbell\\x07"),
    ("cr\rx", "cr\\rx"), ("\u202egnp", "\\u202egnp"), ("\udc80", "\\udc80"), ("a\u2028b", "a\\u2028b"),
    ("\u0645\u06cc\u200c\u062e", "\u0645\u06cc\u200c\u062e")])
def test_letters_that_move_the_cursor_are_written_as_escapes(name, shown):
    assert tables.literal(name) == shown
    assert tables.lines(["<n", "<x"], [[name, "end"]])[1] == f"{shown}  end"


def test_wide_letters_take_two_columns():
    rows = [["天空", "1"], ["sky", "22"], ["海の色", "3"]]
    title, *shown = tables.lines(["class", ">n"], rows)
    assert {columns_of(line) for line in shown} == {columns_of(title)}
    assert shown == ["天空     1", "sky     22", "海の色   3"]


def test_a_long_text_is_broken_and_its_numbers_are_not():
    title, *shown = tables.lines(["class", ">pixels", "<interval"],
                                 [["x" * 150 + "天" * 30, "1,234,567,890", "[0.1234, 0.5678]"]])
    assert max(columns_of(line) for line in (title, *shown)) <= tables.WIDTH
    assert shown[0].endswith("1,234,567,890  [0.1234, 0.5678]")
    assert "".join(line.split()[0] for line in shown) == "x" * 150 + "天" * 30


def test_words_are_broken_between_words():
    assert tables.lines(["<n", "why"], [["1", "needed is (7, 7)"]], width=16) == ["n  why", "1  needed is (7,", "   7)"]


def test_numbers_are_whole_however_narrow_the_table_should_be():
    shown = tables.lines([">a", "name", ">b"], [["1" * 60, "some name here", "2" * 60]], width=40)
    assert "1" * 60 in shown[1] and "2" * 60 in shown[1]


def test_without_a_width_a_row_is_a_line():
    assert tables.lines(["a", "b"], [["x " * 400, "end"]], width=None)[1] == "x " * 400 + "  end"


def test_a_terminal_and_its_variables_change_nothing(monkeypatch):
    for name, value in (("FORCE_COLOR", "1"), ("COLUMNS", "20"), ("TERM", "xterm-256color"), ("TTY_COMPATIBLE", "1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", io.StringIO())
    assert tables.lines(["class"], [["a name of some thirty letters"]])[1] == "a name of some thirty letters"
