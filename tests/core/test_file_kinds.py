"""What a file is, by its first bytes, wherever it is refused; and the commands that make a readable file of it."""

import bz2
import gzip
import io
import lzma
import pickle
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest
from formats_help import thin_vgg
from PIL import Image

from fcn.config import training_config
from fcn.core import errors, file_kinds
from fcn.data import images
from fcn.data.cache import file_format
from fcn.data.csail import reader
from fcn.data.label_formats import mat_groundtruth
from fcn.data.layouts import _classes, _split, ade20k, csv_list
from fcn.evaluation import results
from fcn.metrics import confusion
from fcn.runs import checkpoint_files, record
from fcn.weights import detection

PAGE = b"<!DOCTYPE html>\n<html></html>"
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n"
PAGES = {"plain": PAGE, "byte order mark": b"\xef\xbb\xbf\r\n\r\n" + PAGE, "blank lines": b"\n \n" + PAGE,
         "comment": b"<!-- saved\nfrom url -->\n" + PAGE, "no doctype": b"<HTML>", "a head": b" <head><title>",
         "XHTML": b'<?xml version="1.0"?>\n<!DOCTYPE html PUBLIC "-//W3C">',
         "UTF-16": "\ufeff\n<html>".encode("utf-16"),
         "big UTF-16": b"\xfe\xff" + "<!doctype html>".encode("utf-16-be")}


def object_npy():
    with io.BytesIO() as file:
        np.save(file, np.array({"a": 1}, object), allow_pickle=True)
        return file.getvalue()


def zipped(name):
    with io.BytesIO() as file:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr(name, b"\x80\x02}q\x00.")
        return file.getvalue()


