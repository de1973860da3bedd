"""How hftctl shows the book, orders, fills, latency and logs: a result in, lines out.

Owns the words and the order on the screen; knows neither sockets nor exit codes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from hftd.cli.hftctl_text import (
    WIDTH,
    Column,
    Line,
    Span,
    bar,
    clock,
    dash,
    duration,
    line,
    micros,
    number,
    table,
    wrap,
)
from hftd.control import shapes

_DEPTH_BAR = 24
_LEVEL_STYLES = {"warning": "warn", "error": "bad", "critical": "bad"}


def _side(side: str) -> Span:
    return side, side.lower() if side in ("BUY", "SELL") else ""


def book(result: shapes.Book) -> list[Line]:
    """Show the ladder: asks above, bids below, ours marked, the middle between."""
    age = "-" if result["age_ms"] is None else f"{result['age_ms']:.0f} ms"
    state: Span = (result["state"], "good" if result["state"] == "SYNCED" else "bad")
    update = f"  update {dash(result['last_update_id'])}  age {age}"
    levels = [*result["asks"], *result["bids"]]
    deepest = max([number(level["qty"]) for level in levels], default=number(None))
    price = max([len(level["price"]) for level in levels], default=0)
    qty = max([len(level["qty"]) for level in levels], default=0)
    own = max([len(level["own_qty"]) for level in levels], default=0) + 2

    def row(level: shapes.Level, style: str) -> Line:
        ours = f"> {level['own_qty']}" if number(level["own_qty"]) else ""
        depth = bar(float(number(level["qty"]) / deepest) if deepest else None, _DEPTH_BAR)
        return line(
            (ours.rjust(max(own, 4)), "bold"),
            f"  {level['qty'].rjust(max(qty, 3))}  ",
            (level["price"].rjust(max(price, 5)), style),
            "  ",
            (depth.rstrip("·"), style),
        )

    spread = f"spread {dash(result['spread_bps'])} bps"
    if result["spread_bps_without_own"] != result["spread_bps"]:
        spread += f" (without ours {dash(result['spread_bps_without_own'])})"
    middle = f"mid {dash(result['mid'])}   {spread}   imbalance {dash(result['imbalance'])}"
    titles = (
        f"{'ours'.rjust(max(own, 4))}  {'qty'.rjust(max(qty, 3))}  {'price'.rjust(max(price, 5))}"
    )
    return [
        line((result["instrument"], "bold"), "  ", state, update),
        line((titles, "dim")),
        *(row(level, "sell") for level in reversed(result["asks"])),
        line("  ", (middle, "bold")),
        *(row(level, "buy") for level in result["bids"]),
    ]


def _instrument_column(instruments: list[str]) -> Column:
    # Where all rows are of one instrument, it is the first column to give way.
    return Column("instrument", keep=2 if len(set(instruments)) == 1 else 8)


def orders(result: shapes.Orders) -> list[Line]:
    """List what is open, in flight or unknown."""
    return open_orders(result["orders"]) if result["orders"] else [line("no open orders")]


def open_orders(rows: list[shapes.OpenOrder]) -> list[Line]:
    """Return the table of open orders; also what an act that is not complete leaves."""
    columns = (
        Column("order"),
        _instrument_column([one["instrument"] for one in rows]),
        Column("side"),
        Column("price", right=True),
        Column("leaves", right=True),
        Column("of", right=True, keep=3),
        Column("state"),
        Column("age", right=True, keep=5),
        Column("", keep=2),
        Column("venue id", keep=1),
    )
    return table(
        columns,
        [
            (
                one["client_order_id"],
                one["instrument"],
                _side(one["side"]),
                one["price"],
                one["leaves_qty"],
                one["qty"],
                (one["state"], "bad" if one["state"] == "UNKNOWN" else ""),
                duration(one["age_ms"] / 1000),
                _flags(one),
                dash(one["venue_order_id"]),
            )
            for one in rows
        ],
    )


def _flags(one: shapes.OpenOrder) -> str:
    flags = [("post-only", one["post_only"]), ("reduce-only", one["reduce_only"])]
    return " ".join(name for name, holds in flags if holds)


def fills(result: shapes.Fills) -> list[Line]:
    """List executions, the newest last."""
    return _fills(result["fills"]) if result["fills"] else [line("no fills")]


# Titles by key, in their order; the first columns are text, `keep` says what goes last.
_HISTORIES: dict[str, tuple[tuple[str, str, int], ...]] = {
    "orders": (
        ("ts", "time", 9), ("instrument", "instrument", 3), ("side", "side", 9),
        ("price", "price", 9), ("qty", "qty", 9), ("cum_qty", "filled", 8), ("state", "state", 9),
        ("client_order_id", "order", 1),
    ),
    "pnl": (
        ("ts", "time", 9), ("equity_quote", "equity", 9), ("realized_quote", "realized", 7),
        ("unrealized_quote", "unrealized", 6), ("fees_quote", "fees", 5),
        ("total_quote", "total", 9), ("drawdown_quote", "drawdown", 4),
    ),
    "latency": (
        ("minute", "minute", 9), ("stage", "stage", 9), ("count", "count", 5),
        ("mean_us", "mean", 8), ("worst_second_p50_us", "p50", 6),
        ("worst_second_p99_us", "p99", 9), ("max_us", "max", 9),
    ),
}  # fmt: skip
_LEFT = ("ts", "minute", "instrument", "side", "state", "stage", "client_order_id")


def history(result: shapes.History) -> list[Line]:
    """List what was, the newest last."""
    titles = _HISTORIES.get(result["what"], ())
    columns = [Column(title, right=key not in _LEFT, keep=keep) for key, title, keep in titles]
    rows: list[Mapping[str, Any]] = [*result["rows"]]
    if not rows or not titles:
        return wrap(f"no {result['what']} yet")
    return table(columns, [[_past(key, row[key]) for key, _, _ in titles] for row in rows])


def _past(key: str, value: Any) -> str | Span:
    if key in ("ts", "minute"):
        return clock(value) if key == "ts" else str(value)[:16].replace("T", " ")
    if key.endswith("_us"):
        return micros(value)
    return _side(value) if key == "side" else dash(value)


def _fills(rows: list[shapes.Fill]) -> list[Line]:
    columns = (
        Column("time"),
        _instrument_column([one["instrument"] for one in rows]),
        Column("side"),
        Column("price", right=True),
        Column("qty", right=True),
        Column("fee", right=True),
        Column("", keep=4),
        Column("order", keep=5),
        Column("exec id", keep=1),
    )
    return table(
        columns,
        [
            (
                clock(one["ts"]),
                one["instrument"],
                _side(one["side"]),
                one["price"],
                one["qty"],
                f"{one['fee']} {one['fee_asset']}",
                one["liquidity"].lower(),
                one["client_order_id"],
                one["exec_id"],
            )
            for one in rows
        ],
    )


def order(result: shapes.OrderJourney) -> list[Line]:
    """Show one order's whole journey, from the decision to its end."""
    lines = [
        line(
            (result["client_order_id"], "bold"),
            "  ",
            _side(result["side"]),
            f" {result['qty']} {result['instrument']} at {result['price']}  ",
            (result["state"], "bold"),
        ),
        line(
            f"filled {result['cum_qty']}   venue id {dash(result['venue_order_id'])}   "
            f"decision {dash(result['decision_seq'])}"
        ),
        line(""),
    ]
    columns = (
        Column("time"),
        Column("event"),
        Column("state"),
        Column("price", right=True, keep=5),
        Column("qty", right=True, keep=5),
        Column("filled", right=True, keep=6),
        Column("took", right=True, keep=4),
        Column("journal", right=True, keep=1),
    )
    lines += table(
        columns,
        [
            (
                clock(event["ts"]),
                event["event"],
                dash(event["state"]),
                dash(event["price"]),
                dash(event["qty"]),
                dash(event["cum_qty"]),
                micros(event["latency_us"]),
                str(event["seq"]),
            )
            for event in result["events"]
        ],
    )
    for event in result["events"]:
        if event["detail"]:
            lines += wrap(f"{event['event']}: {event['detail']}", "  ")
    if result["fills"]:
        lines += [line(""), *_fills(result["fills"])]
    return lines


