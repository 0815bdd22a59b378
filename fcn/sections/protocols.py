"""Every protocol beside the others, each with its convention, and the groups of classes."""

from fcn.sections._html import HEADLINES, fixed, interval, scores_title, section, table, text


def build(report):
    protocols, subsets = report.content.get("protocols") or {}, report.content.get("subsets") or {}
    if not protocols:
        return ""
    texts = "".join(f"<dt>{text(name)}</dt><dd>{text(found.get('text', ''))}</dd>" for name, found in protocols.items())
    body = f"{_table('protocol', protocols)}\n<dl>{texts}</dl>\n"
    if subsets:
        body += f"<h3>Groups of classes</h3>\n{_table('classes', subsets)}"
    return section("protocols", "Protocols", body)


def _table(title, found):
    """A row for each of {name: {"scores", "intervals", perhaps "size"}}."""
    keys = list(HEADLINES) + sorted({key for row in found.values() for key in row["scores"]} - set(HEADLINES))
    keys = [key for key in keys if any(key in row["scores"] for row in found.values())]
    sized = any("size" in row for row in found.values())
    rows = [[f"<b>{text(name)}</b>", *([text(row.get("size", ""))] if sized else []),
             *(_cell(row, key) for key in keys)] for name, row in found.items()]
    head = [title, *(["size"] if sized else []), *(text(scores_title(key)) for key in keys)]
    return table(head, rows, numbers=range(2 if sized else 1, len(head)))


def _cell(row, key):
    ends = interval(row, key)
    between = f"<br><small>{fixed(ends[0])} to {fixed(ends[1])}</small>" if ends else ""
    return fixed(row["scores"].get(key), 4) + between
