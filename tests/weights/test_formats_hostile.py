"""Files that are something else, cut off, damaged or made to do harm: each is refused in a sentence."""

import gzip
import io
import pickle
import struct
import zipfile
import zlib

import h5py
import numpy as np
import pytest
import scipy.io
from formats_help import MEAN, assert_refused, thin_fcn, thin_vgg
from hypothesis import given, settings
from hypothesis import strategies as st

from fcn.core import errors
from fcn.weights import demo, detection
from fcn.weights.formats import dagnn, npz


def npy(array):
    with io.BytesIO() as file:
        np.save(file, array, allow_pickle=True)
        return file.getvalue()


FOREIGN = {
    "empty": (b"", "is empty (0 bytes)"),
    "web page": (b"\n<!DOCTYPE html><html>404</html>", "is a web page"),
    "git-lfs pointer": (b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a", "git lfs pull"),
    "MATLAB 7.3": (b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(512) + b"\x89HDF\r\n\x1a\n", "a MATLAB 7.3 file"),
    "vgg19.npy": (npy(np.array({"conv1_1": [np.eye(3), np.eye(3)]})), "unpickling a file can run any code"),
    "pickle": (pickle.dumps({"conv1_1": 1}), "is a pickle"),
    "gzip": (gzip.compress(b"x"), "packed with gzip"),
    "something": (b"\x0a\x12VGG_ILSVRC_19_layers", "is not a known weight file"),
    "broken HDF5": (b"\x89HDF\r\n\x1a\n" + bytes(600), "is an HDF5 file that cannot be read"),
    "broken zip": (b"PK\x03\x04" + bytes(600), "BadZipFile"),
    "header only": (b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM", "it holds nothing, expected layers"),
    "header and noise": (b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + b"\x07" * 80, "starts at byte 128"),
}


@pytest.mark.parametrize("what", FOREIGN)
def test_file_of_another_kind_is_named(tmp_path, what):
    content, said = FOREIGN[what]
    (tmp_path / "vgg.mat").write_bytes(content)
    assert_refused(tmp_path / "vgg.mat", said)


def test_a_missing_file_and_a_folder_are_refused_by_name(tmp_path):
    assert_refused(tmp_path / "nowhere.mat", "No such file")
    assert_refused(tmp_path)


def test_other_mat_file_lists_its_content(tmp_path):
    scipy.io.savemat(tmp_path / "other.mat", {"weights": 1, "labels": 2})
    assert_refused(tmp_path / "other.mat", "it holds weights, labels, expected layers")


def element(kind, content):
    return struct.pack("<II", kind, len(content)) + content.ljust(-(-len(content) // 8) * 8, b"\0")


def nested_cells(depth):
    """A .mat whose `layers` is a cell in a cell in a cell ... Built from outside in, as one run of headers."""
    def header(name):
        return element(6, struct.pack("<II", 1, 0)) + element(5, struct.pack("<ii", 1, 1)) + element(1, name)
    no_number = element(6, struct.pack("<II", 6, 0)) + element(5, struct.pack("<ii", 0, 0)) + element(1, b"")
    pieces, length = [no_number + element(9, b"")], len(no_number) + 8
    for level in range(depth):
        head = struct.pack("<II", 14, length)
        pieces += [head, header(b"layers" if level == depth - 1 else b"")]
        length += len(pieces[-1]) + len(head)
    body = b"".join(reversed(pieces))
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + struct.pack("<II", 14, len(body)) + body


def test_deeply_nested_cells_that_crash_the_parser_are_refused(tmp_path):
    (tmp_path / "deep.mat").write_bytes(nested_cells(20_000))
    assert_refused(tmp_path / "deep.mat", "the parser crashed (SIGSEGV)")


@pytest.mark.slow
def test_slightly_nested_cells_are_not_a_model(tmp_path):
    (tmp_path / "deep.mat").write_bytes(nested_cells(5))
    assert_refused(tmp_path / "deep.mat", "is not a VGG-16 or VGG-19")


@pytest.mark.slow
def test_mat_file_that_unpacks_to_256_mb_is_refused_first(tmp_path):
    stream = zlib.compressobj(9)
    zeros = bytes(1 << 20)
    packed = stream.compress(struct.pack("<II", 14, 256 << 20)) + b"".join(stream.compress(zeros) for _ in range(256))
    packed += stream.flush()
    path = tmp_path / "bomb.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM" + struct.pack("<II", 15, len(packed)) + packed)
    assert_refused(path, "to more than 67,108,864 bytes")


def test_struct_of_a_million_elements_is_not_a_model(tmp_path):
    content = nested_cells(1)[:128]
    head = (element(6, struct.pack("<II", 1, 0)) + element(5, struct.pack("<ii", 1, 1_000_000)) + element(1, b"layers"))
    (tmp_path / "wide.mat").write_bytes(content + struct.pack("<II", 14, len(head)) + head)
    assert_refused(tmp_path / "wide.mat", "`layers` is a cell of shape (1, 1000000)")


def test_zip_that_claims_gigabytes_is_refused_unread(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("conv1_1_W.npy", bytes(80 << 20))
    assert_refused(tmp_path / "bomb.npz", "claims 1 arrays of 83,886,080 bytes")


def test_array_larger_than_its_file_is_refused_unread(tmp_path):
    for shape in (b"(9, 9, 9, 64)", b"(3, 3, 3, -1)"):
        lying = npy(np.zeros((3, 3, 3, 64), np.float32)).replace(b"(3, 3, 3, 64)", shape)
        with zipfile.ZipFile(tmp_path / "liar.npz", "w") as archive:
            for name in ("conv1_1_W", "conv1_1_b"):
                archive.writestr(f"{name}.npy", lying)
        assert_refused(tmp_path / "liar.npz", "conv1_1_W.npy claims")


def test_pickled_arrays_are_never_unpickled(tmp_path):
    np.savez(tmp_path / "evil.npz", conv1_1_W=np.array([{"a": 1}], object), conv1_1_b=np.zeros(3))
    assert_refused(tmp_path / "evil.npz", "holds arrays of objects: conv1_1_W")


def test_oversized_or_external_hdf5_dataset_is_refused(tmp_path):
    (tmp_path / "secret").write_bytes(bytes(432))
    for name, options in {"sparse": {"shape": (3, 3, 3, 1 << 28), "chunks": (3, 3, 3, 64)},
                          "elsewhere": {"shape": (3, 3, 3, 4), "external": [(tmp_path / "secret", 0, 432)]}}.items():
        with h5py.File(tmp_path / f"{name}.h5", "w") as file:
            file.create_dataset("block1_conv1/block1_conv1/kernel:0", dtype="f4", **options)
            file["block1_conv1/block1_conv1/bias:0"] = np.zeros(4, np.float32)
        assert_refused(tmp_path / f"{name}.h5")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """{suffix: a sound file of that kind}, none of them large."""
    folder = tmp_path_factory.mktemp("whole")
    demo.write_mat(folder / "simplenn.mat", thin_vgg("vgg16", 8), mean_rgb=MEAN, release="meta")
    dagnn.write(folder / "dagnn.mat", thin_fcn("fcn16s", first_width=8))
    npz.write(folder / "own.npz", thin_fcn("fcn8s", first_width=8))
    with h5py.File(folder / "keras.h5", "w") as file:
        for name, (kernel, bias) in thin_vgg("vgg16", 8).items():
            layer = f"fc{int(name[2]) - 5}" if name.startswith("fc") else f"block{name[4]}_conv{name[-1]}"
            file[f"{layer}/{layer}/kernel:0"], file[f"{layer}/{layer}/bias:0"] = kernel, bias
    for path in folder.iterdir():
        detection.read_weights(path)  # sound
    return {path.name: path for path in sorted(folder.iterdir())}


KINDS = ("simplenn.mat", "dagnn.mat", "own.npz", "keras.h5")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("part", [0.001, 0.02, 0.3, 0.7, 0.999])
def test_truncated_file_is_refused_by_name(whole, tmp_path, kind, part):
    content = whole[kind].read_bytes()
    (tmp_path / kind).write_bytes(content[:int(len(content) * part)])
    assert_refused(tmp_path / kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@settings(max_examples=15, deadline=None)
def test_flipped_bits_and_cuts_are_read_or_refused(whole, kind, data):
    content = bytearray(whole[kind].read_bytes())
    head = data.draw(st.booleans(), "in the first kilobytes, where the structure is")
    for _ in range(data.draw(st.integers(1, 4), "flips")):
        place = data.draw(st.integers(0, min(4000, len(content) - 1) if head else len(content) - 1), "place")
        content[place] ^= 1 << data.draw(st.integers(0, 7), "bit")
    path = whole[kind].with_name(f"flipped-{kind}")
    path.write_bytes(bytes(content[:data.draw(st.integers(len(content) // 2, len(content)), "length")]))
    try:
        detection.read_weights(path)
    except errors.WeightsError as error:
        assert str(error).startswith(f"{path}: ")
