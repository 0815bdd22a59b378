"""What an evaluation writes for every image: predictions as label files, pictures, probabilities; and the server's zip.

`KINDS` are the words of --outputs, and but for the zip the names of the folders.
"""

import argparse
import contextlib
import pathlib
import zipfile

import numpy as np

from fcn import errors, images, pictures, shelf

PREDICTIONS, COLOUR, OVERLAYS, PANELS, PROBABILITIES, ZIP = KINDS = (
    "predictions", "colour", "overlays", "panels", "probabilities", "zip")
ID_PNGS = ("ids", "ade20k_full")  # encodings that write the PNGs of ids which the server takes
USUAL = (PREDICTIONS, COLOUR, OVERLAYS, PANELS)


class Outputs:
    """kinds: of KINDS. folder: where they go. spec: of the data set, whose encoding the predictions have."""

    def __init__(self, folder, spec, kinds):
        self.folder, self.spec, self.kinds = pathlib.Path(folder), spec, set(kinds)
        self.encoding = shelf.pick("encodings", spec.encoding)
        if ZIP in self.kinds:
            self.kinds.add(PREDICTIONS)
            if spec.encoding not in ID_PNGS:
                raise errors.UsageError("the ADE20K server takes one-channel PNGs of ids, and these labels are encoded "
                                        f"as '{spec.encoding}'", cure="leave zip out of --outputs.")
        self.written: list[pathlib.Path] = []

    def write(self, name, photo, label, prediction):
        """Everything of one image but its probabilities. photo uint8 (h, w, 3); label (or None), prediction (h, w)."""
        palette = self.spec.palette()
        if PREDICTIONS in self.kinds:
            path = self._path(PREDICTIONS, name, self.encoding.SUFFIX)
            self.encoding.write(path, prediction, self.spec)
            self.written.append(path)
        if COLOUR in self.kinds:
            images.write_png(self._path(COLOUR, name, ".png"), pictures.colour(prediction, palette))
        if OVERLAYS in self.kinds:
            images.write_jpeg(self._path(OVERLAYS, name, ".jpg"), pictures.overlay(photo, prediction, palette))
        if PANELS in self.kinds:
            images.write_jpeg(self._path(PANELS, name, ".jpg"), pictures.panel(photo, label, prediction, self.spec))

    @contextlib.contextmanager
    def probabilities(self, name, height, width, num_classes):
        """A function of (top, float32 (rows, width, C)) that fills probabilities/<name>.npy, float16 (h, w, C); None
        if they are not asked for. Rows are written as they come, top to bottom, and never in memory as a whole.
        """
        if PROBABILITIES not in self.kinds:
            yield None
            return
        path = self._path(PROBABILITIES, name, ".npy")
        aside = path.with_name(f".{path.name}.tmp")
        with aside.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"shape": (height, width, num_classes), "descr": "<f2",
                                                        "fortran_order": False})
            yield lambda top, rows: file.write(np.ascontiguousarray(rows, "<f2"))
        aside.replace(path)

    def finish(self):
        """predictions.zip, if it is asked for: the files alone, without folders."""
        if ZIP not in self.kinds:
            return
        path, aside = self.folder / "predictions.zip", self.folder / ".predictions.zip.tmp"
        with zipfile.ZipFile(aside, "w") as archive:  # PNGs are compressed already
            for file in self.written:
                archive.write(file, file.name)
        aside.replace(path)

    def _path(self, kind, name, suffix):
        folder = self.folder / kind
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}{suffix}"


def parse(text):
    """--outputs: a tuple of KINDS, of "predictions,panels", "all" (but the zip) or "none"."""
    if text in ("none", "all"):
        return KINDS[:-1] if text == "all" else ()
    kinds = tuple(word.strip() for word in text.split(","))
    unknown = [word for word in kinds if word not in KINDS]
    if unknown:
        raise argparse.ArgumentTypeError(f"'{unknown[0]}' is none of {', '.join(KINDS)}, all, none")
    return kinds
