"""A data set on its way into a run: what is wrong is said at once, what is left out is listed, a split is kept."""

import collections
import os
import pathlib

import numpy as np
import pytest
from conftest import save
from PIL import Image

from fcn.cli import inspect
from fcn.config import training_config
from fcn.core import errors
from fcn.data import dataset
from fcn.data.cache import cache
from fcn.data.layouts import _split
from fcn.data.spec import Listing

COUNT = 12  # of which two are drawn for validation


@pytest.fixture
def flat(tmp_path):
    """A folder of images/ and labels/ without splits, classes 0 and 1."""
    rng = np.random.default_rng(0)
    for i in range(COUNT):
        save(tmp_path / f"data/images/{i:02}.png", rng.integers(0, 256, (6, 8, 3), np.uint8))
        save(tmp_path / f"data/labels/{i:02}.png", rng.integers(0, 2, (6, 8), np.uint8))
    (tmp_path / "data/classes.txt").write_text("no\nyes\n")
    return tmp_path / "data"


def settings(data, layout="paired", **other):
    return training_config.Config(layout=layout, data=str(data), size=(6, 8), cache_dir=str(data.parent / "c"), **other)


def spoil(data, *names):
    """A label of another size than its photo, seen by the header; or one with an id too many, seen when it is read."""
    for name, label in zip(names, (np.zeros((5, 8), np.uint8), np.full((6, 8), 9, np.uint8)), strict=False):
        save(data / f"labels/{name}.png", label)


@pytest.mark.parametrize("layout", ["paired", "csv_list"])
def test_start_with_caches_stats_every_file_once(flat, monkeypatch, layout):
    names = [f"{i:02}.png" for i in range(COUNT)]
    (flat / "list.csv").write_text("images,masks\n" + "".join(f"images/{n},labels/{n}\n" for n in names))
    asked_for = settings(flat, layout)
    dataset.prepare_caches(asked_for, dataset.find_data(asked_for))
    asked: collections.Counter = collections.Counter()
    for name in ("stat", "lstat"):
        real = getattr(os, name)

        def counted(path, *arguments, real=real, **options):
            if not isinstance(path, int):
                asked[pathlib.Path(path)] += 1
            return real(path, *arguments, **options)
        monkeypatch.setattr(os, name, counted)
    data = dataset.find_data(asked_for)
    data.digests()
    dataset.prepare_caches(asked_for, data)
    monkeypatch.undo()
    files = [flat / folder / name for folder in ("images", "labels") for name in names]
    looked_at = [flat / "labels/00.png"] if layout == "csv_list" else []  # is it a mask? decoded for its values
    assert {file.name for file in files if asked[file] != 1} == {file.name for file in looked_at}


def test_file_changed_after_a_start_gives_a_new_cache(flat):
    first = dataset.prepare_caches(settings(flat), dataset.find_data(settings(flat)))[1]
    os.utime(flat / "labels/00.png", ns=(0, 1))
    again = dataset.prepare_caches(settings(flat), dataset.find_data(settings(flat)))
    assert first.fingerprint not in (again[1].fingerprint, again[2].fingerprint)


def test_trainval_trains_on_the_pairs_of_both_splits(flat, capsys):
    one, both = (dataset.find_data(settings(flat, train_split=name)).found for name in ("train", "trainval"))
    assert len(one["training"]) == COUNT - 2 and one["validation"] == both["validation"]
    assert [pair.name for pair in both["training"]] == [f"{i:02}" for i in range(COUNT)]
    assert "2 of them are the validation images (--train-split trainval)" in " ".join(capsys.readouterr().out.split())


