"""DeepDIVA's ordinary data set, and how it is told from DIVA-HisDB."""

import numpy as np
import pytest
from PIL import Image

from fcn.cli import inspect
from fcn.data import label_files
from fcn.data.layouts import _auto, deepdiva


def tree(root, blue, red=0, names=("page0", "page1")):
    """train and val of images and of labels whose columns have these blue values."""
    for split in ("train", "val"):
        for name in names:
            label = np.zeros((4, len(blue), 3), np.uint8)
            label[..., 0], label[..., 2] = red, blue
            for kind, array in (("data", np.full_like(label, 90)), ("gt", label)):
                path = root / split / kind / f"{name}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
    return root


@pytest.mark.parametrize(("blue", "red", "layout"), [
    ([0, 1, 2, 3], 0, "deepdiva"),
    ([1, 2, 3], 0, "deepdiva"),       # 3 would be background and comment at once
    ([0, 1], 0, "deepdiva"),
    ([1, 2, 4, 16], 0, "deepdiva"),
    ([1, 2, 8], 128, "diva_hisdb"),
    ([1, 2, 6, 8], 0, "diva_hisdb"),
    ([1, 2], 0, "diva_hisdb"),        # fits both
    ([1, 3], 128, "diva_hisdb"),      # its reader refuses the 3
])
def test_values_of_the_labels_tell_the_layout(tmp_path, blue, red, layout):
    assert _auto.choose(tree(tmp_path, blue, red)).layout == layout


def test_reason_names_the_values_that_decide(tmp_path):
    why = _auto.choose(tree(tmp_path / "a", [0, 1, 3])).why
    assert why == "it has train/data/ and train/gt/, and the blue values of page0.png are class numbers: 0, 3 are no " \
                  "values of DIVA-HisDB"
    why = _auto.choose(tree(tmp_path / "b", [1, 2])).why
    assert why.endswith("the blue values 1, 2 are flags of DIVA-HisDB (give --layout deepdiva if they are class "
                        "numbers)")


def test_a_later_label_may_decide(tmp_path):
    tree(tree(tmp_path, [1, 2], names=("page0",)), [1, 2, 3], names=("page1",))
    assert _auto.choose(tmp_path).layout == "deepdiva"


def test_a_changed_label_is_read_again(tmp_path):
    assert _auto.choose(tree(tmp_path, [1, 2, 8])).layout == "diva_hisdb"
    assert _auto.choose(tree(tmp_path, [0, 1, 2, 8, 9])).layout == "deepdiva"


def test_unreadable_labels_are_left_to_their_reader(tmp_path):
    for path in tree(tmp_path, [0, 1]).glob("*/gt/*"):
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert _auto.choose(tmp_path).layout == "diva_hisdb"


def test_all_numbers_are_classes_and_none_is_ignored(tmp_path, capsys):
    root = tree(tmp_path, [0, 1, 2, 3])
    assert inspect.main([str(root)]) == 0
    text = capsys.readouterr().out
    assert "problems: none" in text and "ignored" not in text
    assert [line.split()[:3] for line in text.splitlines() if " class " in line][-4:] == [
        [str(i), "class", str(i)] for i in range(4)]
    spec = deepdiva.spec(root)
    assert (spec.encoding, spec.ignored_ids, spec.class_names) == ("blue", (), ())


def test_label_is_the_blue_channel(tmp_path):
    pair = deepdiva.listing(tree(tmp_path, [0, 3, 9]), "validation").pairs[0]
    assert label_files.read_pair(pair, deepdiva.spec(tmp_path))[1].tolist() == [[0, 3, 9]] * 4


def test_classes_may_be_named(tmp_path):
    (tree(tmp_path, [0, 1, 2]) / "classes.txt").write_text("paper\nink\nstain\n")
    assert deepdiva.spec(tmp_path).class_names == ("paper", "ink", "stain")
