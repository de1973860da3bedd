"""The daemon at a glance: status, health checks, latency by stage.

Owns what counts as healthy. Must not decide anything by it: the engine's breakers do.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple

from hftd import __version__
from hftd.config.load import LoadedProfile
from hftd.config.values import plain
from hftd.control import shapes
from hftd.control.protocol import PROTOCOL
from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.order import OrderState
from hftd.domain.refusals import ms_text, name_of, reason_text
from hftd.domain.units import from_scaled
from hftd.runtime.answers_market import spread_bps
from hftd.runtime.answers_money import brief, position_atoms
from hftd.runtime.answers_view import (
    LATCHED,
    Numbers,
    View,
    atoms_text,
    clock_text,
    rows,
    state_reason,
)
from hftd.runtime.telemetry import StageTimes

# Behind by so much the recorder shows no present any more; it is a minute of a busy market.
RECORDER_LAG_RECORDS = 50_000
# The pulse comes ten times a second: a loop later than half of that misses one.
LOOP_LAG_NS = 50_000_000
_WORKING = (OrderState.NEW, OrderState.PARTIALLY_FILLED)
_E6 = 10**6
# As a message passes them; the venue's own part stands before the whole that holds it.
_STAGES = (
    "market_data", "strategy", "risk", "execution", "tick_to_order", "venue", "end_to_end",
)  # fmt: skip


class Parts(NamedTuple):
    """What the processes and files around the engine say of themselves; None: not known."""

    journal_seq: int
    recorder_seq: int | None
    recorder_pid: int | None
    loop_lag_ns: int | None
    disk_free_mb: int | None
    recorder_faults: Mapping[str, str] = {}

    @property
    def recorder_lag(self) -> int | None:
        """Return how many records the recorder has not read yet."""
        return None if self.recorder_seq is None else max(self.journal_seq - self.recorder_seq, 0)


def status(
    view: View, parts: Parts, loaded: LoadedProfile, instance: str, venue_name: str
) -> shapes.Status:
    """Answer ``status``."""
    profile, core = loaded.profile, view.core
    states = [order["state"] for order in view.orders]
    working = sum(state in _WORKING for state in states)
    unknown = sum(state == OrderState.UNKNOWN for state in states)
    return {
        "version": __version__,
        "protocol": PROTOCOL,
        "pid": os.getpid(),
        "instance": instance,
        "profile": loaded.name,
        "mode": profile.mode,
        "state": view.trading.name,
        "state_reason": state_reason(view),
        "canary": {"enabled": profile.canary.enabled, "size_factor": plain(profile.size_factor)},
        "venue": venue_name,
        "quote_asset": view.quote_asset,
        "uptime_s": round((view.now_ns - view.started_ns) / 1e9, 3),
        "instruments": [_instrument(view, index) for index in range(len(view.instruments))],
        "orders": {
            "open": working,
            "in_flight": len(states) - working - unknown,
            "unknown": unknown,
            "submitted": core["submitted"],
            "denied": core["denied"],
            "rejected": core["rejected"],
        },
        "fills": core["fills"],
        "alerts": alerts(view),
        "pnl": brief(view),
        "journal": {"seq": parts.journal_seq},
        "recorder": {"seq": parts.recorder_seq, "lag": parts.recorder_lag},
    }


def alerts(view: View) -> list[shapes.Alert]:
    """Return the alerts that nobody has acknowledged, oldest first (C41)."""
    waiting = [row for row in rows(view.state.alerts) if row["number"] and not row["acknowledged"]]
    return [
        {
            "number": row["number"],
            "ts": clock_text(row["ts_ns"]),
            "code": name_of(Code, row["code"]),
            "reason": reason_text(row["code"], row["value"], row["bound"], view.quote_asset),
        }
        for row in sorted(waiting, key=lambda row: int(row["number"]))
    ]


def _instrument(view: View, index: int) -> shapes.InstrumentStatus:
    record, instrument = view.records[index], view.instruments[index]
    bid, ask = record["market_bid_ticks"], record["market_ask_ticks"]
    valid = record["market_valid"] == 1
    return {
        "symbol": instrument.name,
        "book_state": BookState(int(view.state.books[index]["state"])).name,
        "best_bid": instrument.price_text(bid) if valid else None,
        "best_ask": instrument.price_text(ask) if valid else None,
        "spread_bps": spread_bps(bid, ask) if valid else None,
        "imbalance": from_scaled(record["imbalance_e6"], _E6) if valid else None,
        "position_base": atoms_text(position_atoms(record)),
        "open_orders": len(view.orders_of(index)),
    }


def health(view: View, parts: Parts) -> shapes.Health:
    """Answer ``health``."""
    core = view.core
    checks = [
        _state(view),
        _link("market_link", core["market_up"]),
        _link("order_link", core["order_up"]),
        _user_stream(view),
        *(_book(view, index) for index in range(len(view.instruments))),
        _journal(core, parts),
        _recorder(parts),
        _alerts(parts),
        _metrics(parts),
        _clock(view),
        _loop(parts),
        _latch(view),
    ]
    return {"healthy": all(check["ok"] for check in checks), "checks": checks}


def _check(name: str, ok: bool, detail: str) -> shapes.HealthCheck:
    return {"name": name, "ok": ok, "detail": detail}


# A pause that the operator asked for is no illness; one that came by itself is.
def _state(view: View) -> shapes.HealthCheck:
    asked = view.trading == TradingState.PAUSED and view.core["state_code"] == Code.OPERATOR
    trading = view.trading in (TradingState.RUNNING, TradingState.REDUCE_ONLY)
    reason = state_reason(view)
    detail = view.trading.name if reason is None else f"{view.trading.name}: {reason}"
    return _check("state", trading or asked, detail)


def _link(name: str, up: int) -> shapes.HealthCheck:
    return _check(name, up == 1, "up" if up == 1 else "down")


def _user_stream(view: View) -> shapes.HealthCheck:
    limit_ns = view.core["user_stream_timeout_ns"]
    silent_ns = view.now_ns - (view.core["user_alive_ns"] or view.started_ns)
    up = view.core["user_up"] == 1
    word = "subscribed" if up else "not subscribed"
    detail = f"{word}, silent for {ms_text(silent_ns)}, limit {ms_text(limit_ns)}"
    return _check("user_stream", up and silent_ns <= limit_ns, detail)


def _book(view: View, index: int) -> shapes.HealthCheck:
    record, name = view.records[index], f"book {view.instruments[index].name}"
    state = BookState(int(view.state.books[index]["state"]))
    if record["frame_ns"] == 0:
        return _check(name, False, f"{state.name}, nothing heard yet")
    limit_ns = view.core["max_book_age_ns"]
    age_ns = view.now_ns - record["frame_ns"]
    sides = "two-sided" if record["market_valid"] else "one-sided, crossed or not believed"
    ok = state == BookState.SYNCED and record["market_valid"] == 1 and age_ns <= limit_ns
    detail = f"{state.name}, {sides}, age {ms_text(age_ns)}, limit {ms_text(limit_ns)}"
    return _check(name, ok, detail)


def _journal(core: Numbers, parts: Parts) -> shapes.HealthCheck:
    if core["journal_failed"]:
        return _check("journal", False, f"failed after record {parts.journal_seq}; nothing is sent")
    free = "" if parts.disk_free_mb is None else f", {parts.disk_free_mb} MB of disk free"
    return _check("journal", True, f"written to record {parts.journal_seq}{free}")


def _recorder(parts: Parts) -> shapes.HealthCheck:
    if parts.recorder_pid is None:
        return _check("recorder", False, "not running; the journal keeps all, trading goes on")
    if parts.recorder_lag is None:
        return _check("recorder", True, f"pid {parts.recorder_pid}, has not told where it is yet")
    detail = f"pid {parts.recorder_pid}, {parts.recorder_lag} records behind"
    if fault := parts.recorder_faults.get("cursor"):
        return _check("recorder", False, f"{detail}; it cannot write how far it is: {fault}")
    ok = parts.recorder_lag <= RECORDER_LAG_RECORDS
    return _check("recorder", ok, f"{detail}, limit {RECORDER_LAG_RECORDS}")


def _alerts(parts: Parts) -> shapes.HealthCheck:
    fault = parts.recorder_faults.get("alerts")
    if fault is None:
        return _check("alerts", True, "no delivery fails")
    return _check("alerts", False, f"not delivered: {fault}; tried again, or: hftctl alert-test")


def _metrics(parts: Parts) -> shapes.HealthCheck:
    fault = parts.recorder_faults.get("metrics")
    detail = "served, or not asked for" if fault is None else f"not served: {fault}; tried again"
    return _check("metrics", fault is None, detail)


def _clock(view: View) -> shapes.HealthCheck:
    core = view.core
    if core["clock_sampled_ns"] == 0:
        return _check("clock", False, "not compared with the venue's yet")
    offset_ns = abs(core["venue_offset_ns"] - core["wall_offset_ns"])
    detail = f"{ms_text(offset_ns)} off the venue's, limit {ms_text(core['max_clock_offset_ns'])}"
    bad_since_ns = core["clock_bad_since_ns"]
    if bad_since_ns:
        detail += f"; wrong or stepped since {clock_text(bad_since_ns)}"
    return _check("clock", bad_since_ns == 0, detail)


def _loop(parts: Parts) -> shapes.HealthCheck:
    if parts.loop_lag_ns is None:
        return _check("loop", True, "not measured yet")
    detail = f"{ms_text(parts.loop_lag_ns)} late, limit {ms_text(LOOP_LAG_NS)}"
    return _check("loop", parts.loop_lag_ns <= LOOP_LAG_NS, detail)


def _latch(view: View) -> shapes.HealthCheck:
    if view.trading not in LATCHED:
        return _check("latch", True, "open")
    since = clock_text(view.core["state_since_ns"])
    detail = f"{view.trading.name} since {since}; trade again: hftctl reset --reason …"
    return _check("latch", False, detail)


def latency(summary: dict[str, StageTimes]) -> shapes.Latency:
    """Answer ``latency``; ``venue`` marks the venue's own part, which ``end_to_end`` holds too."""
    return {"stages": [_stage(name, summary[name]) for name in _STAGES if name in summary]}


def _stage(name: str, times: StageTimes) -> shapes.StageLatency:
    seen = times["count"] > 0
    return {
        "stage": name,
        "venue": name == "venue",
        "count": times["count"],
        "mean_us": times["mean_ns"] / 1000 if seen else None,
        "median_us": times["p50_ns"] / 1000 if seen else None,
        "p95_us": times["p95_ns"] / 1000 if seen else None,
        "p99_us": times["p99_ns"] / 1000 if seen else None,
        "p99_9_us": times["p999_ns"] / 1000 if seen else None,
        "max_us": times["max_ns"] / 1000 if seen else None,
        "target_ms": times["target_ns"] / 1e6 if times["target_ns"] else None,
        "over_target": times["over_target"],
    }