def test_trainval_keeps_pairs_of_one_name_in_two_folders(flat):
    for split, number in (("train", 0), ("val", 1)):
        for folder, name in (("images", "images"), ("targets", "labels")):
            path = flat.parent / f"two/{split}/{folder}/a.png"
            path.parent.mkdir(parents=True)
            path.write_bytes((flat / f"{name}/{number:02}.png").read_bytes())
    (flat.parent / "two/classes.txt").write_text("no\nyes\n")
    asked = settings(flat.parent / "two", train_split="trainval")
    _, training, validation = dataset.prepare_caches(asked, dataset.find_data(asked))
    assert len(training) == 2 and len(validation) == 1
    np.testing.assert_array_equal(training.class_pixels[:2].sum(), 2 * 6 * 8)


def test_problems_of_both_splits_are_in_one_error(flat):
    (flat / "labels/00.png").unlink()
    spoil(flat, "01")
    with pytest.raises(errors.DataError) as problem:
        dataset.find_data(settings(flat))
    text = str(problem.value)
    assert "2 problems" in text and "00.png: has no label" in text and "01.png: is 5x8" in text
    assert "--skip-bad" in text and not (flat.parent / "c").exists()


def test_all_commands_report_the_same_about_the_photos(flat, capsys):
    for i in range(COUNT):
        save(flat / f"images/{i:02}.png", np.full((6, 8), 99 + i, np.uint16))
    (flat / "split.csv").write_text("name,split\n" + "".join(
        f"{i:02},{'training' if i % 2 else 'validation'}\n" for i in range(COUNT)))
    asked = settings(flat)

    def lines(do):
        do()
        return {line.strip() for line in capsys.readouterr().out.splitlines() if ": " in line and
                line.strip().startswith(("converted", "warned"))}
    photos = sorted((flat / "images").iterdir())
    training = lines(lambda: dataset.find_data(asked))
    assert len(training) == 6 and any("the largest value of " in line for line in training)
    evaluation = lines(lambda: dataset.to_evaluate(asked, dataset.find_data(asked).spec, "validation"))
    assert evaluation <= training
    assert lines(lambda: dataset.log_conversions(photos[::2], 3, asked.max_pixels)) < training
    whole = lines(lambda: dataset.log_conversions(photos[1::2] + photos[::2], 3, asked.max_pixels))
    assert whole == lines(lambda: inspect.main([str(flat)])) and len(whole) == 3


def test_skip_bad_continues_and_lists_bad_files(flat, tmp_path):
    spoil(flat, "03", "04")
    asked = settings(flat, skip_bad=True)
    data = dataset.find_data(asked)
    _, training, validation = dataset.prepare_caches(asked, data)
    assert len(training) + len(validation) == COUNT - 2
    dataset.keep_lists(tmp_path, data, (training, validation))
    text = (tmp_path / "skipped.txt").read_text()
    assert "03.png: is 5x8" in text and "04.png: label id 9 is out of range" in text and text.count("\n") == 2


def test_no_lists_are_kept_without_bad_files_and_drawn_split(tiny_ade, tmp_path):
    asked = training_config.Config(layout="ade20k", data=str(tiny_ade), size=(24, 32), cache_dir=str(tmp_path / "c"))
    data = dataset.find_data(asked)
    dataset.keep_lists(tmp_path, data, dataset.prepare_caches(asked, data)[1:])
    assert [path.name for path in tmp_path.iterdir()] == ["c"]


def test_finished_cache_saves_the_check_of_headers(flat, monkeypatch):
    first = dataset.prepare_caches(settings(flat), dataset.find_data(settings(flat)))
    monkeypatch.setattr(dataset.file_checks, "check_files", None)
    again = dataset.prepare_caches(settings(flat), dataset.find_data(settings(flat)))
    assert [made.path for made in again[1:]] == [made.path for made in first[1:]]


def test_moved_dataset_reuses_its_cache_with_a_message(flat, monkeypatch, capsys):
    first = dataset.prepare_caches(settings(flat), dataset.find_data(settings(flat)))
    assert "another path" not in capsys.readouterr().out
    moved = settings(flat.rename(flat.parent / "moved"))
    monkeypatch.setattr(dataset.file_checks, "check_files", None)
    again = dataset.prepare_caches(moved, dataset.find_data(moved))
    assert [made.path for made in again[1:]] == [made.path for made in first[1:]]
    assert capsys.readouterr().out.count("built when the same files (names, sizes, times) had another path") == 2


