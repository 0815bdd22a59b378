"""Groups of classes: known groups of a data set, and the classes of --classes."""

import difflib

from fcn.core import errors
from fcn.data.layouts._ade20k_classes import CLASSES, STUFF


def groups(class_names):
    """{group: ids} of the known groups of these classes; {} for most data sets.

    The 150 classes of ADE20K have the benchmark's groups "stuff" and "discrete".
    """
    ids = {name: i for i, name in enumerate(class_names)}
    names = [name for name, _ in CLASSES]
    if not ids.keys() >= set(names):
        return {}
    return {"stuff": tuple(ids[name] for name in names if name in STUFF),
            "discrete": tuple(ids[name] for name in names if name not in STUFF)}


def parse_classes(text, class_names, scored_ids):
    """Sorted ids of a comma-separated list of groups, class names and ids. Raises UsageError."""
    known = groups(class_names)
    by_name = {class_names[i].casefold(): i for i in reversed(scored_ids)}
    found: set[int] = set()
    one = text.casefold() in by_name  # a class name may contain commas
    words = [text] if one else [part.strip() for part in text.split(",")]
    for word in filter(None, words):
        if word in known:
            found |= set(known[word])
        elif word.casefold() in by_name:
            found.add(by_name[word.casefold()])
        elif word.isdecimal() and int(word) in scored_ids:
            found.add(int(word))
        else:
            raise _unknown(word, [*known, *(class_names[i] for i in scored_ids)], scored_ids)
    if not found:
        raise errors.UsageError("--classes names no class", fix=f"give names or ids, such as {scored_ids[0]}.")
    return tuple(i for i in scored_ids if i in found)


def _unknown(word, names, scored_ids):
    if word.isdecimal():
        return errors.UsageError(f"no scored class has the id {word}",
                                 fix=f"give ids from {min(scored_ids)} to {max(scored_ids)}.")
    folded = {name.casefold(): name for name in reversed(names)}
    near = difflib.get_close_matches(word.casefold(), folded, 1, cutoff=0.4)
    return errors.UsageError(f"no scored class has the name '{word}'",
                             fix=f"did you mean '{folded[near[0]]}'?" if near else f"use {', '.join(names[:20])}")
