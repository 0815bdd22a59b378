"""Every setting of a training run, once: flags and TOML keys are derived from the fields below.

Precedence: flag > --config file > --recipe > the run's own settings > default. Only the commands and
what explains or records settings read this file; everything else takes plain arguments.
"""

import argparse
import collections.abc
import dataclasses
import difflib
import os
import pathlib
import tomllib

from fcn.config import checks, variants
from fcn.config.parsers import (
    MAX_PIXELS,
    MOST,
    between,
    count,
    counted_from_0,
    fraction,
    loss_terms,
    optional,
    parse_augmentations,
    parse_average_loss,
    parse_crop,
    parse_factors,
    parse_folders,
    parse_freeze,
    parse_ids,
    parse_loss,
    parse_mean,
    parse_share,
    parse_size,
    positive,
    real,
)
from fcn.core import errors, file_kinds, registry
from fcn.data import augment
from fcn.data.spec import size_of, stored_size

NO_WEIGHTS = "none"  # --weights none: a net trained from scratch


@dataclasses.dataclass(frozen=True)
class Setting:
    """What is known of a field of Config. parse: text of a flag, or value of a TOML file -> value; it raises ValueError
    or ArgumentTypeError. kind: of plugins (registry.KINDS), whose names are allowed. choices: values allowed besides;
    without kind and choices every value is allowed that parse takes.
    """

    help: str
    parse: collections.abc.Callable = str
    kind: str | None = None
    choices: tuple[str, ...] = ()

    def allowed(self):
        """The values that are allowed, None for any."""
        return [*(registry.names(self.kind) if self.kind else ()), *self.choices] or None


def setting(default, help, parse=str, kind=None, choices=()):
    """A field of Config."""
    return dataclasses.field(default=default, metadata={"setting": Setting(help, parse, kind, tuple(choices))})


def choice(name, help):
    """A setting of which every net has its own default (its CHOICES)."""
    return setting(None, f"{help} (default: the net's)", optional(str), choices=variants.ALLOWED[name])


