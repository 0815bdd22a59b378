"""Every setting of a training run, once: flags and TOML keys are derived from the fields of Config.

Precedence: flag > --config file > --recipe > the run's own settings > default. Only the commands, and modules that
explain or record settings, read this file; all others take plain arguments.
"""

import argparse
import dataclasses
import os

import numpy as np

from fcn.config import checks, loss_terms, old_settings, selection, settings_file, variants
from fcn.config.parsers import (
    FIX,
    MAX_PIXELS,
    MOST,
    between,
    count,
    counted_from_0,
    fraction,
    optional,
    parse_augmentations,
    parse_crop,
    parse_factors,
    parse_folders,
    parse_freeze,
    parse_ids,
    parse_interval,
    parse_mean,
    parse_size,
    positive,
    real,
)
from fcn.config.setting import setting, variant
from fcn.core import errors, registry
from fcn.data import augment
from fcn.data.spec import size_of, stored_size

NO_WEIGHTS = "none"  # --weights none: a net trained from scratch
PRECISIONS = ("float32", "bfloat16", "float16")
AUTO = "auto"  # --precision auto: the faster of float32 and bfloat16


@dataclasses.dataclass(frozen=True)
class Config:
    """All settings of a training run: one field is one setting, in the order of the groups.

    Fields: group, default, name of the value, help text, parser; is_common: shown by --help.
    """

    data: str = setting("data", "", "DIR", "folder of the data set", is_common=True)
    layout: str = setting("data", "auto", "NAME", "folder structure of the data set, auto to detect it",
                          is_common=True, kind="layouts", choices=("auto",))
    images: str = setting("data", "", "PATTERN", "where the images are in --data, such as 'photos/{split}/{name}.jpg' "
                          "(docs/data.md)")
    labels: str = setting("data", "", "PATTERN", "where their labels are, such as 'masks/{split}/{name}.png'")
    train_split: str = setting("data", "train", "", "images to train on: train, the training split, or trainval, the "
                               "validation images too, as papers do before a test", choices=("train", "trainval"))
    classes: str = setting("data", "", "FILE", "class names: text, JSON, or CSV with colours (docs/data.md)")
    label_encoding: str | None = setting("data", None, "NAME", "format of the label files (default: the layout's)",
                                         optional(str), kind="label_formats")
    mask_threshold: int = setting("data", 127, "VALUE", "binary masks: larger values are foreground", between(0, 254))
    ignore_label: tuple | None = setting("data", None, "IDS", "label ids ignored in loss and scores, such as 0,255",
                                         optional(parse_ids))
    channels: int = setting("data", 3, "N", "channels of the images: 3 (RGB), 1 (grey), or the number of bands of "
                            "TIFF, .npy or RGBA files", between(1, 1024))
    size: tuple | None = setting("data", (384, 384), "HxW", "resize images to this size: 384, HEIGHTxWIDTH, or native "
                                 "(no resizing)", parse_size, is_common=True)
    crop_size: tuple | None = setting("data", None, "HxW", "train on random crops of this size", optional(parse_crop),
                                      is_common=True)
    crops_per_image: int = setting("data", 1, "N", "crops of each image per epoch", count)
    images_in_memory: int = setting("data", 0, "N", "shuffle crops within groups of this many images, so that only "
                                    "these are in memory; 0: all images", counted_from_0)
    augment: tuple = setting("data", ("hflip",), "NAMES", "random augmentations, comma-separated, or none: "
                             "{augmentations}", parse_augmentations)
    replacement: bool = setting("data", False, "", "draw images with replacement instead of shuffled epochs", bool)
    skip_bad: bool = setting("data", False, "", "leave out images and labels that cannot be used, and list them", bool)
    max_pixels: int = setting("data", MAX_PIXELS, "N", "refuse images with more pixels", count)
    cache_dir: str = setting("data", "data_cache", "DIR", "folder of the HDF5 caches")
    cache_shards: int = setting("data", 1, "N", "number of cache files of the training images; each batch is drawn "
                                "from one of them, and of several workers, each builds and reads its share", count)

    net: str = setting("model", "fcn8s_atonce", "NAME", "net", is_common=True, kind="nets")
    weights: str = setting("model", "weights/imagenet-vgg-verydeep-19.mat", "PATH", "initial weights: the encoder "
                           "or a whole FCN (MatConvNet .mat, Keras .h5, .npz), a run (its best checkpoint) or a "
                           "checkpoint; none: random; other encoders than VGG have a default of their own, "
                           "weights/README.md", is_common=True)
    carry_scores: str = setting("model", "name", "", "copy the score layers of a whole FCN in --weights by class name, "
                                "by class id, or initialise them (fresh)", choices=("name", "id", "fresh"))
    extra_channels: str = setting("model", "mean", "", "first convolution of RGB weights for further channels: mean of "
                                  "the RGB filters, or zeros", choices=("mean", "zeros"))
    mean_rgb: tuple | None = setting("model", None, "R,G,B", "mean colour to subtract, 0-255 (default: that of "
                                     "--weights), a number for each channel", optional(parse_mean))
    keep_prob: float = setting("model", 0.5, "SHARE", "dropout after fc6 and fc7: share of activations kept", fraction)
    output: str = setting("model", "softmax", "", "last layer of a net of two classes: an output for each class, or "
                          "one output for the second class (sigmoid)", choices=("softmax", "sigmoid"))
    precision: str = setting("model", "float32", "", "arithmetic of convolutions; float16 scales the loss; auto: "
                             "the faster of bfloat16 and float32 on this processor, timed at the start",
                             choices=(*PRECISIONS, AUTO))

    alignment: str | None = variant("alignment", "padding: SAME in every layer, or the input padded by 100 px and "
                                    "outputs cropped")
    pool: str | None = variant("pool", "pooling; avg1to4: average in pool1 to pool4, maximum in pool5")
    last_layer: str | None = variant("last_layer", "input of pool5: relu5_3 is conv5_3 after its ReLU, conv5_3 before")
    fc: str | None = variant("fc", "fc6 and fc7: copied from the VGG in --weights, or random")
    fusion: str | None = variant("fusion", "fuse pool4 and pool3 as class scores or as features")
    init_stddev: float | None = setting("variants", None, "STDDEV", "standard deviation of normal initial weights; 0: "
                                        "scores start at zero", optional(between(0.0, 10.0, real)))
    pool_scaling: bool | None = setting("variants", None, "", "multiply pool4 by 0.01 and pool3 by 0.0001 before "
                                        "scoring", bool)
    score_relu: bool | None = setting("variants", None, "", "ReLU on the scores of fc7", bool)
    learn_upsampling: bool | None = setting("variants", None, "", "train the bilinear upsampling kernels", bool)

    loss: str = setting("loss", "cross_entropy", "NAME", "loss, or a sum such as 0.5*dice(smooth=1)+focal: {losses}",
                        loss_terms.parse_loss,
                        is_common=True)
    loss_reduction: str = setting("loss", "mean", "", "mean over the pixels of a step, sum over the pixels per image "
                                  "(Long et al.), or mean over images of each image's mean",
                                  choices=("mean", "sum", "mean-per-image"))
    class_weights: str = setting("loss", "none", "NAME", "class weights: none, inverse (frequency), median "
                                 "(frequency), or a file with a number per class")
    border_weight: float = setting("loss", 0.0, "W0", "weight of background between two objects that nearly touch, as "
                                   "in the U-Net paper (there 10); 0: none", between(0.0, 1e6, real))
    rim: str | None = setting("loss", None, "", "boundary pixels of DIVA-HisDB in the loss (default: background)",
                              optional(str), choices=("background", "ignore"))
    train_ignored: bool = setting("loss", False, "", "train ignored labels as classes; scores still ignore them", bool)

    optimizer: str = setting("optimizer", "adam", "NAME", "optimizer", is_common=True, kind="optimizers")
    learning_rate: float = setting("optimizer", 5e-5, "RATE", "learning rate, for the --loss-reduction in use",
                                   positive, is_common=True)
    batch: int = setting("optimizer", 2, "N", "images per forward/backward pass", count, is_common=True)
    batches_per_step: int = setting("optimizer", 1, "N", "batches whose gradients are accumulated for a step; "
                                    "workers of fcn launch divide them", count, is_common=True)
    momentum: float = setting("optimizer", 0.9, "FACTOR", "of --optimizer momentum", between(0.0, 1.0, real))
    weight_decay: float = setting("optimizer", 0.0, "FACTOR", "L2 penalty on kernels, not on biases; decoupled in "
                                  "adamw", between(0.0, 1e9, real))
    rate_factors: str = setting("optimizer", "", "PATTERN=FACTOR,...", "multiply the learning rate of variables, such "
                                "as '*/bias=2, conv1*=0, new=10' (0: frozen; new: layers that the encoder lacks); all "
                                "factors that match are multiplied; none: no factors", parse_factors)
    freeze: str = setting("optimizer", "", "LAYER", "freeze the encoder up to and including this layer or stage, such "
                          "as conv4, conv3_2 or fc7, or the whole encoder (encoder); its batch normalisation then uses "
                          "the stored averages; none: freeze nothing", parse_freeze)
    freeze_steps: int = setting("optimizer", 0, "N", "freeze what --freeze says for the first N steps only; 0: for the "
                                "whole run", counted_from_0)
    clip_norm: float = setting("optimizer", 0.0, "NORM", "clip the gradient to this global norm; 0: never",
                               between(0.0, 1e30, real))
    ema: float = setting("optimizer", 0.0, "DECAY", "validate, evaluate and export with the moving averages of the "
                         "weights, of this decay, such as 0.999; 0: with the weights", between(0.0, 1.0, real))
    norm_momentum: float | None = setting("optimizer", None, "SHARE", "share that the moving averages of batch "
                                          "normalisation keep at each batch (default: as in Keras, mostly 0.99); "
                                          "short runs need less", optional(between(0.0, 0.9999, real)))
    sync_batch_norm: bool = setting("optimizer", False, "", "normalise batches by those of all workers together; "
                                    "needs a communication for each layer; default: by each batch alone", bool)

    steps: int = setting("schedule", 0, "N", "weight updates of the run; 0: use --epochs", counted_from_0,
                         is_common=True)
    epochs: float = setting("schedule", 20.0, "N", "passes over the training images, if --steps is 0", positive,
                            is_common=True)
    schedule: str = setting("schedule", "poly", "NAME", "learning rate schedule", kind="schedules")
    poly_power: float = setting("schedule", 0.9, "POWER", "poly: rate x (1 - step / steps) ** power", positive)
    step_size: int = setting("schedule", 100_000, "N", "step: multiply the rate by --gamma every N steps", count)
    gamma: float = setting("schedule", 0.1, "FACTOR", "step: the factor", positive)
    rise: float = setting("schedule", 0.3, "SHARE", "one_cycle: share of the run in which the rate rises, from 1/25",
                          between(0.0, 0.99, real))
    final_factor: float = setting("schedule", 4e-6, "FACTOR", "one_cycle: factor of the rate at the end of the run",
                                  between(0.0, 1.0, real))
    warmup: int = setting("schedule", 0, "N", "steps of linear warm-up", counted_from_0)

    eval_every: int | float = setting("validation", 500, "N|SHARE", "steps between validations, or the share of the "
                                      "time that they may take, such as 5%", parse_interval, is_common=True)
    eval_batches: int = setting("validation", 50, "N", "batches of a validation; 0: the whole split", counted_from_0)
    best_by: str = setting("validation", selection.DEFAULT, "", "validation score of the best checkpoint and of "
                           "--patience", choices=tuple(selection.SCORES))
    patience: int = setting("validation", 0, "N", "stop after N validations without a better score (--best-by); 0: "
                            "never", counted_from_0)
    save_every: int = setting("validation", 500, "N", "steps between checkpoints; each validation saves one too", count)
    keep: int = setting("validation", 2, "N", "newest checkpoints to keep; the best one is always kept",
                        between(2, MOST))
    log_every: int = setting("validation", 10, "N", "steps between lines of log.jsonl", count)
    average_loss: int = setting("validation", 20, "N", "show the mean loss of the last N batches", count)

    seed: int = setting("run", 0, "N", "seed of shuffling, augmentation, dropout and initial weights", counted_from_0)
    deterministic: bool = setting("run", True, "", "use deterministic operations, also on a GPU: a resumed run equals "
                                  "an uninterrupted one", bool)
    plugins: tuple = setting("run", (), "DIRS", "folders with your own nets, losses, layouts, ... (docs/plugins.md), "
                             f"separated by '{os.pathsep}'; also read from {registry.ENVIRONMENT}", parse_folders)

    @classmethod
    def create(cls, recipe=None, file=None, **settings):
        """Settings of a training run, parsed and checked.

        Parameters
        ----------
        recipe : str, optional
            Name of a set of settings to start from, such as "camvid" (fcn train --help lists them).
        file : str or pathlib.Path, optional
            A TOML file of settings; it takes precedence over the recipe.
        **settings
            Single settings, with the names of the command's flags; they take precedence over both.

        Returns
        -------
        Config

        Raises
        ------
        fcn.errors.UsageError
            For an unknown name or an invalid value.
        """
        return resolve(from_python(settings), file, recipe)


