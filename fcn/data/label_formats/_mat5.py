"""Read numeric arrays, also in a struct, and cells of texts from untrusted MATLAB 5 files.

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
OTHER_FIELDS_BYTES = 16 << 20  # limit of the fields before the wanted one in a struct
CELL, STRUCT, CHAR, NUMERIC, COMPLEX = 1, 2, 4, range(6, 16), 0x0800
STORED = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
TEXTS = {1: "latin-1", 2: "latin-1", 4: "utf-16", 16: "utf-8", 17: "utf-16"}


class Damaged(Exception):
    """What is wrong with the file. The caller adds its name."""


def shape(path, names):
    """(height, width) of the numeric 2-D array that read() reads. Raises DataError."""
    return _with_data_errors(path, lambda: _array(path, names, 0)[1])


def read(path, names, most):
    """The numeric 2-D array of one of these names, of any numeric dtype. most: limit of elements. Raises DataError.

    names: a name or several, of which the file has one. "S.F" is the field F of the struct S.
    """
    def array():
        name, (height, width), _, _ = _array(path, names, 0)
        if height * width > most:
            raise Damaged(f"{height}x{width} pixels are more than the limit of {most:,}")
        _, _, order, rest = _array(path, names, height * width * 8)
        kind, values, _ = _element(rest, order)
        if kind not in STORED or len(values) != height * width * np.dtype(STORED[kind]).itemsize:
            raise Damaged(f"`{name}` claims {height}x{width} and holds {len(values):,} bytes of type {kind}")
        return np.frombuffer(values, np.dtype(STORED[kind]).newbyteorder(order)).reshape((height, width), order="F")
    return _with_data_errors(path, array)


def _array(path, names, most):
    """(name, (height, width), byte order, the first `most` bytes of the values) of the first array of these names."""
    asked = {name.split(".")[0]: name for name in ([names] if isinstance(names, str) else names)}
    in_struct = any("." in name for name in asked.values())
    found, order, content = _variable(path, asked, most + HEAD_BYTES + in_struct * OTHER_FIELDS_BYTES)
    name = asked[found]
    if "." in name:
        content = _field(content, order, *name.split("."))
    return name, *_numeric((order, content), name)


def _field(content, order, name, field):
    """The bytes of a field of a struct with one element."""
    kind, _, dims, _, rest = _head(content, order)
    if kind != STRUCT or dims != (1, 1):
        raise Damaged(f"`{name}` is not a struct (class {kind}, {' x '.join(map(str, dims))})")
    _, length, rest = _element(rest, order)
    _, text, rest = _element(rest, order)
    (length,) = struct.unpack(order + "i", length)
    if not 0 < length <= HEAD_BYTES:
        raise Damaged(f"`{name}` has field names of {length} bytes")
    fields = [text[i:i + length].split(b"\0")[0].decode("latin-1") for i in range(0, len(text), length)]
    if field not in fields:
        raise Damaged(f"`{name}` has the fields {', '.join(map(repr, fields))} and no `{field}`")
    for _ in range(fields.index(field) + 1):
        kind, inside, rest = _element(rest, order)
        if kind != MATRIX:
            raise Damaged(f"`{name}` has a field that is not an array")
    return inside


def read_texts(path, name, most=256):
    """List of the texts in the cell `name`. most: limit of texts. Raises DataError."""
    def texts():
        _, order, matrix = _variable(path, (name,), 1 << 20)
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


def _variable(path, wanted, most):
    """(name, byte order, the first `most` bytes) of the first array with one of the names `wanted`."""
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
            if names[-1] in wanted:
                return names[-1], order, content[:most]
    raise Damaged(f"it holds {', '.join(map(repr, names)) or 'nothing'} and no {' or '.join(f'`{n}`' for n in wanted)}")


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
