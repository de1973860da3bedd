"""The metrics: names, help, units and labels, made of what was counted and what the engine says.

Owns the ecosystem's rules: `hftd_` before each name, base units (seconds, bytes, ratios; money
and quantities in quote and base, which are the units of their asset), `_total` behind counters,
labels whose values are words of ours or instruments of the profile and therefore few. Reads no
clock and opens nothing.

Two sources that never mix: counters and histograms are counted from the journal by the recorder;
a gauge of the present is an answer of the engine, and absent where the engine does not answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from hftd import __version__
from hftd.domain.codes import BookState, TradingState
from hftd.runtime.metrics_counted import Counted, Labels
from hftd.runtime.telemetry import BOUNDS_NS

NS = 1e9
ATOMS = 1e8
BPS = 1e4


class Around(NamedTuple):
    """What the recorder knows of itself and its surroundings."""

    ledger_seq: int
    logged_seq: int
    disk_free_bytes: int
    log_lines: int
    log_lines_dropped: int
    alerts_raised: Mapping[str, int]
    alerts_delivered: Mapping[str, int]
    alerts_failed: Mapping[str, int]


class Asked(NamedTuple):
    """The engine's answers to status, health and risk; None where it did not answer."""

    status: Any
    health: Any
    risk: Any


# Ages and delays of `risk`, which tells them in milliseconds beside their limits.
_AGES = {
    "user_stream_timeout_ms": ("hftd_user_stream_silence_seconds", "Silence of the private stream"),
    "max_clock_offset_ms": ("hftd_clock_offset_seconds", "Our clock's distance from the venue's"),
    "max_loop_lag_ms": ("hftd_loop_lag_seconds", "How late the trading loop was last"),
    "max_ack_ms": ("hftd_ack_p99_seconds", "99th percentile of the last minute's answers"),
    "unknown_timeout_ms": ("hftd_unknown_order_age_seconds", "Age of the oldest order in doubt"),
    "max_book_age_ms": ("hftd_book_age_seconds", "Time since the book was last heard of"),
}
_ACCOUNT = {
    "equity": ("hftd_equity_quote", "Worth of the account"),
    "realized": ("hftd_realized_pnl_quote", "Realized PnL, before fees"),
    "unrealized": ("hftd_unrealized_pnl_quote", "Unrealized PnL"),
    "fees": ("hftd_fees_quote", "Fees paid"),
    "total": ("hftd_trading_pnl_quote", "Realized and unrealized PnL less fees"),
    "day_loss": ("hftd_day_loss_quote", "Loss of the day"),
    "drawdown": ("hftd_drawdown_quote", "Loss from the day's peak"),
    "turnover": ("hftd_turnover_quote", "Value traded on this day"),
}
_SIDES = ("instrument", "side")


def families(counted: Counted, around: Around, asked: Asked) -> Iterator[Metric]:
    """Give out every metric with its samples."""
    counted.settle()
    yield InfoMetricFamily("hftd_build", "Version of the recorder", {"version": __version__})
    yield from _of_trading(counted)
    yield from _of_account(counted)
    yield _stages(counted)
    targets = _gauge("hftd_stage_target_seconds", "The profile's target of a stage", "stage")
    for name, stage in sorted(counted.stages.items()):
        if stage.target_ns:
            targets.add_metric([name], stage.target_ns / NS)
    yield targets
    yield from _of_recorder(counted, around)
    yield from _of_engine(asked)


def _counter(name: str, text: str, labels: Iterable[str], counts: Counter[Labels]) -> Metric:
    return _scaled(name, text, labels, counts, 1)


def _scaled(
    name: str, text: str, labels: Iterable[str], counts: Counter[Labels], scale: float
) -> Metric:
    family = CounterMetricFamily(name, text, labels=list(labels))
    for values, count in sorted(counts.items()):
        family.add_metric(values, count / scale)
    return family


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, labels=list(labels))


def _of_trading(told: Counted) -> Iterator[Metric]:
    with_liquidity, with_reason = (*_SIDES, "liquidity"), (*_SIDES, "reason")
    with_event, with_state = ("instrument", "event"), ("instrument", "state")
    yield _counter("hftd_orders", "What befell orders", with_event, told.orders)
    yield _counter("hftd_fills", "Executions of ours", with_liquidity, told.fills)
    yield _scaled("hftd_filled_base", "Quantity", _SIDES, told.filled_base_atoms, ATOMS)
    yield _scaled("hftd_filled_quote", "Value traded", _SIDES, told.filled_quote_atoms, ATOMS)
    yield _counter("hftd_refusals", "Orders that our gate refused", ("code",), told.refusals)
    yield _counter("hftd_venue_rejections", "Orders the venue refused", ("kind",), told.rejections)
    yield _counter("hftd_state_changes", "Entries of a trading state", ("state",), told.states)
    yield _counter("hftd_book_changes", "Entries of a book's state", with_state, told.books)
    text = "Commands that the engine was given"
    yield _counter("hftd_commands", text, ("command", "outcome"), told.commands)
    yield _counter("hftd_differences", "Differences with the venue", ("code",), told.differences)
    yield _scaled("hftd_quoted_seconds", "Time in which a side was", _SIDES, told.quoted_ns, NS)
    text = "Time in which a side was not quoted, by the first condition that failed"
    yield _scaled("hftd_no_quote_seconds", text, with_reason, told.not_quoted_ns, NS)


