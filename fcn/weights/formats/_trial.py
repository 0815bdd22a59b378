"""Parse an unknown file in a subprocess first, so that a file that crashes, hangs or fills memory only gives an error.

SciPy reads nested cells by recursion in C. Cells nested thousands deep overflow the stack, which no exception can
catch. After the subprocess succeeds, the file is read again in this process; that costs about 0.5 s for 575 MB in the
page cache.
"""

import os
import pathlib
import signal
import subprocess
import sys

SECONDS, BYTES_A_SECOND = 60, 20 << 20  # time limit: 60 s plus the time of a slow disk
STACK_BYTES = 2 << 20                   # a quarter of the usual size, so that this process has a margin
LIBRARIES_BYTES = 3 << 29               # upper bound of the address space of Python, NumPy, SciPy and h5py


def fault(kind, path, unpacked_bytes):
    """Return None if the file can be parsed, else one line with the reason. kind: "mat" or "h5".

    unpacked_bytes: size of its arrays; the subprocess may use three times as much, because parsers copy.
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
        return f"the parser crashed ({signal.Signals(-done.returncode).name}); the file is damaged or malicious"
    if done.returncode:
        last = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        return last[-1][:300]
    return None


def _limit(most_bytes):
    try:
        import resource
    except ImportError:  # Windows: the subprocess has no limits
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
