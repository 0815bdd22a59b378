"""Settings, where the numbers come from, and the conventions: folded, for those who want to know or do it again."""

import json

from fcn.sections._html import folded, section, text

PROVENANCE = ("command", "commit", "time", "machine", "device", "versions", "weights", "checkpoint_step", "precision",
              "layout", "split", "images", "left_out")
FOLDED = {"Settings": ("settings",), "Where the numbers come from": PROVENANCE,
          "How the net was trained": ("training",), "Conventions": ("conventions", "ignored_ids")}

SHORT = 12  # parts of a list that stands in a line


def build(report):
    content = report.content
    body = ""
    for title, keys in FOLDED.items():
        found = {key: content[key] for key in keys if content.get(key) not in (None, "", [], {})}
        shown = next(iter(found.values())) if len(keys) == 1 and found else found
        body += folded(title, _shown(shown)) if found else ""
    return section("facts", "Settings and provenance", body)


def _shown(value):
    """A dict as a list of terms, a list as a list, all else as text; folded into each other as they are."""
    if isinstance(value, dict):
        terms = "".join(f"<dt>{text(key)}</dt><dd>{_shown(inside)}</dd>" for key, inside in value.items())
        return f"<dl>{terms}</dl>"
    if isinstance(value, list) and (len(value) > SHORT or any(isinstance(inside, dict) for inside in value)):
        return "<ol>" + "".join(f"<li>{_shown(inside)}</li>" for inside in value) + "</ol>"
    return f"<code>{text(value if isinstance(value, str) and value else json.dumps(value))}</code>"
