"""Plain text for a terminal: spans, columns, bars and numbers, never wider than 80 columns.

Owns layout alone; knows nothing of commands. Written by hand because importing rich costs as
much as all the rest of hftctl's start, which is budgeted at half of typer's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal, InvalidOperation
from typing import NamedTuple

WIDTH = 80
_STYLES = {
    "": "",
    "bold": "\x1b[1m",
    "dim": "\x1b[2m",
    "good": "\x1b[32m",
    "warn": "\x1b[33m",
    "bad": "\x1b[1;31m",
    "buy": "\x1b[32m",
    "sell": "\x1b[31m",
}
_RESET = "\x1b[0m"

# A span is a text with the name of its style; a line is spans side by side.
Span = tuple[str, str]
Line = list[Span]


def line(*parts: str | Span) -> Line:
    """Return a line of plain texts and styled spans."""
    return [(part, "") if isinstance(part, str) else part for part in parts]


def render(lines: Iterable[Line], color: bool) -> str:
    """Return the lines as text: clipped to 80 columns, harmless, coloured only where asked."""
    return "\n".join(_render_line(spans, color) for spans in lines)


def _render_line(spans: Line, color: bool) -> str:
    room, out = WIDTH, []
    last = len(spans) - 1
    for index, (text, style) in enumerate(spans):
        clean = printable(text)
        if index == last:
            clean = clean.rstrip()
        if len(clean) > room:
            clean = clean[: max(room - 1, 0)] + "…" if room else ""
        room -= len(clean)
        mark = _STYLES[style] if color and clean else ""
        out.append(f"{mark}{clean}{_RESET}" if mark else clean)
    return "".join(out).rstrip() if not color else "".join(out)


def printable(text: str) -> str:
    """Return the text with what could steer a terminal shown as "?"."""
    return text if text.isprintable() else "".join(c if c.isprintable() else "?" for c in text)


def wrap(text: str, indent: str = "") -> list[Line]:
    """Return a text of any length as lines of at most 80 columns, later ones indented."""
    import textwrap

    rows = textwrap.wrap(printable(text), WIDTH, subsequent_indent=indent) or [""]
    return [line(row) for row in rows]


class Column(NamedTuple):
    """One column: ``keep`` says how late it is dropped when the table is too wide."""

    title: str
    right: bool = False
    keep: int = 9


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[str | Span]], gap: int = 2
) -> list[Line]:
    """Return rows under their titles; columns with the lowest ``keep`` go until all fits."""
    cells = [[cell if isinstance(cell, tuple) else (cell, "") for cell in row] for row in rows]
    shown = list(range(len(columns)))
    widths = [
        max([len(column.title)] + [len(row[at][0]) for row in cells])
        for at, column in enumerate(columns)
    ]
    while sum(widths[at] + gap for at in shown) - gap > WIDTH and len(shown) > 1:
        lowest = min(shown, key=lambda at: (columns[at].keep, -at))
        if columns[lowest].keep >= 9:
            break
        shown.remove(lowest)
    titles = [(column.title, "dim") for column in columns]
    return [_row(columns, widths, shown, row, gap) for row in [titles, *cells]]


def _row(
    columns: Sequence[Column], widths: list[int], shown: list[int], row: list[Span], gap: int
) -> Line:
    spans: Line = []
    for at in shown:
        text, style = row[at]
        pad = " " * (widths[at] - len(text))
        spans.append((" " * gap if spans else "", ""))
        spans += [(pad, ""), (text, style)] if columns[at].right else [(text, style), (pad, "")]
    return spans


def bar(ratio: float | None, width: int) -> str:
    """Return a bar that is full at 1; what is over it does not make it longer."""
    if ratio is None:
        return " " * width
    full = round(min(max(ratio, 0.0), 1.0) * width)
    # A use that is not nothing shall be seen.
    full = max(full, 1) if ratio > 0 else full
    return "█" * full + "·" * (width - full)


def meter(ratio: float | None, width: int = 20) -> Span:
    """Return a bar of a limit's use: yellow from 80 %, red from 100 %."""
    if ratio is None:
        return " " * width, ""
    return bar(ratio, width), "bad" if ratio >= 1 else "warn" if ratio >= 0.8 else "good"


def dash(value: object) -> str:
    """Return a value's text, and "-" where there is none."""
    return "-" if value is None else str(value)


def number(value: str | None) -> Decimal:
    """Return a decimal string's value for comparing and drawing; 0 where there is none."""
    try:
        return Decimal(value) if value is not None else Decimal(0)
    except InvalidOperation:
        return Decimal(0)


def plus(value: str | None) -> str:
    """Return a decimal with its sign, where it is not 0."""
    return f"+{value}" if number(value) > 0 else dash(value)


def signed(value: str | None) -> Span:
    """Return an amount of money with its sign, red where it is a loss."""
    return plus(value), "bad" if number(value) < 0 else ""


def duration(seconds: float | None) -> str:
    """Return a time span in two units: ``12 s``, ``5 m 12 s``, ``3 h 05 m``, ``2 d 04 h``."""
    if seconds is None:
        return "-"
    whole = int(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60:02d} m"
    return f"{whole // 86400} d {whole % 86400 // 3600:02d} h"


def micros(value: float | None) -> str:
    """Return microseconds in at most six characters with their unit."""
    if value is None:
        return "-"
    for bound, scale, unit in ((1e3, 1, "µs"), (1e6, 1e3, "ms"), (1e9, 1e6, "s")):
        if value < bound * 0.9995:
            scaled = value / scale
            return f"{scaled:.0f}{unit}" if scaled >= 99.5 else f"{scaled:.3g}{unit}"
    return f"{value / 1e6:.0f}s"


def clock(ts: str) -> str:
    """Return the time of day of an RFC 3339 time, to the millisecond."""
    _, _, time = ts.partition("T")
    return time.rstrip("Z")[:12] if time else ts
