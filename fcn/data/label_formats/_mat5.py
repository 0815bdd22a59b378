"""Read numeric arrays and cells of texts from untrusted MATLAB 5 files.

SciPy's reader is not meant for untrusted files: a file of 200 bytes with one wrong type number ends the process. So the
few fields that are needed are read here. All lengths are checked, and the size of unpacked data is limited.
Source: MathWorks, "MAT-File Format", level 5.
"""

import pathlib
import struct
import zlib

import numpy as np

from fcn.core import errors, file_kinds

MATRIX, COMPRESSED = 14, 15
HEADER_BYTES, TAG_BYTES, HEAD_BYTES, MOST_VARIABLES = 128, 8, 1024, 100
CELL, CHAR, NUMERIC, COMPLEX = 1, 4, range(6, 16), 0x0800
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}


class Damaged(Exception):
    """What is wrong with the file. The caller adds its name."""


def shape(path, name):
    """(height, width) of the numeric 2-D variable `name`. Raises DataError."""
    return _with_data_errors(path, lambda: _numeric(_variable(path, name, HEAD_BYTES), name)[0])


def read(path, name, most):
    """The numeric 2-D variable `name`, of any numeric dtype. most: limit of elements. Raises DataError."""
    def array():
        (height, width), _, _ = _numeric(_variable(path, name, HEAD_BYTES), name)
        if height * width > most:
            raise Damaged(f"{height}x{width} pixels are more than the limit of {most:,}")
        matrix = _variable(path, name, height * width * 8 + HEAD_BYTES)
        _, order, rest = _numeric(matrix, name)
        kind, values, _ = _element(rest, order)
        if kind not in STORED or len(values) != height * width * np.dtype(STORED[kind]).itemsize:
            raise Damaged(f"`{name}` claims {height}x{width} and holds {len(values):,} bytes of type {kind}")
        return np.frombuffer(values, np.dtype(STORED[kind]).newbyteorder(order)).reshape((height, width), order="F")
    return _with_data_errors(path, array)


def read_texts(path, name, most=256):
    """List of the texts in the cell `name`. most: limit of texts. Raises DataError."""
    def texts():
        order, matrix = _variable(path, name, 1 << 20)
        kind, _, dims, _, rest = _head(matrix, order)
        if kind != CELL or not 0 <= np.prod(dims, dtype=float) <= most:
            raise Damaged(f"`{name}` is not a cell of at most {most} texts")
        found = []
        for _ in range(int(np.prod(dims))):
            kind, cell, rest = _element(rest, order)
            if kind != MATRIX:
                raise Damaged(f"`{name}` holds something other than arrays")
            kind, _, _, _, inside = _head(cell, order)
            stored, text, _ = _element(inside, order)
            if kind != CHAR or stored not in TEXTS:
                raise Damaged(f"`{name}` holds something other than texts")
            coding = TEXTS[stored] + ({"<": "-le", ">": "-be"}[order] if TEXTS[stored] == "utf-16" else "")
            found.append(text.decode(coding))
        return found
    return _with_data_errors(path, texts)


def _with_data_errors(path, function):
    """Call a function and convert its errors to DataError."""
    try:
        return function()
    except OSError as error:
        raise errors.DataError(f"cannot be read: {error.strerror}", where=path,
                               fix=errors.reading_fix(error)) from None
    except (Damaged, struct.error, zlib.error, UnicodeDecodeError) as error:
        why = str(error) if isinstance(error, Damaged) else f"it is damaged: {error}"
        raise errors.DataError("is not a usable MATLAB 5 file", where=path,
                               why=file_kinds.why_unreadable(path, why, file_kinds.MATLAB, file_kinds.MATLAB_7),
                               fix="download or copy the file again.") from None


def _variable(path, name, most):
    """(byte order, the first `most` bytes of the array `name`)."""
    path = pathlib.Path(path)
    if not path.is_file():
        raise Damaged("it is not a regular file" if path.exists() else "it is missing")
    size, position = path.stat().st_size, HEADER_BYTES
    names: list[str] = []
    with path.open("rb") as file:
        order = _byte_order(file.read(HEADER_BYTES))
        while position < size and len(names) < MOST_VARIABLES:
            file.seek(position)
            kind, length = struct.unpack(order + "II", file.read(TAG_BYTES))
            position += TAG_BYTES + length
            if position > size:
                raise Damaged(f"it is truncated: it has {size:,} bytes, but a variable ends at {position:,}")
            content = file.read(min(length, most + HEAD_BYTES))
            if kind == COMPRESSED:
                content = zlib.decompressobj().decompress(content, most + TAG_BYTES)
                (kind, _), content = struct.unpack(order + "II", content[:TAG_BYTES]), content[TAG_BYTES:]
            if kind != MATRIX:
                raise Damaged(f"no variable starts at byte {position - length - TAG_BYTES:,}")
            names.append(_head(content, order)[3])
            if names[-1] == name:
                return order, content[:most]
    raise Damaged(f"it holds {', '.join(map(repr, names)) or 'nothing'} and no `{name}`")


def _byte_order(header):
    if header.startswith(b"MATLAB 7.3"):
        raise Damaged("it has version 7.3; save it with -v7")
    if len(header) < HEADER_BYTES or header[126:] not in (b"IM", b"MI"):
        raise Damaged(f"it starts with {header[:16]!r}" if header else "it is empty")
    return "<" if header[126:] == b"IM" else ">"


def _element(content, order):
    """(type, bytes, the rest) of the data element at the start of `content`. Small elements are in their tag."""
    first, length = struct.unpack(order + "II", content[:TAG_BYTES])
    if first >> 16:
        kind, length = first & 0xFFFF, first >> 16
        if length > 4:
            raise Damaged("a small element of more than four bytes")
        return kind, content[4:4 + length], content[TAG_BYTES:]
    end = TAG_BYTES + length
    return first, content[TAG_BYTES:end], content[end + -length % 8:]


def _head(content, order):
    """(class, flags, dimensions, name, the rest) of an array."""
    _, flags, rest = _element(content, order)
    _, dims, rest = _element(rest, order)
    _, name, rest = _element(rest, order)
    flags = struct.unpack(order + "I", flags[:4])[0]
    return flags & 0xFF, flags, struct.unpack(f"{order}{len(dims) // 4}i", dims[:len(dims) // 4 * 4]), name.decode(
        "latin-1"), rest


def _numeric(variable, name):
    """((height, width), byte order, bytes of the values) of a real 2-D numeric array."""
    order, content = variable
    kind, flags, dims, _, rest = _head(content, order)
    if kind not in NUMERIC or flags & COMPLEX or len(dims) != 2 or min(dims) < 1:
        raise Damaged(f"`{name}` is not a real 2-D array of numbers (class {kind}, {' x '.join(map(str, dims))})")
    return dims, order, rest
