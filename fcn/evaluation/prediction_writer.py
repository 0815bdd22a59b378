"""What an evaluation writes for every image: predictions as label files, pictures, probabilities; and the server's zip.

KINDS are the values of --outputs; each is also the name of its folder, except the zip. BackgroundWorker is the thread
that writes them while the net predicts the next image.
"""

import argparse
import collections
import concurrent.futures
import contextlib
import io
import pathlib
import zipfile

import numpy as np

from fcn.core import atomic_io, errors, registry
from fcn.data import images, render

PREDICTIONS, COLOUR, OVERLAYS, PANELS, PROBABILITIES, ZIP = KINDS = (
    "predictions", "colour", "overlays", "panels", "probabilities", "zip")
USUAL = (PREDICTIONS, COLOUR, OVERLAYS, PANELS)


class PredictionWriter:
    """folder: where they go. spec: of the data set, whose encoding the predictions have. kinds: of KINDS.

    What cannot be written must not cost the numbers: `unwritten` lists (name of the image, OSError), and once the disk
    is full (`full`) nothing more is tried. Without numbers (photos without labels, needed=True) a full disk is raised
    at once.
    """

    def __init__(self, folder, spec, kinds, needed=False):
        self.folder, self.spec, self.kinds, self.needed = pathlib.Path(folder), spec, set(kinds), needed
        self.encoding = registry.load("label_formats", spec.encoding)
        if ZIP in self.kinds:
            self.kinds.add(PREDICTIONS)
        self.written: list[pathlib.Path] = []
        self.unwritten: list[tuple[str, OSError]] = []
        self.full = False

    def write(self, name, photo, label, prediction):
        """Write all of one image except probabilities. photo uint8 (h, w, 3); label (or None), prediction (h, w)."""
        with self._unless_full(name) as go_on:
            if go_on:
                self._write(name, photo, label, prediction)

    def _write(self, name, photo, label, prediction):
        palette = self.spec.palette()
        if PREDICTIONS in self.kinds:
            path = self._path(PREDICTIONS, name, self.encoding.SUFFIX)
            self.encoding.write(path, prediction, self.spec)
            self.written.append(path)
        if COLOUR in self.kinds:
            images.write_png(self._path(COLOUR, name, ".png"), render.colour(prediction, palette))
        if OVERLAYS in self.kinds:
            images.write_jpeg(self._path(OVERLAYS, name, ".jpg"), render.overlay(photo, prediction, palette))
        if PANELS in self.kinds:
            images.write_jpeg(self._path(PANELS, name, ".jpg"), render.panel(photo, label, prediction, self.spec))

    @contextlib.contextmanager
    def probabilities(self, name, height, width, num_classes):
        """A function of (top, float32 (rows, width, C)) that fills probabilities/<name>.npy, float16 (h, w, C); None
        if they are not asked for. Rows are written as they come, top to bottom, and never in memory as a whole.
        """
        if PROBABILITIES not in self.kinds or self.full:
            yield None
            return
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"shape": (height, width, num_classes), "descr": "<f2",
                                                      "fortran_order": False})
        with contextlib.ExitStack() as stack:
            file, end = None, 0  # of what is written; None where nothing more is tried
            with self._unless_full(name):
                file = stack.enter_context(atomic_io.NewFile(self._path(PROBABILITIES, name, ".npy")))

            def append(data):
                nonlocal file, end
                with self._unless_full(name) as go_on:
                    written, file = file if go_on else None, None
                    if written:
                        atomic_io.write_at(written.handle, data, end)
                        file, end = written, end + memoryview(data).nbytes
            append(header.getvalue())
            yield lambda top, rows: append(np.ascontiguousarray(rows, "<f2"))
            with self._unless_full(name) as go_on:
                if go_on and file:
                    file.commit(sync=False)

    @contextlib.contextmanager
    def _unless_full(self, name):
        try:
            yield not self.full
        except OSError as error:
            self.full |= error.errno in atomic_io.FULL
            self.unwritten.append((name, error))
            if self.full and self.needed:
                raise

    def finish(self):
        """predictions.zip, if it is asked for: the files alone, without folders."""
        path = self.folder / "predictions.zip"
        with self._unless_full(path.name) as go_on:
            if go_on and ZIP in self.kinds and not self.unwritten:
                with atomic_io.NewFile(path) as aside:
                    with aside.opened() as file, zipfile.ZipFile(file, "w") as archive:  # PNGs are compressed already
                        for prediction in self.written:
                            archive.write(prediction, prediction.relative_to(self.folder / PREDICTIONS))
                    aside.commit(sync=False)

    def complain(self, where):
        """Raise MachineError if not everything could be written for every image. where: the folder of the results."""
        if not self.unwritten:
            return
        name, error = self.unwritten[0]
        others = f", nor {len(self.unwritten) - 1} more" if len(self.unwritten) > 1 else ""
        raise errors.MachineError(
            f"'{name}' could not be written{', nor anything after it' if self.full else others}: {error.strerror}",
            where=where, fix="free space, and give the same command again; or ask for fewer --outputs."
            if self.full else "give another --out, or rename the image.")

    def _path(self, kind, name, suffix):
        path = self.folder / kind / f"{name}{suffix}"  # the name of a photo in a sub-folder has that in it
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def refuse_zip(kinds, spec):
    """Raise UsageError if a zip for the ADE20K server is asked for and the labels have no encoding that it takes."""
    if ZIP in kinds and not registry.load("label_formats", spec.encoding).WRITES_ID_PNG:
        raise errors.UsageError(f"the ADE20K server takes one-channel PNGs of ids, and these labels are encoded as "
                                f"'{spec.encoding}'", fix="leave zip out of --outputs.")


def parse_outputs(text):
    """--outputs: a tuple of KINDS, of "predictions,panels", "all" (but the zip) or "none"."""
    if text in ("none", "all"):
        return KINDS[:-1] if text == "all" else ()
    kinds = tuple(word.strip() for word in text.split(","))
    unknown = [word for word in kinds if word not in KINDS]
    if unknown:
        raise argparse.ArgumentTypeError(f"'{unknown[0]}' is none of {', '.join(KINDS)}, all, none")
    return kinds


class BackgroundWorker:
    """Context manager: submit() returns at once unless `depth` calls are still waiting.

    What a call raises comes up at a later submit, or at the end; no call is made after it.
    """

    def __init__(self, depth=4):
        self.pool, self.depth = concurrent.futures.ThreadPoolExecutor(1), depth
        self.waiting: collections.deque = collections.deque()
        self.failed = False

    def submit(self, function, *arguments):
        while len(self.waiting) >= self.depth or (self.waiting and self.waiting[0].done()):
            self.waiting.popleft().result()
        self.waiting.append(self.pool.submit(self._call, function, arguments))

    def _call(self, function, arguments):
        if self.failed:
            return
        try:
            function(*arguments)
        except BaseException:
            self.failed = True
            raise

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            while self.waiting and kind is None:
                self.waiting.popleft().result()
        finally:
            self.pool.shutdown(cancel_futures=True)
