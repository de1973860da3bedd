"""Charts as inline SVG: lines, steps, marks and bars on a labelled grid.

Owns pixels and ticks; knows nothing of trading. Written here because what draws such a chart as
plain SVG (no script, no network, colours from the page's own style, so that it turns dark with
it) would bring more code than these few functions, and its fonts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from html import escape
from typing import NamedTuple

WIDTH, HEIGHT = 860, 240
LEFT, RIGHT, TOP, BOTTOM = 78, 14, 26, 26
COLUMNS = WIDTH - LEFT - RIGHT
LABELS = 150  # Room for the names of bars.
# Colours by class, for whoever draws a chart without the page's style, which overrides them.
COLORS = {
    "c0": "#1565c0", "c1": "#c9591a", "c2": "#2e8b57", "c3": "#8e44ad", "c4": "#b8860b",
    "c5": "#7a8594",
}  # fmt: skip
_INK, _GRID = "#667080", "#dfe3e8"
_CHAR = 6.6  # Of the label font at 11 px, on the wide side: labels shall not overlap.

Point = tuple[float, float]
Name = Callable[[float], str]


class Line(NamedTuple):
    """A series: its name, a colour class c0 to c5 of the page, its points by rising x."""

    name: str
    color: str
    points: Sequence[Point]
    steps: bool = False


class Marks(NamedTuple):
    """Single moments: a triangle upwards or downwards for each."""

    name: str
    color: str
    points: Sequence[Point]
    up: bool


class Bar(NamedTuple):
    """A row of a bar chart, in parts: name, colour class, size, text of the tooltip."""

    name: str
    parts: Sequence[tuple[str, str, float, str]]


def number(value: float) -> str:
    """Return a number as an axis writes it: no more digits than it needs."""
    if value == 0:
        return "0"
    text = f"{value:,.8f}".rstrip("0").rstrip(".") if abs(value) < 1e9 else f"{value:.3g}"
    return text.replace("-", "−")


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round values that divide a range, at most about ``count`` of them."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    raw = span / count
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * scale for factor in (1, 2, 2.5, 5, 10) if factor * scale >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(at * step, 12) for at in range(first, last + 1)]


def time_ticks(low_ns: float, high_ns: float) -> list[tuple[float, str]]:
    """Return round times of day, UTC, that divide a span of nanoseconds, with their labels."""
    span_s = max((high_ns - low_ns) / 1e9, 1e-9)
    steps = (0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800,
             21600, 43200, 86400, 172800, 604800)  # fmt: skip
    step_s = next((step for step in steps if span_s / step <= 8), steps[-1])
    step_ns = int(step_s * 1e9)
    at_ns, found = -(-int(low_ns) // step_ns) * step_ns, []
    while at_ns <= high_ns:
        moment = datetime.fromtimestamp(at_ns / 1e9, UTC)
        form = "%m-%d" if step_s >= 86400 else "%H:%M" if step_s >= 60 else "%H:%M:%S"
        text = f"{moment:{form}}"
        found.append((float(at_ns), text + f".{moment.microsecond // 100_000}" * (step_s < 1)))
        at_ns += step_ns
    return found


def thinned(points: Sequence[Point], columns: int = COLUMNS) -> list[Point]:
    """Return first, least, greatest and last of each pixel's points: the same picture, less ink."""
    if len(points) <= 4 * columns:
        return list(points)
    low, high = points[0][0], points[-1][0]
    scale = columns / (high - low) if high > low else 0.0
    found: list[Point] = []
    column: list[Point] = []
    at = -1
    for point in points:
        there = int((point[0] - low) * scale)
        if there != at and column:
            found += _four(column)
            column = []
        at = there
        column.append(point)
    return found + _four(column)


def _four(column: list[Point]) -> list[Point]:
    least = min(column, key=lambda point: point[1])
    greatest = max(column, key=lambda point: point[1])
    kept = dict.fromkeys((column[0], least, greatest, column[-1]))
    return sorted(kept, key=lambda point: point[0])


def chart(
    label: str,
    lines: Sequence[Line],
    marks: Sequence[Marks] = (),
    *,
    x: tuple[float, float],
    x_ticks: Sequence[tuple[float, str]],
    y_name: Name = number,
    zero: bool = False,
    log: bool = False,
) -> str:
    """Return a chart of series over x; ``zero`` puts 0 on the y axis, ``log`` makes it one."""
    series: list[Line | Marks] = [*lines, *marks]
    values = [point[1] for one in series for point in one.points]
    if log:
        values = [value for value in values if value > 0]
    if not values:
        return '<p class="none">nothing to draw</p>'
    frame = _Frame(x, _range(values, zero=zero, log=log), log)
    body = [*frame.grid(x_ticks, y_name)]
    for line in lines:
        shown = [point for point in thinned(line.points) if not log or point[1] > 0]
        if shown:
            body.append(
                f'<path class="line {line.color}" fill="none" stroke="{COLORS[line.color]}"'
                f' stroke-width="1.4" d="{frame.path(shown, line.steps)}"/>'
            )
    for group in marks:
        body += [
            f'<path class="{group.color}" fill="{COLORS[group.color]}"'
            f' d="{frame.triangle(point, up=group.up)}"/>'
            for point in group.points
        ]
    names = [(one.name, one.color) for one in series if one.points]
    return _svg(label, [*body, *_legend(names)], HEIGHT)


