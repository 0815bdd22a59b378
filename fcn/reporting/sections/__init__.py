"""One file per section of report.html. A section module has

    ORDER                   its place on the page: a number, the smallest comes first
    TITLE                   its heading; "" if it has none and no link
    LINK                    its name among the links at the top of the page
    build(report) -> body   markupsafe.Markup made by _html.render or _html.render_text; "" if there is nothing to show
    data(report)            what script.js needs as JSON, which finds it under the section's name; optional

report is a _report.Report. Templates escape all values; a body that is a plain string is escaped as well.
"""

REQUIRED = ("ORDER", "TITLE", "LINK", "build(report)")
OPTIONAL = {"data": None}
