"""The data set of a run: list its files, check their headers, prepare its caches, record left-out files.

`settings` is a training_config.Config.
"""

import dataclasses
import logging
import pathlib
import shlex
import time

import numpy as np

from fcn.core import atomic_io, errors, progress_bar
from fcn.core.errors import Problem
from fcn.data import file_checks, label_files
from fcn.data.cache import builder, cache, shards
from fcn.data.label_formats import blue_bits
from fcn.data.layouts import _auto, _split
from fcn.data.spec import MOST_CLASSES, VOID_ID, DatasetSpec, Listing, Pair

logger = logging.getLogger(__name__)

SPLITS = ("training", "validation")


@dataclasses.dataclass(frozen=True)
class Data:
    """The usable pairs of a data set.

    found: {split: pairs}. shapes: {split: list of (height, width) as the pairs will be read, or None if a cache
    exists}. problems: files that are left out by skip_bad. drawn: whether the split was drawn. stamps: of the files.
    """

    spec: DatasetSpec
    found: dict[str, list[Pair]]
    shapes: dict[str, list | None]
    problems: list[Problem]
    drawn: bool
    stamps: cache.Stamps

    def digests(self):
        """List with a hex digest of names and sizes of the files for each split. Raises DataError."""
        return [cache.listing_digest(pairs, self.stamps) for pairs in self.found.values()]


def find_data(settings):
    """List and check the data set of the settings. Returns Data.

    Raises DataError that lists all problems of all files, unless skip_bad; also if a split has no usable pair.
    """
    layout, spec = _auto.of(settings), spec_of(settings)
    listings = {split: layout.listing(settings.data, split) for split in SPLITS}
    if settings.train_split == "trainval":
        listings["training"] = _together(*listings.values())
    found: dict[str, list[Pair]] = {}
    shapes: dict[str, list | None] = {}
    problems: list[Problem] = []
    stamps = cache.Stamps()
    for split, listing in listings.items():
        if is_cached(listing, split, spec, settings, stamps):  # the files were checked when the cache was built
            found[split], shapes[split] = listing.pairs, None
        else:
            found[split], shapes[split], bad = checked(listing, split, spec, settings.max_pixels)
            problems += bad
    problems = list(dict.fromkeys(problems))  # a problem of a list of files occurs in each split
    if problems and not settings.skip_bad:
        file_checks.refuse(problems, sum(len(listing.pairs) for listing in listings.values()))
    for split, good in found.items():
        if not good:
            raise _no_pairs(split, settings.data, problems)
    if len(found["training"]) < settings.cache_shards:
        raise errors.UsageError(f"--cache-shards {settings.cache_shards}: there are {len(found['training'])} training "
                                "images", fix="leave it out; shards are for millions of images.")
    return Data(spec, found, shapes, problems, any(listing.drawn for listing in listings.values()), stamps)


def _together(training, validation):
    """The Listing of the pairs of both splits."""
    note = f"{len(validation.pairs)} of them are the validation images (--train-split trainval): scores of the " \
           "validation split are then of trained images"
    return Listing(sorted({*training.pairs, *validation.pairs}, key=lambda pair: (pair.name, str(pair.image))),
                   [*training.problems, *validation.problems], [*training.notes, note],
                   training.drawn or validation.drawn)


def checked(listing, split, spec, max_pixels):
    """(usable pairs, their shapes, Problems) of a Listing, by the headers of its files. Logs notes and conversions."""
    logger.info("\n  ".join([f"{split}: {len(listing.pairs)} pairs", *listing.notes]))
    with progress_bar.counted(f"check of {split}", len(listing.pairs)) as advance:
        report = file_checks.check_files(listing.pairs, spec, max_pixels, advance)
    for line in file_checks.lines(report.kinds, max_pixels):
        logger.info(f"  {line}")
    return report.good, report.sizes, listing.problems + report.problems


def log_conversions(photos, channels, max_pixels):
    """Log the conversions that reading images without labels will make. photos: paths."""
    with progress_bar.counted("check of images", len(photos)) as advance:
        kinds = file_checks.kinds_of(photos, channels, max_pixels, advance)
    for line in file_checks.lines(kinds, max_pixels):
        logger.info(line)


def is_cached(listing, split, spec, settings, stamps):
    """Whether there is a cache of a Listing without problems."""
    if listing.problems or len(listing.pairs) < (settings.cache_shards if split == "training" else 1):
        return False
    try:
        return all(cache.find(own_path(pairs, title, spec, settings),
                              cache.fingerprint(pairs, spec, settings.size, stamps))
                   for title, pairs in shards_of(listing.pairs, split, settings))
    except errors.DataError:  # a file is missing, or not a cache: the following steps report it
        return False


