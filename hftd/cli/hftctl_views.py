"""How hftctl shows the daemon, its money and its reasons: a result in, lines out.

Owns the words and the order on the screen; knows neither sockets nor exit codes. What stands
first is what a person under stress looks for first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hftd.cli.hftctl_text import (
    Column,
    Line,
    Span,
    dash,
    duration,
    line,
    meter,
    number,
    plus,
    signed,
    table,
    wrap,
)
from hftd.control import shapes

_STATE_STYLES = {
    "RUNNING": "good",
    "HALTED": "bad",
    "KILLED": "bad",
    "PAUSED": "warn",
    "REDUCE_ONLY": "warn",
}
_WAY_BACK = {
    "PAUSED": "Quote again: hftctl resume",
    "REDUCE_ONLY": "Quote again: hftctl resume",
    "HALTED": "Trade again: hftctl ack, hftctl reset --reason …, then hftctl resume",
    "KILLED": "Trade again: hftctl reset --reason …, then hftctl resume",
}


# What each link of the chain asks, for the code that says that it does not hold.
_ASKS = {
    "NOT_RUNNING": "the daemon runs",
    "BOOK_NOT_SYNCED": "book in sequence",
    "GATE_CLOSED": "the gate is open",
    "OPERATOR": "no flatten under way",
    "NOT_TRADING": "the venue trades it",
    "ONE_SIDED": "others on both sides",
    "TRADED_THROUGH": "no trade beyond us",
    "SPREAD_TOO_NARROW": "spread wide enough",
    "POST_ONLY_CROSS": "price would rest",
    "NO_EDGE": "edge after the fee",
    "POSITION_FULL": "room to the limit",
    "SIZE_ZERO": "size the venue takes",
    "BALANCE_SHORT": "balance carries it",
    "NO_SIGNAL": "imbalance past bound",
    "DWELL": "imbalance has lasted",
    "COOLDOWN": "rested since last",
    "HOLDING": "no position held",
    "SIDE_IN_DOUBT": "no order in doubt",
    "DENIED_RECENTLY": "no refusal just now",
    "STRATEGY_FAILED": "strategy has not raised",
    "NOT_WANTED": "strategy wants it",
    "NO_ESTIMATE": "enough seen to estimate",
    "STARTING_UP": "strategy has spoken",
}


def _state(state: str | None) -> Span:
    return dash(state), _STATE_STYLES.get(dash(state), "bold")


def status(result: shapes.Status) -> list[Line]:
    """Show the daemon on one screen."""
    mode = (f"{result['mode']} on {result['venue']}", "bad" if result["mode"] == "live" else "")
    facts = f"pid {result['pid']}   up {duration(result['uptime_s'])}   hftd {result['version']}"
    lines = [
        line((result["instance"], "bold"), "  ", _state(result["state"]), "  ", mode, "   ", facts)
    ]
    if result["state_reason"]:
        lines += wrap(f"reason: {result['state_reason']}", "        ")
    if result["state"] in _WAY_BACK:
        lines += wrap(_way_back(result))
    for alert in result["alerts"]:
        told = f"alert {alert['number']} at {alert['ts']}: {alert['reason']}"
        lines.append(line((told, "bad"), "   seen: hftctl ack"))
    if result["canary"]["enabled"]:
        factor = result["canary"]["size_factor"]
        lines.append(line((f"canary: every size and size limit times {factor}", "warn")))
    lines.append(line(""))
    lines += _instruments(result["instruments"])
    lines.append(line(""))
    lines += _totals(result)
    return lines


def _way_back(result: shapes.Status) -> str:
    words, reason = _WAY_BACK[result["state"]], result["state_reason"] or ""
    if result["state"] == "PAUSED" and not reason.startswith(("OPERATOR", "ORDERS_WITHOUT_FILL")):
        return "It ends by itself a while after its cause; hftctl resume spares the while."
    if "VENUE_RESET" in reason:  # A plain reset would find nothing of ours.
        return words.replace("reset", "reset --venue-wiped")
    if "RECONCILE_DIFFERENCE" in reason and result["state"] == "HALTED":
        return f"{words}. A deposit or withdrawal that nobody reported: add --accept-flows to reset"
    return words


def _instruments(instruments: list[shapes.InstrumentStatus]) -> list[Line]:
    columns = (
        Column("instrument"),
        Column("book"),
        Column("best bid", right=True),
        Column("best ask", right=True),
        Column("spread bps", right=True, keep=2),
        Column("imbalance", right=True, keep=1),
        Column("position", right=True),
        Column("open", right=True),
    )
    rows = [
        (
            one["symbol"],
            (one["book_state"], "" if one["book_state"] == "SYNCED" else "bad"),
            dash(one["best_bid"]),
            dash(one["best_ask"]),
            dash(one["spread_bps"]),
            dash(one["imbalance"]),
            plus(one["position_base"]),
            str(one["open_orders"]),
        )
        for one in instruments
    ]
    return table(columns, rows)


def _totals(result: shapes.Status) -> list[Line]:
    orders, pnl, quote = result["orders"], result["pnl"], result["quote_asset"]
    unknown: Span = (f"{orders['unknown']} unknown", "bad" if orders["unknown"] else "")
    parts = (
        f"          = {pnl['realized_quote']} realized + {pnl['unrealized_quote']} unrealized"
        f" - {pnl['fees_quote']} fees"
    )
    total = signed(pnl["total_quote"])
    recorder = result["recorder"]
    if recorder["seq"] is None:
        recorded: Span = ("recorder does not answer", "warn")
    else:
        recorded = (f"recorded to {recorder['seq']}, {dash(recorder['lag'])} behind", "")
    return [
        line(f"orders    {orders['open']} open, {orders['in_flight']} in flight, ", unknown),
        line(
            f"          {orders['submitted']} submitted, {orders['denied']} denied, "
            f"{orders['rejected']} rejected since start"
        ),
        line(f"fills     {result['fills']} since start"),
        line("pnl       ", total, f" {quote}"),
        line(parts),
        line(f"journal   {result['journal']['seq']}, ", recorded),
    ]


def health(result: shapes.Health) -> list[Line]:
    """Show each check, and the verdict last."""
    rows = [
        (
            ("ok", "good") if check["ok"] else ("FAIL", "bad"),
            check["name"],
            check["detail"],
        )
        for check in result["checks"]
    ]
    lines = table((Column(""), Column("check"), Column("measured")), rows)
    verdict = ("healthy", "good") if result["healthy"] else ("not healthy", "bad")
    return [*lines, line(verdict)]


def selfcheck(result: shapes.SelfCheck) -> list[Line]:
    """Show each control: whether it stands, how its tests ended, and which they are."""
    rows = []
    for one in result["controls"]:
        word: Span = ("stands", "good") if one["stands"] else ("missing", "warn")
        if one["failed"]:
            word = ("FAILED", "bad")
        count = one["passed"] + len(one["failed"]) + one["unknown"]
        ended = f"{one['passed']}/{count}"
        rows.append((one["id"], one["title"], word, ended, dash(one["last_run"])[:16]))
    columns = (
        Column("id"),
        Column("control"),
        Column("state"),
        Column("passed", right=True, keep=2),
        Column("oldest result", keep=1),
    )
    lines = table(columns, rows)
    for one in result["controls"]:
        if one["tests"]:
            lines.append(line((f"{one['id']} {one['title']}", "bold")))
            for test in one["tests"]:
                style = "bad" if test in one["failed"] else ""
                lines += [[(text, style) for text, _ in row] for row in wrap(test, "  ")]
    lines += wrap(f"from {result['source']}", "")
    return lines


def version(result: shapes.Version) -> list[Line]:
    """Show what the daemon says of itself."""
    protocol, python = result["protocol"], result["python"]
    facts = f"{result['version']}   protocol {protocol}   Python {python}"
    return [line("hftd    ", facts, "   instance ", result["instance"])]


def ps(result: shapes.Instances) -> list[Line]:
    """List the instances of this host."""
    columns = (
        Column("instance"),
        Column("state"),
        Column("mode"),
        Column("profile", keep=3),
        Column("pid", right=True),
        Column("up", right=True),
        Column("socket", keep=1),
    )
    if not result["instances"]:
        return [line("no instance is running")]
    lines = table(
        columns,
        [
            (
                one["instance"],
                _state(one["state"]) if one["error"] is None else ("no answer", "bad"),
                dash(one["mode"]),
                dash(one["profile"]),
                dash(one["pid"]),
                duration(one["uptime_s"]),
                one["socket"],
            )
            for one in result["instances"]
        ],
    )
    for one in result["instances"]:
        if one["error"] is not None:
            lines += wrap(f"{one['instance']}: {one['error']}", "  ")
    return lines


def explain(result: shapes.Explain) -> list[Line]:
    """Show per side the chain of conditions; the first that fails is the answer."""
    lines: list[Line] = []
    for one in result["instruments"]:
        for side, chain in (("buy", one["sides"]["buy"]), ("sell", one["sides"]["sell"])):
            lines += _chain(one["instrument"], side, chain)
            lines.append(line(""))
    return lines[:-1]


def _chain(instrument: str, side: str, chain: list[shapes.Condition]) -> list[Line]:
    failing = next((at for at, link in enumerate(chain) if not link["ok"]), None)
    if failing is None:
        verdict: Span = ("is quoted: every condition holds", "good")
    else:
        verdict = (f"is not quoted: {chain[failing]['condition']}", "bad")
    lines = [line((f"{instrument} {side} ", "bold"), verdict)]
    asked = [_ASKS.get(link["condition"], link["condition"]) for link in chain]
    width = max([len(words) for words in asked], default=0)
    for at, link in enumerate(chain):
        first = at == failing
        mark: Span = (">> no  " if first else "   no  ", "bad" if first else "")
        if link["ok"]:
            mark = ("   ok  ", "good")
        value = f"  {dash(link['value'])}"
        bound = f"  (bound {link['bound']})" if link["bound"] is not None else ""
        lines.append(line(mark, asked[at].ljust(width), value, bound))
        # The reason is told for the link that decides; for the others it would be noise.
        if first and link["detail"]:
            lines += wrap(f"       {link['detail']}", "       ")
    return lines


def positions(result: shapes.Positions) -> list[Line]:
    """Show each position and what the venue holds for us."""
    columns = (
        Column("instrument"),
        Column("position", right=True),
        Column("avg price", right=True),
        Column("mark", right=True),
        Column("of", keep=2),
        Column("unrealized", right=True),
        Column("realized", right=True, keep=5),
        Column("fees", right=True, keep=4),
        Column("dust", right=True, keep=3),
    )
    lines = table(
        columns,
        [
            (
                one["instrument"],
                plus(one["position_base"]),
                dash(one["avg_price"]),
                dash(one["mark"]),
                dash(one["mark_source"]),
                signed(one["unrealized_quote"]),
                signed(one["realized_quote"]),
                one["fees_quote"],
                one["dust_base"],
            )
            for one in result["positions"]
        ],
    )
    lines.append(line(""))
    holdings = [(one["asset"], one["free"], one["locked"]) for one in result["balances"]]
    titles = (Column("balance"), Column("free", right=True), Column("locked", right=True))
    return lines + table(titles, holdings)


def _range(result: shapes.Pnl) -> list[tuple[str, Span]]:
    # Fills on a followed market are judged by two queues: the total is the pessimist's.
    optimistic = result["optimistic_total_quote"]
    return [] if optimistic is None else [("  by an optimistic queue", signed(optimistic))]


def pnl(result: shapes.Pnl) -> list[Line]:
    """Show trading, holdings, the day and the drawdown, each apart."""
    quote = result["quote_asset"]
    rows: list[tuple[str, Span]] = [
        ("realized", signed(result["realized_quote"])),
        ("unrealized", signed(result["unrealized_quote"])),
        ("fees", (result["fees_quote"], "")),
        ("trading total", signed(result["total_quote"])),
        *_range(result),
        ("opening holdings gained", signed(result["opening_holdings_gain_quote"])),
        ("equity", (dash(result["equity_quote"]), "")),
    ]
    if result["day_start_equity_quote"] is not None:
        rows.append(("equity at day start", (result["day_start_equity_quote"], "")))
    columns = (Column(f"in {quote}"), Column("", right=True))
    lines = table(columns, rows)
    if result["day_start"] is not None:
        lines.append(line((f"the day began {result['day_start']}", "dim")))
    lines.append(line(""))
    for name, use, limit in (
        ("daily loss", result["daily_loss_used_quote"], result["daily_loss_limit_quote"]),
        ("drawdown", result["drawdown_quote"], result["drawdown_limit_quote"]),
    ):
        bound = number(limit)
        ratio = float(number(use) / bound) if bound else None
        lines.append(line(f"{name:12}", meter(ratio), f"  {use} of {limit} {quote}"))
    return lines


def risk(result: shapes.Risk) -> list[Line]:
    """Show the gate, each limit with its use, and what was refused."""
    gate = result["gate"]
    several = len({one["instrument"] for one in result["limits"] if one["instrument"]}) > 1
    lines = [line("gate ", (gate, "good" if gate == "open" else "bad")), line("")]
    columns = (
        Column(""),
        Column("limit"),
        Column("instrument", keep=9 if several else 1),
        Column("use", right=True),
        Column("of", right=True),
        Column("unit", keep=4),
        Column("%", right=True),
        Column("", keep=2),
    )
    rows = [
        (
            one["code"],
            one["name"],
            dash(one["instrument"]),
            one["use"],
            one["limit"],
            one["unit"],
            "-" if one["ratio"] is None else f"{one['ratio'] * 100:.0f}",
            meter(one["ratio"], 10),
        )
        for one in result["limits"]
    ]
    lines += table(columns, rows)
    counters = [f"{one['code']} {one['count']}" for one in result["counters"] if one["count"]]
    return [*lines, line(""), *wrap(f"refused: {'   '.join(counters) or 'nothing'}", "  ")]


VIEWS: dict[str, Callable[[Any], list[Line]]] = {
    "selfcheck": selfcheck,
    "status": status,
    "wait": status,
    "health": health,
    "version": version,
    "ps": ps,
    "explain": explain,
    "positions": positions,
    "pnl": pnl,
    "risk": risk,
}
