"""CSV for people: no cell is a formula, every number is a number, and our own readers get the text that was written."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fcn.core import csv_text
from fcn.data.layouts import _csv_rows, _split
from fcn.evaluation import results

FORMULAS = ("=HYPERLINK(\"http://x\")", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "--1", "-a")
HARMLESS = ("wall", "a=b", "-", "-5", "-0.5", "+1e-3", "-inf", "", "it's", "'", "'quoted'", "1-2")


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_becomes_a_text_and_is_read_back(text):
    assert csv_text.harmless(text) == f"'{text}"
    assert csv_text.plain(csv_text.harmless(text)) == text


@pytest.mark.parametrize("cell", [*HARMLESS, -5, -0.25, None, True])
def test_numbers_and_other_texts_stay_as_they_are(cell):
    assert csv_text.harmless(cell) is cell


@given(st.text())
def test_every_text_is_read_back_and_none_begins_a_formula(text):
    written = csv_text.harmless(text)
    assert csv_text.plain(written) == text
    if written[:1] in "=+-@\t\r\n" and len(written) > 1:
        float(written)


def test_the_classes_of_an_evaluation_run_nothing():
    text = results.as_csv([{"id": 1, "name": "=1+1", "iou": -0.5, "accuracy": None}])
    assert list(csv.reader(io.StringIO(text))) == [["id", "name", "iou", "accuracy"], ["1", "'=1+1", "-0.5", ""]]


def test_the_split_and_the_list_of_pairs_give_their_names_back(tmp_path):
    names = dict.fromkeys((*FORMULAS[:4], "'=1", "plain", "-5"), "training")
    _split.write(tmp_path / "split.csv", names)
    assert _split.read(tmp_path / "split.csv") == names
    assert "\n=" not in (tmp_path / "split.csv").read_text()
    rows = [("images", "masks", "split"), ("=1.png", "+a/1.png", "training")]
    (tmp_path / "list.csv").write_text(csv_text.table(rows))
    row, = _csv_rows.read(tmp_path / "list.csv")[0]
    assert (row.image, row.label) == (tmp_path / "=1.png", tmp_path / "+a/1.png")
