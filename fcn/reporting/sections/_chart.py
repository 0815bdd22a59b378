"""Charts as SVG whose width follows the page while the size of the text stays.

Coordinates are percentages, because a viewBox would scale the text too. The points of a polyline cannot be
percentages; it is drawn in a nested SVG of 1000 x 1000 units, which is stretched without its stroke.
"""

import dataclasses
import math

import numpy as np

from fcn.reporting.sections._html import place, render

CHARACTER_PX, LINE_PX = 6.2, 13  # approximate width of a character and height of a line of the labels
DOT_PX = 6


@dataclasses.dataclass(frozen=True)
class Axis:
    """A linear or logarithmic axis from low to high. ticks: tuple of (value, text)."""

    low: float
    high: float
    ticks: tuple
    logarithmic: bool = False

    def at(self, values):
        """Return positions (float64) along the axis: 0 at low, 1 at high. Values outside are clipped."""
        low, high, values = self.low, self.high, np.asarray(values, np.float64)
        if self.logarithmic:
            low, high, values = math.log(low), math.log(high), np.log(values)
        return ((values - low) / (high - low)).clip(0, 1)


def linear(low, high, write=lambda value: f"{value:g}"):
    """Return a linear Axis with about five ticks at round values. write: value -> text of a tick."""
    high = high if high > low else low + 1
    rough = (high - low) / 4
    power = 10 ** math.floor(math.log10(rough))
    step = min((factor * power for factor in (1, 2, 5, 10)), key=lambda size: abs(size - rough))
    values = [k * step for k in range(math.ceil(low / step), math.floor(high / step * (1 + 1e-9)) + 1)]
    return Axis(low, high, tuple((value, write(round(value, 12))) for value in values))


def logarithmic(least, most):
    """Return a logarithmic Axis for shares (0 to 1) from least to most, with ticks in per cent."""
    steps = [factor * 10.0 ** power for power in range(-10, 0) for factor in (1, 2, 5)] + [1.0]
    low = max(step for step in steps if step <= max(0.9 * least, steps[0]))
    high = min(step for step in steps if step >= min(1.1 * most, 1.0))
    shown = steps if high / low <= 100 else steps[::3]
    return Axis(low, high, tuple((step, f"{100 * step:g} %") for step in shown if low <= step <= high), True)


@dataclasses.dataclass(frozen=True)
class Mark:
    """One SVG element. stretched: its coordinates run from 0 to 1000 over the chart's width and height."""

    tag: str
    attributes: dict
    text: str = ""
    title: str = ""
    stretched: bool = False


class Chart:
    """A chart with two axes. Methods add marks, svg() returns the chart. kind: CSS class of a mark.

    description: text for screen readers.
    """

    def __init__(self, x, y, x_title, description):
        self.x, self.y, self.description, self.marks = x, y, description, []
        for value, name in x.ticks:
            at = self._x(value)
            self._add("line", "grid", x1=at, x2=at, y1="0", y2="100%")
            self._add("text", x=at, y="100%", dy=16, text_anchor="middle", text=name)
        for value, name in y.ticks:
            at = self._y(value)
            self._add("line", "grid", x1="0", x2="100%", y1=at, y2=at)
            self._add("text", x="0", y=at, dx=-6, dy=4, text_anchor="end", text=name)
        self._add("text", x="50%", y="100%", dy=34, text_anchor="middle", text=x_title)

    def svg(self):
        """Return the chart as Markup."""
        return render("_chart.html", chart=self)

    def dot(self, x, y, kind, title, colour=""):
        """Add a circle with a title. colour: a CSS colour."""
        self._add("circle", kind, cx=self._x(x), cy=self._y(y), r=DOT_PX, style=f"fill:{colour}" if colour else None,
                  title=title)

    def bar(self, x, low, high, kind):
        """Add a vertical line at x from low to high."""
        self._add("line", kind, x1=self._x(x), x2=self._x(x), y1=self._y(low), y2=self._y(high))

    def line(self, xs, ys, kind):
        self._add("polyline", kind, points=self._points(xs, ys), stretched=True)

    def band(self, xs, low, high, kind):
        """Add the area between two lines."""
        points = f"{self._points(xs, low)} {self._points(xs[::-1], high[::-1])}"
        self._add("polygon", kind, points=points, stretched=True)

    def names(self, points, kind, size_px):
        """Label the dots whose names fit in a chart of size_px = (width, height) without overlap. Earlier points win.

        points: list of (x, y, name).
        """
        width, height = size_px
        dots = [(width * float(self.x.at(x)), height * (1 - float(self.y.at(y)))) for x, y, _ in points]
        taken = [(across - DOT_PX, down - DOT_PX, across + DOT_PX, down + DOT_PX) for across, down in dots]
        for (x, y, name), (across, down) in zip(points, dots, strict=True):
            length, away = CHARACTER_PX * len(name), DOT_PX + 3
            for dx, dy, anchor, left in ((away, 4, "start", away), (-away, 4, "end", -away - length),
                                         (0, -away, "middle", -length / 2), (0, away + 9, "middle", -length / 2)):
                box = (across + left, down + dy - LINE_PX + 3, across + left + length, down + dy + 3)
                inside = box[0] >= 0 and box[2] <= width and box[1] >= 0 and box[3] <= height
                if inside and not any(_overlap(box, other) for other in taken):
                    taken.append(box)
                    self._add("text", kind, x=self._x(x), y=self._y(y), dx=dx, dy=dy, text_anchor=anchor, text=name)
                    break

    def _add(self, tag, kind=None, text="", title="", stretched=False, **attributes):
        """Add a Mark. The template leaves out attributes that are None; text_anchor becomes text-anchor."""
        named = {name.replace("_", "-"): value for name, value in attributes.items()}
        self.marks.append(Mark(tag, {"class": kind, **named}, text, title, stretched))

    def _x(self, value):
        return place(float(self.x.at(value)))

    def _y(self, value):
        return place(1 - float(self.y.at(value)))

    def _points(self, xs, ys):
        return " ".join(f"{across:.1f},{down:.1f}" for across, down in
                        zip(1000 * self.x.at(xs), 1000 - 1000 * self.y.at(ys), strict=True))


def _overlap(one, other):
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
