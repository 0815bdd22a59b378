"""Sections of report.html, one file each. A section module defines

    ORDER                   number that sorts the sections; the smallest comes first
    TITLE                   str, heading of the section; "" shows neither heading nor link
    LINK                    str, text of the link at the top of the page
    build(report) -> body   markupsafe.Markup from _html.render or _html.render_text; "" leaves the section out
    data(report) -> object  optional; JSON-serialisable data that script.js finds under the section's name

report is a _report.Report. Templates escape all values. A body that is a plain string is escaped too.
"""

REQUIRED = ("ORDER", "TITLE", "LINK", "build(report)")
OPTIONAL = {"data": None}
