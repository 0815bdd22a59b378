"""What a matrix gives away: each detector speaks on its fault, with numbers, and is silent on sound results."""

import numpy as np
import pytest

from fcn.core import errors
from fcn.data.layouts import ade20k, camvid, voc
from fcn.data.layouts._ade20k_classes import CLASSES, STUFF
from fcn.metrics import baselines, class_groups, confusion, diagnostics, iou
from fcn.metrics.confusion import Sums

IDS = tuple(range(1, 12))  # of 12 channels, 0 ignored
NAMES = ["other", *(name for name, _ in camvid.CLASSES)]
SHARES = np.array([300, 250, 150, 100, 60, 50, 40, 20, 15, 10, 5.0])  # of 1000 pixels, most frequent first


def sound(quality, seed=0, pixels=100_000):
    """(12, 12) of a net that is right on about `quality` of each class, and elsewhere says what is frequent."""
    random = np.random.default_rng(seed)
    matrix = np.zeros((12, 12), np.int64)
    for i, share in zip(IDS, SHARES, strict=True):
        right = quality * random.uniform(0.6, 1.4)
        chances = (1 - min(right, 1)) * SHARES / SHARES.sum()
        chances[i - 1] += min(right, 1)
        matrix[i, 1:] = random.multinomial(int(share * pixels / 1000), chances)
    return matrix


def shift(matrix, by):
    """The matrix after the label of every pixel became label + by; what leaves 1..11 is lost."""
    moved = np.zeros_like(matrix)
    for i in IDS:
        if 1 <= i + by <= 11:
            moved[i + by] = matrix[i]
    return moved


@pytest.mark.parametrize("quality", [0.1, 0.3, 0.6, 0.9, 1.0])
@pytest.mark.parametrize("seed", range(5))
def test_plausible_results_have_no_warning(quality, seed):
    assert diagnostics.warnings(sound(quality, seed), IDS, NAMES) == []


def test_perfect_results_of_few_classes_have_no_warning():
    for counts in ([7], [7, 5], [990, 10], [1000, 1, 1], [9000, 500, 300, 200]):
        matrix = np.diag([0, *counts, *[0] * (11 - len(counts))])
        assert diagnostics.warnings(matrix, IDS, NAMES) == []
    assert diagnostics.warnings(np.diag([5, 7]), (0, 1), ["ink", "paper"]) == []


def test_net_that_finds_half_of_a_rare_class_has_no_warning():
    assert diagnostics.warnings(np.array([[98_000, 500], [750, 750]]), (0, 1), ["page", "ink"]) == []


def test_unlabelled_results_have_no_warning():
    assert diagnostics.warnings(np.zeros((12, 12), np.int64), IDS, NAMES) == []
    ignored = np.zeros((12, 12), np.int64)
    ignored[0, 5] = 100
    assert diagnostics.warnings(ignored, IDS, NAMES) == []


@pytest.mark.parametrize("quality", [0.3, 0.6, 1.0])
@pytest.mark.parametrize(("by", "side"), [(1, "before"), (-1, "after")])
def test_labels_shifted_by_one_are_detected(quality, by, side):
    for seed in range(5):
        text = diagnostics.warnings(shift(sound(quality, seed), by), IDS, NAMES)[0]
        assert text.startswith("these labels look shifted by one") and f"predicted as the id {side} their label" in text


def test_warning_of_shifted_labels_counts_the_better_fit():
    matrix = np.zeros((12, 12), np.int64)
    matrix[[2, 3, 4], [1, 2, 3]] = 30  # zero-based predictions against labels from 1
    matrix[5, 5] = 10
    text = diagnostics.shifted(matrix, IDS, NAMES)
    assert "90.0% of the pixels" in text and "10.0% as their label" in text and "3 of 4 classes" in text


def test_ade20k_labels_with_a_net_of_150_channels_are_detected():
    """mmsegmentation's reduce_zero_label: class c is called c - 1, "wall" 0, which is no scored id."""
    random = np.random.default_rng(0)
    label = random.choice(np.arange(1, 151), 200_000, p=1 / np.arange(1, 151) / (1 / np.arange(1, 151)).sum())
    right = random.random(label.size) < 0.5
    prediction = np.where(right, label, random.choice(label, label.size)) - 1
    matrix = confusion.matrix(label, prediction, 151)
    names = ade20k.spec("nowhere").class_names
    assert "predicted as the id before their label" in diagnostics.warnings(matrix, range(1, 151), names)[0]
    assert diagnostics.warnings(confusion.matrix(label, prediction + 1, 151), range(1, 151), names) == []


def test_constant_predictions_are_not_reported_as_shifted_labels():
    for answer in IDS:
        matrix = np.zeros((12, 12), np.int64)
        matrix[1:, answer] = SHARES
        assert diagnostics.shifted(matrix, IDS, NAMES) == ""
    swapped = np.array([[0, 90], [10, 0]])
    assert diagnostics.shifted(swapped, (0, 1), ["page", "ink"]) == ""


def test_random_predictions_are_not_shifted_labels():
    for seed in range(20):
        matrix = np.random.default_rng(seed).multinomial(50, [1 / 12] * 12, size=12)
        assert diagnostics.shifted(matrix, IDS, NAMES) == ""


def test_predictions_collapsed_to_one_class_are_named():
    matrix = np.zeros((12, 12), np.int64)
    matrix[1:, 3] = SHARES
    texts = diagnostics.warnings(matrix, IDS, NAMES)
    assert texts[0] == ("the net predicts 1 of the 11 classes in the labels; 100.0% of all pixels are predicted as "
                        "'Pole'")
    assert diagnostics.few(np.array([[95, 0], [5, 0]]), (0, 1), ["page", "ink"])


