"""A trained net in memory: load it, predict images, evaluate it on a data set, export it."""

import contextlib
import dataclasses
import os

import numpy as np

from fcn.api import scores
from fcn.api.arguments import path_of, scales_of, size_of, threshold_of
from fcn.config import parsers, training_config
from fcn.core import errors, registry
from fcn.data import dataset, images
from fcn.evaluation import image_sources, model_source, tiling
from fcn.evaluation.inference_config import InferenceConfig
from fcn.evaluation.prediction_writer import PredictionWriter
from fcn.metrics import protocols, thresholds
from fcn.models import components
from fcn.models.architecture import Architecture
from fcn.reporting.gallery import Gallery
from fcn.runs import checkpoint_choice
from fcn.training import start
from fcn.weights import transfer

AS_TRAINED = "as trained"


def load(path, checkpoint=checkpoint_choice.BEST, *, precision=None):
    """Load a trained net with its weights.

    Parameters
    ----------
    path : str or pathlib.Path
        A run's folder, the folder of one checkpoint in it, or a whole FCN in a file (MatConvNet .mat, .npz).
    checkpoint : str or pathlib.Path
        Of a run: "best" (best validation score, --best-by), "latest", or the folder of a checkpoint.
    precision : str, optional
        Arithmetic of the convolutions, "float32", "bfloat16", "float16", or "auto": bfloat16 on a processor that has
        instructions for it, else float32. By default that of the training, float32 for a file.

    Returns
    -------
    Model

    Raises
    ------
    fcn.errors.UsageError, fcn.errors.WeightsError
        If `path` is neither, or its files are damaged, or hold a VGG without score layers.
    """
    path = path_of("path", path)
    changed = {} if precision is None else {"precision": training_config.parsed("precision", precision)}
    if checkpoint not in (checkpoint_choice.BEST, checkpoint_choice.LATEST):
        checkpoint = path_of("checkpoint", checkpoint)
    if path.is_dir():
        found = model_source.from_run(path, checkpoint)
    elif not path.exists():
        raise errors.UsageError("there is no such file or folder", where=path,
                                fix="give a run's folder, or a file with a whole FCN.")
    elif checkpoint != checkpoint_choice.BEST:
        raise errors.UsageError("is a file: checkpoint= is for the folder of a run", where=path,
                                fix="leave out checkpoint.")
    else:
        found = model_source.from_file(path)
    settings = dataclasses.replace(found.settings, **changed, plugins=registry.folders())
    return Model(dataclasses.replace(found, settings=start.with_precision(settings)))


