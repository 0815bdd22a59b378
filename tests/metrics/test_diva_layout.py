"""The protocol diva_layout against a loop over pixels, worked examples, and the numbers of the original program."""

import json
import math
import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

import fcn
from fcn.core import errors
from fcn.metrics import confusion, label_flags
from fcn.metrics.protocols import diva_layout

GIVEN = pathlib.Path(__file__).parents[2] / ".." / "shared" / "data" / "diva_evaluator"
B, C, D, T = 1, 2, 4, 8  # background, comment, decoration, main text
# (label, whether it is a boundary pixel, prediction) of ten pixels, and the scores: LayoutAnalysisEvaluatorTest.java
TEN = [(B, 0, B), (B, 0, T), (B, 0, T + D), (B, 0, B + D), (T + D, 0, B + C), (T + D, 0, T + C), (T + D, 0, T),
       (T + D, 0, T + D), (C, 1, B), (T + D, 1, T + C)]


def arrays(pixels):
    """The label, boundary and prediction of a list of pixels, as images of one row."""
    label, boundary, prediction = zip(*pixels, strict=True)
    return np.array([label], np.uint8), np.array([boundary], bool), np.array([prediction], np.uint8)


def measured(*images):
    """({name: value per image}, {name: value per image and class}) of lists of pixels."""
    counting = confusion.Counting(label_flags.SETS)
    for number, pixels in enumerate(images):
        counting.add_matrix(str(number), label_flags.matrix(*arrays(pixels)))
    return diva_layout.of_images(diva_layout.flag_sums(counting.done()))


def by_hand(pixels):
    """(exact match, Hamming score, [[IoU, F1, precision, recall] of each class]), pixel by pixel, class by class."""
    places = max([1, *(label.bit_length() for label, _, _ in pixels)])
    right = exact = 0
    counts = [[0, 0, 0] for _ in range(places)]  # true positives, false positives, false negatives
    for label, boundary, prediction in pixels:
        truth = {place for place in range(places) if label >> place & 1} | ({0} if boundary else set())
        found = {place for place in range(places) if prediction >> place & 1}
        if boundary and truth & found:
            found |= truth
        exact += truth == found
        for place in range(places):
            right += (place in truth) == (place in found)
            counts[place][0] += place in truth and place in found
            counts[place][1] += place not in truth and place in found
            counts[place][2] += place in truth and place not in found
    ratio = [[(tp, tp + fp + fn), (2 * tp, 2 * tp + fp + fn), (tp, tp + fp), (tp, tp + fn)] for tp, fp, fn in counts]
    return exact / len(pixels), right / places / len(pixels), [
        [above / below if below else math.nan for above, below in row] for row in ratio]


FLAGS = st.one_of(st.sampled_from([0, B, C, D, T, C + T, B + C]), st.integers(0, 255))


@pytest.mark.slow
@given(st.lists(st.tuples(FLAGS, st.booleans(), FLAGS), min_size=1, max_size=12))
@settings(max_examples=200, deadline=None)
def test_numbers_equal_a_loop_over_pixels(pixels):
    found, of_class = measured(pixels)
    exact, hamming, classes = by_hand(pixels)
    assert found["exact_match"][0] == pytest.approx(exact)
    assert found["hamming_score"][0] == pytest.approx(hamming)
    assert label_flags.hamming_score(*arrays(pixels)) == pytest.approx(hamming)
    names = ("iou", "f1", "precision", "recall")
    for k, row in enumerate(classes):
        assert [of_class[name][0, k] for name in names] == pytest.approx(row, nan_ok=True)
    means = [np.mean([v for v in column if not math.isnan(v)] or math.nan) for column in zip(*classes, strict=True)]
    assert [found[f"mean_{name}"][0] for name in names] == pytest.approx(means, nan_ok=True)
    assert np.isnan(of_class["iou"][0, len(classes):]).all()


def test_worked_example_of_the_original():
    found = measured(TEN)[0]
    assert found["exact_match"][0] == 0.3
    assert found["hamming_score"][0] == 0.65
    assert found["mean_iou"][0] == pytest.approx((4 / 7 + 1 / 4 + 2 / 7 + 4 / 7) / 4)
    assert found["frequency_weighted_iou"][0] == pytest.approx((6 * 4 / 7 + 1 / 4 + 5 * 2 / 7 + 5 * 4 / 7) / 17)
    assert found["mean_precision"][0] == pytest.approx((4 / 5 + 1 / 4 + 2 / 4 + 4 / 6) / 4)
    assert found["weighted_recall"][0] == pytest.approx((6 * 4 / 6 + 1 + 5 * 2 / 5 + 5 * 4 / 5) / 17)
    assert found["weighted_f1"][0] == pytest.approx((6 * 8 / 11 + 0.4 + 5 * 4 / 9 + 5 * 8 / 11) / 17)


@pytest.mark.parametrize(("pixel", "after"), [
    ((T, 1, B), (B + T, B + T)),              # background is right for all classes of the label
    ((C + T, 1, C), (B + C + T, B + C + T)),  # so is one of its classes
    ((C, 1, C + D), (B + C, B + C + D)),      # another class stays, and is wrong
    ((C, 1, D), (B + C, D)),                  # no shared class
    ((C, 1, 0), (B + C, 0)),                  # nothing predicted
    ((C, 0, B), (C, B)),                      # not on a boundary
])
def test_boundary_rule(pixel, after):
    assert tuple(map(int, label_flags.by_boundary_rule(*map(np.int64, pixel)))) == after


def test_predicted_classes_beyond_the_label_do_not_count():
    assert measured([(C, 0, C + T), (B, 0, B + 128)])[0]["exact_match"][0] == 1


