"""Which label ids the loss, the scores and predictions leave out, and which id pixels outside an image have."""

import dataclasses
from collections.abc import Sequence

from fcn.core import errors
from fcn.data.spec import VOID_ID, DatasetSpec


@dataclasses.dataclass(frozen=True)
class LabelPolicy:
    """The label ids (0-255) that are left out, and where.

    ignored_in_loss: pixels with these labels have no loss and no gradient; nor has a pixel whose label is no channel of
    the net. ignored_in_scores: pixels with these labels count in no score, and no prediction that the benchmark scores
    holds them. never_predicted: channels of the net that its own prediction never holds, all among ignored_in_loss.
    padding_id: the label of pixels outside an image, where samples or windows reach beyond it.

    The scores may ignore more than the loss: --train-ignored trains the data set's ignored ids as classes.
    """

    ignored_in_loss: tuple[int, ...] = ()
    ignored_in_scores: tuple[int, ...] = ()
    never_predicted: tuple[int, ...] = ()
    padding_id: int = VOID_ID

    def trained_ids(self, num_classes: int) -> tuple[int, ...]:
        """The channels that the loss counts, of a net with num_classes channels."""
        return tuple(i for i in range(num_classes) if i not in self.ignored_in_loss)


def make(spec: DatasetSpec, train_ignored: bool, pads: bool) -> LabelPolicy:
    """The LabelPolicy of a new run.

    spec: of the data set, whose ignored_ids are those of --ignore-label if it was given. train_ignored: train them as
    classes all the same. pads: samples may reach beyond their image; then padding_id is ignored everywhere.
    Raises UsageError if no id is free for padding, or as num_channels() does.
    """
    channels = num_channels(spec, train_ignored)
    in_loss = () if train_ignored else spec.ignored_ids
    if not pads:
        return _joined(in_loss, spec.ignored_ids, channels)
    if not in_loss and channels > VOID_ID:
        raise errors.UsageError(f"samples may reach beyond their image, whose pixels would be ignored as {VOID_ID}, "
                                "which is a class", fix="leave out --augment scale and turn, and crops at --size "
                                                         "native; or name an id with --ignore-label.")
    in_loss = in_loss or (VOID_ID,)
    return _joined(in_loss, tuple(dict.fromkeys([*spec.ignored_ids, in_loss[0]])), channels)


def num_channels(spec: DatasetSpec, train_ignored: bool) -> int:
    """Channels of the net: one for each class and, with train_ignored, one for each ignored id beyond the classes.

    Raises UsageError if ids that no label holds would get channels, too.
    """
    if not train_ignored:
        return spec.num_classes
    channels = max([spec.num_classes, *(i + 1 for i in spec.ignored_ids)])
    if channels > spec.num_classes + len(spec.ignored_ids):
        raise errors.UsageError(f"--train-ignored would give a net of {channels} channels, for the ignored "
                                f"id {channels - 1}", fix="leave it out: only ids next to the classes' can be.")
    return channels


def of_net(ignored_ids: Sequence[int], num_classes: int) -> LabelPolicy:
    """The LabelPolicy of a net by itself, without a data set; the arguments are those of graph_builder.build()."""
    return _joined(tuple(ignored_ids), tuple(ignored_ids), num_classes)


def of_run(model: dict, spec: DatasetSpec) -> LabelPolicy:
    """The LabelPolicy that a config.json holds: its "model", whose "ignored_ids" are those of the loss, and its "spec",
    whose are those of the scores.
    """
    return dataclasses.replace(of_net(model["ignored_ids"], model["num_classes"]), ignored_in_scores=spec.ignored_ids)


def _joined(in_loss, in_scores, channels):
    return LabelPolicy(in_loss, in_scores, tuple(i for i in in_loss if i < channels),
                       in_loss[0] if in_loss else VOID_ID)
