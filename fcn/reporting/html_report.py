"""report.html of an evaluation: one page with everything in it, to be read anywhere and mailed to anyone.

Its sections are the files in sections/ (see the package's docstring), page.html puts them together; sections/style.css
and sections/script.js say how it looks and answers the pointer. It loads nothing: its Content-Security-Policy forbids
the browser to.
"""

import pathlib

import jinja2
import markupsafe

from fcn.core import atomic_io, errors, registry
from fcn.evaluation import results
from fcn.reporting.sections import _html, _report

PARTS = pathlib.Path(__file__).parent / "sections"
WRONG_CONTENT = (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError, jinja2.UndefinedError)


def write_page(folder):
    """Write folder/report.html from what lies in the folder, and from the log of its run. Returns its path.

    What else than report.json is missing or damaged is not on the page, and it says so. Raises DataError, OSError, and
    what a section of a plugin folder raises.
    """
    report = _report.read(folder)
    try:
        page = build_page(report)
    except WRONG_CONTENT as error:
        if errors.in_plugin(error):
            raise
        raise errors.DataError("is not as an evaluation writes it", where=pathlib.Path(folder) / "report.json",
                               why=repr(error), fix=results.AGAIN) from error
    path = pathlib.Path(folder) / "report.html"
    atomic_io.write_whole(path, page.encode("utf-8", "backslashreplace"))
    return path


def check_sections():
    """Raise UsageError for a section of a plugin folder that cannot be imported or does not keep to the contract."""
    for module in registry.load_all("sections").values():
        if not isinstance(module.ORDER, int | float) or not isinstance(module.TITLE, str) or not isinstance(
                module.LINK, str):
            raise errors.UsageError(f"ORDER is {module.ORDER!r}, TITLE {module.TITLE!r} and LINK {module.LINK!r}, "
                                    "expected a number and two texts", where=module.__file__,
                                    fix="docs/plugins.md has an example.")


def build_page(report):
    """The page of a _report.Report."""
    sections, data = [], {"names": report.spec.class_names, "ignored": report.spec.ignored_ids}
    for name, module in sorted(registry.load_all("sections").items(), key=lambda item: item[1].ORDER):
        body = module.build(report)
        if body:
            sections.append({"name": name, "title": module.TITLE, "link": module.LINK, "body": body})
            data |= {name: module.data(report)} if module.data else {}
    return _html.render("page.html", title=title(report), sections=sections, data=data,
                        style=markupsafe.Markup((PARTS / "style.css").read_text()),
                        script=markupsafe.Markup((PARTS / "script.js").read_text()))


def title(report):
    """'demo: validation, step 300, fcn8s'."""
    content = report.content
    settings, step = content.get("settings"), content.get("checkpoint_step")
    found = [content.get("split"), f"step {step:,}" if isinstance(step, int) else "",
             content.get("net") or (settings.get("net") if isinstance(settings, dict) else "")]
    return f"{report.name}: {', '.join(str(fact) for fact in found if fact)}".removesuffix(": ")
