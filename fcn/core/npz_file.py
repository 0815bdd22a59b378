"""Read arrays from an untrusted .npz file. Nothing is unpickled.

A zip file of a megabyte can unpack to gigabytes. `open_npz` reads only the headers, of a few hundred bytes each. The
caller checks shapes and dtypes before it reads an array.
"""

import contextlib
import dataclasses
import math
import zipfile

import numpy as np

MOST_MEMBERS = 1000
KINDS = "fiubU"  # dtype.kind of the arrays that are read: numbers and texts
HEADER_READERS = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}


class Refused(ValueError):
    """The header of an array or of the file is not acceptable."""


@dataclasses.dataclass(frozen=True)
class Array:
    """The header of one array in an open file."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    _archive: zipfile.ZipFile
    _entry: zipfile.ZipInfo

    @property
    def nbytes(self):
        """Size of the array in bytes, from its header."""
        return math.prod(self.shape) * self.dtype.itemsize

    def read(self):
        """The array, read-only. Raises Refused if its size differs from the header, or if it is a pickle."""
        if self.dtype.hasobject or self.dtype.kind not in KINDS:
            raise Refused(f"{self._entry.filename} holds {self.dtype}, expected numbers or text; arrays of objects are "
                          "pickles, which can run any code")
        with self._archive.open(self._entry) as file:
            header(file, self._entry.filename)
            content = file.read(self.nbytes) if 0 <= self.nbytes <= self._entry.file_size else b""
            if len(content) != self.nbytes or file.read(1):  # zipfile compares the checksum at the end of the file
                raise Refused(f"{self._entry.filename} claims {self.shape} of {self.dtype}, but has "
                              f"{self._entry.file_size:,} bytes")
        return np.frombuffer(content, self.dtype).reshape(self.shape, order="F" if self.fortran else "C")


@contextlib.contextmanager
def open_npz(path, most_bytes):
    """Yield ({name: Array}, names of all members) of an .npz file.

    most_bytes: limit of the unpacked size. Raises Refused above the limit; OSError, zipfile.BadZipFile and the other
    exceptions of zipfile for a damaged file.
    """
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        claimed = sum(entry.file_size for entry in entries)
        if len(entries) > MOST_MEMBERS or claimed > most_bytes:
            raise Refused(f"claims {len(entries)} arrays of {claimed:,} bytes, in a file of "
                          f"{path.stat().st_size:,}; the limits are {MOST_MEMBERS} arrays and {most_bytes:,} bytes")
        yield {entry.filename.removesuffix(".npy"): _array(archive, entry) for entry in entries
               if entry.filename.endswith(".npy")}, archive.namelist()


def _array(archive, entry):
    with archive.open(entry) as file:
        shape, fortran, dtype = header(file, entry.filename)
    return Array(entry.filename.removesuffix(".npy"), shape, dtype, fortran, archive, entry)


def header(file, name):
    """(shape, is in Fortran order, dtype) of an open .npy file. Raises ValueError and others for a damaged one."""
    version = np.lib.format.read_magic(file)
    if version not in HEADER_READERS:
        raise Refused(f"{name} has .npy version {version}; versions 1.0 and 2.0 are read")
    return HEADER_READERS[version](file)
