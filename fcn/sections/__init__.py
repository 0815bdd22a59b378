"""One file a section of report.html: build(report) -> HTML, "" where there is nothing to say. See page.py."""
