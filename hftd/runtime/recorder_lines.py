"""Which log lines a journal record makes; knows no file.

Info: orders, fills, refusals (the first of a kind, then a count every ten seconds), state
changes, and a summary of each stage a second. Debug: every record.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from hftd.domain.actions import ACTION, ActionKind
from hftd.domain.codes import BookState, Code, TradingState, VenueCode
from hftd.domain.events import EVENT, CommandKind, EventKind, Link
from hftd.domain.facts import FactKind
from hftd.domain.order import FeeAsset, Liquidity, OrderEvent, OrderState, Side
from hftd.domain.refusals import name_of
from hftd.journal.record import Record, RecordType, decode_json, split_frame
from hftd.runtime.logs import Fields, Line
from hftd.store.rows import position_base
from hftd.store.words import Fact, RunWords, atoms_text, code_name, utc_text

REPEAT_NS = 10_000_000_000
COUNT_NS = 1_000_000_000
SUBMITTED_KEPT = 4096
REFUSAL_KINDS_KEPT = 1024
_GRAVE = (TradingState.HALTED, TradingState.KILLED)


@dataclass
class _Repeats:
    """Refusals of one kind since the last line about them."""

    since_ns: int
    count: int = 0
    fields: Fields = field(default_factory=dict)


class LineMaker:
    """Make lines of records, one after the other."""

    def __init__(self, debug: bool = True) -> None:
        """Make no lines of debug where nobody reads them: most records have no others."""
        self._debug = debug
        self._submitted: OrderedDict[int, int] = OrderedDict()  # order key -> ts_ns
        self._counted_ns = 0
        self._refusals: OrderedDict[tuple[int, int, int], _Repeats] = OrderedDict()

    def lines(self, words: RunWords, record: Record) -> Iterator[Line]:
        """Give out the lines of a record."""
        kind = record.record_type
        yield from self._count_refusals(record)
        if kind == RecordType.FACT:
            for fact in words.facts(record.payload):
                yield from self._fact(words, fact, record)
        elif kind == RecordType.TELEMETRY:
            yield from _stages(record)
        elif kind == RecordType.HEADER:
            fields = {"version": words.header.version, "epoch": words.header.epoch}
            yield _line(record, "info", "run_started", "control", **fields)
        elif kind == RecordType.RUN_END:
            yield _line(record, "info", "run_ended", "control", **decode_json(record.payload))
        elif kind == RecordType.STRATEGY_ERROR:
            words_of = decode_json(record.payload)
            yield _line(record, "error", "strategy_error", "strategy", **words_of)
        elif kind == RecordType.COMMAND:
            yield _line(record, "info", "command", "control", **_nested(record))
        elif self._debug:
            yield from _raw(record)

    def _fact(self, words: RunWords, fact: Fact, record: Record) -> Iterator[Line]:
        if fact["kind"] == FactKind.REFUSAL:
            yield from self._refusal(words, fact, record)
            return
        maker = _MAKERS.get(fact["kind"])
        if maker is None or (maker in _DEBUG and not self._debug):
            return
        level, event, stage, fields = maker(words, fact)
        if fact["kind"] == FactKind.ORDER:
            fields["latency_us"] = self._latency_us(fact)
        yield _line(record, level, event, stage, **_of_fact(words, fact), **fields)

    # From the submission of an order to the venue's first word on it.
    def _latency_us(self, fact: Fact) -> float | None:
        key, event = fact["order_key"], fact["order_event"]
        if event == OrderEvent.SUBMITTED:
            self._submitted[key] = fact["ts_ns"]
            if len(self._submitted) > SUBMITTED_KEPT:
                self._submitted.popitem(last=False)
            return None
        submitted_ns = self._submitted.pop(key, None)
        return None if submitted_ns is None else (fact["ts_ns"] - submitted_ns) / 1000

    def _refusal(self, words: RunWords, fact: Fact, record: Record) -> Iterator[Line]:
        kind = (fact["code"], fact["instrument"], fact["side"])
        fields = _of_fact(words, fact) | {
            "side": name_of(Side, fact["side"]),
            "code": code_name(fact),
            "reason": words.reason(fact),
        }
        repeats = self._refusals.get(kind)
        if repeats is None:
            yield _line(record, "info", "refusal", "risk", **_order_fields(words, fact) | fields)
            self._refusals[kind] = _Repeats(fact["ts_ns"])
            if len(self._refusals) > REFUSAL_KINDS_KEPT:
                self._refusals.popitem(last=False)
        else:
            repeats.count += 1
            repeats.fields = fields

    # Called with each record: tells what was counted, forgets what no longer comes.
    def _count_refusals(self, record: Record) -> Iterator[Line]:
        if record.ts_ns - self._counted_ns < COUNT_NS:
            return
        self._counted_ns = record.ts_ns
        for kind, repeats in list(self._refusals.items()):
            if record.ts_ns - repeats.since_ns < REPEAT_NS:
                continue
            if not repeats.count:
                del self._refusals[kind]
                continue
            over_s = REPEAT_NS // 1_000_000_000
            told = repeats.fields | {"count": repeats.count, "over_s": over_s}
            yield _line(record, "info", "refusals", "risk", **told)
            self._refusals[kind] = _Repeats(record.ts_ns)


def context(instance: str, words: RunWords) -> Fields:
    """Return what all lines of a run have in common."""
    header = words.header
    return {
        "instance": instance,
        "profile": header.profile_name,
        "mode": header.mode,
        "run": header.run,
        "config_hash": header.config_hash,
    }


def _line(record: Record, level: str, event: str, stage: str, /, **fields: Any) -> Line:
    return Line(level, event, stage, record.ts_ns, {"seq": record.seq} | fields)


# Text within a command that is itself an object stays one.
def _nested(record: Record) -> Fields:
    said = decode_json(record.payload)
    return {name: said.get(name) for name in ("command", "uid", "reason", "params")}


def _of_fact(words: RunWords, fact: Fact) -> Fields:
    return {
        "decision_seq": fact["decision_seq"] or None,
        "instrument": words.instrument_name(fact),
        "exch_ts": utc_text(fact["exch_ts_ns"]) if fact["exch_ts_ns"] else None,
    }


def _order_fields(words: RunWords, fact: Fact) -> Fields:
    return {
        "client_order_id": words.client_order_id(fact),
        "venue_order_id": str(fact["venue_order_id"]) if fact["venue_order_id"] else None,
        "side": name_of(Side, fact["side"]),
        "price": words.price(fact, fact["price_ticks"]),
        "qty": words.qty(fact, fact["qty_lots"]),
        "code": code_name(fact),
        "mid": words.mid(fact),
    }


Made = tuple[str, str, str, Fields]

# Notes that a control wrote: what it found is no ordinary day.
_WARNINGS = (
    Code.RECONCILE_DIFFERENCE,
    Code.FOREIGN_ORDERS,
    Code.VENUE_RESET,
    Code.ORDERS_WITHOUT_FILL,
    Code.LOOP_LAG,
    Code.ACK_LATENCY,
    Code.PRICE_JUMP,
    Code.RATE_LIMITED,
    Code.STRATEGY_FAILED,
)


def _order(words: RunWords, fact: Fact) -> Made:
    event = name_of(OrderEvent, fact["order_event"])
    fields = _order_fields(words, fact) | {
        "state": name_of(OrderState, fact["state_to"]),
        "cum_qty": words.qty(fact, fact["cum_qty_lots"]),
        "leaves": words.qty(fact, fact["leaves_lots"]),
        "post_only": bool(fact["post_only"]),
        "reduce_only": bool(fact["reduce_only"]) or None,
    }
    unknown = fact["state_to"] == OrderState.UNKNOWN
    return ("warning" if unknown else "info"), f"order_{event.lower()}", "execution", fields


def _fill(words: RunWords, fact: Fact) -> Made:
    instrument = words.instrument(fact)
    assert instrument is not None
    assets = {FeeAsset.BASE: instrument.base, FeeAsset.QUOTE: instrument.quote}
    fields = _order_fields(words, fact) | {
        "exec_id": str(fact["trade_id"]),
        "fee": atoms_text(fact["fee_atoms"]),
        "fee_asset": assets.get(fact["fee_asset"]),
        "liquidity": name_of(Liquidity, fact["liquidity"]),
        "position_base": words.qty(fact, fact["position_lots"]),
    }
    return "info", "fill", "execution", fields


def _reject(words: RunWords, fact: Fact) -> Made:
    fields = {
        "client_order_id": words.client_order_id(fact),
        "side": name_of(Side, fact["side"]),
        "venue_code": fact["venue_code"],
    }
    if fact["post_only"]:
        return "info", "post_only_missed", "execution", fields
    # The cancel leg of a replacement raced a fill: a maker's normal life.
    raced = fact["venue_code"] == VenueCode.NOT_ATTEMPTED
    return "info" if raced else "warning", "order_refused_by_venue", "execution", fields


def _state(words: RunWords, fact: Fact) -> Made:
    fields = {
        "from": name_of(TradingState, fact["state_from"]),
        "to": name_of(TradingState, fact["state_to"]),
        "code": code_name(fact),
        "reason": words.reason(fact),
    }
    grave = fact["state_to"] in _GRAVE
    return ("error" if grave else "info"), "state", "control", fields


def _book(words: RunWords, fact: Fact) -> Made:
    fields = {
        "from": name_of(BookState, fact["state_from"]),
        "to": name_of(BookState, fact["state_to"]),
        "reason": words.reason(fact),
    }
    stale = fact["state_to"] == BookState.STALE
    return ("warning" if stale else "info"), "book", "market_data", fields


def _position(words: RunWords, fact: Fact) -> Made:
    fields = {
        "position_base": position_base(words, fact),
        "avg_price": words.avg_price(fact),
        "total_quote": atoms_text(fact["total_atoms"]),
        "mid": words.mid(fact),
    }
    return "debug", "position", "ledger", fields


def _balance(words: RunWords, fact: Fact) -> Made:
    amounts = {name: atoms_text(fact[f"{name}_atoms"]) for name in ("free", "locked", "expected")}
    return "debug", "balance", "ledger", {"asset": words.asset(fact)} | amounts


def _equity(_words: RunWords, fact: Fact) -> Made:
    names = ("equity", "realized", "unrealized", "fees", "total", "day_loss", "drawdown")
    fields = {f"{name}_quote": atoms_text(fact[f"{name}_atoms"]) for name in names}
    return "debug", "equity", "ledger", fields


def _flow(words: RunWords, fact: Fact) -> Made:
    fields = {"asset": words.asset(fact), "delta": atoms_text(fact["delta_atoms"])}
    return "info", "external_flow", "ledger", fields


def _difference(words: RunWords, fact: Fact) -> Made:
    fields = {"code": code_name(fact), "ours": fact["value"], "venues": fact["bound"]}
    if fact["instrument"] < 0:
        fields["asset"] = words.asset(fact)
    else:
        fields["client_order_id"] = words.client_order_id(fact)
    return "error", "difference", "reconcile", fields


def _command(_words: RunWords, fact: Fact) -> Made:
    refused = code_name(fact)
    fields = {
        "command": name_of(CommandKind, fact["command"]),
        "outcome": refused or "DONE",
        "state": name_of(TradingState, fact["value"]),
        "code": refused,
    }
    return "info", "command_refused" if refused else "command_done", "control", fields


def _quoting(words: RunWords, fact: Fact) -> Made:
    fields = {"side": name_of(Side, fact["side"]), "reason": words.reason(fact)}
    return "info", "quoting_off" if fact["code"] else "quoting_on", "strategy", fields


def _note(words: RunWords, fact: Fact) -> Made:
    fields = {"code": code_name(fact), "reason": words.reason(fact)}
    if fact["venue_order_id"]:
        fields |= _order_fields(words, fact)
    told = fact["code"] in _WARNINGS
    return "warning" if told else "info", "note", "control", fields


def _alert(words: RunWords, fact: Fact) -> Made:
    fields = {"alert": fact["alert"], "code": code_name(fact), "reason": words.reason(fact)}
    if fact["state_to"] == 1:
        return "info", "alert_acknowledged", "control", fields
    return "critical", "alert", "control", fields


_MAKERS: dict[int, Callable[[RunWords, Fact], Made]] = {
    FactKind.ORDER: _order,
    FactKind.FILL: _fill,
    FactKind.REJECT: _reject,
    FactKind.STATE: _state,
    FactKind.BOOK: _book,
    FactKind.POSITION: _position,
    FactKind.BALANCE: _balance,
    FactKind.EQUITY: _equity,
    FactKind.EXTERNAL_FLOW: _flow,
    FactKind.DIFFERENCE: _difference,
    FactKind.COMMAND: _command,
    FactKind.QUOTING: _quoting,
    FactKind.NOTE: _note,
    FactKind.ALERT: _alert,
}

_DEBUG = (_position, _balance, _equity)  # Their lines are of debug, always.


def _stages(record: Record) -> Iterator[Line]:
    for stage, times in decode_json(record.payload).items():
        fields = {
            "count": times["count"],
            "p50_us": times["p50_ns"] / 1000,
            "p99_us": times["p99_ns"] / 1000,
            "max_us": times["max_ns"] / 1000,
            "over_target": times["over_target"] or None,
        }
        yield _line(record, "info", "stage_summary", stage, **fields)


def _raw(record: Record) -> Iterator[Line]:
    kind = record.record_type
    if kind == RecordType.FRAME_IN:
        link, frame = split_frame(record.payload)
        fields = {"link": name_of(Link, link), "bytes": len(frame), "text": _text(frame)}
        yield _line(record, "debug", "frame_in", "market_data", **fields)
    elif kind == RecordType.FRAME_OUT:
        fields = {"bytes": len(record.payload), "text": _text(record.payload)}
        yield _line(record, "debug", "frame_out", "execution", **fields)
    elif kind == RecordType.EVENT:
        for number in _kinds(record.payload, EVENT):
            yield _line(record, "debug", "input", "control", kind=name_of(EventKind, number))
    elif kind == RecordType.INTENT:
        for number in _kinds(record.payload, ACTION):
            yield _line(record, "debug", "intent", "execution", kind=name_of(ActionKind, number))


# None of a journal whose records had another size: a debug line is not worth a failure.
def _kinds(payload: memoryview, dtype: np.dtype[Any]) -> list[int]:
    if len(payload) % dtype.itemsize:
        return []
    kinds: list[int] = np.frombuffer(payload, dtype)["kind"].tolist()
    return kinds


def _text(frame: memoryview) -> str:
    return bytes(frame[:500]).decode("utf-8", "replace")
