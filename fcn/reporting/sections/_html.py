"""The Jinja2 templates of report.html, which escape every value, and how they show numbers, colours and files."""

import base64
import math
import pathlib

import jinja2
import markupsafe

DASH = "-"
HEADLINES = {"mean_iou": "mean IoU", "pixel_accuracy": "pixel accuracy", "mean_accuracy": "mean accuracy",
             "frequency_weighted_iou": "frequency weighted IoU"}


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


def css_colour(colour):
    """(r, g, b) as CSS has it."""
    return f"rgb({','.join(str(int(part)) for part in colour[:3])})"


def place(share):
    """A share of a length, 0 to 1, as CSS and SVG have it: '12.50%'; cut off at the ends."""
    return f"{100 * min(max(share, 0), 1):.2f}%"


def counted(number, one, many):
    """'1 class', '1,200 classes'."""
    return f"{number:,} {one if number == 1 else many}"


def data_uri(data, kind):
    """bytes as an address that holds them. kind: 'image/png'."""
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent), autoescape=True, undefined=jinja2.StrictUndefined,
    trim_blocks=True, lstrip_blocks=True)
ENVIRONMENT.filters |= {"fixed": fixed, "percent": percent, "css_colour": css_colour, "place": place}
ENVIRONMENT.policies["json.dumps_kwargs"] = {"separators": (",", ":")}


def render(template, **values):
    """The Markup of a template file of this folder."""
    return markupsafe.Markup(ENVIRONMENT.get_template(template).render(values))


def render_text(template, **values):
    """The Markup of a template that is given as text, for a section of one file."""
    return markupsafe.Markup(ENVIRONMENT.from_string(template).render(values))
