"""A file of published weights -> Weights, whatever kind it is: told by its first bytes and by what is in it.

The suffix counts for nothing. MatConvNet's .mat (SimpleNN and DagNN), .npz and Keras' .h5 are read; everything else is
refused by name, with what it is and what to do. weights/README.md lists the files.
"""

import pathlib

from fcn.formats import _mat, dagnn, keras_h5, npz, simplenn
from fcn.formats._weights import CURE, Weights, refusal

__all__ = ["Weights", "read"]

START_BYTES = 128
PICKLE = ("unpickling a download runs whatever its maker wrote into it, so it is never done here",
          "take the same network as .mat, .npz or .h5, or convert it to .npz where it cannot do harm. " + CURE)
# first bytes: what the file is, and what to do about it
FOREIGN = (
    (b"version https://git-lfs", "is a git-lfs pointer of {size}, not the file itself", None, "run `git lfs pull`."),
    (b"MATLAB 7.3", "is a MATLAB 7.3 file ({size}); the published ones are version 5", None,
     "save it again in MATLAB with `save -v7`. " + CURE),
    (b"\x93NUMPY", "is an .npy file ({size}); vgg16.npy and vgg19.npy are pickles", *PICKLE),
    (b"\x80\x02", "is a pickle ({size})", *PICKLE),
    (b"\x80\x03", "is a pickle ({size})", *PICKLE),
    (b"\x80\x04", "is a pickle ({size})", *PICKLE),
    (b"\x80\x05", "is a pickle ({size})", *PICKLE),
    (b"\x1f\x8b", "is packed with gzip ({size})", None, "unpack it first, with `gunzip` or `tar xzf`."),
    (b"BZh", "is packed with bzip2 ({size})", None, "unpack it first, with `bunzip2` or `tar xjf`."),
    (b"\xfd7zXZ", "is packed with xz ({size})", None, "unpack it first, with `unxz` or `tar xJf`."),
    (b"7z\xbc\xaf", "is packed with 7-Zip ({size})", None, "unpack it first."),
    (b"Rar!", "is packed with RAR ({size})", None, "unpack it first."),
)
WEB_PAGE = (b"<!doctype", b"<html", b"<head", b"<?xml")


def read(path):
    """The Weights in a file; of a bare VGG without fc6 and fc7 if the file ends at pool5.

    Raises WeightsError if the file is missing, of another kind, cut off or damaged, or if a layer is missing,
    misshapen or not finite.
    """
    path = pathlib.Path(path)
    try:
        with path.open("rb") as file:
            start = file.read(START_BYTES)
    except OSError as error:
        raise refusal(path, f"cannot be read: {error.strerror}") from None
    if start.startswith(b"MATLAB 5.0"):
        content = _mat.load(path)
        return (dagnn if "params" in content else simplenn).read(content, path)
    if start.startswith(b"PK\x03\x04") or start.startswith(b"PK\x05\x06"):
        return npz.read(path)
    if start.startswith(b"\x89HDF\r\n\x1a\n"):
        return keras_h5.read(path)
    raise _foreign(path, start)


def _foreign(path, start):
    size = f"{path.stat().st_size:,} bytes"
    for first, what, why, cure in FOREIGN:
        if start.startswith(first):
            return refusal(path, what.format(size=size), why, cure)
    if start.lstrip().lower().startswith(WEB_PAGE):
        return refusal(path, f"is a web page ({size}, starts with {start.lstrip()[:24]!r})",
                       "the server answered with it instead of the file")
    if not start:
        return refusal(path, "is empty (0 bytes)", "a download that failed looks like this")
    return refusal(path, f"is no file of weights that is known ({size}, starts with {start[:24]!r})",
                   "MatConvNet's .mat, .npz and Keras' .h5 are read")
