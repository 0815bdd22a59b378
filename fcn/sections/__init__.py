"""One file per section of report.html. A section module has

    ORDER                   its place on the page: a number, the smallest comes first
    TITLE                   its heading; "" if it has none and no link
    LINK                    its name among the links at the top of the page
    build(report) -> body   markupsafe.Markup made by _html.render or _html.render_text; "" if there is nothing to show
    data(report)            optional: what style and script need as JSON; script.js finds it under the section's name

report is a _report.Report. Templates escape all values; a body that is a plain string is escaped as well.
"""
