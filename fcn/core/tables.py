"""Tables as text, for the terminal and as CSV.

`lines` formats the tables of all commands, without borders or colours. Numbers are never broken.

    lines([">id", "class", ">IoU"], [["1", "sky", "0.667"], ["2", "sea", "0.250"]])

rich.table measures and wraps the cells, also characters that are two columns wide.

`csv_text` formats CSV for spreadsheets. A spreadsheet runs a cell that starts with = + - or @ as a formula. Such a text
gets an apostrophe in front, as OWASP advises ("CSV Injection"). So does a text that starts with apostrophes and then
one of these characters, so that `unescape_formula` restores every text. Numbers stay numbers.
"""

import csv
import io
import re
import unicodedata

from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

WIDTH = 109  # largest width of a table, in characters
GAP, LEAST_WORDS = 2, 8  # width of the gap between two columns; least width of a column that wraps
INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # Unicode categories: control and format characters, surrogates, line ends
JOINERS = "\u200c\u200d"  # format characters in words of Persian and Hindi
FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]")  # and their full-width forms


def lines(columns, rows, indent=0, width=WIDTH):
    """Lines of a table. rows: lists of str. width: limit in characters, None for no limit; numbers may exceed it.

    columns: titles. ">title" is right-aligned and "<title" left-aligned, both never broken; "title" wraps. Give a title
    that comes from data as wrapped(title). Without any title there is no title line.
    """
    columns = [column if isinstance(column, Column) else _column(column) for column in columns]
    table = Table(*columns, box=None, pad_edge=False, padding=(0, GAP // 2),
                  show_header=any(column.header.plain for column in columns))
    cells = [[_as_text(cell) for cell in row] for row in rows]
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


def wrapped(title):
    """A column whose texts wrap."""
    return Column(_as_text(title), overflow="fold")


def _column(title):
    if title[:1] in ("<", ">"):
        return Column(_as_text(title[1:]), justify="right" if title[0] == ">" else "left", no_wrap=True)
    return wrapped(title)


def escape_invisible(text):
    r"""The text with invisible and control characters as escapes: '\x1b', '\n'."""
    return "".join(letter.encode("unicode_escape").decode() if unicodedata.category(letter) in INVISIBLE
                   and letter not in JOINERS else letter for letter in str(text))


def _as_text(text):
    """A rich Text without markup, colours and emoji codes."""
    return Text(escape_invisible(text))


def csv_text(rows, lineterminator="\n"):
    """The text of a CSV file. rows: lists of cells. Formulas are escaped; None is an empty cell."""
    text = io.StringIO()
    csv.writer(text, lineterminator=lineterminator).writerows([[escape_formula(cell) for cell in row] for row in rows])
    return text.getvalue()


def escape_formula(cell):
    """The cell, with an apostrophe in front of a text that a spreadsheet would run as a formula."""
    if not isinstance(cell, str) or not FORMULA.match(cell) or cell == "-" or _is_number(cell):
        return cell
    return f"'{cell}"


def unescape_formula(text):
    """The text without the apostrophe that `escape_formula` added."""
    return text[1:] if text.startswith("'") and FORMULA.match(text) else text


def _is_number(text):
    try:
        float(text)
        return not text[0].isspace()
    except ValueError:
        return False
