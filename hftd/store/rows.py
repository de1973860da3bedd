"""How each fact becomes a row: pure functions from a fact and a run's words to columns.

Knows the tables' columns and no database.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sqlalchemy import Table

from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.events import CommandKind
from hftd.domain.facts import FactKind
from hftd.domain.order import FeeAsset, Liquidity, OrderEvent, OrderState, Side, TimeInForce
from hftd.domain.refusals import name_of
from hftd.store import tables
from hftd.store.words import Fact, RunWords, atoms_text, code_name, utc_text

Row = dict[str, Any]


class Origin(NamedTuple):
    """Where a fact stands: its run, its record's seq, its number within the record."""

    run: str
    seq: int
    part: int


def rows_of(words: RunWords, fact: Fact, origin: Origin) -> list[tuple[Table, Row]]:
    """Return the rows that a fact makes; none for a kind that the ledger does not keep."""
    maker = _MAKERS.get(fact["kind"])
    return maker(words, fact, origin) if maker else []


def _begin(fact: Fact, origin: Origin, prefix: str = "") -> Row:
    row: Row = origin._asdict()
    row[f"{prefix}ts"] = utc_text(fact["ts_ns"])
    row[f"{prefix}ts_ns"] = fact["ts_ns"]
    return row


def _price(words: RunWords, fact: Fact) -> Row:
    ticks = fact["price_ticks"]
    return {"price": words.price(fact, ticks), "price_ticks": ticks}


def _qty(words: RunWords, fact: Fact, column: str, field: str) -> Row:
    lots = fact[field]
    return {column: words.qty(fact, lots), f"{column}_lots": lots}


def _quantities(words: RunWords, fact: Fact) -> Row:
    return (
        _qty(words, fact, "qty", "qty_lots")
        | _qty(words, fact, "cum_qty", "cum_qty_lots")
        | _qty(words, fact, "leaves_qty", "leaves_lots")
    )


def _quote(fact: Fact, *names: str) -> Row:
    row: Row = {}
    for name in names:
        row[f"{name}_atoms"] = fact[f"{name}_atoms"]
        row[f"{name}_quote"] = atoms_text(fact[f"{name}_atoms"])
    return row


def _order(words: RunWords, fact: Fact, origin: Origin) -> list[tuple[Table, Row]]:
    order_id, instrument = words.client_order_id(fact), words.instrument_name(fact)
    side = name_of(Side, fact["side"])
    same = _price(words, fact) | _quantities(words, fact) | {
        "client_order_id": order_id,
        "instrument": instrument,
        "side": side,
        "code": code_name(fact),
        "decision_seq": fact["decision_seq"],
    }  # fmt: skip
    event = _begin(fact, origin) | same | {
        "event": name_of(OrderEvent, fact["order_event"]),
        "state_from": name_of(OrderState, fact["state_from"]),
        "state_to": name_of(OrderState, fact["state_to"]),
        "venue_code": None,
        "mid": words.mid(fact),
    }  # fmt: skip
    order = same | {
        "run": origin.run,
        "seq": origin.seq,
        "created_ts": utc_text(fact["ts_ns"]),
        "created_ts_ns": fact["ts_ns"],
        "updated_ts": utc_text(fact["ts_ns"]),
        "updated_ts_ns": fact["ts_ns"],
        "state": name_of(OrderState, fact["state_to"]),
        "time_in_force": name_of(TimeInForce, fact["time_in_force"]),
        "post_only": fact["post_only"],
        "reduce_only": fact["reduce_only"],
        "venue_order_id": fact["venue_order_id"] or None,
        "order_key": fact["order_key"],
        "strategy": words.strategy,
        "config_hash": words.header.config_hash or None,
        "book_update_id": fact["book_update_id"] or None,
        "book_ts": utc_text(fact["book_ns"]) if fact["book_ns"] else None,
    }
    return [(tables.ORDERS, order), (tables.ORDER_EVENTS, event)]


def _reject(words: RunWords, fact: Fact, origin: Origin) -> list[tuple[Table, Row]]:
    nothing = dict.fromkeys(
        ("price", "price_ticks", "qty", "qty_lots", "cum_qty", "cum_qty_lots", "leaves_qty",
         "leaves_qty_lots", "state_from", "state_to", "mid")
    )  # fmt: skip
    row = _begin(fact, origin) | nothing | {
        "client_order_id": words.client_order_id(fact),
        "instrument": words.instrument_name(fact),
        "side": name_of(Side, fact["side"]),
        "event": "POST_ONLY_MISSED" if fact["post_only"] else "REFUSED_BY_VENUE",
        "code": code_name(fact),
        "venue_code": fact["venue_code"],
        "decision_seq": fact["decision_seq"],
    }  # fmt: skip
    return [(tables.ORDER_EVENTS, row)]


def _fill(words: RunWords, fact: Fact, origin: Origin) -> list[tuple[Table, Row]]:
    instrument = words.instrument(fact)
    assert instrument is not None
    names = {FeeAsset.BASE: instrument.base, FeeAsset.QUOTE: instrument.quote}
    notional_atoms = fact["price_ticks"] * fact["qty_lots"] * instrument.unit_atoms
    row = _begin(fact, origin) | _price(words, fact) | _qty(words, fact, "qty", "qty_lots") | {
        "instrument": instrument.name,
        "trade_id": fact["trade_id"],
        # A trade whose order is unknown to us is still ours where the venue says so.
        "client_order_id": words.client_order_id(fact) or "",
        "exch_ts": utc_text(fact["exch_ts_ns"]) if fact["exch_ts_ns"] else None,
        "side": name_of(Side, fact["side"]),
        "notional_quote": atoms_text(notional_atoms),
        "notional_atoms": notional_atoms,
        "fee": atoms_text(fact["fee_atoms"]),
        "fee_atoms": fact["fee_atoms"],
        "fee_asset": names.get(fact["fee_asset"], name_of(FeeAsset, fact["fee_asset"])),
        "liquidity": name_of(Liquidity, fact["liquidity"]),
        "mid": words.mid(fact),
        "venue_order_id": fact["venue_order_id"] or None,
        "decision_seq": fact["decision_seq"],
    }  # fmt: skip
    return [(tables.FILLS, row)]


