"""Safe reading of MATLAB 5 files, and access to their structs, cells and strings.

SciPy represents a struct as an array with named fields, a cell as an array of objects and a string as an array of str.
"""

import pathlib
import struct
import zlib

import numpy as np

from fcn.weights.formats import _trial
from fcn.weights.formats._weights import most_unpacked, refusal

MATRIX, COMPRESSED = 14, 15
HEADER_BYTES, TAG_BYTES, PIECE_BYTES = 128, 8, 1 << 20
MOST_VARIABLES, MOST_CELLS = 50, 5000  # published nets have at most 2 and 43, or 4 and 90
# "vars" is not read: in a net that was saved while it ran, it holds activations.
WANTED = ("layers", "normalization", "meta", "params", "net", "classes")


def load(path):
    """Return {variable: value} of a MatConvNet file, or the fields of its struct `net`. Raises WeightsError.

    MatConvNet's training saves a model as `net`.
    """
    path = pathlib.Path(path)
    size = f"{path.stat().st_size:,} bytes"
    unpacked = _unpacked_bytes(path)
    try:
        import scipy.io  # takes 0.1 s; --help does without
        variables = scipy.io.whosmat(path)
    except Exception as error:  # SciPy raises many types for damaged files
        raise _unreadable(path, size, f"{type(error).__name__}: {error}") from None
    names = [name for name, _, _ in variables]
    if not {"layers", "params", "net"} & set(names):
        raise refusal(path, f"is not a MatConvNet model: it holds {', '.join(names[:20]) or 'nothing'}, expected "
                            "layers, params or net")
    for name, shape, kind in variables:
        if kind in ("cell", "struct", "object") and np.prod(shape, dtype=float) > MOST_CELLS:
            raise refusal(path, f"is not a MatConvNet model: `{name}` is a {kind} of shape {shape}")
    fault = _trial.fault("mat", path, unpacked)
    if fault:
        raise _unreadable(path, size, fault)
    try:
        import scipy.io
        content = scipy.io.loadmat(path, variable_names=WANTED)
    except Exception as error:
        raise _unreadable(path, size, f"{type(error).__name__}: {error}") from None
    content = {name: value for name, value in content.items() if not name.startswith("__")}
    saved_net = content.get("net")
    content = rows(saved_net)[0] if saved_net is not None and rows(saved_net) else content
    if not {"layers", "params"} & content.keys():
        raise refusal(path, f"is not a MatConvNet model: it holds {', '.join(content)}, expected layers or params")
    return content


def _unreadable(path, size, why):
    return refusal(path, f"cannot be read ({size})", why=why,
                   fix="the file is probably truncated or damaged; download it again. weights/README.md lists its "
                       "checksum.")


def _unpacked_bytes(path):
    """Return the unpacked size of all variables in bytes, from their tags.

    Raises WeightsError if a variable is truncated or unpacks to far more than its size in the file.
    """
    size = path.stat().st_size
    most, unpacked, position = most_unpacked(size), 0, HEADER_BYTES
    with path.open("rb") as file:
        order = ">" if file.read(HEADER_BYTES)[-2:] == b"MI" else "<"
        for _ in range(MOST_VARIABLES):
            if position == size:
                return unpacked
            tag = file.read(TAG_BYTES)
            kind, length = struct.unpack(order + "II", tag) if len(tag) == TAG_BYTES else (MATRIX, 0)
            if kind not in (MATRIX, COMPRESSED):
                raise _unreadable(path, f"{size:,} bytes", f"no variable starts at byte {position:,}")
            position += TAG_BYTES + length
            if position > size:
                raise refusal(path, f"is truncated: it has {size:,} bytes and a variable that ends at {position:,}",
                              fix="download the file again; weights/README.md lists sizes and checksums.")
            unpacked += _inflated(file, length, most - unpacked) if kind == COMPRESSED else length
            if unpacked > most:
                raise refusal(path, f"unpacks from {size:,} to more than {most:,} bytes, far more than a weight file")
            file.seek(position)
    raise refusal(path, f"is not a MatConvNet model: it holds more than {MOST_VARIABLES} variables")


def _inflated(file, length, most):
    """Return the unpacked size of a compressed variable in bytes. Stops a little above `most`; keeps no data."""
    stream, total = zlib.decompressobj(), 0
    while length and total <= most:
        piece = file.read(min(length, PIECE_BYTES))
        length -= len(piece)
        while piece and total <= most:
            try:
                total += len(stream.decompress(piece, PIECE_BYTES))
            except zlib.error:
                return total  # the parser reports the error
            piece = stream.unconsumed_tail
    return total


def rows(value):
    """Return a struct array as a list of {field: value}; [] for anything else."""
    value = np.asarray(value)
    if value.dtype.names is None:
        return []
    return [{name: row[name] for name in value.dtype.names} for row in value.ravel()]


def field(value, *names):
    """Return value.name1.name2... of structs with one element, or None if a field is missing."""
    for name in names:
        found = rows(value) if not isinstance(value, dict) else [value]
        value = found[0].get(name) if found else None
        if value is None:
            return None
    return value


def texts(value):
    """Return a string or a cell of strings as a list of str. Other items are skipped."""
    value = np.asarray(value)
    if value.dtype.kind == "U":
        return ["".join(value.ravel().tolist())] if value.size else []
    if value.dtype.kind == "O":
        return [text for item in value.ravel() if np.asarray(item).dtype.kind == "U" for text in texts(item)]
    return []


def mean_image(content):
    """Return the mean image or colour as stored by either release or by matconvnet-fcn, or None."""
    for holder in (content.get("normalization"), field(content, "meta", "normalization")):
        for name in ("averageImage", "rgbMean"):
            image = field(holder, name) if holder is not None else None
            if image is not None and np.asarray(image).size:
                return image
    return None