def bars(label: str, rows: Sequence[Bar]) -> str:
    """Return rows of stacked bars, each the whole width, with a legend of their parts below."""
    body, y = [], 6
    for row in rows:
        body.append(_text(LABELS - 8, y + 14, row.name, "end"))
        whole, at = sum(size for _, _, size, _ in row.parts), 0.0
        width = WIDTH - LABELS - RIGHT
        for _, color, size, told in row.parts:
            share = size / whole * width if whole else 0.0
            body.append(
                f'<rect class="{color}" fill="{COLORS[color]}" x="{LABELS + at:.1f}" y="{y}"'
                f' width="{share:.1f}" height="20"><title>{escape(told)}</title></rect>'
            )
            at += share
        y += 28
    return _svg(label, body, y)


class _Frame:
    """Where a value stands on the picture."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], log: bool) -> None:
        self._x, self._y, self._log = x, y, log

    def at(self, point: Point) -> Point:
        """Return the pixel of a point."""
        (x0, x1), (y0, y1) = self._x, self._y
        value = math.log10(point[1]) if self._log else point[1]
        across = (point[0] - x0) / (x1 - x0) if x1 > x0 else 0.5
        up = (value - y0) / (y1 - y0) if y1 > y0 else 0.5
        return LEFT + across * COLUMNS, HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM)

    def path(self, points: Sequence[Point], steps: bool) -> str:
        """Return the path through points, level until the next one where it goes by steps."""
        words = []
        for at, point in enumerate(points):
            px, py = self.at(point)
            if steps and at:
                words.append(f"H{px:.1f}V{py:.1f}")
            else:
                words.append(f"{'L' if at else 'M'}{px:.1f} {py:.1f}")
        return "".join(words)

    def triangle(self, point: Point, *, up: bool) -> str:
        """Return a triangle whose tip touches a point from below or from above."""
        px, py = self.at(point)
        down = 6 if up else -6
        return f"M{px:.1f} {py:.1f}l-3.5 {down}h7z"

    def grid(self, x_ticks: Sequence[tuple[float, str]], y_name: Name) -> list[str]:
        """Return grid lines with their labels, those that would overlap left out."""
        found, free = [], 0.0
        for value, text in x_ticks:
            px, _ = self.at((value, 10.0 ** self._y[0] if self._log else self._y[0]))
            half = len(text) * _CHAR / 2
            if px - half < free or px + half > WIDTH:
                continue
            free = px + half + 8
            found.append(_grid(f"M{px:.1f} {TOP}V{HEIGHT - BOTTOM}"))
            found.append(_text(px, HEIGHT - 9, text, "middle"))
        for value in self._y_ticks():
            _, py = self.at((self._x[0], value))
            found.append(_grid(f"M{LEFT} {py:.1f}H{WIDTH - RIGHT}"))
            found.append(_text(LEFT - 6, py + 4, y_name(value), "end"))
        return found

    def _y_ticks(self) -> list[float]:
        if not self._log:
            return ticks(*self._y)
        low, high = math.floor(self._y[0]), math.ceil(self._y[1])
        return [10.0**at for at in range(low, high + 1) if self._y[0] <= at <= self._y[1]]


def _range(values: Sequence[float], *, zero: bool, log: bool) -> tuple[float, float]:
    if log:
        return math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)) + 1e-9)
    low, high = min(values), max(values)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    room = (high - low) * 0.06 or abs(high) * 0.01 or 1.0
    return low - room, high + room


def _text(x: float, y: float, text: str, anchor: str) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-size="11"'
        f' font-family="system-ui, sans-serif" fill="{_INK}">{escape(text)}</text>'
    )


def _grid(path: str) -> str:
    return f'<path class="grid" fill="none" stroke="{_GRID}" d="{path}"/>'


def _legend(names: Sequence[tuple[str, str]]) -> list[str]:
    found, px = [], float(LEFT)
    for name, color in names:
        found.append(
            f'<rect class="{color}" fill="{COLORS[color]}" x="{px:.1f}" y="8" width="10"'
            ' height="10"/>'
        )
        found.append(_text(px + 14, 17, name, "start"))
        px += 14 + len(name) * _CHAR + 16
    return found


def _svg(label: str, body: Sequence[str], height: int) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(label, quote=True)}">'
        + "".join(body)
        + "</svg>"
    )
