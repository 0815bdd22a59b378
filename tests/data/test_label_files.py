"""A label that its encoding refuses is answered with an encoding that has read the very file, and never in a circle."""

import dataclasses
import re

import numpy as np
import odd_files
import pytest
import scipy.io
from conftest import save
from PIL import Image

from fcn.core import errors, registry
from fcn.data import label_files
from fcn.data.layouts import _classes
from fcn.data.spec import DatasetSpec

IDS = np.array([[0, 1, 2, 1]], np.uint8).repeat(8, 0)
FULL = np.full_like(IDS, 255)
MASK = np.array([[0] * 8 + [255] * 8], np.uint8).repeat(16, 0)
COLOURS = np.array([[[0, 0, 0], [200, 10, 10], [0, 99, 0], [255, 255, 255]]], np.uint8).repeat(8, 0)
BLUE = np.dstack([0 * IDS, 0 * IDS, IDS])
SMOOTH = np.arange(256, dtype=np.uint8)[None].repeat(8, 0)
RNG = np.random.default_rng(0)
MASKS = DatasetSpec(("background", "foreground"), (), ((0, 0, 0), (255, 255, 255)), "binary")
DIVA = registry.load("layouts", "diva_hisdb").spec("")
NAMED = DatasetSpec(("a", "b", "c", "d"), (255,))
TABLE = DatasetSpec(("a", "b", "c", "d"), (255,), ((0, 0, 0), (200, 10, 10), (0, 99, 0), (255, 255, 255)))
SPECS = {"unnamed": DatasetSpec(), "named": NAMED, "with colours": TABLE, "masks": MASKS, "diva": DIVA,
         "voc": registry.load("layouts", "voc").spec("")}
FILES = {"ids": IDS, "ids LA": np.dstack([IDS, FULL]), "ids RGB": np.dstack([IDS] * 3),
         "ids RGBA": np.dstack([IDS] * 3 + [FULL]), "ids 16": IDS.astype(np.uint16), "mask": MASK,
         "mask RGB": np.dstack([MASK] * 3), "mask 16": MASK.astype(np.uint16) * 257,
         "mask 255 of 16": MASK.astype(np.uint16), "mask 1 of 16": (MASK > 0).astype(np.uint16),
         "colours": COLOURS, "blue": BLUE, "smooth": SMOOTH,
         "noise": RNG.integers(0, 256, (20, 20, 3), np.uint8), "noise 16": RNG.integers(0, 65536, (9, 9), np.uint16),
         "clear": np.dstack([IDS, 0 * IDS]), "diva": np.dstack([0 * IDS, 0 * IDS, np.uint8(2) ** IDS])}
JPEGS = {"mask.jpg": MASK, "ids.jpg": IDS, "smooth.jpg": SMOOTH, "photo.jpg": odd_files.NOISE}


def written(folder, name):
    if name in JPEGS:
        return save(folder / name, JPEGS[name], quality=95)
    if name.endswith(".mat"):
        scipy.io.savemat(folder / name, {"groundtruth" if name == "map.mat" else "labels": IDS})
        return folder / name
    return save(folder / f"{name}.png", FILES[name])


def advised(spec, path, fix):
    """The spec that follows the advice, or None if no encoding is advised."""
    encoding = re.search(r"--label-encoding (\w+)", fix)
    if "--layout paired" in fix:
        spec = DatasetSpec()
    if "--classes FILE.csv, which names" in fix:
        colours = np.unique(np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3), axis=0).tolist()
        table = path.with_suffix(".csv")
        table.write_text("name,r,g,b\n" + "".join(f"c{i},{r},{g},{b}\n" for i, (r, g, b) in enumerate(colours)))
        spec = _classes.spec(path.parent, table)
    if encoding:
        return dataclasses.replace(spec, encoding=encoding.group(1))
    return spec if "--layout paired" in fix else None


@pytest.mark.parametrize("encoding", registry.names("label_formats"))
@pytest.mark.parametrize("data", SPECS)
@pytest.mark.parametrize("name", [*FILES, *JPEGS, "map.mat", "other.mat"])
def test_advised_label_format_reads_the_file(tmp_path, name, data, encoding):
    path = written(tmp_path, name)
    spec = dataclasses.replace(SPECS[data], encoding=encoding)
    try:
        label_files.read_label(path, spec)
    except errors.DataError as problem:
        assert problem.where == path
        other = advised(spec, path, problem.fix or "")
        if other:
            assert other.encoding != encoding or "--classes" in problem.fix
            label_files.check_ids(label_files.read_label(path, other), other, path)


ANSWERS = {  # (file, spec, encoding): what the message says
    ("ids LA", "unnamed", "blue"): "--label-encoding ids, which reads it as ids 0, 1, 2",
    ("ids LA", "unnamed", "colours"): "--label-encoding ids",
    ("ids LA", "masks", "binary"): "--layout paired, which reads it as ids 0, 1, 2",
    ("mask 1 of 16", "masks", "binary"): "--label-encoding ids, which reads it as ids 0, 1",
    ("mask.jpg", "unnamed", "ids"): "--label-encoding binary, which reads 50.0% of it as foreground",
    ("colours", "with colours", "ids"): "--label-encoding colours.",
    ("colours", "unnamed", "ids"): "--label-encoding colours --classes FILE.csv, which names (name,r,g,b) the colours "
                                   "(0, 0, 0), (0, 99, 0), (200, 10, 10), (255, 255, 255)",
    ("colours", "masks", "binary"): "--layout paired --label-encoding colours --classes FILE.csv",
    ("blue", "unnamed", "ids"): "--label-encoding blue, which reads it as ids 0, 1, 2",
    ("map.mat", "named", "ids"): "--label-encoding mat_groundtruth",
    ("ids RGBA", "unnamed", "mat_groundtruth"): "--label-encoding ids",
}


@pytest.mark.parametrize("case", ANSWERS, ids=" ".join)
def test_refused_file_names_the_label_format_that_reads_it(tmp_path, case):
    name, data, encoding = case
    with pytest.raises(errors.DataError) as problem:
        label_files.read_label(written(tmp_path, name), dataclasses.replace(SPECS[data], encoding=encoding))
    assert ANSWERS[case] in problem.value.fix


@pytest.mark.parametrize(("name", "data", "encoding"), [
    ("ids.jpg", "unnamed", "ids"), ("smooth.jpg", "unnamed", "ids"), ("photo.jpg", "masks", "binary"),
    ("other.mat", "named", "ids"), ("noise", "unnamed", "ids"), ("clear", "unnamed", "ids"),
    ("blue", "diva", "blue_bits"), ("colours", "voc", "ids")])
def test_no_label_format_is_named_if_none_fits(tmp_path, name, data, encoding):
    with pytest.raises(errors.DataError) as problem:
        label_files.read_label(written(tmp_path, name), dataclasses.replace(SPECS[data], encoding=encoding))
    assert "--label-encoding" not in (problem.value.fix or "")


def test_label_of_the_full_ade20k_is_answered_with_its_root(tmp_path, shared_file):
    path = shared_file("data/ade20k_samples/convert_fixture/ADE_train_00000970_raw.png")
    with pytest.raises(errors.DataError, match="the folder above images/ as --data"):
        label_files.read_label(path, NAMED)
