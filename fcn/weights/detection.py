"""Detection of the format of a weight file from its content.

Supported: MatConvNet's .mat (SimpleNN and DagNN), .npz and Keras' .h5. The suffix does not matter. The error for any
other file names its format and how to convert it. weights/README.md lists the files.
"""

import pathlib

from fcn.core import file_kinds
from fcn.weights.formats import _mat, dagnn, keras_h5, npz, simplenn
from fcn.weights.formats._weights import FIX, NEVER_LOADED, Weights, refusal

__all__ = ["Weights", "read_weights"]


def read_weights(path):
    """Read the Weights in a file. A bare VGG that ends at pool5 has no fc6 and fc7.

    Raises WeightsError if the file is missing, truncated, damaged or in another format, or if a layer is missing, has a
    wrong shape or holds a value that is not finite.
    """
    path = pathlib.Path(path)
    try:
        kind = file_kinds.kind_of(path)
    except OSError as error:
        listed = FIX.removesuffix(".") if "vgg" in path.name else "weights/README.md lists all supported files"
        missing = f"put the file there ({listed}), or train from scratch with --weights none."
        raise refusal(path, f"cannot be read: {error.strerror}", None,
                      missing if isinstance(error, FileNotFoundError) else FIX) from None
    if kind.start.startswith(b"MATLAB 5.0"):
        content = _mat.load(path)
        return (dagnn if "params" in content else simplenn).read(content, path)
    if kind.start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return npz.read(path)
    if kind.start.startswith(b"\x89HDF\r\n\x1a\n"):
        return keras_h5.read(path)
    raise _foreign(path, kind)


def _foreign(path, kind):
    """Return the WeightsError for a file of another format. kind: file_kinds.Kind."""
    size = f"{kind.size:,} bytes"
    if kind.name == file_kinds.PYTORCH:
        return refusal(path, kind.described, f"pickles are {NEVER_LOADED}",
                       f"use the same net as .mat, .npz or .h5. {FIX}")
    if kind.pickle:
        return refusal(path, kind.described, f"pickles are {NEVER_LOADED}", file_kinds.to_npz(path))
    if kind.name == file_kinds.MATLAB_7:
        return refusal(path, f"is a MATLAB 7.3 file ({size}), expected version 5 as published", None,
                       f"save it again in MATLAB with `save -v7`. {FIX}")
    what = kind.described if kind.name else f"is not a known weight file: it {kind.described}"
    return refusal(path, what, "expected MatConvNet's .mat, .npz or Keras' .h5", f"{kind.fix} {FIX}".strip())
