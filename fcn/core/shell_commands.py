"""Commands, for messages, that make a readable file of one that is not read.

Paths are quoted, so that a command can be run as it is printed.
"""

import pathlib
import re
import shlex

PILLOW_ENDINGS = (".gif", ".tif", ".tiff", ".jfif", ".jp2", ".ppm", ".pgm", ".pbm", ".tga", ".pcx", ".ico")
FILES = "for p in pathlib.Path(sys.argv[1]).rglob(\"*\") if p.suffix.lower() in {endings} and p.name[0] != \".\" " \
        "and not (q := p.with_suffix(\".png\")).exists()"
# A palette of greys is looked up, for its indices mean nothing: those of a GIF are often counted anew by its writer.
IMAGES_TO_PNG = "import pathlib, sys; from PIL import Image; " \
                "[(i.convert(\"L\") if i.mode == \"P\" and (c := i.convert(\"RGB\").split())[0].tobytes() == " \
                f"c[1].tobytes() == c[2].tobytes() else i).save(q) {FILES} and (i := Image.open(p))]"
ARRAYS_TO_PNG = "import pathlib, sys, numpy; from PIL import Image; " \
                f"[Image.fromarray(a.astype(\"uint8\")).save(q) {FILES} and " \
                "(a := numpy.load(p)).ndim == 2 and 0 <= a.min() and a.max() < 256]"
# {layer: [kernel, bias]}, {layer: {"weights": kernel, "biases": bias}}, or such a pair for each name of an .npz
PICKLE_TO_NPZ = (
    "import sys, numpy; f = numpy.load(sys.argv[1], allow_pickle=True, encoding=\"latin1\"); d = {}; "
    "[d.update(a.item() if a.ndim == 0 else {k: a}) for k, a in "
    "(f.items() if hasattr(f, \"files\") else [(\"\", numpy.array(f))])]; "
    "numpy.savez(sys.argv[2], **{f\"{k}_{x}\": a for k, v in d.items() for x, a in "
    "zip(\"Wb\", sorted(v.values() if isinstance(v, dict) else v, key=numpy.ndim, reverse=True))})")
HDF5_TO_PLAIN = (
    "import sys, h5py; a = h5py.File(sys.argv[1]); b = h5py.File(sys.argv[2], \"x\"); "
    "[b.create_dataset(n, a[n].shape, a[n].dtype) and [b[n].__setitem__(slice(i, i + 64), a[n][i:i + 64]) "
    "for i in range(0, len(a[n]), 64)] for n in sys.argv[3:]]")
PACKERS = {"gzip": "gunzip", "bzip2": "bunzip2", "xz": "unxz"}


def to_png(endings, folder):
    """Writes a .png beside each file of these endings in `folder` and its sub-folders; "" if none can be converted."""
    some = sorted({*endings} & {*PILLOW_ENDINGS})
    code = IMAGES_TO_PNG if some else ARRAYS_TO_PNG
    some = some or sorted({*endings} & {".npy"})
    listed = "(" + ", ".join(f'"{ending}"' for ending in some) + ",)"
    return f"this writes a .png beside each: {_python(code.format(endings=listed), folder)}" if some else ""


def to_npz(path):
    """Saves a pickle of a net's layers as plain arrays, which are read as weights. It replaces NAME.plain.npz."""
    new = pathlib.Path(path).with_suffix(".plain.npz")
    return f"if you trust its maker (this loads the pickle): {_python(PICKLE_TO_NPZ, path, new)}"


def frames(path):
    """Writes the frames of a video as photos into a new folder."""
    return f"make photos of it: mkdir frames && ffmpeg -i {shlex.quote(f'file:{path}')} frames/%06d.png; then use " \
           "the folder frames"


def plain_hdf5(path, names):
    """Copies byte arrays of an HDF5 file into NAME-plain.h5, contiguous and not packed, and the JSON beside it."""
    path = pathlib.Path(path)
    new, described = path.with_name(f"{path.stem}-plain.h5"), path.with_suffix(".json")
    also = f" && cp -n {shlex.quote(str(described))} {shlex.quote(str(new.with_suffix('.json')))}"
    return f"if you trust its maker, this writes a plain copy: {_python(HDF5_TO_PLAIN, path, new, *names)}" + (
        also if described.exists() else "")


def unpack(path, packer):
    """Unpacks a file of "zip" or one of PACKERS."""
    path = pathlib.Path(path)
    source, name = shlex.quote(str(path)), re.sub(r"\.(gz|bz2|xz|zip)$", "", path.name)
    target = shlex.quote(str(path.with_name(f"unpacked-{name}")))
    if packer == "zip":
        return f"unpack it first: python -m zipfile -e {source} {target}"
    if re.search(r"\.(tar\.|tgz|tbz|txz)", path.name.lower()):
        return f"unpack it first: mkdir {target} && tar xf {source} -C {target}"
    return f"unpack it first: {PACKERS[packer]} < {source} > {target}"


def _python(code, *words):
    return " ".join(["python", "-c", f"'{code}'", *(shlex.quote(str(word)) for word in words)])
