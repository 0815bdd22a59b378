"""A data set as a run uses it: listed, checked by its headers, cached; what is left out is listed.

`settings` is a training_config.Config throughout.
"""

import dataclasses
import logging
import pathlib
import shlex
import time

import numpy as np

from fcn.core import atomic_io, errors, progress_bar, registry
from fcn.core.errors import Problem
from fcn.data import file_checks, label_files
from fcn.data.cache import builder, cache
from fcn.data.layouts import _split
from fcn.data.spec import VOID_ID, DatasetSpec, Pair

logger = logging.getLogger(__name__)

SPLITS = ("training", "validation")


@dataclasses.dataclass(frozen=True)
class Data:
    """The pairs of a data set as they will be used.

    found, shapes: by split; a shape is (height, width) as the pair will be read, or None where a cache knows it.
    problems: files that are left out, with skip_bad. drawn: whether the split was drawn by us. stamps: of the files,
    as they were when the data set was listed.
    """

    spec: DatasetSpec
    found: dict[str, list[Pair]]
    shapes: dict[str, list | None]
    problems: list[Problem]
    drawn: bool
    stamps: cache.Stamps

    def digests(self):
        """[Hex digest of names and sizes of the files] of each split. Raises DataError."""
        return [cache.listing_digest(pairs, self.stamps) for pairs in self.found.values()]


def find_data(settings):
    """The Data of settings. Raises one DataError with everything that is wrong with any file, unless skip_bad."""
    layout = registry.load("layouts", settings.layout)
    spec = layout.spec(settings.data, settings.classes, settings.ignore_label)
    spec = spec.as_asked(settings.label_encoding, settings.mask_threshold)
    listings = {split: layout.listing(settings.data, split) for split in SPLITS}
    found: dict[str, list[Pair]] = {}
    shapes: dict[str, list | None] = {}
    problems: list[Problem] = []
    stamps = cache.Stamps()
    for split, listing in listings.items():
        if cache_of(listing, split, spec, settings, stamps):  # its files were checked when it was built
            found[split], shapes[split] = listing.pairs, None
        else:
            found[split], shapes[split], bad = checked(listing, split, spec, settings.max_pixels)
            problems += bad
    problems = list(dict.fromkeys(problems))  # a fault of a list of files is one of each split
    if problems and not settings.skip_bad:
        file_checks.refuse(problems, sum(len(listing.pairs) for listing in listings.values()))
    for split, good in found.items():
        if not good:
            raise errors.DataError(f"not one good pair of {split} is left", where=settings.data,
                                   why=errors.several(problems))
    return Data(spec, found, shapes, problems, any(listing.drawn for listing in listings.values()), stamps)


def checked(listing, split, spec, max_pixels):
    """(good pairs, their shapes, all Problems) of a Listing by the headers of its files; says what it saw."""
    logger.info("\n  ".join([f"{split}: {len(listing.pairs)} pairs", *listing.notes]))
    with progress_bar.counted(f"check of {split}", len(listing.pairs)) as advance:
        report = file_checks.check_files(listing.pairs, spec, max_pixels, advance)
    for line in file_checks.lines(report.kinds, max_pixels):
        logger.info(f"  {line}")
    return report.good, report.sizes, listing.problems + report.problems


def say_photos(photos, max_pixels):
    """Say of photos without labels, before they are predicted, what reading changes in them."""
    with progress_bar.counted("check of photos", len(photos)) as advance:
        kinds = file_checks.kinds_of(photos, max_pixels, advance)
    for line in file_checks.lines(kinds, max_pixels):
        logger.info(line)


def cache_of(listing, split, spec, settings, stamps):
    """The finished Cache of a listing without problems, if there is one."""
    if listing.problems:
        return None
    try:
        print_ = cache.fingerprint(listing.pairs, spec, settings.size, stamps)
        return cache.find(own_path(listing.pairs, split, spec, settings), print_)
    except errors.DataError:  # a pair is gone, or the file is no cache: whoever comes next says it better
        return None


def own_path(pairs, split, spec, settings):
    """The file that the cache of these pairs of a split is built in."""
    return cache.path_of(pairs, spec, settings.size, settings.cache_dir, f"{settings.layout}-{split}")


def to_evaluate(settings, spec, split, run=None):
    """(good pairs of a split, Problems of the others).

    Raises DataError for bad ones, unless skip_bad, and if `run` was split otherwise.
    """
    listing = registry.load("layouts", settings.layout).listing(settings.data, split)
    if listing.drawn and run:
        same_split(run, listing, split, settings.data)
    good, _, problems = checked(listing, split, spec, settings.max_pixels)
    if problems and not settings.skip_bad:
        file_checks.refuse(problems, len(listing.pairs))
    if not good:
        raise errors.DataError(f"not one good pair of {split} is left", where=settings.data,
                               why=errors.several(problems))
    return good, problems


