"""Warnings first, then the four numbers, each with its interval and beside what others reach."""

from fcn.sections._html import DASH, HEADLINES, counted, fixed, interval, known, text


def build(report):
    content = report.content
    cards = "".join(_card(content, key) for key in HEADLINES)
    sources = "".join(f"<li><b>{text(row['name'])}</b>: {text(row['source'])}</li>"
                      for row in content.get("anchors") or [] if row.get("source"))
    notes = f'<ul class="small">{sources}</ul>\n' if sources else ""
    return (f"{_warnings(content)}{_facts(content)}<div class=cards>{cards}</div>\n{notes}{_remarks(report.remarks)}")


def _warnings(content):
    found = "".join(f"<li>{text(warning)}</li>" for warning in content.get("warnings") or [])
    return f'<div class="warning" role="alert"><h2>Do not trust these numbers yet</h2><ul>{found}</ul></div>\n' if (
        found) else ""


def _facts(content):
    found = [counted(content["images"], "image", "images") if known(content.get("images")) is not None else "",
             content.get("inference") or ""]
    found += [f"{counted(len(content['left_out']), 'image', 'images')} left out"] if content.get("left_out") else []
    return f"<p>{' · '.join(text(fact) for fact in found if fact)}</p>\n"


def _card(content, key):
    """One number, large; below it, on a scale from 0 to 1, this run and the anchors that have this number."""
    value = known(content.get(key))
    ends = interval((content.get("protocols") or {}).get(content.get("protocol")) or {}, key)
    between = f"95 %: {fixed(ends[0])} to {fixed(ends[1])}" if ends else "no interval"
    rows = [_row("this run", value, ends, "own")]
    rows += [_row(row["name"], row.get(key), None, "") for row in content.get("anchors") or []
             if known(row.get(key)) is not None]
    return (f'<div class="card"><h3>{HEADLINES[key]}</h3><p class="big">{fixed(value)}</p>'
            f'<p class="small">{between}</p><div class="dots">{"".join(rows)}</div></div>\n')


def _row(name, value, ends, kind):
    value = known(value)
    whisker = f'<i class="whisker" style="left:{_at(ends[0])};right:{_at(1 - ends[1])}"></i>' if ends else ""
    dot = "" if value is None else f'<i class="dot" style="left:{_at(value)}"></i>'
    return (f'<div class="row {kind}"><span>{text(name)}</span><span class="track">{whisker}{dot}</span>'
            f'<span class="n">{DASH if value is None else fixed(value)}</span></div>')


def _at(share):
    return f"{100 * min(max(share, 0), 1):.2f}%"


def _remarks(remarks):
    found = "".join(f"<li>{text(remark)}</li>" for remark in remarks)
    return f'<ul class="small remarks">{found}</ul>\n' if found else ""
