"""Tables as text: for the terminal, and as CSV.

`lines` gives the tables of all commands: no rules, no colours, numbers never broken, any text shown as it is.

    lines([">id", "class", ">IoU"], [["1", "sky", "0.667"], ["2", "sea", "0.250"]])

rich.table measures and wraps, also letters that are two columns wide.

`csv_text` gives CSV for spreadsheets, which run a cell that begins with = + - or @ as a formula. Such a text gets an
apostrophe in front, as OWASP advises ("CSV Injection"); so does one that begins with apostrophes and then one of these,
so that `plain` gives every text back. Numbers stay numbers.
"""

import csv
import io
import re
import unicodedata

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

WIDTH = 109  # columns of a table that is not narrower by itself
GAP, LEAST_WORDS = 2, 8  # columns between two columns; of one that is broken into lines
INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # Unicode's categories: control and format characters, surrogates, line ends
JOINERS = "\u200c\u200d"  # format characters that words of Persian and Hindi are written with
FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]")  # and their full-width forms


def lines(columns, rows, indent=0, width=WIDTH):
    """Lines of a table. rows: lists of str. width: at most; None for any. Wider if numbers would be broken otherwise.

    columns: titles. ">title": cells to the right, never broken, as numbers are; "<title": to the left, never broken;
    "title": broken into lines where there is too little room. Titles that are not written in the code are given as
    words(title). A table without any title has no line of titles.
    """
    columns = [column if isinstance(column, Column) else _column(column) for column in columns]
    table = Table(*columns, box=None, pad_edge=False, padding=(0, GAP // 2),
                  show_header=any(column.header.plain for column in columns))
    cells = [[_shown(cell) for cell in row] for row in rows]
    for row in cells:
        table.add_row(*row)
    needed = [max(text.cell_len for text in (column.header, *texts))
              for column, *texts in zip(table.columns, *cells, strict=True)]
    least = [size if column.no_wrap else min(size, LEAST_WORDS) for column, size in zip(columns, needed, strict=True)]
    gaps = GAP * (len(columns) - 1)
    room = sum(needed) + gaps if width is None else max(width - indent, sum(least) + gaps)
    drawn = io.StringIO()
    Console(file=drawn, width=room, color_system=None, force_terminal=False, legacy_windows=False).print(table)
    return [f"{'':{indent}}{line}".rstrip() for line in drawn.getvalue().splitlines()]


def words(title):
    """A column of texts that are broken into lines where there is too little room."""
    return Column(_shown(title), overflow="fold")


def _column(title):
    if title[:1] in ("<", ">"):
        return Column(_shown(title[1:]), justify="right" if title[0] == ">" else "left", no_wrap=True)
    return words(title)


def literal(text):
    """The text with what is not seen, or would move the cursor, written as escapes: '\\x1b', '\\n'."""
    return "".join(letter.encode("unicode_escape").decode() if unicodedata.category(letter) in INVISIBLE
                   and letter not in JOINERS else letter for letter in str(text))


def _shown(text):
    """Without rich's markup, colours and emoji."""
    return Text(literal(text))


def csv_text(rows, lineterminator="\n"):
    """The text of a CSV file. rows: lists of cells; a str that would be a formula is made a text, None is empty."""
    text = io.StringIO()
    csv.writer(text, lineterminator=lineterminator).writerows([[harmless(cell) for cell in row] for row in rows])
    return text.getvalue()


def harmless(cell):
    """A cell that no spreadsheet runs: numbers, and texts that are numbers, as they are."""
    if not isinstance(cell, str) or not FORMULA.match(cell) or cell == "-" or _is_number(cell):
        return cell
    return f"'{cell}"


def plain(text):
    """The text that `harmless` was given."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def _is_number(text):
    try:
        float(text)
        return not text[0].isspace()
    except ValueError:
        return False