def test_predictions_collapsed_to_two_classes_are_reported():
    matrix = np.zeros((12, 12), np.int64)
    matrix[1:, 1], matrix[1:, 2] = 60 * SHARES, 39 * SHARES
    matrix[IDS, IDS] += 30
    text = diagnostics.few(matrix, IDS, NAMES)
    assert text == ("99% of the pixels are predicted as 2 classes ('Sky', 'Building'); the labels have 10 classes "
                    "on as many pixels")


def test_worse_than_the_constant_prediction_gives_both_numbers():
    matrix = np.zeros((12, 12), np.int64)
    matrix[1, 1], matrix[1, 2], matrix[2, 3], matrix[3, 1] = 1, 59, 25, 15
    text = diagnostics.worse_than_constant(matrix, IDS, NAMES)
    assert "always 'Sky' has pixel accuracy 0.6000 and mean IoU 0.0545, the net 0.0100 and 0.0012" in text
    matrix[4, 4] = 1  # a rare class is found: as few pixels are right, but mean IoU is 1 / 11 more
    assert diagnostics.worse_than_constant(matrix, IDS, NAMES) == ""


def test_constant_prediction_matches_a_matrix_of_one_column():
    """Shares 0.3 of the most frequent class: accuracy 0.3, IoU 0.3 of it alone, weighted by 0.3."""
    row = baselines.best_constant(Sums(IDS, *(SHARES[None],) * 3), NAMES)
    assert row["name"] == "always 'Sky'"
    assert [row[name] for name in iou.NAMES] == pytest.approx([0.3, 1 / 11, 0.3 / 11, 0.09])


def test_constant_prediction_of_some_classes_is_wrong_on_others():
    """Pole of Pole and Road: 150 of their 250 pixels, and IoU 150 / 1000."""
    row = baselines.best_constant(Sums(IDS, *(SHARES[None],) * 3), NAMES, (3, 4))
    assert row["name"] == "always 'Pole'"
    assert [row[name] for name in iou.NAMES] == pytest.approx([150 / 250, 1 / 2, 0.15 / 2, 0.6 * 0.15])


def test_published_tables_are_matched_by_layout_and_class_names():
    for layout, names in (("ade20k", ade20k.spec("nowhere").class_names), ("voc", voc.NAMES),
                          ("camvid", [name for name, _ in camvid.CLASSES])):
        rows = baselines.published_results(layout, names)
        assert rows and all(0 < row["mean_iou"] < 1 and len(row["source"]) > 10 for row in rows)
        assert baselines.published_results(layout, names[:-1]) == baselines.published_results("paired", names) == []


def test_unverified_published_number_says_so():
    rows = baselines.published_results("ade20k", ade20k.spec("nowhere").class_names)
    assert [row["source"].count("unverified") for row in rows if row["mean_iou"] == 0.2939] == [1]


def test_ade20k_has_35_stuff_and_115_object_classes():
    names = ade20k.spec("nowhere").class_names
    groups = class_groups.groups(names)
    assert {name: len(ids) for name, ids in groups.items()} == {"stuff": 35, "discrete": 115}
    assert sorted(groups["stuff"] + groups["discrete"]) == list(range(1, 151))
    assert {names[i] for i in groups["stuff"]} == set(STUFF) <= {name for name, _ in CLASSES}
    assert groups["stuff"][:4] == (1, 2, 3, 4) and 5 in groups["discrete"]  # "tree" counts as an object
    assert class_groups.groups(names[1:])["stuff"][0] == 0  # a net without "other"
    assert class_groups.groups(NAMES) == {}


def test_classes_are_selected_by_name_id_or_group():
    names, scored = ade20k.spec("nowhere").class_names, tuple(range(1, 151))
    assert class_groups.parse_classes("Wall, 150,pool table", names, scored) == (1, 57, 150)
    assert class_groups.parse_classes("stuff", names, scored) == class_groups.groups(names)["stuff"]
    assert len(class_groups.parse_classes("stuff,tree", names, scored)) == 36


@pytest.mark.parametrize(("text", "message"), [
    ("wal", "did you mean 'wall'"), ("0", "no scored class has the id 0"),
    ("other", "no scored class"),
    ("stuf", "did you mean 'stuff'"), (" , ", "names no class"), ("-1", "no scored class has the name '-1'")])
def test_unknown_class_is_answered_with_the_nearest(text, message):
    with pytest.raises(errors.UsageError, match=message):
        class_groups.parse_classes(text, ade20k.spec("nowhere").class_names, tuple(range(1, 151)))


def test_means_over_rarely_shown_classes_are_warned_of():
    """Of 4 labelled classes 2 are in fewer than 5 of 10 images, and class 5 is in none."""
    labelled = np.zeros((10, 5))
    labelled[:, :2], labelled[:4, 2], labelled[0, 3] = 9, 9, 9
    text, = diagnostics.rare(Sums((1, 2, 3, 4, 5), labelled, labelled, labelled), ["other", "a", "b", "c", "d", "e"])
    assert "2 of the 4 labelled classes are in fewer than 5 images each ('c', 'd')" in text and "1 scored" in text
    frequent = labelled[:, :2]
    assert diagnostics.rare(Sums((1, 2), frequent, frequent, frequent), ["other", "a", "b"]) == []
