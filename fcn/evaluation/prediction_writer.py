"""Output files for every image: predictions as label files, pictures, probabilities, and a zip for the ADE20K server.

KINDS are the values of --outputs and, except for the zip, the names of the folders. BackgroundWorker writes in threads
while the net predicts the next images.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import io
import pathlib
import zipfile

import numpy as np

from fcn.config import parsers
from fcn.core import atomic_io, errors, registry
from fcn.data import images, render, video
from fcn.evaluation import read_ahead
from fcn.metrics import label_flags

PREDICTIONS, COLOUR, OVERLAYS, PANELS, ERRORS, PROBABILITIES, ZIP = KINDS = (
    "predictions", "colour", "overlays", "panels", "errors", "probabilities", "zip")
USUAL = (PREDICTIONS, COLOUR, OVERLAYS, PANELS, ERRORS)  # ERRORS are written for labels with boundary pixels
USUAL_OF_VIDEOS = (PREDICTIONS, OVERLAYS)


@dataclasses.dataclass
class Outcome:
    """Of writing one image: paths of its label files, and the OSError that ended it, if any."""

    name: str
    written: list[pathlib.Path] = dataclasses.field(default_factory=list)
    error: OSError | None = None


class PredictionWriter(contextlib.AbstractContextManager):
    """Writes the output files of images.

    folder: output folder. spec: DatasetSpec; predictions have its prediction_format. kinds: subset of KINDS. needed:
    raise OSError at once if the disk is full (for photos without labels, which have no scores). Otherwise, files that
    cannot be written do not end the evaluation: `unwritten` lists (name of the image, OSError), and after the disk is
    full (`full`) nothing more is written.
    """

    def __init__(self, folder, spec, kinds, needed=False):
        self.folder, self.spec, self.kinds, self.needed = pathlib.Path(folder), spec, set(kinds), needed
        self.encoding = registry.load("label_formats", spec.prediction_format)
        self.palette = np.array(spec.palette(), np.uint8)
        if ZIP in self.kinds:
            self.kinds.add(PREDICTIONS)
        self.written: list[pathlib.Path] = []
        self.unwritten: list[tuple[str, OSError]] = []
        self.full = False
        self._open_videos: dict[str, video.Writer] = {}  # at most one

    def write(self, name, photo, label, prediction, boundary=None, fps=""):
        """Write all files except probabilities. photo: uint8 (h, w, 3). label (or None), prediction: uint8 (h, w).

        boundary: bool (h, w), boundary pixels of a label of flags; None for other labels. fps: frame rate, for a frame
        of a video, whose name is VIDEO/NUMBER. Overlays of frames become VIDEO.mp4.
        """
        self.note(self.attempt(name, photo, label, prediction, boundary, fps))

    def attempt(self, name, photo, label, prediction, boundary=None, fps=""):
        """Write the files of an image, as write() does; for note(). Several threads may call it, except for frames."""
        outcome = Outcome(name)
        try:
            if not self.full:
                self._write(outcome, photo, label, prediction, fps)
                if ERRORS in self.kinds and boundary is not None:
                    picture = render.colour(label_flags.errors(label, boundary, prediction), label_flags.PALETTE)
                    images.write_png(self._path(ERRORS, name, ".png"), picture)
        except OSError as error:
            self.full |= error.errno in atomic_io.FULL
            outcome.error = error
        return outcome

    def note(self, outcome):
        """Note what attempt() returned, in the order of the images. Raises OSError if the disk is full, if `needed`."""
        self.written += outcome.written
        if outcome.error:
            with self._unless_full(outcome.name):
                raise outcome.error

    def _write(self, outcome, photo, label, prediction, fps):
        name, palette = outcome.name, self.palette
        if PREDICTIONS in self.kinds:
            path = self._path(PREDICTIONS, name, self.encoding.SUFFIX)
            self.encoding.write(path, prediction, self.spec)
            outcome.written.append(path)
        if COLOUR in self.kinds:
            images.write_png(self._path(COLOUR, name, ".png"), render.colour(prediction, palette))
        if OVERLAYS in self.kinds and fps:
            self._video(name.rpartition("/")[0], fps).write(render.overlay(photo, prediction, palette))
        elif OVERLAYS in self.kinds:
            images.write_jpeg(self._path(OVERLAYS, name, ".jpg"), render.overlay(photo, prediction, palette))
        if PANELS in self.kinds:
            images.write_jpeg(self._path(PANELS, name, ".jpg"), render.panel(photo, label, prediction, self.spec))

    def _video(self, name, fps):
        """Return the video.Writer of an overlay video, after finishing that of the video before."""
        if name not in self._open_videos:
            self._close_video()
            self._open_videos[name] = video.Writer(self._path(OVERLAYS, name, ".mp4"), fps)
        return self._open_videos[name]

    def _close_video(self):
        while self._open_videos:
            self._open_videos.popitem()[1].close()

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self._close_video()

    @contextlib.contextmanager
    def probabilities(self, name, height, width, num_classes):
        """Open probabilities/<name>.npy, float16 (h, w, C), for writing row by row.

        Yields a function (top, float32 (rows, width, C)), to be called from top to bottom, or None if probabilities
        were not requested. The array is never held in memory as a whole.
        """
        if PROBABILITIES not in self.kinds or self.full:
            yield None
            return
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(header, {"shape": (height, width, num_classes), "descr": "<f2",
                                                      "fortran_order": False})
        with contextlib.ExitStack() as stack:
            file, end = None, 0  # file is None after a failure; end: bytes written so far
            with self._unless_full(name):
                file = stack.enter_context(atomic_io.NewFile(self._path(PROBABILITIES, name, ".npy")))

            def append(data):
                nonlocal file, end
                with self._unless_full(name) as has_space:
                    written, file = file if has_space else None, None
                    if written:
                        atomic_io.write_at(written.handle, data, end)
                        file, end = written, end + memoryview(data).nbytes
            append(header.getvalue())
            yield lambda top, rows: append(np.ascontiguousarray(rows, "<f2"))
            with self._unless_full(name) as has_space:
                if has_space and file:
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

    def finish_video(self):
        """Complete the overlay video that is being written, if there is one."""
        with self._unless_full(", ".join(self._open_videos)):
            self._close_video()

    def finish(self):
        """Complete the overlay video. Write predictions.zip if requested: the prediction files without their folder."""
        self.finish_video()
        path = self.folder / "predictions.zip"
        with self._unless_full(path.name) as has_space:
            if has_space and ZIP in self.kinds and not self.unwritten:
                with atomic_io.NewFile(path) as aside:
                    with aside.opened() as file, zipfile.ZipFile(file, "w") as archive:  # PNGs are compressed already
                        for prediction in sorted(self.written):
                            archive.write(prediction, prediction.relative_to(self.folder / PREDICTIONS))
                    aside.commit(sync=False)

    def complain(self, where):
        """Raise MachineError if any file could not be written. where: folder of the results, for the message."""
        if not self.unwritten:
            return
        name, error = self.unwritten[0]
        others = f" and {len(self.unwritten) - 1} more" if len(self.unwritten) > 1 else ""
        raise errors.MachineError(
            f"'{name}'{' and all later files' if self.full else others} could not be written: {error.strerror}",
            where=where, fix="free space and run the same command again, or request fewer --outputs."
            if self.full else "give another --out, or rename the image.")

    def _path(self, kind, name, suffix):
        path = self.folder / kind / f"{name}{suffix}"  # name may contain subfolders
        path.parent.mkdir(parents=True, exist_ok=True)
        return path


def refuse_zip(kinds, spec):
    """Raise UsageError if a zip is requested for a label format that the ADE20K server does not accept."""
    if ZIP in kinds and not registry.load("label_formats", spec.prediction_format).WRITES_ID_PNG:
        raise errors.UsageError(f"the ADE20K server expects one-channel PNGs of ids; these labels have the format "
                                f"'{spec.encoding}'", fix="remove zip from --outputs.")


def parse_outputs(text):
    """Parse --outputs, such as "predictions,panels", "all" (without the zip) or "none", to a tuple of KINDS."""
    if text in ("none", "all"):
        return KINDS[:-1] if text == "all" else ()
    kinds = tuple(word.strip() for word in text.split(","))
    for word in kinds:
        parsers.check_name(word, [*KINDS, "all", "none"], "output")
    return kinds


class BackgroundWorker:
    """Runs calls in threads. Context manager; submit() blocks while there is no room for another call.

    depth: calls that wait or run; read_ahead.MANY while they hold few pixels. count: number of threads; 1 runs calls in
    order. then: function of each result, called in the order of the calls by the thread that submits.
    An exception of a call or of `then` is raised by a later submit() or at the end; calls after it are skipped.
    """

    def __init__(self, depth=4, count=1, then=None):
        self.pool, self.depth, self.then = concurrent.futures.ThreadPoolExecutor(count), depth, then
        self.waiting: collections.deque = collections.deque()
        self.failed, self.pixels = False, 0

    def submit(self, function, *arguments, pixels=read_ahead.PIXELS):
        """Run a function in a thread. Waits while the queue is full; raises what an earlier call raised.

        pixels: number of those that the arguments hold.
        """
        while self.waiting and (self.waiting[0][0].done() or not self._has_room()):
            self._finish_first()
        self.pixels += pixels
        self.waiting.append((self.pool.submit(self._call, function, arguments), pixels))

    def _has_room(self):
        return len(self.waiting) < self.depth or (
            len(self.waiting) < read_ahead.MANY and self.pixels < read_ahead.PIXELS)

    def _finish_first(self):
        future, pixels = self.waiting.popleft()
        self.pixels -= pixels
        result = future.result()
        if self.then and not self.failed:
            self._call(self.then, (result,))

    def _call(self, function, arguments):
        if self.failed:
            return None
        try:
            return function(*arguments)
        except BaseException:
            self.failed = True
            raise

    def __enter__(self):
        return self

    def finish(self):
        """Wait until all calls are done. Raises what one of them raised."""
        while self.waiting:
            self._finish_first()

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                self.finish()
        finally:
            self.pool.shutdown(cancel_futures=True)
