"""Small pieces of HTML. Whatever comes from outside passes through `text`; what these functions return is HTML."""

import base64
import html
import math

DASH = "-"
HEADLINES = {"mean_iou": "mean IoU", "pixel_accuracy": "pixel accuracy", "mean_accuracy": "mean accuracy",
             "frequency_weighted_iou": "frequency weighted IoU"}


def text(value):
    """Any value as text that is safe in an element and in a quoted attribute."""
    return html.escape(str(value))


def known(value):
    """A finite float, or None for whatever else a file may hold in its place."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300
    return float(value) if number and not math.isnan(value) else None


def fixed(value, digits=3):
    """'0.641', or a dash."""
    value = known(value)
    return DASH if value is None else f"{value:.{digits}f}"


def percent(value):
    """'23.1 %', '0.012 %', or a dash: never 0 for what is there."""
    value = known(value)
    if value is None:
        return DASH
    return f"{100 * value:.1f} %" if value >= 0.001 or value == 0 else f"{100 * value:.2g} %"


def interval(found, score):
    """(low, high) of {"intervals": {score: [low, high]}}; None where there is none."""
    pair = (found.get("intervals") or {}).get(score) or ()
    low, high = (known(end) for end in pair) if len(pair) == 2 else (None, None)
    return None if low is None or high is None else (low, high)


def scores_title(key):
    return HEADLINES.get(key, key.replace("_", " "))


def colour_of(colour):
    """(r, g, b) as CSS has it."""
    return f"rgb({','.join(str(int(part)) for part in colour[:3])})"


def swatch(colour):
    """A small square of a colour (r, g, b)."""
    return f'<i class="swatch" style="--c:{colour_of(colour)}"></i>'


def counted(number, one, many):
    """'1 class', '1,200 classes'."""
    return f"{number:,} {one if number == 1 else many}"


def table(head, rows, kind="", numbers=(), ordered=None):
    """A table that scrolls inside itself. head: HTML of the titles; rows: lists of HTML.

    numbers: columns of numbers. ordered: the column by which the rows are in order, the largest first.
    """
    def cells(tag, row):
        order = {ordered: ' aria-sort="descending"'} if tag == "th" else {}
        return "".join(f'<{tag}{" class=n" if i in numbers else ""}{order.get(i, "")}>{cell}</{tag}>'
                       for i, cell in enumerate(row))
    body = "".join(f"<tr>{cells('td', row)}</tr>\n" for row in rows)
    return (f'<div class="scroll"><table class="{kind}"><thead><tr>{cells("th", head)}</tr></thead>\n'
            f"<tbody>{body}</tbody></table></div>")


def section(name, title, body):
    return f'<section id="{name}"><h2>{title}</h2>\n{body}</section>\n'


def folded(title, body):
    return f"<details><summary>{title}</summary>\n{body}</details>\n"


def data_uri(data, kind):
    """bytes as an address that holds them. kind: 'image/png'."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
