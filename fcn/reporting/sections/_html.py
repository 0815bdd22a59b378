"""Jinja2 environment of report.html (all values are escaped) and formatting of numbers, colours and data URIs."""

import base64
import math
import pathlib

import jinja2
import markupsafe

DASH = "-"
HEADLINES = {"mean_iou": "mean IoU", "pixel_accuracy": "pixel accuracy", "mean_accuracy": "mean accuracy",
             "frequency_weighted_iou": "frequency weighted IoU"}


TITLES = HEADLINES | {"mean_f_score": "mean F-score"}


def known(value):
    """Return value as a float if it is a finite number, else None."""
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e300
    return float(value) if number and not math.isnan(value) else None


def fixed(value, digits=3):
    """Format a score, such as '0.641'; '-' if it is unknown."""
    value = known(value)
    return DASH if value is None else f"{value:.{digits}f}"


def percent(value):
    """Format a share, such as '23.1 %' or '0.012 %'; '-' if it is unknown. A positive share never becomes '0.0 %'."""
    value = known(value)
    if value is None:
        return DASH
    return f"{100 * value:.1f} %" if value >= 0.001 or value == 0 else f"{100 * value:.2g} %"


def interval(found, score):
    """Return (low, high) from {"intervals": {score: [low, high]}}, or None if the interval is missing."""
    pair = (found.get("intervals") or {}).get(score) or ()
    low, high = (known(end) for end in pair) if len(pair) == 2 else (None, None)
    return None if low is None or high is None else (low, high)


def scores_title(key):
    return TITLES.get(key, key.replace("_", " "))


def css_colour(colour):
    """Format (r, g, b) as a CSS colour."""
    return f"rgb({','.join(str(int(part)) for part in colour[:3])})"


def place(share):
    """Format a position from 0 to 1 as a CSS length, such as '12.50%'. Values outside are clipped."""
    return f"{100 * min(max(share, 0), 1):.2f}%"


def counted(number, one, many):
    """Format a count with its noun: '1 class', '1,200 classes'."""
    return f"{number:,} {one if number == 1 else many}"


def data_uri(data, kind):
    """Encode bytes as a data URI. kind: the media type, such as 'image/png'."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined,
    trim_blocks=True, lstrip_blocks=True)
ENVIRONMENT.filters |= {"fixed": fixed, "percent": percent, "css_colour": css_colour, "place": place}
ENVIRONMENT.policies["json.dumps_kwargs"] = {"separators": (",", ":")}


def render(template, **values):
    """Render a template file of this folder to Markup."""
    return markupsafe.Markup(ENVIRONMENT.get_template(template).render(values))


def render_text(template, **values):
    """Render a template string to Markup, for sections without a template file."""
    return markupsafe.Markup(ENVIRONMENT.from_string(template).render(values))
