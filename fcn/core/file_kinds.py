"""What a file really is, by its first bytes, and the command that makes a readable file of it.

kind_of(path) gives the Kind: what to call it, and what to do about it where that is the same for every use. Nothing is
decoded, unpacked or unpickled. Commands are for messages; paths are quoted, so that they can be run as they are
printed.
"""

import dataclasses
import errno
import pathlib
import re
import shlex

START_BYTES = 4096
MATLAB, MATLAB_7, HDF5, ZIP = "a MATLAB file", "a MATLAB 7.3 file", "an HDF5 file", "a ZIP archive"
EMPTY, PYTORCH = "empty", "a file of PyTorch, which is a pickle"
AGAIN = "download or copy it again."


@dataclasses.dataclass(frozen=True)
class Kind:
    """name: 'a web page'; "" of an unknown one. size: of the file in bytes. start: its first bytes. fix: "" where it
    depends on what the file should be. format: Pillow's name, of an image. pickle: whether reading it could run code.
    """

    name: str
    size: int
    start: bytes
    fix: str = ""
    format: str = ""
    pickle: bool = False

    @property
    def described(self):
        """'is a web page (36 bytes)', or of an unknown kind 'starts with ... (36 bytes)'."""
        shown = f"is {self.name}" if self.name else f"starts with {self.start[:24]!r}"
        return f"{shown} ({self.size:,} bytes)"


TEXTS = (  # how a text starts, without comments, in lower case; what that is; what to do
    (r"<!doctype svg|<svg", "an SVG drawing", "convert it to .png."),
    (r"<!doctype|<html|<head|<body|<title|<meta|<script", "a web page",
     "the server answered with it instead of the file: download it again; its address may want a login."),
    (r"<\?xml|<error", "an XML text, as servers send with an error", "download it again."),
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


def kind_of(path):
    """The Kind of a regular file. Raises OSError."""
    path = pathlib.Path(path)
    if path.exists() and not path.is_file() and not path.is_dir():
        raise OSError(errno.EINVAL, "it is no regular file", str(path))  # a pipe would hang for ever
    with path.open("rb") as file:
        start, size = file.read(START_BYTES), file.seek(0, 2)
    if not size:
        return Kind(EMPTY, 0, b"", f"a download that failed looks like this: {AGAIN}")
    if not start.strip(b"\0"):
        return Kind("zeros at its start", size, start, f"a copy that was broken off looks like this: {AGAIN}")
    tried = (find(path, start, size) for find in (_packed, _image, _video, _pickle, _other, _text))
    return next(filter(None, tried), Kind("", size, start))


def instead(path, error="", *expected):
    """Why a file could not be parsed: 'it is a web page (36 bytes): ...' if its Kind has a name that was not expected,
    else `error` as it is.
    """
    try:
        kind = kind_of(path)
    except (OSError, TypeError, ValueError):
        return str(error)
    if not kind.name or kind.name in expected:
        return str(error)
    return f"it {kind.described}" + (f": {kind.fix}" if kind.fix else "")


def described(path, kind, formats):
    """(what is wrong with a file that does not open as a `kind` in one of `formats`, what to do)."""
    found = kind_of(path)
    if found.format in formats:
        return f"is damaged or cut off in its {found.format} header ({found.size:,} bytes)", AGAIN
    wanted = f"a {kind} is {' or '.join(formats)}"
    if found.format:
        what = f"has the format {found.format}, {wanted}"
        if found.format == "JPEG":
            return what, "JPEG smears ids at every edge; export it again without loss."
        return what, to_png({path.suffix.lower()}, path.parent) or "convert it to .png."
    if found.name == MATLAB and kind == "label":
        return f"is a MATLAB file, {wanted}", "save it as an image of ids."
    if not found.name:
        return f"is not an image (starts with {found.start[:16]!r})", f"{wanted}; download or convert it again."
    return f"is not an image but {found.name} ({found.size:,} bytes)", found.fix or f"{wanted}; download it again."


def _packed(path, start, size):
    if start[:4] in (b"PK\3\4", b"PK\5\6"):
        if b"data.pkl" in start:
            return Kind(PYTORCH, size, start, pickle=True)
        return Kind(ZIP, size, start, unpack(path, "zip"))
    name = _first(PACKED, start)
    return name and Kind(f"packed with {name}", size, start, unpack(path, name))


def _image(_, start, size):
    name = _first(IMAGES, start)
    if name == "BMP" and b"\0" not in start[:16]:  # BMW
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
        return Kind("what a Mac keeps beside a file (AppleDouble)", size, start,
                    f"take the file itself, {path.name.removeprefix('._')}, and delete this one.")
    name = _first(OTHERS, start)
    return name and Kind(name, size, start)


def _text(_, start, size):
    """A text in UTF-8 or UTF-16, whatever blank lines, comments and byte order marks stand before it."""
    wide = start[:2] in (b"\xff\xfe", b"\xfe\xff")
    text = start.decode("utf-16" if wide else "utf-8-sig", "replace").lower()
    text = re.sub(r"\A(\s|\ufeff|<!--.*?-->|<\?xml[^>]*\?>(?=\s*<(!doctype|html|svg)))+", "", text, flags=re.DOTALL)
    for first, name, fix in TEXTS:
        if re.match(first, text):
            return Kind(name, size, start, fix)
    return Kind("a text in UTF-16", size, start, "save it as UTF-8.") if wide else None


def _first(table, start):
    return next((name for offset, first, name in table if start[offset:].startswith(first)), None)


# Commands for messages: each makes a readable file of one that is not read.
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