def latency(result: shapes.Latency) -> list[Line]:
    """Show each stage against its target; the venue's part stands apart from ours."""
    columns = (
        Column("stage"),
        Column("count", right=True, keep=3),
        Column("mean", right=True, keep=2),
        Column("median", right=True),
        Column("p95", right=True, keep=4),
        Column("p99", right=True),
        Column("p99.9", right=True, keep=5),
        Column("max", right=True),
        Column("target", right=True),
        Column("p99/target"),
    )
    longest = max([stage["p99_us"] or 0 for stage in result["stages"]], default=0)
    rows = [_stage(stage, longest) for stage in result["stages"]]
    lines = table(columns, rows, gap=1)  # Ten columns have to fit 80 characters.
    ours = [stage["stage"] for stage in result["stages"] if not stage["venue"]]
    theirs = [stage["stage"] for stage in result["stages"] if stage["venue"]]
    over = [stage["stage"] for stage in result["stages"] if stage["over_target"]]
    lines.append(line(""))
    lines += wrap(f"ours: {', '.join(ours) or '-'}", "  ")
    lines += wrap(f"the venue's (*): {', '.join(theirs) or '-'}", "  ")
    if over:
        lines.append(line((f"over target: {', '.join(over)}", "bad")))
    else:
        lines.append(line(("no stage is over its target", "good")))
    return lines