def _refusal(words: RunWords, fact: Fact, origin: Origin) -> list[tuple[Table, Row]]:
    row = _begin(fact, origin) | _price(words, fact) | _qty(words, fact, "qty", "qty_lots") | {
        "instrument": words.instrument_name(fact),
        "side": name_of(Side, fact["side"]),
        "code": name_of(Code, fact["code"]),
        "reason": words.reason(fact),
        "value": fact["value"],
        "bound": fact["bound"],
        "decision_seq": fact["decision_seq"],
    }  # fmt: skip
    return [(tables.REFUSALS, row)]


def _state(words: RunWords, fact: Fact, origin: Origin) -> list[tuple[Table, Row]]:
    kind = fact["kind"]
    states = BookState if kind == FactKind.BOOK else TradingState
    row = _begin(fact, origin) | {
        "subject": FactKind(kind).name,
        "instrument": words.instrument_name(fact),
        "state_from": name_of(states, fact["state_from"]),
        "state_to": name_of(states, fact["state_to"]),
        "code": code_name(fact),
        "reason": words.reason(fact),
    }
    return [(tables.STATE_CHANGES, row)]


def _quoting(words: RunWords, fact: Fact, origin: Origin) -> list[tuple[Table, Row]]:
    row = _begin(fact, origin) | {
        "subject": "QUOTING_" + name_of(Side, fact["side"]),
        "instrument": words.instrument_name(fact),
        "state_from": None,
        "state_to": "OFF" if fact["code"] else "ON",
        "code": code_name(fact),
        "reason": words.reason(fact),
    }
    return [(tables.STATE_CHANGES, row)]


def _position(words: RunWords, fact: Fact, origin: Origin) -> list[tuple[Table, Row]]:
    instrument = words.instrument(fact)
    assert instrument is not None
    row = _begin(fact, origin) | {
        "instrument": instrument.name,
        "position_base": position_base(words, fact),
        "position_lots": fact["position_lots"],
        "base_fee_atoms": fact["base_fee_atoms"],
        "avg_price": words.avg_price(fact),
        **_quote(fact, "cost", "realized", "unrealized", "fees", "total"),
        "mid": words.mid(fact),
    }
    del row["part"]
    return [(tables.POSITIONS, row)]


def position_base(words: RunWords, fact: Fact) -> str:
    """Return the position as shown: fills less commissions in base."""
    instrument = words.instrument(fact)
    assert instrument is not None
    return atoms_text(fact["position_lots"] * instrument.lot_e8 - fact["base_fee_atoms"])


def _balance(words: RunWords, fact: Fact, origin: Origin) -> list[tuple[Table, Row]]:
    row = _begin(fact, origin) | {"asset": words.asset(fact)}
    for name in ("free", "locked", "expected"):
        row[f"{name}_atoms"] = fact[f"{name}_atoms"]
        row[name] = atoms_text(fact[f"{name}_atoms"])
    del row["part"]
    return [(tables.BALANCES, row)]


def _flow(words: RunWords, fact: Fact, origin: Origin) -> list[tuple[Table, Row]]:
    row = _begin(fact, origin) | {
        "asset": words.asset(fact),
        "delta": atoms_text(fact["delta_atoms"]),
        "delta_atoms": fact["delta_atoms"],
    }
    return [(tables.FLOWS, row)]


def _difference(words: RunWords, fact: Fact, origin: Origin) -> list[tuple[Table, Row]]:
    instrument = words.instrument_name(fact)
    row = _begin(fact, origin) | {
        "instrument": instrument,
        "asset": None if instrument else words.asset(fact),
        "code": name_of(Code, fact["code"]),
        "ours": fact["value"],
        "venues": fact["bound"],
        "client_order_id": words.client_order_id(fact),
    }
    return [(tables.DIFFERENCES, row)]


def _command(_words: RunWords, fact: Fact, origin: Origin) -> list[tuple[Table, Row]]:
    row = _begin(fact, origin) | {
        "command": name_of(CommandKind, fact["command"]),
        "uid": None,
        "reason": None,
        "outcome": code_name(fact) or "DONE",
        "outcome_seq": origin.seq,
        "state": name_of(TradingState, fact["value"]),
    }
    return [(tables.COMMANDS, row)]


def _equity(_words: RunWords, fact: Fact, origin: Origin) -> list[tuple[Table, Row]]:
    names = ("equity", "realized", "unrealized", "fees", "total", "day_loss", "drawdown")
    return [(tables.EQUITY, _begin(fact, origin) | _quote(fact, *names, "turnover"))]


_MAKERS: dict[int, Callable[[RunWords, Fact, Origin], list[tuple[Table, Row]]]] = {
    FactKind.ORDER: _order,
    FactKind.FILL: _fill,
    FactKind.REFUSAL: _refusal,
    FactKind.STATE: _state,
    FactKind.BOOK: _state,
    FactKind.POSITION: _position,
    FactKind.BALANCE: _balance,
    FactKind.EQUITY: _equity,
    FactKind.EXTERNAL_FLOW: _flow,
    FactKind.DIFFERENCE: _difference,
    FactKind.COMMAND: _command,
    FactKind.QUOTING: _quoting,
    FactKind.REJECT: _reject,
}
