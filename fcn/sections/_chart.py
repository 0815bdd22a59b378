"""Charts as SVG without a viewBox: places are percentages, so that a chart is as wide as its page and its text is not.

A line cannot have percentages: it lies in an inner picture of 1000 x 1000 units that is stretched, its stroke is not.
"""

import dataclasses
import math

import numpy as np

from fcn.sections._html import text

STRETCHED = '<svg viewBox="0 0 1000 1000" preserveAspectRatio="none" width="100%" height="100%">'
CHARACTER_PX, LINE_PX = 6.2, 13  # of the charts' small text, about
DOT_PX = 6


@dataclasses.dataclass(frozen=True)
class Axis:
    """From low to high, by logarithm or not. ticks: (value, text)."""

    low: float
    high: float
    ticks: tuple
    logarithmic: bool = False

    def at(self, values):
        """Shares of the axis' length, 0 at low and 1 at high; beyond them cut off."""
        low, high, values = self.low, self.high, np.asarray(values, np.float64)
        if self.logarithmic:
            low, high, values = math.log(low), math.log(high), np.log(values)
        return ((values - low) / (high - low)).clip(0, 1)


def linear(low, high, write=lambda value: f"{value:g}"):
    """An Axis with some four or five round ticks."""
    high = high if high > low else low + 1
    rough = (high - low) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = min((factor * power for factor in (1, 2, 5, 10)), key=lambda size: abs(size - rough))
    values = [k * step for k in range(math.ceil(low / step), math.floor(high / step * (1 + 1e-9)) + 1)]
    return Axis(low, high, tuple((value, write(round(value, 12))) for value in values))


def logarithmic(least, most):
    """An Axis of shares around those from least to most, at most 1, by logarithm; its ticks are per cent."""
    steps = [factor * 10.0 ** power for power in range(-10, 0) for factor in (1, 2, 5)] + [1.0]
    low = max(step for step in steps if step <= max(0.9 * least, steps[0]))
    high = min(step for step in steps if step >= min(1.1 * most, 1.0))
    shown = steps if high / low <= 100 else steps[::3]
    return Axis(low, high, tuple((step, f"{100 * step:g} %") for step in shown if low <= step <= high), True)


def plot(x, y, content, says, x_title):
    """The whole chart. content: SVG; says: what it shows, for those who do not see it."""
    places = [(_x(x, value), name) for value, name in x.ticks]
    ticks = "".join(f'<line class="grid" x1="{at}" x2="{at}" y1="0" y2="100%"/>'
                    f'<text x="{at}" y="100%" dy="16" text-anchor="middle">{name}</text>' for at, name in places)
    places = [(_y(y, value), name) for value, name in y.ticks]
    ticks += "".join(f'<line class="grid" x1="0" x2="100%" y1="{at}" y2="{at}"/>'
                     f'<text x="0" y="{at}" dx="-6" dy="4" text-anchor="end">{name}</text>' for at, name in places)
    title = f'<text x="50%" y="100%" dy="34" text-anchor="middle">{x_title}</text>'
    return f'<svg class="plot" role="img" aria-label="{text(says)}">{ticks}{title}{content}</svg>\n'


def _x(axis, value):
    return f"{100 * float(axis.at(value)):.2f}%"


def _y(axis, value):
    return f"{100 - 100 * float(axis.at(value)):.2f}%"


def dot(x, y, at, kind, title, colour=""):
    """A circle with a title. at: (x, y). colour: as CSS has it."""
    paint = f' style="fill:{colour}"' if colour else ""
    return (f'<circle class="{kind}" cx="{_x(x, at[0])}" cy="{_y(y, at[1])}" r="{DOT_PX}"{paint}>'
            f"<title>{text(title)}</title></circle>")


def bar(x, y, at, low, high, kind):
    """A vertical line from low to high."""
    return f'<line class="{kind}" x1="{_x(x, at)}" x2="{_x(x, at)}" y1="{_y(y, low)}" y2="{_y(y, high)}"/>'


def line(x, y, xs, ys, kind):
    return STRETCHED + f'<polyline class="{kind}" points="{_points(x, y, xs, ys)}"/></svg>'


def band(x, y, xs, low, high, kind):
    """The area between two lines."""
    there, back = _points(x, y, xs, low), _points(x, y, xs[::-1], high[::-1])
    return STRETCHED + f'<polygon class="{kind}" points="{there} {back}"/></svg>'


def _points(x, y, xs, ys):
    return " ".join(f"{across:.1f},{down:.1f}" for across, down in zip(1000 * x.at(xs), 1000 - 1000 * y.at(ys),
                                                                       strict=True))


def names(x, y, points, kind, size_px):
    """SVG of the names that have room beside their dots in a chart of size_px = (width, height), the first ones first.

    points: (x, y, name).
    """
    width, height = size_px
    dots = [(width * float(x.at(at)), height * (1 - float(y.at(value)))) for at, value, _ in points]
    taken = [(across - DOT_PX, down - DOT_PX, across + DOT_PX, down + DOT_PX) for across, down in dots]
    parts = []
    for (at, value, name), (across, down) in zip(points, dots, strict=True):
        length, away = CHARACTER_PX * len(name), DOT_PX + 3
        for dx, dy, anchor, left in ((away, 4, "start", away), (-away, 4, "end", -away - length),
                                     (0, -away, "middle", -length / 2), (0, away + 9, "middle", -length / 2)):
            box = (across + left, down + dy - LINE_PX + 3, across + left + length, down + dy + 3)
            inside = box[0] >= 0 and box[2] <= width and box[1] >= 0 and box[3] <= height
            if inside and not any(_overlap(box, other) for other in taken):
                taken.append(box)
                parts.append(f'<text class="{kind}" x="{_x(x, at)}" y="{_y(y, value)}" dx="{dx}" dy="{dy}" '
                             f'text-anchor="{anchor}">{text(name)}</text>')
                break
    return "".join(parts)


def _overlap(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