def _stage(stage: shapes.StageLatency, longest: float) -> tuple[str | Span, ...]:
    target_ms, p99 = stage["target_ms"], stage["p99_us"]
    # With a target the bar is full at the target; without one, at the longest stage.
    scale = target_ms * 1000 if target_ms else longest
    ratio = p99 / scale if p99 is not None and scale else None
    style = "bad" if stage["over_target"] else "dim" if stage["venue"] else "good"
    return (
        (stage["stage"] + ("*" if stage["venue"] else ""), style if stage["over_target"] else ""),
        str(stage["count"]),
        micros(stage["mean_us"]),
        micros(stage["median_us"]),
        micros(stage["p95_us"]),
        micros(p99),
        micros(stage["p99_9_us"]),
        micros(stage["max_us"]),
        "-" if target_ms is None else f"{target_ms:g}ms",
        ("███ OVER" if stage["over_target"] else bar(ratio, 8), style),
    )


def outcome(result: shapes.Outcome) -> list[Line]:
    """Show what an act left, if anything, and its one sentence last."""
    lines: list[Line] = []
    left = result.get("open_orders_left")  # A test alert leaves nothing.
    if left:
        lines.append(line((f"{len(left)} open orders are left:", "bad")))
        lines += open_orders(left)
    return lines


def changed_keys(result: shapes.Reloaded) -> list[Line]:
    """Show each key that differs: from what to what, written where, taken when."""
    lines: list[Line] = []
    for one in result["changes"]:
        when = "now" if one["takes"] == "now" else "at the next start"
        lines.append(line((one["key"], "bold"), f": {one['old']} -> {one['new']}"))
        lines.append(line(f"  {when}; {one['origin']}"))
    return lines


def reconciled(result: shapes.Reconciled) -> list[Line]:
    """Show each kind of comparison, and both sides of what differs."""
    checks = [
        (one["name"], ("agrees", "") if one["agrees"] else ("DIFFERS", "bad"), dash(one["checked"]))
        for one in result["checks"]
    ]
    lines = table((Column("compared"), Column("result"), Column("checked")), checks)
    if result["differences"]:
        rows = [(one["what"], one["ours"], one["venues"]) for one in result["differences"]]
        columns = (Column("differs"), Column("our books", right=True), Column("venue", right=True))
        lines += [line(""), *table(columns, rows)]
    return lines


def log_line(item: Mapping[str, Any]) -> list[Line]:
    """Show one log line: when, how grave, where, what, and the rest as key=value."""
    level = str(item.get("level", ""))
    head = line(
        f"{clock(str(item.get('ts', ''))):12} ",
        (f"{level:8} ", _LEVEL_STYLES.get(level, "dim")),
        f"{dash(item.get('stage')):13} ",
        (str(item.get("event", "")), "bold"),
    )
    told = ("ts", "level", "stage", "event", "instance", "profile", "mode", "run", "config_hash")
    rest = " ".join(f"{key}={_plain(value)}" for key, value in item.items() if key not in told)
    room = WIDTH - sum(len(text) for text, _ in head) - 1
    if len(rest) <= room:
        return [[*head, (f" {rest}", "")]]
    indent = " " * 13
    return [head, *wrap(indent + rest, indent)]


def _plain(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


VIEWS: dict[str, Callable[[Any], list[Line]]] = {
    "book": book,
    "orders": orders,
    "order": order,
    "fills": fills,
    "history": history,
    "latency": latency,
}