@dataclasses.dataclass(frozen=True)
class Config:
    """One field a setting; the help text is what --help shows."""

    layout: str = setting("auto", "how the data set's folders are laid out; auto: as they look", kind="layouts",
                          choices=("auto",))
    data: str = setting("", "folder of the data set")
    classes: str = setting("", "file with the class names: text, JSON or CSV with colours (docs/data.md)")
    label_encoding: str | None = setting(None, "how label files hold their ids (default: as the layout has it)",
                                         optional(str), kind="label_formats")
    mask_threshold: int = setting(127, "binary masks: values above it are foreground", between(0, 254))
    ignore_label: tuple | None = setting(None, "label ids left out of loss and metrics, e.g. 11 or 0,255",
                                         optional(parse_ids))
    size: tuple | None = setting((384, 384), "what images are resized to: 384, HEIGHTxWIDTH, or native: not at all",
                          parse_size)
    crop_size: tuple | None = setting(None, "train on random crops of this size, e.g. 216x288", optional(parse_crop))
    crops_per_image: int = setting(1, "crops of each image in an epoch", count)
    images_in_memory: int = setting(0, "images whose crops are mixed with each other, so that only these are read at a "
                                    "time; 0: all", counted_from_0)
    augment: tuple = setting(("hflip",), "random changes, by name: {augmentations}; or none", parse_augmentations)
    replacement: bool = setting(False, "draw images with replacement, not in shuffled epochs", bool)
    skip_bad: bool = setting(False, "go on without images and labels that cannot be used, and list them", bool)
    max_pixels: int = setting(MAX_PIXELS, "refuse larger images", count)
    cache_dir: str = setting("data_cache", "where the HDF5 caches are kept")

    net: str = setting("fcn8s_atonce", "which net", kind="nets")
    weights: str = setting("weights/imagenet-vgg-verydeep-19.mat", "pretrained VGG-16 or VGG-19 (MatConvNet .mat, "
                           "Keras .h5, .npz), or a whole FCN: such a file, a run's folder (its best checkpoint) or a "
                           "checkpoint's; none: train from scratch")
    carry_scores: str = setting("name", "score layers of a whole FCN in --weights: carried class by class of the same "
                                "name, by the same id, or fresh", choices=("name", "id", "fresh"))
    mean_rgb: tuple | None = setting(None, "mean colour to subtract, red,green,blue (default: that of --weights)",
                                     optional(parse_mean))
    alignment: str | None = choice("alignment", "how output pixels come to lie over input pixels")
    pool: str | None = choice("pool", "pooling; avg1to4: average, but pool5 by maximum")
    last_layer: str | None = choice("last_layer", "what pool5 sees: relu5_3 after, conv5_3 before its ReLU, ...")
    fc: str | None = choice("fc", "fc6 and fc7 of a VGG in --weights, or random ones")
    fusion: str | None = choice("fusion", "pool4 and pool3 are fused as class scores or as features")
    init_stddev: float | None = setting(None, "fresh weights: normal with this standard deviation; 0: scores are zero "
                                        "(default: the net's)", optional(between(0.0, 10.0, real)))
    pool_scaling: bool | None = setting(None, "pool4 x 0.01 and pool3 x 0.0001 before they are scored (default: the "
                                        "net's)", bool)
    score_relu: bool | None = setting(None, "a ReLU on the scores of fc7 (default: the net's)", bool)
    learn_upsampling: bool | None = setting(None, "learn the bilinear kernels instead of keeping them (default: the "
                                            "net's)", bool)
    keep_prob: float = setting(0.5, "dropout after fc6 and fc7: share of activations that is kept", fraction)
    precision: str = setting("float32", "arithmetic of the convolutions", choices=("float32", "bfloat16"))

    loss: str = setting("cross_entropy", "which loss, or a sum such as 0.5*dice+focal: {losses}", parse_loss)
    loss_reduction: str = setting("mean", "over the pixels of a step: their mean, their sum per image (the paper's), "
                                  "or the mean of every labelled image's mean", choices=("mean", "sum",
                                                                                         "mean-per-image"))
    class_weights: str = setting("none", "weights of the classes in the loss: none, inverse (frequency), median "
                                 "(frequency), or a file with a number per class")
    train_ignored: bool = setting(False, "train ignored labels as classes too (scores leave them out all the same)",
                                  bool)
    batch: int = setting(2, "images in one trip through the graph", count)
    recompute: bool = setting(False, "compute the maps of the body again in the backward pass instead of keeping them: "
                              "a little less memory, more time", bool)
    batches_per_step: int = setting(1, "batches whose gradients make one weight update", count)
    average_loss: int | str = setting(20, "the loss that is shown is the mean over this many batches; auto: over as "
                                      "many as its standard error asks for", parse_average_loss)
    optimizer: str = setting("adam", "how weights are updated", kind="optimizers")
    learning_rate: float = setting(5e-5, "for the loss as --loss-reduction has it", positive)
    momentum: float = setting(0.9, "of --optimizer momentum", between(0.0, 1.0, real))
    weight_decay: float = setting(0.0, "on kernels, never on biases; part of the gradient (L2), but for adamw",
                                  between(0.0, 1e9, real))
    rate_factors: str = setting("", "factors on the rate of variables, e.g. '*/bias=2, conv*=0' (0: frozen)",
                                parse_factors)
    freeze: str = setting("", "layers of the body that keep their weights: up to and with this one, e.g. conv4, "
                          "conv3_2 or fc7", parse_freeze)
    new_layer_factor: float = setting(1.0, "factor on the rate of layers that no VGG has (score_*, upscore*, deconv*)",
                                      between(0.0, 1e6, real))
    clip_norm: float = setting(0.0, "scale the gradient down to this norm over all variables; 0: never",
                               between(0.0, 1e30, real))
    schedule: str = setting("poly", "learning rate over the run", kind="schedules")
    poly_power: float = setting(0.9, "poly: rate x (1 - step / steps) ** power", positive)
    step_size: int = setting(100_000, "step: the rate is multiplied by --gamma every so many steps", count)
    gamma: float = setting(0.1, "step: the factor", positive)
    warmup: int = setting(0, "steps in which the rate grows linearly to its first value", counted_from_0)
    steps: int = setting(0, "weight updates of the run; 0: as --epochs says", counted_from_0)
    epochs: float = setting(20.0, "passes over the training images, if --steps is 0", positive)
    eval_every: int = setting(500, "steps between two validations (each is saved too)", count)
    eval_budget: float | None = setting(None, "validate as often as this share of the time allows, e.g. 5%, instead "
                                        "of every --eval-every steps", optional(parse_share))
    eval_batches: int = setting(50, "validation batches each time; 0: the whole split", counted_from_0)
    patience: int = setting(0, "stop after so many validations without a better mean IoU; 0: never",
                            counted_from_0)
    save_every: int = setting(500, "steps between two checkpoints", count)
    keep: int = setting(2, "newest checkpoints that are kept; the best one is kept besides", between(2, MOST))
    log_every: int = setting(10, "steps between two lines of log.jsonl", count)
    seed: int = setting(0, "of order, augmentation, dropout and fresh weights; stages after the first have seeds of "
                        "their own, made of it", counted_from_0)
    deterministic: bool = setting(True, "operations whose results are the same every time, also on a GPU; a resumed "
                                  "run ends as an undisturbed one", bool)
    plugins: tuple = setting((), "folders of your own nets, losses, layouts, ... (docs/plugins.md), separated by "
                             f"'{os.pathsep}'; besides those in {registry.ENVIRONMENT}", parse_folders)

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
SAME_AT_RESUME = ("layout", "ignore_label", "label_encoding", "mask_threshold", "size", "crop_size", "crops_per_image",
                  "images_in_memory", "augment", "replacement", "net", "mean_rgb", *variants.NAMES, "precision", "loss",
                  "loss_reduction", "class_weights", "train_ignored", "batch", "batches_per_step", "optimizer",
                  "rate_factors", "freeze", "new_layer_factor", "seed", "deterministic")


