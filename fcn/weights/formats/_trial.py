"""Parse an unknown file in another process first: one that crashes or hangs a parser, or fills the memory, is told so.

SciPy follows nested cells by recursion in C and is killed by the system when they are some thousand deep; nothing in
the same process could catch that. The other process only says that it came through; the file is then read again
here, which costs about half a second more than trusting it (575 MB, page cache warm).
"""

import os
import pathlib
import signal
import subprocess
import sys

SECONDS, BYTES_A_SECOND = 60, 20 << 20  # a slow disk is waited for
STACK_BYTES = 2 << 20                   # a quarter of the usual, so that what passes there has room to spare here
LIBRARIES_BYTES = 3 << 29               # address space of Python, NumPy, SciPy and h5py, generously


def fault(kind, path, unpacked_bytes):
    """None if `kind` ("mat" or "h5") of file can be parsed, else a line that says what happened.

    unpacked_bytes: what its arrays take; three times that is allowed, for parsers copy.
    """
    most = LIBRARIES_BYTES + 3 * unpacked_bytes
    root = str(pathlib.Path(__file__).parents[3])
    path_there = os.pathsep.join([root, *filter(None, [os.environ.get("PYTHONPATH")])])
    command = [sys.executable, "-m", "fcn.weights.formats._trial", kind, str(pathlib.Path(path).absolute()), str(most)]
    seconds = SECONDS + unpacked_bytes // BYTES_A_SECOND
    try:
        done = subprocess.run(command, capture_output=True, timeout=seconds, stdin=subprocess.DEVNULL, cwd=root,
                              env=os.environ | {"PYTHONPATH": path_there, "OPENBLAS_NUM_THREADS": "1"})
    except subprocess.TimeoutExpired:
        return f"reading it takes more than {seconds} s"
    if done.returncode < 0:
        return f"reading it crashes the reader ({signal.Signals(-done.returncode).name}): it is damaged, or made to"
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        return last[-1][:300]
    return None


def _limit(most_bytes):
    try:
        import resource
    except ImportError:  # not on Windows: there the file is parsed without limits, still in a process of its own
        return
    for limit, most in ((resource.RLIMIT_AS, most_bytes), (resource.RLIMIT_STACK, STACK_BYTES),
                        (resource.RLIMIT_CORE, 0)):
        hard = resource.getrlimit(limit)[1]
        resource.setrlimit(limit, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


def _parse(kind, path):
    if kind == "mat":
        import scipy.io
        scipy.io.loadmat(path)
        return
    import h5py

    def read(_, thing):
        if isinstance(thing, h5py.Dataset) and thing.dtype.kind == "f":
            thing[()]
    with h5py.File(path, "r") as file:
        file.visititems(read)


if __name__ == "__main__":
    _limit(int(sys.argv[3]))
    try:
        _parse(*sys.argv[1:3])
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}".replace("\n", " "))