KINDS = {
    **{f"web page, {name}": (content, "is a web page") for name, content in PAGES.items()},
    "git-lfs": (LFS, "is a git-lfs pointer"), "empty": (b"", "is empty (0 bytes)"),
    "zeros": (bytes(5000), "is zeros at its start (5,000 bytes)"), "XML": (b"<?xml version='1.0'?><Error>", "an XML"),
    "PDF": (b"%PDF-1.4", "is a PDF"), "zip": (zipped("a.txt"), "is a ZIP archive"),
    "PyTorch": (zipped("archive/data.pkl"), "is a file of PyTorch"), "gzip": (gzip.compress(b"x"), "packed with gzip"),
    "bzip2": (bz2.compress(b"x"), "packed with bzip2"), "xz": (lzma.compress(b"x"), "packed with xz"),
    "HDF5": (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"), "MATLAB": (b"MATLAB 5.0 MAT-file", "is a MATLAB file"),
    "MATLAB 7.3": (b"MATLAB 7.3 MAT-file", "is a MATLAB 7.3 file"), "pickle": (pickle.dumps({}), "is a pickle"),
    "a class": (b"BMW\nVW\n", "starts with b'BMW"),
    "objects": (object_npy(), "is a NumPy array of objects (.npy), which is a pickle"),
    "MP4": (b"\0\0\0\x18ftypmp42", "is a video (MP4"), "AVI": (b"RIFF\0\0\0\0AVI LIST", "is a video (AVI)"),
    "Matroska": (b"\x1aE\xdf\xa3", "is a video (Matroska)"), "AppleDouble": (b"\0\5\x16\7" + bytes(9), "(AppleDouble)"),
    "GIF": (b"GIF89a", "is a GIF image"), "WebP": (b"RIFF\0\0\0\0WEBPVP8 ", "is a WEBP image"),
    "wide text": ("a;b".encode("utf-16"), "is a text in UTF-16"), "text": (b"hello", "starts with b'hello' (5 bytes)"),
    "JSON": (b'{"imag":{"a": 1}}', "starts with"),
}


@pytest.mark.parametrize("name", KINDS)
def test_file_kind_is_detected_by_the_first_bytes(tmp_path, name):
    content, said = KINDS[name]
    (tmp_path / "file").write_bytes(content)
    assert said in file_kinds.kind_of(tmp_path / "file").described


READERS = {  # a function of a path that must raise
    "weights": detection.read_weights, "photo": images.read_image, "confusion matrices": confusion.load,
    "settings": training_config.read_toml, "classes": _classes.read, "ADE20K's classes": ade20k.read_object_info,
    "split": _split.read, "list": lambda path: csv_list.listing(path, "training"), "cache": file_format.open_file,
    "HDF5": lambda path: reader.byte_arrays(path, ["images"]),
    "label": lambda path: mat_groundtruth.read(path, None),
    "config.json": lambda path: record.read_record(path.parent),
    "report.json": lambda path: results.read_report(path.parent),
    "state.json": lambda path: checkpoint_files.read_state(path.parent),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("what", ["a web page", "a git-lfs pointer"])
def test_every_reader_recognises_a_web_page_or_lfs_pointer(tmp_path, reader, what):
    path = tmp_path / (reader if reader.endswith(".json") else "file.csv" if reader == "list" else "file")
    path.write_bytes(PAGES["byte order mark"] if what == "a web page" else LFS)
    with pytest.raises(errors.FcnError) as refusal:
        READERS[reader](path)
    assert what in str(refusal.value)
    assert ("download it again" if what == "a web page" else "git lfs pull") in str(refusal.value)


# the commands

def run(message, folder):
    """Run the command after the first colon of a message as a shell would, with this Python."""
    words = re.sub(r"^python ", f"{sys.executable} ", message.split(": ", 1)[1])
    subprocess.run(words, shell=True, cwd=folder, check=True, capture_output=True)


@pytest.fixture
def odd_folder(tmp_path):
    """A folder whose name needs quotes."""
    folder = tmp_path / "it's a $HOME folder"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(("ending", "packed"), [(".gz", gzip.compress), (".bz2", bz2.compress), (".xz", lzma.compress),
                                                ("", gzip.compress)])
def test_packed_file_is_unpacked_by_the_fix(odd_folder, ending, packed):
    path = odd_folder / f"vgg.mat{ending}"
    path.write_bytes(packed(b"weights"))
    run(file_kinds.kind_of(path).fix, odd_folder)
    assert (odd_folder / "unpacked-vgg.mat").read_bytes() == b"weights" and path.exists()


def test_archives_are_unpacked_by_the_fix(odd_folder):
    (odd_folder / "a.jpg").write_bytes(b"photo")
    with zipfile.ZipFile(odd_folder / "photos.zip", "w") as archive:
        archive.write(odd_folder / "a.jpg", "a.jpg")
    with tarfile.open(odd_folder / "photos.tar.gz", "w:gz") as archive:
        archive.add(odd_folder / "a.jpg", "a.jpg")
    for name, inside in (("photos.zip", "unpacked-photos"), ("photos.tar.gz", "unpacked-photos.tar")):
        run(file_kinds.kind_of(odd_folder / name).fix, odd_folder)
        assert (odd_folder / inside / "a.jpg").read_bytes() == b"photo"


def test_command_for_images_writes_png_and_replaces_none(odd_folder):
    ids = np.array([[0, 1], [2, 3]], np.uint8)
    for name in ("a.gif", "sub/b.GIF", "c.tif"):
        (odd_folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(ids * 80).save(odd_folder / name)
    (odd_folder / "._a.gif").write_bytes(b"\0\5\x16\7")
    (odd_folder / "c.png").write_bytes(b"mine")
    run(file_kinds.to_png({".gif", ".tif"}, odd_folder), odd_folder)
    for name in ("a.png", "sub/b.png"):
        np.testing.assert_array_equal(np.asarray(Image.open(odd_folder / name)), ids * 80)
    assert (odd_folder / "c.png").read_bytes() == b"mine" and (odd_folder / "a.gif").exists()


def test_command_for_arrays_writes_ids_that_png_can_hold(odd_folder):
    np.save(odd_folder / "a.npy", np.array([[0, 7]], np.int64))
    np.save(odd_folder / "b.npy", np.array([[0, 700]], np.int64))
    run(file_kinds.to_png({".npy"}, odd_folder), odd_folder)
    assert np.asarray(Image.open(odd_folder / "a.png")).tolist() == [[0, 7]] and not (odd_folder / "b.png").exists()
    assert file_kinds.to_png({".txt"}, odd_folder) == ""


@pytest.mark.skipif(not shutil.which("ffmpeg"), reason="ffmpeg is not installed")
def test_video_frames_are_written_by_the_fix(odd_folder):
    path = odd_folder / "a: clip.mp4"
    subprocess.run(["ffmpeg", "-f", "lavfi", "-i", "testsrc=size=64x48:rate=2:duration=1", f"file:{path}"], check=True,
                   capture_output=True)
    assert file_kinds.kind_of(path).name.startswith("a video")
    run(file_kinds.frames(path).split("; then")[0], odd_folder)
    assert len(list((odd_folder / "frames").iterdir())) == 2


def objects(layers):
    array = np.empty(2, object)
    array[:] = layers
    return array


def saved(folder, form, layers):
    """A file of VGG's layers as pickles, in one of the forms in which they are passed around."""
    if form == "dict in .npz":
        np.savez(folder / "vgg.npz", net=np.array({name: list(pair) for name, pair in layers.items()}, object))
    elif form == "layers in .npz":
        np.savez(folder / "vgg.npz", **{name: objects(pair) for name, pair in layers.items()})
    elif form == ".npy":
        np.save(folder / "vgg.npy", np.array({name: {"biases": bias, "weights": kernel}
                                              for name, (kernel, bias) in layers.items()}, object), allow_pickle=True)
    else:
        (folder / "vgg.pkl").write_bytes(pickle.dumps({name: list(pair) for name, pair in layers.items()}))
    return next(folder.glob("vgg.*"))


@pytest.mark.slow
@pytest.mark.parametrize("form", ["dict in .npz", "layers in .npz", ".npy", "pickle"])
def test_pickles_are_refused_and_the_command_converts_them(odd_folder, form):
    layers = thin_vgg("vgg19", 8)
    path = saved(odd_folder, form, layers)
    with pytest.raises(errors.WeightsError) as refusal:
        detection.read_weights(path)
    assert "never loaded" in str(refusal.value) and "pickle" in str(refusal.value)
    run(refusal.value.fix, odd_folder)
    read = detection.read_weights(odd_folder / "vgg.plain.npz").layers
    for name in ("conv1_1", "conv5_4"):
        np.testing.assert_array_equal(read[name][0], layers[name][0])
        np.testing.assert_array_equal(read[name][1], layers[name][1])


def test_object_array_runs_no_code(tmp_path):
    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "pwned"), "w")

    np.savez(tmp_path / "obj.npz", net=np.array({"conv1_1": Evil()}, dtype=object))
    with pytest.raises(errors.WeightsError, match="arrays of objects are pickles, which are never loaded"):
        detection.read_weights(tmp_path / "obj.npz")
    assert not (tmp_path / "pwned").exists()
