"""The report's figures as words: rows of tables, alike on the terminal and on the page.

Owns headings, units and the number of digits. Knows the figures, and neither HTML nor files.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from hftd.domain.order import Side
from hftd.domain.refusals import name_of
from hftd.domain.units import E8, from_scaled
from hftd.store.report_run import HORIZONS_NS, RunFigures, Worth, is_maker
from hftd.store.words import utc_text


class Table(NamedTuple):
    """A heading, the columns' names, rows of text, and a sentence on what is meant."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    note: str = ""


def tables(run: RunFigures) -> list[Table]:
    """Return every table of the report, in its order."""
    return [
        money(run), fills(run), markouts(run), no_quote(run), states(run), latency(run),
        refusals(run),
    ]  # fmt: skip


def head(run: RunFigures) -> list[tuple[str, str]]:
    """Return what run this is."""
    header = run.words.header
    span_s = (run.ended_ns - run.began_ns) / 1e9
    return [
        ("run", run.words.run),
        ("profile", f"{header.profile_name}, mode {header.mode}, hash {header.config_hash}"),
        ("strategy", run.words.strategy or "-"),
        ("instruments", ", ".join(instrument.name for instrument in run.instruments)),
        ("began", utc_text(run.began_ns)),
        ("ended", f"{utc_text(run.ended_ns)}, after {duration(span_s)}: {run.end_reason}"),
        ("version", header.version),
    ]


def money(run: RunFigures) -> Table:
    """Return what was earned, apart: trading, fees, and what the holdings gained by price."""
    quote = run.words.quote_asset
    rows: list[tuple[str, ...]] = []
    if run.equity:
        first, last = run.equity[0], run.equity[-1]
        gain, known = run.holdings_gain_atoms(), run.known_equity
        rows = [
            ("realized", atoms(last.realized - first.realized)),
            ("unrealized", atoms(last.unrealized - first.unrealized)),
            ("fees, valued in quote", atoms(last.fees - first.fees)),
            ("trading total", atoms(last.total - first.total)),
            ("holdings' gain by price", "-" if gain is None else atoms(gain)),
            ("equity at the end", atoms(known[-1].equity) if known else "-"),
        ]
    rows += [(f"fees in {asset}", atoms(paid)) for asset, paid in sorted(run.fee_atoms.items())]
    rows += [(f"flow of {flow.asset}", atoms(flow.atoms)) for flow in run.flows]
    note = "Trading total is realized and unrealized less fees, over this run, at mid."
    return Table("Money", ("", quote), rows, note)


def fills(run: RunFigures) -> Table:
    """Return counts and sizes of fills by side."""
    rows: list[tuple[str, ...]] = []
    for index, instrument in enumerate(run.instruments):
        for side in Side:
            mine = [one for one in run.fills if (one.instrument, one.side) == (index, side)]
            lots = sum(one.qty_lots for one in mine)
            value = instrument.unit_atoms * sum(one.price_ticks * one.qty_lots for one in mine)
            makers = sum(map(is_maker, mine))
            rows.append(
                (instrument.name, side.name, str(len(mine)), str(makers),
                 from_scaled(lots * instrument.lot_e8, E8), atoms(value))
            )  # fmt: skip
    submitted = run.orders["SUBMITTED"] + run.orders["REPLACE_SENT"]
    ratio = f"{submitted / len(run.fills):.1f} orders a fill" if run.fills else "no fill"
    columns = ("instrument", "side", "fills", "as maker", "quantity", "value, quote")
    return Table("Fills", columns, rows, f"{submitted} orders were submitted: {ratio}.")


def markouts(run: RunFigures) -> Table:
    """Return what a fill earned against mid, and what mid did next."""
    horizons = [f"after {horizon / 1e9:g} s" for horizon in HORIZONS_NS]
    rows, unknown = [], 0
    for index, instrument in enumerate(run.instruments):
        for side in (Side.BUY, Side.SELL, None):
            worths = [run.markout(horizon, index, side) for horizon in HORIZONS_NS]
            earned = run.spread_earned(index, side)
            name = "both" if side is None else name_of(Side, side)
            rows.append((instrument.name, name, bps(earned), *(bps(worth) for worth in worths)))
            if side is None:
                unknown += sum(one.instrument == index for one in run.fills) - worths[-1].fills
    note = (
        "In bps of the fills' value. Earned is the distance from mid, in our favour; what follows "
        "is how mid moved then: below 0 the market went against the fill (adverse selection)."
    )
    if unknown:
        note += f" Of {unknown} fills the market 30 s later is not in the journal."
    columns = ("instrument", "side", "earned", *horizons)
    return Table("Spread earned and markouts", columns, rows, note)


