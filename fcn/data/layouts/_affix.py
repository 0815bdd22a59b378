"""Pair labels whose names add the same prefix or suffix to the image's name: NAME_mask, NAME_segmentation, gt_NAME.

Such names pair only if no label has the name of an image, and if exactly one prefix or suffix fits all labels. It is
separated by one of SEPARATORS, so that 1 and 11 do not pair.
"""

import collections

SEPARATORS = "_-. "
MOST_TAILS = 5  # number of suffixes in a message


def keys(image_stems, label_stems):
    """(keys of images, keys of labels, note). An image and a label with the same key are a pair.

    The keys are the stems, without the common prefix or suffix of the labels if exactly one fits; then the note says
    which.
    """
    unchanged = image_stems, label_stems, ""
    if not image_stems or not label_stems or not {s.lower() for s in image_stems}.isdisjoint(
            s.lower() for s in label_stems):
        return unchanged
    fitting = [affix for affix in candidates(label_stems) if _fits(affix, image_stems, label_stems)]
    if len(fitting) == 1:
        before, after = fitting[0]
        note = f"labels pair by the suffix '{after}'." if after else f"labels pair by the prefix '{before}'."
        return image_stems, [_stripped(stem, before, after) for stem in label_stems], note
    return unchanged if fitting else _both(image_stems, label_stems) or unchanged


def in_common(image_paths, label_paths):
    """Lines for a message: what the names of unpaired labels have in common, and how many would pair."""
    image_stems, labels = {path.stem for path in image_paths}, [path.stem for path in label_paths]
    if not {stem.lower() for stem in image_stems}.isdisjoint(stem.lower() for stem in labels):
        return []  # these are reported one by one
    tails = collections.Counter(label[len(start):] for label in labels for start in _starts(label)
                                if start in image_stems)
    if tails:
        most = [f"{count:,} of {len(labels):,} labels have the name of an image followed by '{tail}'"
                for tail, count in sorted(tails.items(), key=lambda item: (-item[1], item[0]))[:MOST_TAILS]]
        named = {start + tail for tail in tails for start in image_stems} if len(tails) == 1 else set(labels)
        others = [path.name for path in label_paths if path.stem not in named]
        return most + ([f"{len(others):,} have not, such as {', '.join(others[:3])}"] if others else [])
    if not labels or not image_paths:
        return []
    tail = _common_end(labels)
    return [f"images have names such as {image_paths[0].name}, labels such as {label_paths[0].name}"
            + (f"; all labels end in '{tail}'" if tail and len(labels) > 1 else "")]


def _starts(label):
    """All prefixes of a stem that end before a separator."""
    return [label[:i] for i, letter in enumerate(label) if letter in SEPARATORS and i]


def candidates(stems):
    """[(prefix, suffix)] that all stems have in common, one of the two "", up to each separator."""
    end = _common_start([stem[::-1] for stem in stems])[::-1]
    start = _common_start(stems)
    return [("", end[i:]) for i, letter in enumerate(end) if letter in SEPARATORS] + \
           [(start[:i + 1], "") for i, letter in enumerate(start) if letter in SEPARATORS]


def _fits(affix, image_stems, label_stems):
    """Whether each label, without the affix, has the name of a different image.

    An affix that is itself the name of an image does not fit: 1_1 and 1_2 may be two labels of image 1.
    """
    if "".join(affix).strip(SEPARATORS) in image_stems:
        return False
    stripped = [_stripped(stem, *affix) for stem in label_stems]
    return len(set(stripped)) == len(stripped) and set(stripped) <= set(image_stems)


def _stripped(stem, before, after):
    return stem[len(before):len(stem) - len(after)]


def _both(image_stems, label_stems):
    """keys() if images have a common suffix too (NAME_leftImg8bit, NAME_labelIds) and all of them pair; or None."""
    ends = [_common_end(stems) for stems in (image_stems, label_stems)]
    if len(image_stems) < 2 or not all(ends):
        return None
    shared = _common_start(ends)
    cut = max((i for i, letter in enumerate(shared) if letter in SEPARATORS), default=0)
    ends = [end[cut:] if all(len(end) > cut for end in ends) else end for end in ends]
    stripped = [[_stripped(stem, "", end) for stem in stems]
                for stems, end in zip((image_stems, label_stems), ends, strict=True)]
    if sorted(stripped[0]) != sorted(stripped[1]) or len(set(stripped[0])) < len(stripped[0]):
        return None
    return *stripped, f"images and labels pair by the suffixes '{ends[0]}' and '{ends[1]}'."


def _common_end(stems):
    """The common suffix of all stems, from its first separator; "" without one."""
    end = _common_start([stem[::-1] for stem in stems])[::-1]
    return next((end[i:] for i, letter in enumerate(end) if letter in SEPARATORS), "")


def _common_start(texts):
    low, high = min(texts), max(texts)  # all others sort between these two
    return low[:next((i for i, pair in enumerate(zip(low, high, strict=False)) if pair[0] != pair[1]), len(low))]
