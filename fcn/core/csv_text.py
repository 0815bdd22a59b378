"""Tables as CSV that people open in a spreadsheet, which runs a cell that begins with = + - or @ as a formula.

Such a text gets an apostrophe in front, as OWASP advises ("CSV Injection"); so does one that begins with apostrophes
and then one of these, so that `plain` gives every text back. Numbers stay numbers.
"""

import csv
import io
import re

FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff0b\uff0d\uff1d\uff20]")  # and their full-width forms


def table(rows, lineterminator="\n"):
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