def test_extra_file_beside_a_finished_cache_is_reported(flat):
    dataset.prepare_caches(settings(flat), dataset.find_data(settings(flat)))
    save(flat / "images/zz.png", np.zeros((6, 8, 3), np.uint8))
    with pytest.raises(errors.DataError, match=r"zz.png: has no label"):
        dataset.find_data(settings(flat))


def test_a_file_that_was_touched_is_checked_again(flat, monkeypatch):
    dataset.prepare_caches(settings(flat), dataset.find_data(settings(flat)))
    spoil(flat, "05")
    with pytest.raises(errors.DataError, match=r"05.png: is 5x8"):
        dataset.find_data(settings(flat))


def test_drawn_split_is_kept_in_the_run_and_obeyed_when_copied(flat, tmp_path):
    data = dataset.find_data(settings(flat))
    dataset.keep_lists(tmp_path, data, ())
    written = _split.read(tmp_path / "split.csv")
    assert sorted(written) == [f"{i:02}" for i in range(COUNT)] and list(written.values()).count("validation") == 2
    _split.write(flat / "split.csv", {name: "validation" if name < "06" else "training" for name in written})
    obeyed = dataset.find_data(settings(flat))
    assert [pair.name for pair in obeyed.found["validation"]] == [f"{i:02}" for i in range(6)] and not obeyed.drawn


def test_training_images_are_not_scored_after_the_split_moved(flat, tmp_path):
    data = dataset.find_data(settings(flat))
    dataset.keep_lists(tmp_path, data, ())
    dataset.same_split(tmp_path, Listing(data.found["validation"], drawn=True), "validation", flat)
    with pytest.raises(errors.DataError, match="1 of these images were trained on") as problem:
        dataset.same_split(tmp_path, Listing(data.found["training"][:1], drawn=True), "validation", flat)
    assert f"cp -n {tmp_path}/split.csv {flat} and" in str(problem.value)


def test_black_and_white_labels_are_masks_only_if_read_as_such(flat):
    (flat / "classes.txt").unlink()

    def fix(label):
        for path in (flat / "labels").iterdir():
            save(path, label)
        with pytest.raises(errors.DataError, match="expected at least two classes") as problem:
            dataset.prepare_caches(settings(flat), dataset.find_data(settings(flat)))
        return problem.value.fix
    mask = np.array([[0, 255]], np.uint8).repeat(6, 0).repeat(4, 1)
    assert "--label-encoding binary" in fix(mask)
    dataset.prepare_caches(settings(flat, label_encoding="binary"),
                           dataset.find_data(settings(flat, label_encoding="binary")))
    void = Image.fromarray(mask)
    void.putpalette([0] * 765 + [224, 224, 192])  # VOC's, whose 255 is no white
    assert "--label-encoding binary" not in fix(void)


def test_verify_names_damaged_rows_and_their_file(flat):
    made = dataset.prepare_caches(settings(flat), dataset.find_data(settings(flat)), verify=True)[1]
    content = bytearray(made.path.read_bytes())
    content[content.index(made.image(0).tobytes())] ^= 1
    made.path.write_bytes(content)
    with pytest.raises(errors.DataError, match=rf"is damaged: image of row 0 \('{made.names[0]}'\)\n") as problem:
        dataset.verified(cache.open_cache(made.path))
    assert f"Fix: rm {made.path} and the same command again" in str(problem.value)


