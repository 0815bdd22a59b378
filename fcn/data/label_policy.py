"""Which label ids are ignored in the loss, in scores and in predictions, and the id of pixels outside an image."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from fcn.core import errors
from fcn.data.label_formats import blue_bits
from fcn.data.spec import NUM_IDS, VOID_ID, WIDE_VOID_ID, DatasetSpec, id_dtype

IGNORE, BACKGROUND = RIMS = ("ignore", "background")  # values of --rim


def _table(of_boundary):
    """uint8 (256,): each id, except that the id of a boundary pixel becomes of_boundary(its class)."""
    table = np.arange(NUM_IDS, dtype=np.uint8)
    table[list(blue_bits.BOUNDARY_IDS)] = [of_boundary(i) for i in blue_bits.IDS]
    return table


TO_CLASS, TO_BACKGROUND = _table(lambda i: i), _table(lambda i: blue_bits.BACKGROUND)


@dataclasses.dataclass(frozen=True)
class LabelPolicy:
    """The label ids that are ignored.

    ignored_in_loss: pixels with these labels have no loss and no gradient. (Pixels whose label is not a channel of the
    net have none either.) ignored_in_scores: pixels with these labels do not count in scores, and predictions that are
    scored never contain these ids. never_predicted: channels that the net's own prediction never contains; a subset of
    ignored_in_loss. padding_id: label of pixels outside an image, where a sample extends beyond it.

    ignored_in_scores may contain ids that ignored_in_loss does not: --train-ignored trains ignored ids as classes.

    rim: the value of --rim, "" for labels without boundary pixels (blue_bits.has_boundary).
    """

    ignored_in_loss: tuple[int, ...] = ()
    ignored_in_scores: tuple[int, ...] = ()
    never_predicted: tuple[int, ...] = ()
    padding_id: int = VOID_ID
    rim: str = ""

    def for_loss(self, labels):
        """Label ids as the loss takes them: boundary pixels are background, or keep an id that the loss ignores."""
        return TO_BACKGROUND[labels] if self.rim == BACKGROUND else labels

    def for_scores(self, labels):
        """Label ids as scores take them: boundary pixels have their class."""
        return TO_CLASS[labels] if self.rim else labels

    def counts_for(self, seen, pixels):
        """Pixels of each id as the method `seen`, for_loss or for_scores, takes them. pixels: of ids in label files."""
        ids = np.arange(len(pixels))
        ids[:NUM_IDS] = seen(ids[:NUM_IDS])
        return np.bincount(ids, np.asarray(pixels, np.float64), len(pixels))

    def id_dtype(self, num_classes: int):
        """dtype of the labels of a net with num_classes channels: uint8, or uint16 if an id is above 255."""
        return id_dtype(num_classes, (*self.ignored_in_loss, *self.ignored_in_scores, self.padding_id))

    def trained_ids(self, num_classes: int) -> tuple[int, ...]:
        """The channels that count in the loss of a net with num_classes channels."""
        return tuple(i for i in range(num_classes) if i not in self.ignored_in_loss)


def make(spec: DatasetSpec, train_ignored: bool, pads: bool, rim: str | None = None) -> LabelPolicy:
    """The LabelPolicy of a new run.

    spec: of the data set, with the ids of --ignore-label if it was given. train_ignored: train the ignored ids as
    classes. pads: whether samples may extend beyond their image; then padding_id is ignored everywhere. rim: the value
    of --rim; None for labels without boundary pixels.
    Raises UsageError if no id is free for padding, and as num_channels().
    """
    channels = num_channels(spec, train_ignored)
    in_loss = () if train_ignored else spec.ignored_ids
    if rim == BACKGROUND:
        in_loss = tuple(i for i in in_loss if i not in blue_bits.BOUNDARY_IDS)
    if not pads:
        return _joined(in_loss, spec.ignored_ids, channels, rim or "")
    void = spec.void_id if spec.id_dtype == np.uint16 else VOID_ID
    if not in_loss and channels > void:
        raise errors.UsageError(f"samples may extend beyond their image, but the label {void} of such pixels is a "
                                "class", fix="leave out --augment scale and turn, and crops at --size native; or name "
                                "an id with --ignore-label.")
    in_loss = in_loss or (void,)
    return _joined(in_loss, tuple(dict.fromkeys([*spec.ignored_ids, in_loss[0]])), channels, rim or "")


def num_channels(spec: DatasetSpec, train_ignored: bool) -> int:
    """Number of channels of the net: one per class and, with train_ignored, one per ignored id beyond the classes.

    Raises UsageError if ids between them, which no label contains, would get channels.
    """
    if not train_ignored:
        return spec.num_classes
    channels = max([spec.num_classes, *(i + 1 for i in spec.ignored_ids)])
    if channels > spec.num_classes + len(spec.ignored_ids):
        raise errors.UsageError(f"--train-ignored would give a net of {channels} channels, for the ignored "
                                f"id {channels - 1}", fix="leave it out: it needs ignored ids that directly follow the "
                                "class ids.")
    return channels


def of_net(ignored_ids: Sequence[int], num_classes: int) -> LabelPolicy:
    """The LabelPolicy of a net without a data set. The arguments are those of graph_builder.build()."""
    return _joined(tuple(ignored_ids), tuple(ignored_ids), num_classes)


def of_run(model: dict, spec: DatasetSpec) -> LabelPolicy:
    """The LabelPolicy of a run's config.json.

    model: its "model", with the ids ignored in the loss. spec: its "spec", with the ids ignored in scores.
    """
    rim = "" if not blue_bits.has_boundary(spec) else (
        IGNORE if set(blue_bits.BOUNDARY_IDS) <= set(model["ignored_ids"]) else BACKGROUND)
    return dataclasses.replace(of_net(model["ignored_ids"], model["num_classes"]), ignored_in_scores=spec.ignored_ids,
                               rim=rim)


def _joined(in_loss, in_scores, channels, rim=""):
    return LabelPolicy(in_loss, in_scores, tuple(i for i in in_loss if i < channels),
                       in_loss[0] if in_loss else VOID_ID if channels <= NUM_IDS else WIDE_VOID_ID, rim)
