"""Settings, provenance and conventions, in collapsed groups."""

import json

from fcn.reporting.sections._html import render

ORDER, TITLE, LINK = 60, "Settings and provenance", "settings"
PROVENANCE = ("command", "commit", "time", "machine", "device", "versions", "weights", "checkpoint_step", "precision",
              "layout", "split", "images", "left_out")
GROUPS = {"Settings": ("settings",), "Provenance of the numbers": PROVENANCE,
          "Training of the net": ("training",), "Conventions": ("conventions", "ignored_ids")}
SHORT = 12  # items of a list that is written in one line


def build(report):
    """HTML of the section, as the contract of fcn/reporting/sections says."""
    content = report.content
    groups = []
    for title, keys in GROUPS.items():
        found = {key: content[key] for key in keys if content.get(key) not in (None, "", [], {})}
        if found:
            groups.append((title, next(iter(found.values())) if len(keys) == 1 else found))
    return render("facts.html", groups=groups, is_long=is_long, as_text=as_text)


def is_long(value):
    """Return whether this is a list that takes a line for each of its items."""
    return isinstance(value, list) and (len(value) > SHORT or any(isinstance(inside, dict) for inside in value))


def as_text(value):
    """A setting's value as text."""
    return value if isinstance(value, str) and value else json.dumps(value)
