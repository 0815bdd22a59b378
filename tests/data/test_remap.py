"""Files of classes that map values of label files to classes: JSON, YAML, CSV; and what a remap changes."""

import dataclasses
import json
import pathlib

import numpy as np
import pytest
from conftest import save
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from fcn.core import errors
from fcn.data import label_files
from fcn.data.cache import cache
from fcn.data.layouts import binary_masks, paired, pattern
from fcn.data.spec import DatasetSpec
from fcn.evaluation import prediction_writer
from fcn.runs import record

ROOT = pathlib.Path(__file__).parents[2]

ROADS = DatasetSpec(("sky", "road"), (255,), remap=((0, 0), (38, 1), (39, 1)))
FILES = {  # each is ROADS
    "classes.json": '{"names": ["sky", "road"], "remap": {"0": 0, "38": 1, "39": "road"}}',
    "classes.yaml": "names: [sky, road]\nremap: {0: sky, 38: 1, '39': road}\n",
    "classes.yml": "names:\n- sky\n- road\nremap:\n  0: 0\n  38: 1\n  39: 1\n",
    "classes.csv": "name,values\nsky,0\nroad,38 39\n",
}
VALUES = np.array([[0, 38, 39], [75, 255, 38]], np.uint8)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_classes_maps_values_to_classes(tmp_path, name):
    (tmp_path / name).write_text(FILES[name])
    assert paired.spec(tmp_path) == ROADS
    label = label_files.read_label(save(tmp_path / "a.png", VALUES), ROADS)
    np.testing.assert_array_equal(label, [[0, 1, 1], [255, 255, 1]])
    assert label.dtype == np.uint8


def test_a_table_may_have_colours_and_values(tmp_path):
    (tmp_path / "classes.csv").write_text("name;red;green;blue;value\nsky;1;2;3;7\nroad;4;5;6;65535\n")
    spec = paired.spec(tmp_path)
    assert (spec.colours, spec.remap) == (((1, 2, 3), (4, 5, 6)), ((7, 0), (65535, 1)))


def test_yaml_lists_names_too(tmp_path):
    (tmp_path / "classes.yaml").write_text("- sky\n- road\n")
    assert paired.spec(tmp_path).class_names == ("sky", "road")


@pytest.mark.parametrize(("ignored", "flag", "expected"), [
    ([0], None, 0), ([7, 8], None, 7), (None, (9,), 9), (None, None, 255)])
def test_other_values_become_the_first_ignored_id(tmp_path, ignored, flag, expected):
    content = {"names": ["other", "sky"], "remap": {"38": 1}} | ({} if ignored is None else {"ignored": ignored})
    (tmp_path / "classes.json").write_text(json.dumps(content))
    np.testing.assert_array_equal(paired.spec(tmp_path, "", flag).remapped(VALUES)[0], [expected, 1, expected])


@pytest.mark.parametrize("layout", [binary_masks, pattern.with_patterns("{name}.jpg", "{name}.png")])
def test_a_remap_of_masks_maps_their_values(tmp_path, layout):
    save(tmp_path / "b.png", np.array([[0, 255]], np.uint8))
    (tmp_path / "classes.json").write_text('{"names": ["nail", "skin"], "remap": {"255": 0, "0": 1}}')
    spec = layout.spec(tmp_path)
    np.testing.assert_array_equal(label_files.read_label(tmp_path / "b.png", spec), [[1, 0]])
    assert spec.ignored_ids == (255,)  # of other values


def test_documented_files_of_classes_are_read(tmp_path):
    page = (ROOT / "docs/data.md").read_text()
    expected = DatasetSpec(("background", "road", "car"), (255,), remap=((0, 0), (38, 1), (39, 1), (75, 2)))
    for name, start in (("a.yaml", "```yaml\n"), ("a.csv", "```text\nname,values"), ("a.json", '{"names": ["class 0"')):
        text = start.split("\n")[-1] + page.split(start)[1].split("\n```")[0]
        (tmp_path / name).write_text(text)
        found = paired.spec(tmp_path, tmp_path / name)
        if name == "a.json":
            assert found.remap == ((0, 0), (38, 1), (75, 2))
        else:
            assert found == expected