def same_split(run, listing, split, data):
    """Refuse to score images that the run was trained on, as the data set has changed since its split was drawn."""
    path, folder = pathlib.Path(run) / "split.csv", pathlib.Path(data)
    if not path.exists():
        return
    folder = folder if folder.is_dir() else folder.parent
    trained_on = {name for name, its in _split.read(path).items() if its == "training"}
    both = [pair.name for pair in listing.pairs if pair.name in trained_on]
    if both and split != "training":
        raise errors.DataError(f"{len(both)} of these images were trained on: {', '.join(both[:5])}", where=path,
                               why="the data set has changed since its split was drawn",
                               fix=f"{shlex.join(['cp', '-n', str(path), str(folder)])} and the same command again: "
                                    "that split is obeyed. It needs a line for each new image.")


def prepare_caches(settings, data, verify=False):
    """(spec with its classes counted if nobody names them, training Cache, validation Cache)."""
    caches, spec = {}, data.spec
    faults = []
    for split, found in data.found.items():
        started = time.monotonic()
        try:
            with progress_bar.counted(f"cache of {split}", len(found)) as advance:
                options = cache.BuildOptions(settings.skip_bad, settings.max_pixels, data.shapes[split], data.stamps,
                                             advance)
                made = cache.prepare(found, spec, settings.size, settings.cache_dir, f"{settings.layout}-{split}",
                                     options)
        except errors.DataError as fault:  # the other split has its own
            faults.append(fault)
            continue
        logger.info(f"{split}: {summary(made)}, ready in {time.monotonic() - started:.1f} s")
        if made.path != own_path(found, split, spec, settings):
            logger.info("  built when the same files (names, sizes, times) had another path, or by an earlier version; "
                  "used as it is")
        if verify:
            verified(made)
        caches[split] = made
    if faults:
        raise faults[0] if len(faults) == 1 else errors.DataError(
            "both splits have bad pairs", where=settings.data, why=[str(f) for f in faults], fix=faults[0].fix)
    training, validation = caches["training"], caches["validation"]
    spec = spec.counted(training.class_pixels)
    labels = [pair.label for pair in data.found["training"]]
    check_classes(spec, training.class_pixels, validation.class_pixels, settings, bool(data.spec.class_names), labels)
    for line in file_checks.sparse_ids_warning(data.spec, training.class_pixels + validation.class_pixels,
                                               data.found["training"] + data.found["validation"], settings,
                                               settings.max_pixels):
        logger.info(line)
    return spec, training, validation


def check_classes(spec, training, validation, settings, named, labels):
    """Raise DataError if these pixels by id, (256,) each, cannot be what is meant.

    named: the classes have names. labels: paths of training labels; some of them are read before they are called masks.
    """
    seen = [i for i in spec.scored_ids if training[i]]
    if len(seen) < 2:
        masks = VOID_ID in spec.ignored_ids and training[VOID_ID] > 0 and label_files.are_masks(labels, spec)
        what = f"'{spec.class_names[seen[0]]}' alone" if seen else "not one pixel of a class"
        raise errors.DataError(f"the training labels hold {what}: there is nothing to tell apart", where=settings.data,
                               fix="--label-encoding binary reads 255 as foreground (here it is ignored)." if masks
                               else "check --ignore-label and the label files.")
    if not named and len(seen) > label_files.MOST_UNNAMED:
        raise errors.DataError(f"the training labels hold {len(seen)} ids without names: are they smooth masks?",
                               where=settings.data, fix="--classes names ids" + (
                                   ", --label-encoding binary reads masks." if label_files.are_masks(labels, spec)
                                   else "."))
    unknown = [i for i in np.flatnonzero(validation).tolist() if i not in spec.scored_ids + spec.ignored_ids]
    if unknown:
        raise errors.DataError(f"validation labels hold ids {unknown} that training labels do not",
                               where=settings.data, fix="name the classes with --classes.")
    if not validation[list(spec.scored_ids)].any():
        raise errors.DataError("the validation labels hold not one pixel of a class", where=settings.data,
                               fix="check --ignore-label and the label files; a test split without labels is no "
                                    "validation split.")


def summary(made):
    """'367 pairs in data_cache/... (254 MB)', and how many were left out."""
    left_out = f"; {len(made.left_out)} left out, see {builder.left_out(made.path)}" if made.left_out else ""
    return f"{len(made)} pairs in {made.path} ({atomic_io.amount(made.path.stat().st_size)}){left_out}"


def verified(made):
    """Raise DataError naming the rows of a Cache that are damaged."""
    with progress_bar.counted("verified", len(made)) as advance:
        bad = cache.verify(made, advance)
    if bad:
        raise made.damage(bad)
    logger.info(f"  verified: all {len(made)} rows are as they were written")


def keep_lists(run, data, caches):
    """Write into a run's folder which files were left out (skipped.txt) and which split we drew (split.csv), if any."""
    lines = [f"{problem}\n" for problem in data.problems]
    for made in caches:
        lines += builder.listed(made.path) if made.left_out else []
    if lines:
        logger.info(f"left out: {len(lines)} files, listed in {run / 'skipped.txt'}")
        atomic_io.write_whole(run / "skipped.txt", "".join(lines).encode("utf-8", "surrogateescape"))
    if data.drawn:
        _split.write(run / "split.csv", {pair.name: split for split, pairs in data.found.items() for pair in pairs})
