"""Detect the kind of a file from its first bytes, and give the command that converts it to a readable one.

kind_of(path) returns a Kind with its name and, where it does not depend on the use, a fix. Nothing is decoded,
decompressed or unpickled. The commands are for messages: they quote paths and can be run as printed.
"""

import dataclasses
import errno
import pathlib
import re
import shlex
import stat

from fcn.core import errors

START_BYTES = 4096
MATLAB, MATLAB_7, HDF5, ZIP = "a MATLAB file", "a MATLAB 7.3 file", "an HDF5 file", "a ZIP archive"
EMPTY, PYTORCH = "empty", "a file of PyTorch, which is a pickle"
FILE_TYPES = {stat.S_IFDIR: "folder", stat.S_IFIFO: "pipe", stat.S_IFSOCK: "socket", stat.S_IFCHR: "device",
              stat.S_IFBLK: "device"}
AGAIN = "download or copy it again."


@dataclasses.dataclass(frozen=True)
class Kind:
    """The kind of a file.

    name: such as 'a web page'; "" if unknown. size: bytes. start: first bytes. fix: "" if it depends on what the file
    should be. format: Pillow's format name of an image. pickle: whether reading it could run code.
    """

    name: str
    size: int
    start: bytes
    fix: str = ""
    format: str = ""
    pickle: bool = False

    @property
    def described(self):
        """'is a web page (36 bytes)', or 'starts with ... (36 bytes)' for an unknown kind."""
        shown = f"is {self.name}" if self.name else f"starts with {self.start[:24]!r}"
        return f"{shown} ({self.size:,} bytes)"


TEXTS = (  # pattern at the start of a text, without comments, in lower case; name; fix
    (r"<!doctype svg|<svg", "an SVG drawing", "convert it to .png."),
    (r"<!doctype|<html|<head|<body|<title|<meta|<script", "a web page",
     "the server sent it instead of the file: download it again; its address may need a login."),
    (r"<\?xml|<error", "an XML text, as servers send for an error", "download it again."),
    (r"version https://git-lfs", "a git-lfs pointer, not the file itself",
     "`git lfs pull` in its repository fetches the file."),
    (r"%!ps", "an EPS drawing", "convert it to .png."),
)
PACKED = ((0, b"\x1f\x8b", "gzip"), (0, b"BZh", "bzip2"), (0, b"\xfd7zXZ", "xz"))
IMAGES = (  # offset, first bytes, Pillow's name of the format
    (0, b"\xff\xd8\xff", "JPEG"), (0, b"\x89PNG", "PNG"), (0, b"BM", "BMP"), (8, b"WEBP", "WEBP"), (0, b"GIF8", "GIF"),
    (0, b"II*\0", "TIFF"), (0, b"MM\0*", "TIFF"), (0, b"II+\0", "TIFF"), (0, b"MM\0+", "TIFF"),
    (4, b"ftyphe", "HEIC"), (4, b"ftypmif", "HEIC"), (4, b"ftypavi", "AVIF"), (0, b"\0\0\0\x0cjP", "JPEG2000"),
    (0, b"8BPS", "PSD"), (128, b"DICM", "DICOM"),
)
VIDEOS = (
    (4, b"ftyp", "MP4 or QuickTime"), (4, b"moov", "QuickTime"), (8, b"AVI ", "AVI"), (0, b"\x1aE\xdf\xa3", "Matroska"),
    (0, b"FLV", "FLV"), (0, b"OggS", "Ogg"), (0, b"0&\xb2u\x8ef\xcf\x11", "WMV"), (0, b"\0\0\1\xba", "MPEG"),
    (0, b"\0\0\1\xb3", "MPEG"),
)
OTHERS = (
    (0, b"\x93NUMPY", "a NumPy array (.npy)"), (0, b"MATLAB 7.3", MATLAB_7), (0, b"MATLAB", MATLAB),
    (0, b"\x89HDF\r\n\x1a\n", HDF5), (0, b"%PDF", "a PDF document"), (0, b"7z\xbc\xaf", "a 7-Zip archive"),
    (0, b"Rar!", "a RAR archive"), (257, b"ustar", "a tar archive"), (0, b"\x28\xb5\x2f\xfd", "packed with zstd"),
    (5, b'\0\0\0{"', "a safetensors file"),
    (0, b"\x7fELF", "a program"), (0, b"SQLite", "an SQLite database"),
)
VIDEO_ENDINGS = (".mp4", ".mov", ".m4v", ".avi", ".mkv", ".webm", ".wmv", ".mpg", ".mpeg", ".flv", ".3gp")