def _of_account(counted: Counted) -> Iterator[Metric]:
    for key, (name, text) in _ACCOUNT.items():
        family = _gauge(name, text, "asset")
        if key in counted.account_atoms:
            family.add_metric([counted.quote_asset], counted.account_atoms[key] / ATOMS)
        yield family


def _stages(counted: Counted) -> Metric:
    text = "Time of each stage on the way from a frame to the venue's answer"
    family = HistogramMetricFamily("hftd_stage_duration_seconds", text, labels=["stage"])
    bounds = [*(repr(bound_ns / NS) for bound_ns in BOUNDS_NS), "+Inf"]
    for name, stage in sorted(counted.stages.items()):
        below, buckets = 0, []
        for bound, count in zip(bounds, stage.buckets, strict=True):
            below += count
            buckets.append((bound, below))
        family.add_metric([name], buckets, stage.sum_ns / NS)
    return family


def _of_recorder(counted: Counted, around: Around) -> Iterator[Metric]:
    levels = ("level",)
    for name, text, counts in (
        ("hftd_alerts", "Alerts by level", around.alerts_raised),
        ("hftd_alert_deliveries", "Messages that arrived", around.alerts_delivered),
        ("hftd_alert_failures", "Attempts that failed", around.alerts_failed),
    ):
        named: Counter[Labels] = Counter({(level,): count for level, count in counts.items()})
        yield _counter(name, text, levels, named)
    for name, text, total in (
        ("hftd_journal_records_read", "Journal records that were read", counted.records),
        ("hftd_log_lines", "Log lines that were written", around.log_lines),
        ("hftd_log_lines_dropped", "Log lines beyond the cap", around.log_lines_dropped),
    ):
        yield CounterMetricFamily(name, text, value=total)
    behind = max(around.logged_seq - around.ledger_seq, 0)
    yield GaugeMetricFamily("hftd_ledger_lag_records", "Read, but not in SQL yet", behind)
    free = around.disk_free_bytes
    yield GaugeMetricFamily("hftd_disk_free_bytes", "Room on the disk of the journal", free)


def _of_engine(asked: Asked) -> Iterator[Metric]:
    answers = None not in asked
    yield GaugeMetricFamily("hftd_up", "Whether the engine answers", float(answers))
    if not answers:
        return
    yield from _of_status(asked.status)
    yield from _of_health(asked.health)
    yield from _of_risk(asked.risk)


def _of_status(status: Any) -> Iterator[Metric]:
    who = {key: str(status[key]) for key in ("instance", "profile", "mode", "venue")}
    who["name"] = who.pop("instance")  # A reader puts its own `instance` beside each metric.
    yield InfoMetricFamily("hftd_daemon", "Which daemon this is", who)
    states = _gauge("hftd_state", "1 for the trading state it is in", "state")
    for state in TradingState:
        states.add_metric([state.name], float(status["state"] == state.name))
    yield states
    yield GaugeMetricFamily("hftd_uptime_seconds", "Since the start", status["uptime_s"])
    books = _gauge("hftd_book_state", "1 for the state of the book", "instrument", "state")
    spread = _gauge("hftd_spread_ratio", "Spread over mid, without our own orders", "instrument")
    imbalance = _gauge("hftd_imbalance_ratio", "Of the book, from -1 to 1", "instrument")
    position = _gauge("hftd_position_base", "Position, less commissions in base", "instrument")
    opened = _gauge("hftd_open_orders", "Orders that are not final", "instrument")
    for one in status["instruments"]:
        name = one["symbol"]
        for book in BookState:
            books.add_metric([name, book.name], float(one["book_state"] == book.name))
        if one["spread_bps"] is not None:
            spread.add_metric([name], float(one["spread_bps"]) / BPS)
            imbalance.add_metric([name], float(one["imbalance"]))
        position.add_metric([name], float(one["position_base"]))
        opened.add_metric([name], one["open_orders"])
    yield from (books, spread, imbalance, position, opened)
    unknown = status["orders"]["unknown"]
    yield GaugeMetricFamily("hftd_unknown_orders", "Orders whose answer was lost", unknown)
    waiting = len(status["alerts"])
    yield GaugeMetricFamily("hftd_unacknowledged_alerts", "Alerts nobody has seen", waiting)
    lag = status["recorder"]["lag"]
    if lag is not None:
        yield GaugeMetricFamily("hftd_recorder_lag_records", "Written, but not read yet", lag)


def _of_health(health: Any) -> Iterator[Metric]:
    whole = float(health["healthy"])
    yield GaugeMetricFamily("hftd_healthy", "Whether every health check holds", whole)
    checks = _gauge("hftd_health_check", "1 where the check holds", "check", "instrument")
    for check in health["checks"]:
        name, _, instrument = check["name"].partition(" ")
        checks.add_metric([name, instrument], float(check["ok"]))
    yield checks


def _of_risk(risk: Any) -> Iterator[Metric]:
    gate = _gauge("hftd_gate", "1 for the state of the gate", "state")
    for state in ("open", "reduce_only", "closed"):
        gate.add_metric([state], float(risk["gate"] == state))
    yield gate
    used = _gauge("hftd_limit_used_ratio", "Use over limit", "control", "limit", "instrument")
    ages = {key: _gauge(name, text, "instrument") for key, (name, text) in _AGES.items()}
    for one in risk["limits"]:
        instrument = one["instrument"] or ""
        if one["ratio"] is not None:
            used.add_metric([one["code"], one["name"], instrument], one["ratio"])
        if one["name"] in ages:
            ages[one["name"]].add_metric([instrument], float(one["use"]) / 1000)
    yield used
    yield from ages.values()
