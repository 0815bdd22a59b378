"""Arrays out of an .npz that somebody else wrote: what each one claims to be is read first, and nothing is unpickled.

A zip of a megabyte can unpack to gigabytes. So the headers are read, of a few hundred bytes each, and whoever knows
what the arrays must be looks at shapes and dtypes before any of them is read.
"""

import contextlib
import dataclasses
import math
import zipfile

import numpy as np

MOST_MEMBERS = 1000
KINDS = "fiubU"  # of NumPy's dtypes: numbers and texts
HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class Refused(ValueError):
    """An array, or the whole file, claims what it cannot be."""


@dataclasses.dataclass(frozen=True)
class Array:
    """One array of an open file, not yet read."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    _archive: zipfile.ZipFile
    _entry: zipfile.ZipInfo

    @property
    def nbytes(self):
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self):
        """The array, read-only. Raises Refused if its bytes are not those that it claims, or would be unpickled."""
        if self.dtype.hasobject or self.dtype.kind not in KINDS:
            raise Refused(f"{self._entry.filename} holds {self.dtype}, not numbers or text; arrays of objects are "
                          "pickles, which run whatever their maker wrote into them")
        with self._archive.open(self._entry) as file:
            _header(file, self._entry.filename)
            content = file.read(self.nbytes) if 0 <= self.nbytes <= self._entry.file_size else b""
            if len(content) != self.nbytes or file.read(1):  # at its end the checksum is compared
                raise Refused(f"{self._entry.filename} claims {self.shape} of {self.dtype} and has "
                              f"{self._entry.file_size:,} bytes")
        return np.frombuffer(content, self.dtype).reshape(self.shape, order="F" if self.fortran else "C")


@contextlib.contextmanager
def opened(path, most_bytes):
    """({name: Array}, names of all files in it) of an .npz whose content takes at most `most_bytes`.

    Raises Refused if they claim more; OSError, zipfile.BadZipFile and what else zipfile raises on a damaged file.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        claimed = sum(entry.file_size for entry in entries)
        if len(entries) > MOST_MEMBERS or claimed > most_bytes:
            raise Refused(f"claims {len(entries)} arrays of {claimed:,} bytes in a file of "
                          f"{path.stat().st_size:,}; at most {MOST_MEMBERS} and {most_bytes:,} are read")
        yield {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in entries
               if entry.filename.endswith(".npy")}, archive.namelist()


def _array(archive, entry):
    with archive.open(entry) as file:
        shape, fortran, dtype = _header(file, entry.filename)
    return Array(entry.filename.removesuffix(".npy"), shape, dtype, fortran, archive, entry)


def _header(file, name):
    version = np.lib.format.read_magic(file)
    if version not in HEADER_READERS:
        raise Refused(f"{name} is of .npy version {version}; 1.0 and 2.0 are read")
    return HEADER_READERS[version](file)
