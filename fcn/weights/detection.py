"""A file of published weights -> Weights, whatever kind it is: told by its first bytes and by what is in it.

The suffix counts for nothing. MatConvNet's .mat (SimpleNN and DagNN), .npz and Keras' .h5 are read; everything else is
refused by name, with what it is and what to do. weights/README.md lists the files.
"""

import pathlib

from fcn.core import file_kinds
from fcn.weights.formats import _mat, dagnn, keras_h5, npz, simplenn
from fcn.weights.formats._weights import FIX, NEVER_LOADED, Weights, refusal

__all__ = ["Weights", "read_weights"]


def read_weights(path):
    """The Weights in a file; of a bare VGG without fc6 and fc7 if the file ends at pool5.

    Raises WeightsError if the file is missing, of another kind, cut off or damaged, or if a layer is missing,
    misshapen or not finite.
    """
    path = pathlib.Path(path)
    try:
        kind = file_kinds.kind_of(path)
    except OSError as error:
        raise refusal(path, f"cannot be read: {error.strerror}") from None
    if kind.start.startswith(b"MATLAB 5.0"):
        content = _mat.load(path)
        return (dagnn if "params" in content else simplenn).read(content, path)
    if kind.start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return npz.read(path)
    if kind.start.startswith(b"\x89HDF\r\n\x1a\n"):
        return keras_h5.read(path)
    raise _foreign(path, kind)


def _foreign(path, kind):
    """The WeightsError for a file of another Kind."""
    size = f"{kind.size:,} bytes"
    if kind.name == file_kinds.PYTORCH:
        return refusal(path, kind.described, f"pickles are {NEVER_LOADED}",
                       f"take the same network as .mat, .npz or .h5. {FIX}")
    if kind.pickle:
        return refusal(path, kind.described, f"pickles are {NEVER_LOADED}", file_kinds.to_npz(path))
    if kind.name == file_kinds.MATLAB_7:
        return refusal(path, f"is a MATLAB 7.3 file ({size}); the published ones are version 5", None,
                       f"save it again in MATLAB with `save -v7`. {FIX}")
    what = kind.described if kind.name else f"is not a known file of weights: it {kind.described}"
    return refusal(path, what, "MatConvNet's .mat, .npz and Keras' .h5 are read", f"{kind.fix} {FIX}".strip())
