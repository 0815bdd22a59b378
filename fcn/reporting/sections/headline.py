"""Warnings, then the four main scores, each with its interval and published reference scores."""

from fcn.reporting.sections._html import HEADLINES, counted, interval, known, render

ORDER, TITLE, LINK = 0, "", ""


def build(report):
    """HTML of the section, as the contract of fcn/reporting/sections says."""
    content = report.content
    return render("headline.html", warnings=content.get("warnings") or [], facts=_facts(content),
                  cards=[_card(content, key) for key in HEADLINES],
                  sources=[row for row in content.get("anchors") or [] if row.get("source")], remarks=report.remarks)


def _facts(content):
    found = [counted(content["images"], "image", "images") if known(content.get("images")) is not None else "",
             content.get("inference") or ""]
    found += [f"{counted(len(content['left_out']), 'image', 'images')} left out"] if content.get("left_out") else []
    return [fact for fact in found if fact]


def _card(content, key):
    """Return one score with its interval, and the rows of its scale from 0 to 1: this run, then references."""
    value = known(content.get(key))
    ends = interval((content.get("protocols") or {}).get(content.get("protocol")) or {}, key)
    others = [{"name": row["name"], "value": number, "interval": None, "kind": ""}
              for row in content.get("anchors") or [] if (number := known(row.get(key))) is not None]
    return {"title": HEADLINES[key], "value": value, "interval": ends,
            "rows": [{"name": "this run", "value": value, "interval": ends, "kind": "own"}, *others]}