BAD = {  # content of classes.json or classes.csv: what the message says
    '{"names": ["a"], "remap": {"x": 0}}': "value 'x', expected a whole number from 0 to 65535",
    '{"names": ["a"], "remap": {"65536": 0}}': "65536",
    '{"names": ["a"], "remap": {"-1": 0}}': "-1",
    '{"names": ["a"], "remap": {"1": 1}}': "maps 1 to 1, which is neither a class",
    '{"names": ["a"], "remap": {"1": "b"}}': "maps 1 to 'b'",
    '{"names": ["a"], "remap": {"1": true}}': "maps 1 to True",
    '{"names": ["a"], "remap": {"1": 0, "1": 0}}': "1 is given twice",
    '{"names": ["a"], "remap": {"1": 0, " 1": 0}}': "1 is given twice",
    '{"names": ["a"], "remap": []}': "must map values",
    "name,values\na,1 2\nb,2\n": "2 is given twice",
    "name,values\na,one\n": "value 'one'",
}


@pytest.mark.parametrize("text", BAD)
def test_a_wrong_remap_is_refused_by_name(tmp_path, text):
    path = tmp_path / ("classes.json" if text.startswith("{") else "classes.csv")
    path.write_text(text)
    with pytest.raises(errors.DataError) as problem:
        paired.spec(tmp_path)
    assert problem.value.where == path and BAD[text] in str(problem.value)


@pytest.mark.parametrize("text", ["names: [yes, no]", "names: [a\n", "a: &x [*x]", "- " * 5000,
                                  "!!python/object/apply:os.system [ls]"])
def test_yaml_that_is_no_list_of_names_is_refused(tmp_path, text):
    (tmp_path / "classes.yaml").write_text(text)
    with pytest.raises(errors.DataError, match=r"classes\.yaml"):
        paired.spec(tmp_path)


def test_a_remap_is_recorded_and_read_again():
    assert record.spec_from_dict(json.loads(json.dumps(record.spec_to_dict(ROADS)))) == ROADS
    assert "remap" not in record.spec_to_dict(DatasetSpec(("a",)))  # older runs have none, and are compared with this


def test_a_remap_is_part_of_a_cache_only_if_there_is_one():
    plain = dataclasses.replace(ROADS, remap=())
    assert cache.fingerprint([], plain, None, {}) != cache.fingerprint([], ROADS, None, {})
    assert "remap" not in cache._options(plain, None)


def test_a_prediction_of_a_remapped_data_set_holds_class_ids(tmp_path):
    spec = dataclasses.replace(ROADS, encoding="blue")
    writer = prediction_writer.PredictionWriter(tmp_path, spec, ("predictions",))
    writer.write("a", np.zeros((1, 2, 3), np.uint8), None, np.array([[0, 1]], np.uint8))
    found = label_files.read_label(tmp_path / "predictions/a.png", DatasetSpec(("sky", "road")))
    np.testing.assert_array_equal(found, [[0, 1]])


def test_colours_are_not_remapped_but_refused(tmp_path):
    spec = dataclasses.replace(ROADS, encoding="colours", colours=((0, 0, 0), (9, 9, 9)))
    with pytest.raises(errors.DataError, match='"remap" maps ids'):
        label_files.read_label(save(tmp_path / "a.png", VALUES), spec)


@given(values=arrays.arrays(np.uint16, st.tuples(st.integers(1, 5), st.integers(1, 5)), elements=st.integers(0, 400)),
       remap=st.dictionaries(st.integers(0, 400), st.integers(0, 299), min_size=1),
       ignored=st.sampled_from([300, 65535]))
@settings(max_examples=100, deadline=None)
def test_counting_after_a_remap_is_remapping_counts(values, remap, ignored):
    spec = DatasetSpec(tuple(map(str, range(300))), (ignored,), remap=tuple(sorted(remap.items())))
    counts = np.bincount(values.ravel(), minlength=65536)
    expected = np.zeros(65536, int)
    for value in np.flatnonzero(counts).tolist():
        expected[remap.get(value, ignored)] += counts[value]
    np.testing.assert_array_equal(np.bincount(spec.remapped(values).ravel(), minlength=65536), expected)