def test_a_label_without_flags_has_one_undefined_class():
    found, of_class = measured([(0, 0, 0), (0, 0, T)])
    assert found["exact_match"][0] == found["hamming_score"][0] == 1
    assert np.isnan(found["mean_iou"][0]) and np.isnan(of_class["frequency"][0]).all()


def test_scores_of_images_are_averaged():
    counting = confusion.Counting(label_flags.SETS)
    for name, pixels in (("right", [(B, 0, B)]), ("wrong", [(C, 0, B)])):
        counting.add_matrix(name, label_flags.matrix(*arrays(pixels)))
    sums = diva_layout.flag_sums(counting.done())
    assert diva_layout.compute(sums, np.array([[1.0, 1.0], [0.0, 1.0]]))["exact_match"].tolist() == [0.5, 0]
    assert diva_layout.ratios(sums)["exact_match"].above.sum() == 1
    rows = diva_layout.per_class(sums, ["", "background", "comment"])
    assert [(row["name"], row["iou"], row["frequency"]) for row in rows] == [("background", 0.5, 0.5),
                                                                             ("comment", 0, 1)]


def test_scores_of_one_class():
    sums = diva_layout.flag_sums(_counted([(B, 0, B), (C, 0, B)]))
    assert diva_layout.compute(sums, np.ones((1, 1)), (C,))["mean_iou"][0] == 0
    assert diva_layout.compute(sums, np.ones((1, 1)), (B,))["mean_iou"][0] == 0.5


def _counted(pixels):
    counting = confusion.Counting(label_flags.SETS)
    counting.add_matrix("page", label_flags.matrix(*arrays(pixels)))
    return counting.done()


def test_hamming_score_repeats_the_original_rounding():
    pixels = arrays([(D, 0, B)] * 1000)  # two of three classes are wrong
    total = 0.0
    for _ in range(1000):
        total += 2 / 3
    assert label_flags.hamming_score(*pixels) == 1 - total / 1000


@pytest.mark.parametrize(("pixel", "colour"), [
    ((T, 0, T), (0, 127, 0)), ((T, 0, C), (255, 255, 0)), ((B, 0, B), (0, 0, 0)), ((B, 0, T), (255, 0, 0)),
    ((T, 0, B), (0, 255, 255)), ((T, 1, B), (0, 0, 0)), ((T, 0, B + T), (255, 255, 255)),
    ((T, 1, T + C), (255, 255, 0)), ((T, 0, T + 16), (0, 127, 0)), ((T, 0, 0), (255, 255, 0)), ((B, 0, 0), (255, 0, 0)),
])
def test_colours_of_the_picture(pixel, colour):
    label, boundary, prediction = arrays([pixel, (T, 0, T)])
    assert label_flags.PALETTE[label_flags.errors(label, boundary, prediction)[0, 0]] == colour


def lines():
    path = GIVEN / "expected.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.skipif(not GIVEN.exists(), reason="../shared/data/diva_evaluator is missing")
@pytest.mark.parametrize("expected", lines(), ids=lambda line: line["prediction"])
def test_numbers_of_the_original_program(expected):
    found = fcn.score_layout(GIVEN / expected["gt"], GIVEN / expected["prediction"])
    assert list(found["scores"].values()) == pytest.approx(expected["evaluation"], abs=1e-12, rel=0)
    for key, name in zip(("jaccard", "f1", "precision", "recall", "frequencies"), diva_layout.OF_CLASS, strict=True):
        assert [row[name] for row in found["per_class"]] == pytest.approx(expected[key], abs=1e-12, rel=0)


def save(path, flags, red=0, size=(2, 3)):
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(np.broadcast_to(np.array([red, 0, flags], np.uint8), (*size, 3))).save(path)
    return path


def test_files_are_paired_by_name(tmp_path):
    for name, flags in (("a", T), ("b", B)):
        save(tmp_path / "gt" / f"{name}_gt.png", T)
        save(tmp_path / "found" / f"{name}.png", flags)
    found = fcn.score_layout(tmp_path / "gt", tmp_path / "found", tmp_path / "errors")
    assert [(row["name"], row["exact_match"]) for row in found["per_image"]] == [("a", 1), ("b", 0)]
    assert found["scores"]["exact_match"] == 0.5
    assert np.asarray(Image.open(tmp_path / "errors" / "b.png"))[0, 0].tolist() == [0, 255, 255]


def test_red_128_or_more_is_a_boundary(tmp_path):
    scores = [fcn.score_layout(save(tmp_path / f"{red}.png", T, red), save(tmp_path / "found.png", B))["scores"]
              for red in (127, 128, 255)]
    assert [found["exact_match"] for found in scores] == [0, 1, 1]


def test_other_sizes_are_refused(tmp_path):
    with pytest.raises(errors.DataError, match=r"found.png: is 3x4, its label is 3x2 \(width x height\)"):
        fcn.score_layout(save(tmp_path / "label.png", T), save(tmp_path / "found.png", T, size=(4, 3)))


def test_a_missing_partner_is_refused(tmp_path):
    for path in ("gt/a.png", "gt/b.png", "found/a.png"):
        save(tmp_path / path, T)
    with pytest.raises(errors.DataError, match=r"b\.png"):
        fcn.score_layout(tmp_path / "gt", tmp_path / "found")


def test_a_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(errors.DataError, match="two files or two folders"):
        fcn.score_layout(save(tmp_path / "gt" / "a.png", T), tmp_path / "gt")


def test_pictures_never_replace_files(tmp_path):
    label, found = save(tmp_path / "gt" / "a.png", T), save(tmp_path / "found" / "a.png", T)
    before = label.read_bytes()
    with pytest.raises(errors.UsageError, match="gt"):
        fcn.score_layout(label, found, pictures=tmp_path / "gt")
    assert label.read_bytes() == before