class Model(contextlib.AbstractContextManager):
    """A trained net with its weights in memory, made by fcn.load().

    It owns a graph and a session: it works beside eager TensorFlow and beside other models, and several threads may
    use it. `with` or close() frees its memory.

    Attributes
    ----------
    net : str
        Name of the net, such as "fcn8s_atonce".
    class_names : tuple of str
        Name of each class id.
    num_classes : int
        Number of class ids: predictions are below it.
    palette : numpy.ndarray
        (num_classes, 3) uint8 RGB; palette[ids] is a picture of a prediction.
    channels : int
        Of the images that the net takes; 3 is RGB.
    input_size : tuple of int or None
        (height, width) px to which images are resized; None: they keep their size.
    source : str
        The checkpoint's folder or the file that the weights came from.
    """

    def __init__(self, evaluated):
        from fcn.evaluation.loaded_net import LoadedNet  # it imports TensorFlow
        self._evaluated = evaluated
        self.net, self.num_classes = evaluated.model["net"], evaluated.model["num_classes"]
        self.class_names = tuple(transfer.channel_names(evaluated.spec.class_names, self.num_classes))
        self.palette = np.array(evaluated.spec.palette()[:self.num_classes], np.uint8)
        self.channels = evaluated.spec.channels
        self.input_size, self.source = evaluated.settings.size, evaluated.source
        self._loaded = LoadedNet(evaluated)

    def predict(self, image, *, probabilities=False, size=AS_TRAINED, tile=None, scales=(1.0,), flip=False,
                threshold=None):
        """Predict the class of each pixel of an image.

        Parameters
        ----------
        image : str, pathlib.Path or numpy.ndarray
            An image file (turned upright as its EXIF data say), or an array (H, W, 3) uint8 RGB, 0 to 255. A net
            that was trained with another number of channels C takes (H, W, C).
        probabilities : bool
            Return the probability of each class instead of class ids.
        size : int, (int, int) or None
            Height and width px of the network's input; None: the image's own size. By default input_size.
        tile : int or (int, int), optional
            Predict in overlapping tiles of so many px (multiples of 32), for images that do not fit into memory.
        scales : sequence of float
            Predict at these multiples of the size, and take the mean of the logits.
        flip : bool
            Predict the mirrored image too, and take the mean of the logits.
        threshold : float, optional
            Of two classes, predict the foreground (the larger id) where its probability is at least this, 0.005 to
            0.995 in steps of 0.005; by default the class with the larger score.

        Returns
        -------
        numpy.ndarray
            (H, W) uint8 class ids, uint16 for more than 256 classes; with `probabilities` (H, W, num_classes) float32,
            which add up to 1 at each pixel. Ids that scores ignore are never predicted.

        Raises
        ------
        fcn.errors.DataError
            If the file cannot be read.
        fcn.errors.UsageError
            If the array or an option is invalid.
        fcn.errors.MachineError
            If the image needs more memory than there is.
        """
        config = self.config(size=size, tile=tile, scales=scales, flip=flip,
                             enlarge="scores" if probabilities else "labels", threshold=threshold)
        photo, network_input = self._read(image, config.size)
        with self._loaded.predictor(config) as predictor:
            if not probabilities:
                (ids, _), _ = predictor.predict(photo, network_input)
                return ids
            found = np.empty((*photo.shape[:2], self.num_classes), np.float32)

            def keep(top, rows):
                found[top:top + len(rows)] = rows
            predictor.predict(photo, network_input, keep)
            return found

    def evaluate(self, data=None, split="validation", *, size=AS_TRAINED, tile=None, scales=(1.0,), flip=False,
                 threshold=None, **data_settings):
        """Score the model on a split of a data set.

        Parameters
        ----------
        data : str or pathlib.Path, optional
            Folder of the data set; by default the one that the run was trained on.
        split : str
            "training" or "validation", or another split of the layout.
        size, tile, scales, flip, threshold
            As in predict().
        **data_settings
            skip_bad and max_pixels; for a model from a file also layout, classes, ignore_label, label_encoding,
            mask_threshold (fcn.Config explains them). A run reads labels as in its training.

        Returns
        -------
        Scores

        Raises
        ------
        fcn.errors.DataError
            If images or labels cannot be used, or no pixel is labelled.
        """
        config = self.config(size=size, tile=tile, scales=scales, flip=flip, threshold=threshold)
        self._loaded.check_open()
        if not isinstance(split, str) or not split:
            raise errors.UsageError(f"split={split!r}: expected a name", fix="give split='validation'.")
        data = None if data is None else path_of("data", data)
        evaluated = model_source.for_data(self._evaluated, data, data_settings)
        protocols.check(self.num_classes, evaluated.spec.ignored_ids)
        good, left_out = dataset.to_evaluate(evaluated.settings, evaluated.spec, split, evaluated.run)
        from fcn.evaluation import runner
        gallery, no_files = Gallery(evaluated.spec), PredictionWriter(".", evaluated.spec, ())
        scored = runner.run_evaluation(self._loaded, image_sources.from_pairs(good), evaluated, config, no_files,
                                       gallery)
        return scores.of(evaluated, scored, gallery, config, split, left_out + scored.left_out)

    def export(self, path):
        """Write the net into a file that other programs read, verified against this model.

        Parameters
        ----------
        path : str or pathlib.Path
            A new file or folder. The suffix says the format: none for a SavedModel, .pb, .tflite, .onnx, .npz, .mat.

        Returns
        -------
        pathlib.Path
            The path.

        Raises
        ------
        fcn.errors.UsageError
            If the path is taken, the format unknown, or the model came from a file and not from a run.
        """
        from fcn.export import writer
        self._loaded.check_open()
        if self._evaluated.run is None:
            raise errors.UsageError("was loaded from a file; only checkpoints of runs are exported", where=self.source,
                                    fix="train a run from it (weights=...) and export that.")
        path = path_of("path", path)
        name = writer.format_of(path)
        chosen = checkpoint_choice.choose(self._evaluated.run, self._evaluated.checkpoint)
        writer.export(chosen, path, name)
        return path

    def close(self):
        """Free the memory of the net. The model cannot be used afterwards."""
        self._loaded.close()

    def __exit__(self, *_):
        self.close()

    def __repr__(self):
        return f"Model({self.source!r}, net={self.net!r}, num_classes={self.num_classes})"

    def config(self, *, size=AS_TRAINED, tile=None, scales=(1.0,), flip=False, enlarge="labels",
               threshold=None):
        """The InferenceConfig of these arguments, see predict(). Raises UsageError."""
        size = self.input_size if isinstance(size, str) and size == AS_TRAINED else size_of("size", size)
        tile = size_of("tile", tile, parsers.parse_crop)
        if tile is not None:
            tiling.check_strides(components.common_stride(Architecture.from_dict(self._evaluated.model)), self.net)
        threshold = threshold_of(threshold)
        thresholds.check(threshold, self.num_classes, self._evaluated.policy.ignored_in_scores)
        return InferenceConfig(size, tile, 0.5, "mean", scales_of(scales), bool(flip), enlarge, threshold)

    def _read(self, image, size):
        """(image, network input), uint8 (h, w, channels) each, of a file or an array."""
        if isinstance(image, str | os.PathLike):
            path = path_of("image", image)
            found = image_sources.read_sample(image_sources.Source("image", path), self._evaluated.spec,
                                              size, self._evaluated.settings.max_pixels)
            return found.photo, found.network_input
        try:
            array = np.asarray(image)
        except ValueError as error:  # a list of rows of unequal lengths
            raise errors.UsageError(f"invalid image: {error}", fix=_image_fix(np.empty(0), 3)) from None
        if array.ndim != 3 or array.shape[2] != self.channels or array.dtype != np.uint8 or not array.size:
            raise errors.UsageError(f"invalid image: array of shape {array.shape} and type {array.dtype}, expected "
                                    f"(height, width, {self.channels}) of uint8, {'RGB, ' * (self.channels == 3)}0 to "
                                    "255", fix=_image_fix(array, self.channels))
        return array, array if size is None else images.resize_image(array, size)


def _image_fix(array, channels):
    """How this array becomes an image of so many channels."""
    if array.ndim == 4:
        return "predict one image at a time: [model.predict(image) for image in images]."
    if channels != 3 and array.dtype == np.uint8 and array.size:
        return "image[..., None] has one channel." if (array.ndim, channels) == (2, 1) else (
            f"give an image of the {channels} channels that the net was trained with.")
    if array.ndim == 2:
        return "numpy.stack([image] * 3, axis=-1) makes an RGB image of a grey one."
    if array.ndim == 3 and array.shape[2] == 4:
        return "image[..., :3] leaves out the transparency."
    if array.ndim == 3 and array.dtype.kind == "f":
        scaled = "image" if array.max() > 1 else "(255 * image)"
        return f"{scaled}.round().astype('uint8') converts it."
    return "give the path of an image file, or an array that imageio.v3.imread has read."

