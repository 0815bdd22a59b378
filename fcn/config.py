"""Every setting of a training run, once: flags and TOML keys are derived from the fields below.

Precedence: flag > --config file > --recipe > the run's own settings > default. Only the commands and
what explains or records settings read this file; everything else takes plain arguments.
"""

import argparse
import dataclasses
import difflib
import pathlib
import tomllib

from fcn import choices, config_checks, errors, file_kinds, shelf
from fcn.parsers import (
    AUGMENTATIONS,
    MAX_PIXELS,
    MOST,
    between,
    count,
    counted_from_0,
    fraction,
    optional,
    parse_augmentations,
    parse_average_loss,
    parse_crop,
    parse_factors,
    parse_freeze,
    parse_ids,
    parse_mean,
    parse_share,
    parse_size,
    positive,
    real,
)
from fcn.spec import size_of, stored_size


def setting(default, help, parse=str, choices=None, shelf=None):
    metadata = {"help": help, "parse": parse, "choices": choices, "shelf": shelf}
    return dataclasses.field(default=default, metadata=metadata)


def choice(name, help):
    """A setting of which every net has its own default (its CHOICES)."""
    return setting(None, f"{help} (default: the net's)", optional(str), choices=choices.ALLOWED[name])


@dataclasses.dataclass(frozen=True)
class Config:
    """One field a setting; the help text is what --help shows."""

    layout: str = setting("auto", "how the data set's folders are laid out; auto: as they look", shelf="layouts",
                          choices=("auto",))
    data: str = setting("", "folder of the data set")
    classes: str = setting("", "file with the class names: text, JSON or CSV with colours (docs/data.md)")
    label_encoding: str | None = setting(None, "how label files hold their ids (default: as the layout has it)",
                                         optional(str), shelf="encodings")
    mask_threshold: int = setting(127, "binary masks: values above it are foreground", between(0, 254))
    ignore_label: tuple | None = setting(None, "label ids left out of loss and metrics, e.g. 11 or 0,255",
                                         optional(parse_ids))
    size: tuple | None = setting((384, 384), "what images are resized to: 384, HEIGHTxWIDTH, or native: not at all",
                          parse_size)
    crop_size: tuple | None = setting(None, "train on random crops of this size, e.g. 216x288", optional(parse_crop))
    crops_per_image: int = setting(1, "crops of each image in an epoch", count)
    images_in_memory: int = setting(0, "images whose crops are mixed with each other, so that only these are read at a "
                                    "time; 0: all", counted_from_0)
    augment: tuple = setting(("hflip",), f"random changes, by name: {', '.join(AUGMENTATIONS)}; or none",
                             parse_augmentations)
    replacement: bool = setting(False, "draw images with replacement, not in shuffled epochs", bool)
    skip_bad: bool = setting(False, "go on without images and labels that cannot be used, and list them", bool)
    max_pixels: int = setting(MAX_PIXELS, "refuse larger images", count)
    cache_dir: str = setting("data_cache", "where the HDF5 caches are kept")

    net: str = setting("fcn8s_atonce", "which net", shelf="nets")
    weights: str = setting("weights/imagenet-vgg-verydeep-19.mat", "pretrained VGG-16 or VGG-19 (MatConvNet .mat, "
                           "Keras .h5, .npz), or a whole FCN: such a file, a run's folder (its best checkpoint) or a "
                           "checkpoint's")
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

    loss: str = setting("cross_entropy", "which loss", shelf="losses")
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
    optimizer: str = setting("adam", "how weights are updated", choices=("adam", "adamw", "momentum", "radam",
                                                                         "rmsprop"))
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
    schedule: str = setting("poly", "learning rate over the run", choices=("fixed", "poly", "step", "cosine"))
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


# What must be the same for a checkpoint to be continued. The rest (rates, periods, folders) may change.
SAME_AT_RESUME = ("layout", "ignore_label", "label_encoding", "mask_threshold", "size", "crop_size", "crops_per_image",
                  "images_in_memory", "augment", "replacement", "net", "mean_rgb", *choices.NAMES, "precision", "loss",
                  "loss_reduction", "class_weights", "train_ignored", "batch", "batches_per_step", "optimizer",
                  "rate_factors", "freeze", "new_layer_factor", "seed", "deterministic")


