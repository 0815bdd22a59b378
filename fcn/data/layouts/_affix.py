"""Labels that are named as their photo and something more, the same for all: PHOTO_mask, PHOTO_segmentation, gt_PHOTO.

Nothing is guessed: such names pair only if no label has the plain name of a photo, and if one reading of them fits all
labels, and no other does. What is common starts or ends with one of SEPARATORS, so that 1 and 11 are no pair.
"""

import collections

SEPARATORS = "_-. "
MOST_TAILS = 5  # that a message names


def keys(photo_stems, label_stems):
    """(keys of the photos, keys of the labels, note): those of a pair are equal. The stems themselves, and no note, if
    a label has the stem of a photo or if there is not just one way to take off what labels have in common.
    """
    as_they_are = photo_stems, label_stems, ""
    if not photo_stems or not label_stems or not {s.lower() for s in photo_stems}.isdisjoint(
            s.lower() for s in label_stems):
        return as_they_are
    fitting = [affix for affix in _candidates(label_stems) if _fits(affix, photo_stems, label_stems)]
    if len(fitting) == 1:
        before, after = fitting[0]
        note = f"labels pair by the suffix '{after}'." if after else f"labels pair by the prefix '{before}'."
        return photo_stems, [_stripped(stem, before, after) for stem in label_stems], note
    return as_they_are if fitting else _both(photo_stems, label_stems) or as_they_are


def in_common(photo_paths, label_paths):
    """Lines on what the names of labels that do not pair have in common, and how many of them would pair."""
    photos, labels = {path.stem for path in photo_paths}, [path.stem for path in label_paths]
    if not {stem.lower() for stem in photos}.isdisjoint(stem.lower() for stem in labels):
        return []  # these are told one by one
    tails = collections.Counter(label[len(start):] for label in labels for start in _starts(label) if start in photos)
    if tails:
        most = [f"{count:,} of {len(labels):,} labels are named as a photo and '{tail}'"
                for tail, count in sorted(tails.items(), key=lambda item: (-item[1], item[0]))[:MOST_TAILS]]
        named = {start + tail for tail in tails for start in photos} if len(tails) == 1 else set(labels)
        others = [path.name for path in label_paths if path.stem not in named]
        return most + ([f"{len(others):,} are not, as {', '.join(others[:3])}"] if others else [])
    if not labels or not photo_paths:
        return []
    tail = _common_end(labels)
    return [f"photos are named as {photo_paths[0].name}, labels as {label_paths[0].name}"
            + (f"; all labels end in '{tail}'" if tail and len(labels) > 1 else "")]


def _starts(label):
    """All beginnings of a stem that end before a separator."""
    return [label[:i] for i, letter in enumerate(label) if letter in SEPARATORS and i]


def _candidates(stems):
    """(prefix, suffix) of all that these stems have in common at one end, cut before or after a separator."""
    end = _common_start([stem[::-1] for stem in stems])[::-1]
    start = _common_start(stems)
    return [("", end[i:]) for i, letter in enumerate(end) if letter in SEPARATORS] + \
           [(start[:i + 1], "") for i, letter in enumerate(start) if letter in SEPARATORS]


def _fits(affix, photo_stems, label_stems):
    """Whether each label, without the affix, is named as a photo of its own.

    An affix that is itself the name of a photo fits none: 1_1 and 1_2 may be two labels of photo 1.
    """
    if "".join(affix).strip(SEPARATORS) in photo_stems:
        return False
    stripped = [_stripped(stem, *affix) for stem in label_stems]
    return len(set(stripped)) == len(stripped) and set(stripped) <= set(photo_stems)


def _stripped(stem, before, after):
    return stem[len(before):len(stem) - len(after)]


def _both(photo_stems, label_stems):
    """keys() where photos have an end of their own, too (PHOTO_leftImg8bit, PHOTO_labelIds), and all of them pair."""
    ends = [_common_end(stems) for stems in (photo_stems, label_stems)]
    if len(photo_stems) < 2 or not all(ends):
        return None
    shared = _common_start(ends)
    cut = max((i for i, letter in enumerate(shared) if letter in SEPARATORS), default=0)
    ends = [end[cut:] if all(len(end) > cut for end in ends) else end for end in ends]
    stripped = [[_stripped(stem, "", end) for stem in stems]
                for stems, end in zip((photo_stems, label_stems), ends, strict=True)]
    if sorted(stripped[0]) != sorted(stripped[1]) or len(set(stripped[0])) < len(stripped[0]):
        return None
    return *stripped, f"photos and labels pair by the suffixes '{ends[0]}' and '{ends[1]}'."


def _common_end(stems):
    """What all stems end in, from its first separator on; "" if nothing."""
    end = _common_start([stem[::-1] for stem in stems])[::-1]
    return next((end[i:] for i, letter in enumerate(end) if letter in SEPARATORS), "")


def _common_start(texts):
    low, high = min(texts), max(texts)  # all others lie between these two
    return low[:next((i for i, pair in enumerate(zip(low, high, strict=False)) if pair[0] != pair[1]), len(low))]