# What must be the same for a checkpoint to be continued. The rest (rates, periods, folders) may change.
SAME_AT_RESUME = ("layout", "images", "labels", "train_split", "ignore_label", "label_encoding", "mask_threshold",
                  "channels", "size", "crop_size", "crops_per_image", "images_in_memory", "augment", "replacement",
                  "cache_shards", "net", "mean_rgb",
                  *variants.NAMES, "output", "precision", "loss", "loss_reduction", "class_weights", "border_weight",
                  "rim", "train_ignored", "batch", "batches_per_step", "optimizer", "rate_factors", "freeze",
                  "freeze_steps", "ema", "sync_batch_norm", "best_by", "seed", "deterministic")


def fields():
    """{name of a setting: its default}."""
    return {field.name: field.default for field in dataclasses.fields(Config)}


def about(name):
    """The Setting of this name."""
    return Config.__dataclass_fields__[name].metadata["setting"]


def groups():
    """{name of a setting: its group}."""
    return {name: about(name).group for name in fields()}


def read_toml(path) -> dict:
    """Settings of a TOML file, parsed and checked; its plugins are used. Raises UsageError naming file and key."""
    values = settings_file.read(path, groups())
    if "plugins" in values:
        registry.add(parsed("plugins", values["plugins"], path))  # first: it says which names there are
    return {key: parsed(key, value, path) for key, value in values.items()}