def no_quote(run: RunFigures) -> Table:
    """Return the time of each side in each reason."""
    rows: list[tuple[str, ...]] = []
    for (index, side), reasons in by_side(run).items():
        whole = sum(reasons.values())
        for reason, ns in sorted(reasons.items(), key=lambda item: -item[1]):
            if ns:
                share = f"{ns / whole:.2%}"
                name = run.instruments[index].name
                rows.append((name, Side(side).name, reason, duration(ns / 1e9), share))
    columns = ("instrument", "side", "reason", "time", "share")
    note = "Each reason is the first condition that failed; README says what it means."
    return Table("Quoted, or not and why", columns, rows, note)


def by_side(run: RunFigures) -> Mapping[tuple[int, int], dict[str, int]]:
    """Return the time by reason of each instrument's side."""
    found: dict[tuple[int, int], dict[str, int]] = {}
    for (index, side, reason), ns in sorted(run.side_ns.items()):
        found.setdefault((index, side), {})[reason] = ns
    return found


def states(run: RunFigures) -> Table:
    """Return the time in each trading state."""
    whole = sum(run.state_ns.values())
    rows = [
        (state, duration(ns / 1e9), f"{ns / whole:.2%}")
        for state, ns in sorted(run.state_ns.items(), key=lambda item: -item[1])
        if ns
    ]
    return Table("States", ("state", "time", "share"), rows)


def latency(run: RunFigures) -> Table:
    """Return each stage's times."""
    rows: list[tuple[str, ...]] = []
    for stage, figures in run.stages.items():
        p99 = sorted(ns for _, ns in figures.p99_ns)
        p50 = sorted(figures.p50_ns)
        target = f"{figures.target_ns / 1e6:g} ms" if figures.target_ns else "-"
        rows.append(
            (stage, str(figures.count), micros(figures.sum_ns / max(figures.count, 1)),
             micros(p50[len(p50) // 2]), micros(p99[len(p99) // 2]), micros(p99[-1]),
             micros(figures.max_ns), target)
        )  # fmt: skip
    columns = ("stage", "count", "mean", "p50", "p99", "worst p99", "max", "target")
    note = "p50 and p99 are of single seconds: the median second's, and the worst second's p99."
    return Table("Latency", columns, rows, note)


def refusals(run: RunFigures) -> Table:
    """Return what our gate and the venue refused."""
    rows = [("gate", code, str(count)) for code, count in run.refusals.most_common()]
    rows += [("venue", kind, str(count)) for kind, count in run.rejections.most_common()]
    return Table("Refusals", ("by", "code", "count"), rows or [("-", "none", "0")])


def as_text(run: RunFigures) -> Iterator[str]:
    """Give out the report's lines for a terminal."""
    for name, value in head(run):
        yield f"{name:<12}{value}"
    for table in tables(run):
        yield ""
        yield table.title.upper()
        widths = [max(map(len, cells)) for cells in zip(table.columns, *table.rows, strict=True)]
        for row in (table.columns, *table.rows):
            if any(row):
                yield "  ".join(_fit(cell, width, at) for at, (cell, width) in
                                enumerate(zip(row, widths, strict=True))).rstrip()  # fmt: skip


def _fit(cell: str, width: int, at: int) -> str:
    return cell.ljust(width) if at < 1 or not is_number(cell) else cell.rjust(width)


def is_number(cell: str) -> bool:
    """Tell whether a cell is one, and stands right."""
    return cell[:1].isdigit() or (cell[:1] in "+-−" and len(cell) > 1) or cell == "-"


def atoms(amount: int) -> str:
    """Return 1e-8 atoms as decimal text."""
    return from_scaled(amount, E8)


def bps(worth: Worth) -> str:
    """Return a worth in bps, a dash where no fill has one."""
    return "-" if worth.bps is None else f"{worth.bps:+.3f}"


def duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def micros(ns: float) -> str:
    """Return a time in µs or ms."""
    return f"{ns / 1e3:.1f} µs" if ns < 1e6 else f"{ns / 1e6:.2f} ms"