def shards_of(pairs, split, settings):
    """[(title, pairs)] of the cache files of a split: one, or --cache-shards of the training images."""
    count, title = settings.cache_shards if split == "training" else 1, f"{settings.layout}-{split}"
    if count == 1:
        return [(title, pairs)]
    return [(f"{title}-{number + 1}of{count}", shards.pairs_of(pairs, number, count)) for number in range(count)]


def own_path(pairs, title, spec, settings):
    """Path of the cache file of these pairs. title: of shards_of()."""
    return cache.path_of(pairs, spec, settings.size, settings.cache_dir, title)


def spec_of(settings):
    """The DatasetSpec of the data set of the settings. Raises DataError."""
    spec = _auto.of(settings).spec(settings.data, settings.classes, settings.ignore_label)
    spec = spec.with_overrides(settings.label_encoding, settings.mask_threshold, settings.channels)
    return blue_bits.with_boundary(spec) if settings.rim else spec


def to_evaluate(settings, spec, split, run=None):
    """(usable pairs of a split, Problems of the others), to evaluate a run.

    Raises DataError that lists all problems, unless skip_bad; also as same_split().
    """
    listing = _auto.of(settings).listing(settings.data, split)
    if listing.drawn and run:
        same_split(run, listing, split, settings.data)
    good, _, problems = checked(listing, split, spec, settings.max_pixels)
    if problems and not settings.skip_bad:
        file_checks.refuse(problems, len(listing.pairs))
    if not good:
        raise _no_pairs(split, settings.data, problems)
    return good, problems


def check_pixels(pairs, spec, split, settings):
    """Raise DataError that lists all of these pairs of a split whose pixels cannot be read, unless skip_bad."""
    with progress_bar.counted(f"reading of {split}", len(pairs)) as advance:
        problems = file_checks.damaged(pairs, spec, settings.max_pixels, advance)
    if problems and not settings.skip_bad:
        file_checks.refuse(problems, len(pairs))
    if len(problems) == len(pairs):
        raise _no_pairs(split, settings.data, problems)


def _no_pairs(split, data, problems):
    return errors.DataError(f"no usable pairs for {split}", where=data, why=errors.several(problems),
                            fix=file_checks.NO_OTHERS if problems else
                            f"add images with labels to the split {split}, or give another --data.")


def same_split(run, listing, split, data):
    """Raise DataError if a split to evaluate contains training images of the run.

    This happens if a data set without splits has changed since the run's split was drawn.
    """
    path, folder = pathlib.Path(run) / "split.csv", pathlib.Path(data)
    if not path.exists():
        return
    folder = folder if folder.is_dir() else folder.parent
    trained_on = {name for name, trained_split in _split.read(path).items() if trained_split == "training"}
    both = [pair.name for pair in listing.pairs if pair.name in trained_on]
    if both and split != "training":
        raise errors.DataError(f"{len(both)} of these images were trained on: {', '.join(both[:5])}", where=path,
                               why="the data set has changed since its split was drawn",
                               fix=f"{shlex.join(['cp', '-n', str(path), str(folder)])} and the same command again: "
                                    "that split is then used. It needs a line for each new image.")


def prepare_caches(settings, data, verify=False):
    """Build or open the caches of both splits. Returns (spec, training Cache, validation Cache).

    data: of find_data(). verify: compare all rows with their checksums. The spec has class names also for a data set
    without names. Raises DataError, MachineError.
    """
    caches, spec = {}, data.spec
    found_errors = []
    for split in data.found:
        try:
            parts = [made for _, made in prepared(settings, data, split, verify)]
            caches[split] = parts[0] if len(parts) == 1 else shards.Shards(parts)
        except errors.DataError as error:  # report the errors of both splits
            found_errors.append(error)
    if found_errors:
        raise found_errors[0] if len(found_errors) == 1 else errors.DataError(
            "both splits have bad pairs", where=settings.data, why=list(map(str, found_errors)),
            fix=found_errors[0].fix)
    training, validation = caches["training"], caches["validation"]
    spec = spec.counted(training.class_pixels)
    labels = [pair.label for pair in data.found["training"]]
    check_classes(spec, training.class_pixels, validation.class_pixels, settings, bool(data.spec.class_names), labels)
    for line in file_checks.sparse_ids_warning(data.spec, training.class_pixels + validation.class_pixels,
                                               settings.ignore_label):
        logger.info(line)
    return spec, training, validation