def add_flags(parser, wanted=()):
    """One flag a field, or a field of `wanted` (names). A flag that is not given is absent from the result, so that
    files may speak.
    """
    for field in dataclasses.fields(Config):
        if wanted and field.name not in wanted:
            continue
        flag, meta = "--" + field.name.replace("_", "-"), field.metadata
        default = "x".join(map(str, field.default)) if isinstance(field.default, tuple) else field.default
        text = meta["help"] + (f" (default: {default})" if default not in ("", None) else "")
        if meta["parse"] is bool:
            parser.add_argument(flag, action=argparse.BooleanOptionalAction, default=argparse.SUPPRESS, help=text)
            continue
        allowed = possible(meta)
        parser.add_argument(flag, default=argparse.SUPPRESS, help=text.replace("%", "%%"), choices=allowed,
                            type=meta["parse"], metavar=None if allowed else "X")


def possible(meta):
    """The values that a setting may have, None for any: what is on its shelf, and its choices."""
    return [*(shelf.names(meta["shelf"]) if meta["shelf"] else ()), *(meta["choices"] or ())] or None


def read_toml(path) -> dict:
    """Settings of a TOML file, parsed and checked. Raises UsageError naming file and key."""
    try:
        table = tomllib.loads(pathlib.Path(path).read_text())
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise errors.UsageError("cannot be read as TOML", where=path, why=file_kinds.instead(path, error)) from None
    return {key: _parsed(key, value, path) for key, value in table.items()}


def _parsed(key, value, where):
    fields = {field.name: field for field in dataclasses.fields(Config)}
    if key not in fields:
        near = difflib.get_close_matches(key, fields, 1)
        raise errors.UsageError(f"no setting is called '{key}'", where=where,
                                cure=f"did you mean {near[0]}?" if near else "train_fcn.py --help lists them.")
    meta = fields[key].metadata
    if value == "" and fields[key].default is None:  # also of a switch: as if it had not been given
        return None
    try:
        if meta["parse"] is bool and not isinstance(value, bool):
            raise ValueError("true or false is needed")
        value = meta["parse"](value)
        allowed = possible(meta)
        if allowed and value not in allowed and not (value is None and fields[key].default is None):
            raise ValueError(f"one of {', '.join(allowed)} is needed")
    except (ValueError, TypeError, AttributeError, argparse.ArgumentTypeError) as error:
        raise errors.UsageError(f"{key} = {value!r}: {error}", where=where) from None
    return value


def recipe_path(name):
    shelf.check("recipes", name, ".toml")
    return shelf.HERE / "recipes" / f"{name}.toml"


def resolve(flags, config_file=None, recipe=None, run_settings=None):
    """The Config that flags (a dict), a TOML file, a recipe's name and a run's own settings (a dict) make together."""
    settings = dict(vars(from_dict(run_settings))) if run_settings else {}
    settings |= read_toml(recipe_path(recipe)) if recipe else {}
    settings |= read_toml(config_file) if config_file else {}
    known = {field.name for field in dataclasses.fields(Config)}
    config = Config(**settings | {k: v for k, v in flags.items() if k in known})
    config_checks.check(config)
    return config


def to_dict(config):
    """The settings as config.json holds them."""
    return dataclasses.asdict(config) | {"size": stored_size(config.size)}


def from_dict(settings):
    """The Config of a run's config.json; settings that this version does not know are left out."""
    known = {field.name for field in dataclasses.fields(Config)}
    values: dict = {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items() if k in known}
    return Config(**values | ({"size": size_of(values["size"])} if "size" in values else {}))


class Parser(argparse.ArgumentParser):
    """argparse that complains in one block, not in a page, and names the flag nearest to an unknown one. Every command
    has --debug, which errors.run advises.
    """

    def error(self, message):
        self.exit(errors.UsageError.exit_code, f"UsageError: {message}\n  Cure: {self.prog} --help lists every flag.\n")

    def parse_args(self, args=None, namespace=None):
        parsed, unknown = self.parse_known_args(args, namespace)
        if unknown:
            flags = [flag for action in self._actions for flag in action.option_strings]
            near = difflib.get_close_matches(unknown[0].split("=")[0], flags, 1)
            self.error(f"unknown argument {unknown[0]}" + (f"; did you mean {near[0]}?" if near else ""))
        return parsed

    def __init__(self, **kwargs):
        super().__init__(allow_abbrev=False, **kwargs)
        self.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="show tracebacks")