def parsed(key, value, where=None):
    """The value of a setting, as a TOML file or a Python program gives it, checked. Raises UsageError.

    where: the file, for the message.
    """
    settings_file.check_setting(key, groups(), where)
    of = about(key)
    if value == "" and fields()[key] is None:  # also of a switch: as if it had not been given
        return None
    try:
        if of.parse is bool and not isinstance(value, bool):
            raise ValueError("expected true or false")
        if of.parse is str and not isinstance(value, str):
            raise ValueError("expected a text")
        if (key, value) == ("average_loss", "auto"):
            raise ValueError("auto was removed; expected a number of batches, such as 20")
        return of.value(value)
    except (ValueError, TypeError, AttributeError, OverflowError, argparse.ArgumentTypeError) as error:
        what, _, fix = str(error).partition(FIX)
        raise errors.UsageError(f"{key} = {value!r}: {what}", where=where,
                                fix=fix or f"correct {key}; fcn train --help-all describes it.") from None


def from_python(settings):
    """{name: value} as a Python program gives them, parsed as those of a TOML file. Raises UsageError."""
    if "plugins" in settings:
        registry.add(parsed("plugins", settings["plugins"]))  # first: it says which names there are
    found: dict = {}
    for name, value in settings.items():
        settings_file.check_setting(name, groups(), None)
        value = plain(value)
        if value is None and fields()[name] is None:
            found[name] = None
        else:
            found[name] = parsed(name, "native" if value is None and name == "size" else value)
    return found