def fields():
    """{name of a setting: its default}."""
    return {field.name: field.default for field in dataclasses.fields(Config)}


def about(name):
    """The Setting of this name."""
    return Config.__dataclass_fields__[name].metadata["setting"]


def read_toml(path) -> dict:
    """Settings of a TOML file, parsed and checked; its plugins are used. Raises UsageError naming file and key."""
    try:
        table = tomllib.loads(pathlib.Path(path).read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise errors.UsageError("cannot be read as TOML", where=path,
                                why=file_kinds.why_unreadable(path, error)) from None
    if "plugins" in table:
        registry.add(parsed("plugins", table["plugins"], path))  # first: it says which names there are
    return {key: parsed(key, value, path) for key, value in table.items()}


def parsed(key, value, where=None):
    """The value of a setting, as a TOML file or a Python program gives it, checked. Raises UsageError.

    where: the file, for the message.
    """
    if key not in fields():
        near = difflib.get_close_matches(key, fields(), 1)
        raise errors.UsageError(f"no setting is called '{key}'", where=where,
                                fix=f"did you mean {near[0]}?" if near else "train_fcn.py --help lists them.")
    of, may_be_none = about(key), fields()[key] is None
    if value == "" and may_be_none:  # also of a switch: as if it had not been given
        return None
    try:
        if of.parse is bool and not isinstance(value, bool):
            raise ValueError("true or false is needed")
        value, allowed = of.parse(value), of.allowed()
        if allowed and value not in allowed and not (value is None and may_be_none):
            raise ValueError(f"one of {', '.join(allowed)} is needed")
    except (ValueError, TypeError, AttributeError, argparse.ArgumentTypeError) as error:
        raise errors.UsageError(f"{key} = {value!r}: {error}", where=where) from None
    return value


def from_python(settings):
    """{name: value} as a Python program gives them, parsed as those of a TOML file. Raises UsageError."""
    if "plugins" in settings:
        registry.add(parsed("plugins", settings["plugins"]))  # first: it says which names there are
    return {name: parsed(name, str(value) if isinstance(value, pathlib.Path) else value)
            for name, value in settings.items()}


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
    values: dict = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items() if k in fields()}
    return Config(**values | ({"size": size_of(values["size"])} if "size" in values else {}))


def import_plugins(settings):
    """Import the plugins that a Config names, so that a broken one is reported before minutes go into a cache.

    Raises UsageError. Without plugins only augmentations are imported.
    """
    named = [("augmentations", name) for name in settings.augment]
    named += [("losses", name) for _, name in loss_terms(settings.loss)]
    named += [(about(name).kind, getattr(settings, name)) for name in fields() if about(name).kind]
    for kind, name in named:
        if name in registry.names(kind) and registry.is_plugin(kind, name):
            registry.load(kind, name)
    augment.check_streams(settings.augment)