def prepared(settings, data, split, verify=False, wanted=lambda number: True):
    """Build or open the cache files of a split, one after the other; yields (number, Cache).

    data: of find_data(). verify: as in prepare_caches(). wanted: function of the number of a shard.
    """
    spec, found = data.spec, shards_of(data.found[split], split, settings)
    for number, (title, pairs) in enumerate(found):
        if not wanted(number):
            continue
        started, name = time.monotonic(), title.removeprefix(f"{settings.layout}-")
        shapes = data.shapes[split] and shards.pairs_of(data.shapes[split], number, len(found))
        with progress_bar.counted(f"cache of {name}", len(pairs)) as advance:
            options = cache.BuildOptions(settings.skip_bad, settings.max_pixels, shapes, data.stamps, advance)
            made = cache.prepare(pairs, spec, settings.size, settings.cache_dir, title, options)
        logger.info(f"{name}: {summary(made)}, ready in {time.monotonic() - started:.1f} s")
        if made.path != own_path(pairs, title, spec, settings):
            logger.info("  built when the same files (names, sizes, times) had another path, or by an earlier version; "
                        "used as it is")
        if verify:
            verified(made)
        yield number, made


def check_classes(spec, training, validation, settings, named, labels):
    """Raise DataError if the ids in the labels cannot be classes.

    training, validation: (ids,) pixels of each id. named: whether the data set names its classes. labels: paths of
    training labels, some of which are read to detect masks.
    """
    present = [i for i in spec.scored_ids if training[i]]
    if len(present) < 2:
        masks = VOID_ID in spec.ignored_ids and training[VOID_ID] > 0 and label_files.are_masks(labels, spec)
        what = f"only the class '{spec.class_names[present[0]]}'" if present else "no pixel of a class"
        raise errors.DataError(f"the training labels contain {what}, expected at least two classes",
                               where=settings.data,
                               fix="--label-encoding binary reads 255 as foreground (now it is ignored)." if masks
                               else "check --ignore-label and the label files.")
    if not named and len(present) > label_files.MOST_UNNAMED:
        raise errors.DataError(f"the training labels contain {len(present)} ids without names, as masks with smooth "
                               "edges do", where=settings.data, fix="name the ids with --classes" + (
                                   ", or read masks with --label-encoding binary."
                                   if label_files.are_masks(labels, spec) else "."))
    if spec.num_classes > MOST_CLASSES:
        raise errors.DataError(f"the highest id is {spec.num_classes - 1}, so the net would have {spec.num_classes} "
                               f"channels, expected at most {MOST_CLASSES}", where=settings.data, fix="fcn inspect "
                               "prints a file of classes for these ids; give it as --classes.")
    unknown = [i for i in np.flatnonzero(validation).tolist() if i not in spec.scored_ids + spec.ignored_ids]
    if unknown:
        raise errors.DataError(f"validation labels contain the ids {unknown}, which training labels do not",
                               where=settings.data, fix="name the classes with --classes.")
    if not validation[list(spec.scored_ids)].any():
        raise errors.DataError("the validation labels contain no pixel of a class", where=settings.data,
                               fix="check --ignore-label and the label files; a test split without labels cannot be "
                                   "used for validation.")


def summary(made):
    """'367 pairs in data_cache/... (254 MB)', with the number of left-out pairs."""
    left_out = f"; {len(made.left_out)} left out, see {builder.left_out(made.path)}" if made.left_out else ""
    return f"{len(made)} pairs in {made.path} ({atomic_io.format_bytes(made.path.stat().st_size)}){left_out}"


def verified(made):
    """Compare all rows of a Cache with their checksums. Raises DataError that names damaged rows."""
    with progress_bar.counted("verified", len(made)) as advance:
        bad = cache.verify(made, advance)
    if bad:
        raise made.damage(bad)
    logger.info(f"  verified: all {len(made)} rows are as they were written")


def keep_lists(run, data, caches):
    """Write the lists of left-out files (skipped.txt) and of a drawn split (split.csv) into a run folder, if any.

    caches: of both splits, whose left-out pairs are listed too.
    """
    lines = [f"{problem}\n" for problem in data.problems]
    for made in (part for whole in caches for part in getattr(whole, "parts", [whole])):
        lines += builder.listed(made.path) if made.left_out else []
    if lines:
        logger.info(f"left out: {len(lines)} files, listed in {run / 'skipped.txt'}")
        atomic_io.write_whole(run / "skipped.txt", "".join(lines).encode("utf-8", "surrogateescape"))
    if data.drawn:
        _split.write(run / "split.csv", {pair.name: split for split, pairs in data.found.items() for pair in pairs})