def plain(value):
    """Return the text of a path, and the Python value of a NumPy one; other values are returned as they are."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, list | tuple):
        return type(value)(map(plain, value)) if type(value) in (list, tuple) else value
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def resolve(flags, config_file=None, recipe=None, run_settings=None):
    """The Config that flags (a dict), a TOML file, a recipe's name and a run's own settings (a dict) make together."""
    settings = dict(vars(from_dict(run_settings))) if run_settings else {}
    settings |= read_toml(registry.path("recipes", recipe)) if recipe else {}
    settings |= read_toml(config_file) if config_file else {}
    config = Config(**settings | {key: value for key, value in flags.items() if key in fields()})
    checks.check(config)
    return config


def to_dict(config):
    """The settings as config.json holds them."""
    return dataclasses.asdict(config) | {"size": stored_size(config.size)}


def from_dict(settings):
    """The Config of a run's config.json; settings that this version does not know are left out."""
    values: dict = {k: tuple(v) if isinstance(v, list) else v for k, v in old_settings.current(settings).items()
                    if k in fields()}
    return Config(**values | ({"size": size_of(values["size"])} if "size" in values else {}))


def import_plugins(settings):
    """Import the plugins that a Config names, so that a broken one is reported before minutes go into a cache.

    Raises UsageError. Without plugins only augmentations are imported.
    """
    named = [("augmentations", name) for name in settings.augment]
    named += [("losses", term.name) for term in loss_terms.parse(settings.loss)]
    named += [(about(name).kind, getattr(settings, name)) for name in fields() if about(name).kind]
    for kind, name in named:
        if name in registry.names(kind) and registry.is_plugin(kind, name):
            registry.load(kind, name)
    augment.check_streams(settings.augment)