def test_evaluation_refuses_bad_files_or_skips_them_on_request(flat):
    found = dataset.find_data(settings(flat)).found["validation"]
    spoil(flat, found[0].name)
    spec = dataset.find_data(settings(flat, skip_bad=True)).spec
    with pytest.raises(errors.DataError, match="1 problem in 2 pairs"):
        dataset.to_evaluate(settings(flat), spec, "validation")
    assert dataset.to_evaluate(settings(flat, skip_bad=True), spec, "validation") [0] == found[1:]


def test_a_pipe_among_the_photos_is_never_opened(flat):
    os.mkfifo(flat / "images/pipe.png")
    with pytest.raises(errors.DataError, match="pipe"):
        dataset.find_data(settings(flat))


@pytest.mark.parametrize("values, message, fix", [
    ((0, 0), "only the class 'no'", "--ignore-label"), ((0, 255), "only the class 'no'", "--label-encoding binary"),
    ((255, 255), "no pixel of a class", "--ignore-label")])
def test_labels_of_a_single_class_are_refused(flat, values, message, fix):
    for path in (flat / "labels").iterdir():
        save(path, np.repeat(np.array([values], np.uint8), 24, axis=1).reshape(6, 8))
    with pytest.raises(errors.DataError, match=message) as problem:
        dataset.prepare_caches(settings(flat), dataset.find_data(settings(flat)))
    assert fix in str(problem.value)


@pytest.mark.parametrize(("first", "masks"), [(150, True), (0, False)])
def test_ids_of_antialiased_masks_are_not_classes(flat, first, masks):
    (flat / "classes.txt").unlink()
    for i, path in enumerate(sorted((flat / "labels").iterdir())):
        save(path, (np.arange(first, first + 48, dtype=np.uint8) + 48 * (i % 2)).reshape(6, 8) * (np.arange(8) > 1))
    with pytest.raises(errors.DataError, match="ids without names") as problem:
        dataset.prepare_caches(settings(flat), dataset.find_data(settings(flat)))
    assert ("--label-encoding binary" in str(problem.value)) == masks
    if masks:
        asked = settings(flat, label_encoding="binary")
        dataset.prepare_caches(asked, dataset.find_data(asked))


def test_validation_split_without_labelled_pixels_is_refused(flat):
    for pair in dataset.find_data(settings(flat)).found["validation"]:
        save(pair.label, np.full((6, 8), 255, np.uint8))
    with pytest.raises(errors.DataError, match="the validation labels contain no pixel of a class"):
        dataset.prepare_caches(settings(flat), dataset.find_data(settings(flat)))


def test_ids_only_in_validation_are_named_if_classes_are_unnamed(flat):
    (flat / "classes.txt").unlink()
    for split, pairs in dataset.find_data(settings(flat)).found.items():
        for pair in pairs:
            save(pair.label, np.array([[0, 2, 2, 0, 5 if split == "validation" else 0, 0, 0, 0]] * 6, np.uint8))
    with pytest.raises(errors.DataError, match=r"contain the ids \[5\], which training labels do not"):
        dataset.prepare_caches(settings(flat), dataset.find_data(settings(flat)))
    asked = settings(flat, ignore_label=(5,))
    spec = dataset.prepare_caches(asked, dataset.find_data(asked))[0]
    assert spec.num_classes == 3 and spec.ignored_ids == (5,)


def test_unreadable_pairs_of_both_splits_are_in_one_error(flat):
    found = dataset.find_data(settings(flat)).found
    for split in ("training", "validation"):
        save(found[split][0].label, np.full((6, 8), 9, np.uint8))
    with pytest.raises(errors.DataError) as problem:
        dataset.prepare_caches(settings(flat), dataset.find_data(settings(flat)))
    assert all(str(found[split][0].label) in str(problem.value) for split in found)


def test_empty_evaluation_is_refused(flat):
    spec = dataset.find_data(settings(flat)).spec
    with pytest.raises(errors.DataError, match="no usable pairs for validation"):
        dataset.to_evaluate(settings(flat, skip_bad=True, max_pixels=10), spec, "validation")
