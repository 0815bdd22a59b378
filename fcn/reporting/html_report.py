"""report.html of an evaluation: a self-contained HTML report.

Every file in sections/ is a section (contract: sections/__init__.py). page.html joins them with style.css and
script.js. The page loads no other file; its Content-Security-Policy forbids that.
"""

import pathlib

import jinja2
import markupsafe

from fcn.core import atomic_io, errors, registry
from fcn.evaluation import results
from fcn.reporting.sections import _html, _report

SECTIONS = pathlib.Path(__file__).parent / "sections"
WRONG_CONTENT = (KeyError, TypeError, ValueError, IndexError, AttributeError, RecursionError, jinja2.UndefinedError)


def write_page(folder):
    """Write folder/report.html from the files in the folder and the log of the run. Returns its path.

    report.json is required. A remark on the page names every other file that is damaged. Raises DataError, OSError, and
    the exceptions of sections from plugin folders.
    """
    report = _report.read(folder)
    try:
        page = build_page(report)
    except WRONG_CONTENT as error:
        if errors.in_plugin(error):
            raise
        raise errors.DataError("is not a valid report", where=pathlib.Path(folder) / "report.json",
                               why=repr(error), fix=results.AGAIN) from error
    path = pathlib.Path(folder) / "report.html"
    atomic_io.write_whole(path, page.encode("utf-8", "backslashreplace"))
    return path


def check_sections():
    """Raise UsageError if a section from a plugin folder cannot be imported or violates the contract."""
    for module in registry.load_all("sections").values():
        if not isinstance(module.ORDER, int | float) or not isinstance(module.TITLE, str) or not isinstance(
                module.LINK, str):
            raise errors.UsageError(f"ORDER is {module.ORDER!r}, TITLE {module.TITLE!r} and LINK {module.LINK!r}, "
                                    "expected a number and two strings", where=module.__file__,
                                    fix="docs/plugins.md has an example.")


def build_page(report):
    """Build the page (str) of a _report.Report."""
    sections, data = [], {"names": report.spec.class_names, "ignored": report.spec.ignored_ids}
    for name, module in sorted(registry.load_all("sections").items(), key=lambda item: item[1].ORDER):
        body = module.build(report)
        if body:
            sections.append({"name": name, "title": module.TITLE, "link": module.LINK, "body": body})
            data |= {name: module.data(report)} if module.data else {}
    return _html.render("page.html", title=title(report), sections=sections, data=data,
                        style=markupsafe.Markup((SECTIONS / "style.css").read_text()),
                        script=markupsafe.Markup((SECTIONS / "script.js").read_text()))


def title(report):
    """Return the title of the page, such as 'demo: validation, step 300, fcn8s'."""
    content = report.content
    settings, step = content.get("settings"), content.get("checkpoint_step")
    found = [content.get("split"), f"step {step:,}" if isinstance(step, int) else "",
             content.get("net") or (settings.get("net") if isinstance(settings, dict) else "")]
    return f"{report.name}: {', '.join(str(fact) for fact in found if fact)}".removesuffix(": ")