def check_regular(path):
    """Raise DataError if a pathlib.Path is missing or not a regular file. Other errors of the system pass through."""
    try:
        file_type = stat.S_IFMT(path.stat().st_mode)
    except FileNotFoundError:
        is_link = path.is_symlink()
        raise errors.DataError("is a broken link" if is_link else "is missing", where=path,
                               fix=f"replace it with the file; it points to {path.readlink()}." if is_link
                               else "add it, or correct its path.") from None
    if file_type != stat.S_IFREG:  # opening a pipe could block for ever, and a device may do anything
        raise errors.DataError(f"is not a regular file but a {FILE_TYPES.get(file_type, 'special file')}",
                               where=path, fix="give the path of a file, or replace it with one.")


def kind_of(path):
    """The Kind of a regular file. Raises OSError."""
    path = pathlib.Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))  # reading a pipe could block for ever
    with path.open("rb") as file:
        start, size = file.read(START_BYTES), file.seek(0, 2)
    if not size:
        return Kind(EMPTY, 0, b"", f"a failed download leaves such a file: {AGAIN}")
    if not start.strip(b"\0"):
        return Kind("zeros at its start", size, start, f"an interrupted copy leaves such a file: {AGAIN}")
    tried = (find(path, start, size) for find in (_packed, _image, _video, _pickle, _other, _text))
    return next(filter(None, tried), Kind("", size, start))


def why_unreadable(path, error="", *expected):
    """Why a file could not be parsed: 'it is a web page (36 bytes): ...'; `error` if its kind is expected or unknown.

    expected: names of kinds.
    """
    try:
        kind = kind_of(path)
    except (OSError, TypeError, ValueError):
        return str(error)
    if not kind.name or kind.name in expected:
        return str(error)
    return f"it {kind.described}" + (f": {kind.fix}" if kind.fix else "")


def described(path, kind, formats):
    """(problem, fix) of a file that cannot be opened as a `kind` ("image", "label", ...) in one of `formats`."""
    found = kind_of(path)
    if found.format in formats:
        return f"has a damaged or truncated {found.format} header ({found.size:,} bytes)", AGAIN
    wanted = " or ".join(formats)
    if found.format:
        what = f"has the format {found.format}, expected {wanted}"
        if found.format == "JPEG":
            return what, "JPEG changes ids at every edge; export it again in a lossless format."
        return what, to_png({path.suffix.lower()}, path.parent) or "convert it to .png."
    if found.name == MATLAB and kind == "label":
        return f"is a MATLAB file, expected {wanted}", "save it as an image of ids."
    again = f"download it again, or convert it to {wanted}."
    if not found.name:
        return f"is not an image (starts with {found.start[:16]!r})", again
    return f"is not an image but {found.name} ({found.size:,} bytes)", found.fix or again


def _packed(path, start, size):
    if start[:4] in (b"PK\3\4", b"PK\5\6"):
        if b"data.pkl" in start:
            return Kind(PYTORCH, size, start, pickle=True)
        return Kind(ZIP, size, start, unpack(path, "zip"))
    name = _first(PACKED, start)
    return name and Kind(f"packed with {name}", size, start, unpack(path, name))


def _image(_, start, size):
    name = _first(IMAGES, start)
    if name == "BMP" and b"\0" not in start[:16]:  # a text such as "BMW"
        return None
    return name and Kind(f"a {name} image", size, start, format=name)


def _video(path, start, size):
    name = _first(VIDEOS, start)
    return name and Kind(f"a video ({name})", size, start, frames(path))


def _pickle(_, start, size):
    if start[:1] == b"\x80" and start[1:2] in b"\2\3\4\5":
        name = PYTORCH if start[2:].startswith(b"\x8a\nl\xfc\x9cF\xf9") else "a pickle"
        return Kind(name, size, start, pickle=True)
    if start.startswith(b"\x93NUMPY") and b"'|O'" in start[:128]:
        return Kind("a NumPy array of objects (.npy), which is a pickle", size, start, pickle=True)
    return None


