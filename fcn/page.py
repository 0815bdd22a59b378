"""report.html of an evaluation: one page with everything in it, to be read anywhere and mailed to anyone.

What it says is in sections/, a file a section; how it looks and answers the pointer in sections/style.css and
sections/script.js. It loads nothing: its Content-Security-Policy forbids the browser to.
"""

import json
import pathlib
import string

from fcn import durable, errors, results
from fcn.sections import _report, classes, confusion, facts, headline, images, protocols, training
from fcn.sections._html import text

PARTS = pathlib.Path(__file__).parent / "sections"
SECTIONS = (headline, protocols, classes, confusion, images, training, facts)
LINKS = {"protocols": "protocols", "classes": "classes", "confusion": "confusion", "images": "images",
         "training": "training", "facts": "settings"}


def write(folder):
    """Write folder/report.html from what lies in the folder, and from the log of its run. Returns its path.

    What else than report.json is missing or damaged is not on the page, and it says so. Raises DataError, OSError.
    """
    report = _report.read(folder)
    try:
        page = build(report)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        raise errors.DataError("is not as an evaluation writes it", where=pathlib.Path(folder) / "report.json",
                               why=repr(error), cure=results.AGAIN) from error
    path = pathlib.Path(folder) / "report.html"
    durable.write_whole(path, page.encode("utf-8", "backslashreplace"))
    return path


def build(report):
    """The page of a _report.Report."""
    body = "".join(section.build(report) for section in SECTIONS)
    links = " ".join(f'<a href="#{key}">{name}</a>' for key, name in LINKS.items() if f'<section id="{key}">' in body)
    data = {"names": report.spec.class_names, "ignored": report.spec.ignored_ids, "matrix": confusion.data(report)}
    template = string.Template((PARTS / "page.html").read_text())
    return template.substitute(title=title(report), links=links, body=body, data=_json(data),
                               style=(PARTS / "style.css").read_text(), script=(PARTS / "script.js").read_text())


def title(report):
    """'demo: validation, step 300, fcn8s'."""
    content = report.content
    settings, step = content.get("settings"), content.get("checkpoint_step")
    found = [content.get("split"), f"step {step:,}" if isinstance(step, int) else "",
             content.get("net") or (settings.get("net") if isinstance(settings, dict) else "")]
    return text(f"{report.name}: {', '.join(str(fact) for fact in found if fact)}".removesuffix(": "))


def _json(data):
    """JSON that may stand inside <script>, whatever the names in it."""
    return json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
