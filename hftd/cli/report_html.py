"""The report as one HTML page: charts inline, no script, nothing fetched, light or dark.

Owns which charts there are and how the page looks. Opens no file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from hftd.cli.report_svg import COLORS, Bar, Line, Marks, bars, chart, time_ticks
from hftd.cli.report_tables import (
    Table,
    by_side,
    duration,
    head,
    is_number,
    micros,
    tables,
)
from hftd.domain.order import Side
from hftd.store.report_run import HORIZONS_NS, FillFigures, RunFigures

ATOMS = 1e8
MOST_MARKS = 600  # More triangles than that are a smear; the table has them all.
_REASON_COLORS = ("c1", "c2", "c3", "c4", "c5")

_STYLE = """
:root { color-scheme: light dark; --ink: #1d232b; --dim: #667080; --paper: #fff; --grid: #dfe3e8;
  --c0: #1565c0; --c1: #c9591a; --c2: #2e8b57; --c3: #8e44ad; --c4: #b8860b; --c5: #7a8594; }
@media (prefers-color-scheme: dark) { :root { --ink: #e3e7ec; --dim: #98a2b0; --paper: #14181d;
  --grid: #2c333c; --c0: #64b0ff; --c1: #ff9a5c; --c2: #5fcf94; --c3: #c792ea; --c4: #e6c15a;
  --c5: #9aa5b4; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 900px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.4em; } h2 { font-size: 1.1em; margin: 2em 0 .4em; }
p { margin: .3em 0; } .note, .none { color: var(--dim); font-size: .9em; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9em; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .15em .9em .15em 0; white-space: nowrap; }
th { color: var(--dim); font-weight: 500; border-bottom: 1px solid var(--grid); }
td.number, th.number { text-align: right; }
svg { width: 100%; height: auto; } svg.key { width: 10px; }
svg text { fill: var(--dim); } .grid { stroke: var(--grid); }
.c0 { fill: var(--c0); } .c1 { fill: var(--c1); } .c2 { fill: var(--c2); }
.c3 { fill: var(--c3); } .c4 { fill: var(--c4); } .c5 { fill: var(--c5); }
.line { fill: none; stroke-linejoin: round; }
.line.c0 { stroke: var(--c0); } .line.c1 { stroke: var(--c1); } .line.c2 { stroke: var(--c2); }
.line.c3 { stroke: var(--c3); } .line.c4 { stroke: var(--c4); } .line.c5 { stroke: var(--c5); }
"""


def page(run: RunFigures) -> str:
    """Return the whole page."""
    title = f"{run.words.header.profile_name}, run {run.words.run}"
    found = {table.title: table for table in tables(run)}
    parts = [
        *_head(run, title),
        *_section(
            found["Money"],
            ("What trading made", _trading(run)),
            ("Equity, with what the opening holdings gained by price", _equity(run)),
        ),
        *_section(None, *_of_instruments(run)),
        *_section(found["Fills"]),
        *_section(found["Spread earned and markouts"], ("", _markouts(run))),
        *_section(found["Quoted, or not and why"], *_reasons(run)),
        *_section(found["States"]),
        *_section(found["Latency"], ("99th percentile of each second", _latency(run))),
        *_section(found["Refusals"]),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _head(run: RunFigures, title: str) -> Iterator[str]:
    yield '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    # Whatever stands in the page, it can load nothing and run nothing.
    policy = "default-src 'none'; style-src 'unsafe-inline'"
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>"
    yield f"<h1>{escape(title)}</h1>"
    yield _table(Table("", ("", ""), list(head(run))))


def _section(table: Table | None, *charts: tuple[str, str]) -> Iterator[str]:
    if table is not None:
        yield f"<h2>{escape(table.title)}</h2>"
    for caption, svg in charts:
        if caption:
            yield f"<p><b>{escape(caption)}</b></p>"
        yield svg
    if table is not None:
        yield _table(table)
        if table.note:
            yield f'<p class="note">{escape(table.note)}</p>'


def _table(table: Table) -> str:
    right = [
        bool(table.rows) and all(is_number(row[at]) for row in table.rows)
        for at in range(len(table.columns))
    ]

    def cells(tag: str, row: Sequence[str]) -> str:
        marked = zip(row, right, strict=True)
        return "".join(
            f"<{tag}{' class=number' if number else ''}>{escape(cell)}</{tag}>"
            for cell, number in marked
        )

    header = f"<tr>{cells('th', table.columns)}</tr>" if any(table.columns) else ""
    rows = "".join(f"<tr>{cells('td', row)}</tr>" for row in table.rows)
    return f'<div class="scroll"><table>{header}{rows}</table></div>'


def _span(run: RunFigures) -> tuple[float, float]:
    return float(run.began_ns), float(max(run.ended_ns, run.began_ns + 1))


def _trading(run: RunFigures) -> str:
    first = run.equity[0] if run.equity else None
    lines = [] if first is None else [
        Line(f"trading total, {run.words.quote_asset}", "c0",
             [(one.ts_ns, (one.total - first.total) / ATOMS) for one in run.equity]),
        Line("fees", "c1", [(one.ts_ns, (first.fees - one.fees) / ATOMS) for one in run.equity]),
    ]  # fmt: skip
    return _chart_of_time(run, "trading total and fees", lines, zero=True)


# By itself: what the opening holdings gain by price is mostly far more than what trading makes.
def _equity(run: RunFigures) -> str:
    known = run.known_equity
    points = [(one.ts_ns, (one.equity - known[0].equity) / ATOMS) for one in known]
    line = Line(f"equity since the start, {run.words.quote_asset}", "c5", points)
    return _chart_of_time(run, "equity", [line] if points else [], zero=True)


def _of_instruments(run: RunFigures) -> Iterator[tuple[str, str]]:
    for index, instrument in enumerate(run.instruments):
        mine = [one for one in run.fills if one.instrument == index]
        yield f"{instrument.name}: mid and fills", _mid(run, index, mine)
        yield f"{instrument.name}: inventory, {instrument.base}", _inventory(run, index, mine)


def _mid(run: RunFigures, index: int, mine: Sequence[FillFigures]) -> str:
    tick = run.instruments[index].tick_e8 / ATOMS
    mids = run.mids[index]
    points = [
        (float(ts_ns), half * tick / 2)
        for ts_ns, half in zip(mids.ts_ns, mids.half_ticks, strict=True)
    ]
    shown = mine[:: max(1, -(-len(mine) // MOST_MARKS))]
    marks = [
        Marks(name, color,
              [(one.ts_ns, one.price_ticks * tick) for one in shown if one.side == side], up)
        for name, color, side, up in (("bought", "c2", Side.BUY, True),
                                      ("sold", "c1", Side.SELL, False))
    ]  # fmt: skip
    line = Line("mid without our own orders", "c5", points, steps=True)
    return _chart_of_time(run, "mid and fills", [line], marks)


def _inventory(run: RunFigures, index: int, mine: Sequence[FillFigures]) -> str:
    lot = run.instruments[index].lot_e8 / ATOMS
    points = [(float(one.ts_ns), one.position_lots * lot) for one in mine]
    if mine:
        before = mine[0].position_lots + mine[0].qty_lots * (1 if mine[0].side else -1)
        points = [(float(run.began_ns), before * lot), *points]
        points.append((float(run.ended_ns), points[-1][1]))
    line = Line("position", "c0", points, steps=True)
    return _chart_of_time(run, "position", [line], zero=True)


def _chart_of_time(
    run: RunFigures,
    label: str,
    lines: Sequence[Line],
    marks: Sequence[Marks] = (),
    *,
    zero: bool = False,
    log: bool = False,
) -> str:
    low, high = _span(run)
    return chart(
        label, lines, marks, x=(low, high), x_ticks=time_ticks(low, high), zero=zero, log=log,
        **({"y_name": micros} if log else {}),
    )  # fmt: skip


def _markouts(run: RunFigures) -> str:
    """Draw what a fill was worth at each horizon: earned, then earned and what mid did."""
    ticks = [(float(at + 1), f"{ns / 1e9:g} s") for at, ns in enumerate(HORIZONS_NS)]
    lines = []
    for index, instrument in enumerate(run.instruments[:3]):
        for side, color in ((Side.BUY, "c2"), (Side.SELL, "c1")):
            earned = run.spread_earned(index, side).bps
            if earned is None:
                continue
            points = [(0.0, earned)]
            for at, horizon_ns in enumerate(HORIZONS_NS):
                moved = run.markout(horizon_ns, index, side).bps
                if moved is not None:
                    points.append((at + 1.0, earned + moved))
            name = f"{instrument.name} {side.name}: earned and markout, bps"
            lines.append(Line(name, color, points))
    return chart(
        "worth of a fill by horizon", lines, x=(-0.2, len(HORIZONS_NS) + 0.2),
        x_ticks=[(0.0, "at the fill"), *ticks], zero=True,
    )  # fmt: skip


def _reasons(run: RunFigures) -> Iterator[tuple[str, str]]:
    sides = by_side(run)
    total: dict[str, int] = {}
    for reasons in sides.values():
        for reason, ns in reasons.items():
            total[reason] = total.get(reason, 0) + ns
    others = sorted((name for name in total if name != "quoted"), key=lambda name: -total[name])
    colors = {"quoted": "c0"} | {
        name: _REASON_COLORS[min(at, len(_REASON_COLORS) - 1)] for at, name in enumerate(others)
    }
    rows = [
        Bar(f"{run.instruments[index].name} {Side(side).name}",
            [(name, colors[name], float(reasons[name]),
              f"{name}: {duration(reasons[name] / 1e9)}")
             for name in colors if reasons.get(name)])
        for (index, side), reasons in sides.items()
    ]  # fmt: skip
    if rows:
        keys = " ".join(
            f'<svg class="key" viewBox="0 0 10 10" width="10" height="10"><rect'
            f' class="{color}" fill="{COLORS[color]}" width="10" height="10"/></svg>'
            f" {escape(name)} &nbsp;"
            for name, color in colors.items()
            if total.get(name)
        )
        yield "", bars("time by reason", rows) + f'<p class="note">{keys}</p>'


def _latency(run: RunFigures) -> str:
    wanted = (("tick_to_order", "c0"), ("end_to_end", "c1"), ("venue", "c5"))
    lines = [
        Line(stage, color, [(float(ts_ns), float(ns)) for ts_ns, ns in run.stages[stage].p99_ns])
        for stage, color in wanted
        if stage in run.stages
    ]
    return _chart_of_time(run, "latency", lines, log=True)