def _other(path, start, size):
    if start.startswith(b"\0\5\x16\7"):
        return Kind("macOS metadata of another file (AppleDouble)", size, start,
                    f"use {path.name.removeprefix('._')} and delete this one.")
    name = _first(OTHERS, start)
    return name and Kind(name, size, start)


def _text(_, start, size):
    """Kind of a text in UTF-8 or UTF-16. Blank lines, comments and byte order marks before it are skipped."""
    wide = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = start.decode("utf-16" if wide else "utf-8-sig", "replace").lower()
    text = re.sub(r"\A(\s|\ufeff|<!--.*?-->|<\?xml[^>]*\?>(?=\s*<(!doctype|html|svg)))+", "", text, flags=re.DOTALL)
    for first, name, fix in TEXTS:
        if re.match(first, text):
            return Kind(name, size, start, fix)
    return Kind("a text in UTF-16", size, start, "save it as UTF-8.") if wide else None


def _first(table, start):
    return next((name for offset, first, name in table if start[offset:].startswith(first)), None)


# Commands for messages. Each converts a file to a format that is read.
PILLOW_ENDINGS = (".gif", ".tif", ".tiff", ".jfif", ".jp2", ".ppm", ".pgm", ".pbm", ".tga", ".pcx", ".ico")
FILES = "for p in pathlib.Path(sys.argv[1]).rglob(\"*\") if p.suffix.lower() in {endings} and p.name[0] != \".\" " \
        "and not (q := p.with_suffix(\".png\")).exists()"
# A grey palette is replaced by its grey values: writers of GIFs often renumber palette indices.
IMAGES_TO_PNG = "import pathlib, sys; from PIL import Image; " \
                "[(i.convert(\"L\") if i.mode == \"P\" and (c := i.convert(\"RGB\").split())[0].tobytes() == " \
                f"c[1].tobytes() == c[2].tobytes() else i).save(q) {FILES} and (i := Image.open(p))]"
ARRAYS_TO_PNG = "import pathlib, sys, numpy; from PIL import Image; " \
                f"[Image.fromarray(a.astype(\"uint8\")).save(q) {FILES} and " \
                "(a := numpy.load(p)).ndim == 2 and 0 <= a.min() and a.max() < 256]"
# For {layer: [kernel, bias]}, {layer: {"weights": kernel, "biases": bias}}, or an .npz with such a pair per name.
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
    """The command that writes a .png beside each file of these endings under `folder`; "" if it can convert none."""
    some = sorted({*endings} & {*PILLOW_ENDINGS})
    code = IMAGES_TO_PNG if some else ARRAYS_TO_PNG
    some = some or sorted({*endings} & {".npy"})
    listed = "(" + ", ".join(f'"{ending}"' for ending in some) + ",)"
    return f"this writes a .png beside each: {_python(code.format(endings=listed), folder)}" if some else ""


def to_npz(path):
    """The command that saves a pickle of layers as NAME.plain.npz, a weight file. It overwrites that file."""
    new = pathlib.Path(path).with_suffix(".plain.npz")
    return f"if you trust its source (this loads the pickle): {_python(PICKLE_TO_NPZ, path, new)}"


def frames(path):
    """The command that writes the frames of a video as images into a new folder."""
    return f"extract its frames: mkdir frames && ffmpeg -i {shlex.quote(f'file:{path}')} frames/%06d.png; then use " \
           "the folder frames"


def plain_hdf5(path, names):
    """The command that copies byte arrays of an HDF5 file to NAME-plain.h5, uncompressed, with the JSON beside it."""
    path = pathlib.Path(path)
    new, json_path = path.with_name(f"{path.stem}-plain.h5"), path.with_suffix(".json")
    also = f" && cp -n {shlex.quote(str(json_path))} {shlex.quote(str(new.with_suffix('.json')))}"
    return f"if you trust its source, this writes a plain copy: {_python(HDF5_TO_PLAIN, path, new, *names)}" + (
        also if json_path.exists() else "")


def unpack(path, packer):
    """The command that unpacks a file. packer: "zip" or a key of PACKERS."""
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
