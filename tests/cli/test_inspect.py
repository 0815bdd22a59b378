"""A data set is shown as the program sees it, with the pixels of each class and every file that cannot be used."""

import numpy as np
from conftest import save

from fcn.cli import inspect
from fcn.core import errors


def write_pair(root, name, label):
    save(root / f"images/{name}.png", np.zeros((*np.shape(label), 3), np.uint8))
    save(root / f"labels/{name}.png", np.array(label, np.uint8))


def shown(capsys, *arguments):
    code = errors.run_command(inspect.main, [str(argument) for argument in arguments])
    return code, [line.split() for line in capsys.readouterr().out.splitlines()]


def test_pixels_of_each_class_are_counted_over_all_splits(tmp_path, capsys):
    write_pair(tmp_path, "a", [[0, 2, 2, 255]])
    write_pair(tmp_path, "b", [[2, 2], [2, 0]])
    (tmp_path / "classes.txt").write_text("sky\nroad\ntree\n")
    code, lines = shown(capsys, tmp_path)
    assert code == 0
    assert ["0", "sky", "2", "25.000%", "2"] in lines and ["2", "tree", "5", "62.500%", "2"] in lines
    assert ["255", "(ignored)", "1", "12.500%", "1"] in lines
    assert ["1", "of", "3", "classes", "do", "not", "occur:", "road"] in lines
    assert ["training:", "1", "pairs", "(drawn)"] in lines and ["problems:", "none"] in lines


def test_unusable_files_are_listed_and_set_the_exit_code(tmp_path, capsys):
    for name in "abc":
        write_pair(tmp_path, name, [[0, 1]])
    write_pair(tmp_path, "small", [[0, 1]])
    save(tmp_path / "images/small.png", np.zeros((9, 9, 3), np.uint8))
    save(tmp_path / "images/lonely.png", np.zeros((1, 2, 3), np.uint8))
    code, lines = shown(capsys, tmp_path, "--layout", "paired")
    text = "\n".join(" ".join(line) for line in lines)
    assert code == 3 and "problems: 2" in text
    assert "lonely.png: has no label" in text and "small.png: is 1x2, its image is 9x9" in text
    assert ["0", "class", "0", "3", "50.000%", "3"] in lines


def test_inspect_takes_the_flags_of_a_run(tmp_path, capsys):
    for name in "ab":
        save(tmp_path / f"images/{name}.png", np.zeros((1, 4, 3), np.uint8))
        save(tmp_path / f"labels/{name}.png", np.array([[0, 100, 150, 255]], np.uint8))
    assert ["255", "(ignored)", "2", "25.000%", "2"] in shown(capsys, tmp_path)[1]
    assert ["150", "class", "150", "(ignored)", "2", "25.000%", "2"] in shown(
        capsys, tmp_path, "--ignore-label", "150,0")[1]
    as_masks = (tmp_path, "--layout", "binary_masks", "--label-encoding", "binary")
    assert ["1", "foreground", "4", "50.000%", "2"] in shown(capsys, *as_masks)[1]
    assert ["1", "foreground", "6", "75.000%", "2"] in shown(capsys, *as_masks, "--mask-threshold", "99")[1]
    code, lines = shown(capsys, tmp_path, "--max-pixels", "3")
    assert code == 3 and ["problems:", "4"] in lines  # photos and labels


def test_jpeg_label_is_a_problem_with_its_fix(tmp_path, capsys):
    for name in "ab":
        write_pair(tmp_path, name, [[0, 1]])
    save(tmp_path / "images/c.png", np.zeros((8, 8, 3), np.uint8))
    save(tmp_path / "labels/c.jpg", np.zeros((8, 8), np.uint8))
    code, lines = shown(capsys, tmp_path)
    assert code == 3 and "c.jpg: has the format JPEG" in "\n".join(" ".join(line) for line in lines)


def test_empty_split_is_a_data_error(tmp_path, capsys):
    for name in "ab":
        write_pair(tmp_path, name, [[0, 1]])
    (tmp_path / "split.csv").write_text("name,split\na,train\nb,val\n")
    assert shown(capsys, tmp_path)[0] == 0
    for folder in ("images", "labels"):
        (tmp_path / folder).rename(tmp_path / {"images": "JPEGImages", "labels": "SegmentationClass"}[folder])
    lists = tmp_path / "ImageSets/Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("a\nb\n")
    (lists / "val.txt").touch()
    code, lines = shown(capsys, tmp_path)
    assert code == 3 and ["problems:", "none"] in lines and ["no", "pairs", "for", "validation"] in lines


def test_folder_without_layout_is_a_data_error(tmp_path, capsys):
    assert shown(capsys, tmp_path)[0] == 3
