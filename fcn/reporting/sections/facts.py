"""Settings, where the numbers come from, and the conventions: folded, for those who want to know or do it again."""

import json

from fcn.reporting.sections._html import render

ORDER, TITLE, LINK = 60, "Settings and provenance", "settings"
PROVENANCE = ("command", "commit", "time", "machine", "device", "versions", "weights", "checkpoint_step", "precision",
              "layout", "split", "images", "left_out")
FOLDED = {"Settings": ("settings",), "Where the numbers come from": PROVENANCE,
          "How the net was trained": ("training",), "Conventions": ("conventions", "ignored_ids")}
SHORT = 12  # parts of a list that stands in a line


def build(report):
    content = report.content
    groups = []
    for title, keys in FOLDED.items():
        found = {key: content[key] for key in keys if content.get(key) not in (None, "", [], {})}
        if found:
            groups.append((title, next(iter(found.values())) if len(keys) == 1 else found))
    return render("facts.html", groups=groups, is_long=is_long, as_text=as_text)


def is_long(value):
    """Whether this is a list that takes a line for each of its parts."""
    return isinstance(value, list) and (len(value) > SHORT or any(isinstance(inside, dict) for inside in value))


def as_text(value):
    return value if isinstance(value, str) and value else json.dumps(value)
