"""How facts become rows: pure functions from facts of one kind to columns of their tables.

Knows the tables' columns and no database.
"""

from __future__ import annotations

from collections.abc import Callable

from sqlalchemy import Table

from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.events import CommandKind
from hftd.domain.facts import FactKind
from hftd.domain.order import (
    FeeAsset,
    Liquidity,
    OrderEvent,
    OrderState,
    Side,
    TimeInForce,
    client_order_id,
)
from hftd.domain.refusals import half_ticks_text, name_of
from hftd.store import tables
from hftd.store.blocks import Block, each_once, first, newest
from hftd.store.bulk import Columns
from hftd.store.words import Fact, RunWords, atoms_text, utc_text

Made = list[tuple[Table, Columns]]


def columns_of(block: Block) -> Made:
    """Return the columns that facts make; none for a kind that the ledger does not keep."""
    maker = _MAKERS.get(int(block.facts["kind"][0]))
    return maker(block) if maker else []


def _or_none(values: list[int]) -> list[int | None]:
    return [value or None for value in values]


def _time_or_none(ts_ns: int) -> str | None:
    return utc_text(ts_ns) if ts_ns else None


def _no_text(_number: int) -> None:
    return None


def _time(block: Block, prefix: str = "") -> Columns:
    times = block.column("ts_ns")
    return {f"{prefix}ts": each_once(utc_text, times), f"{prefix}ts_ns": times}


def _latest(block: Block) -> Columns:
    return {"run": block.same(block.words.run), "seq": block.seqs.tolist()}


def _begin(block: Block) -> Columns:
    return _latest(block) | {"part": block.parts.tolist()} | _time(block)


def _price(block: Block) -> Columns:
    instrument, ticks = block.instrument, block.column("price_ticks")
    text = instrument.price_text if instrument else _no_text
    return {"price": each_once(text, ticks), "price_ticks": ticks}


def _qty(block: Block, column: str, field: str) -> Columns:
    instrument, lots = block.instrument, block.column(field)
    text = instrument.qty_text if instrument else _no_text
    return {column: each_once(text, lots), f"{column}_lots": lots}


def _mid(block: Block) -> list[str | None]:
    instrument = block.instrument
    if instrument is None:
        return block.same(None)
    return block.texts(
        lambda half_ticks: half_ticks_text(instrument, half_ticks) if half_ticks else None,
        "mid_half_ticks",
    )


def _amount(block: Block, column: str, field: str) -> Columns:
    atoms = block.column(field)
    return {column: each_once(atoms_text, atoms), field: atoms}


def _amounts(block: Block, *names: str, suffix: str = "") -> Columns:
    columns: Columns = {}
    for name in names:
        columns |= _amount(block, f"{name}{suffix}", f"{name}_atoms")
    return columns


def _instrument_name(block: Block) -> list[str | None]:
    return block.same(block.instrument.name if block.instrument else None)


def _order_ids(block: Block) -> list[str | None]:
    tag = block.words.header.tag
    return block.texts(lambda key: client_order_id(tag, key) if key else None, "order_key")


def _of_order(block: Block) -> Columns:
    return {
        **_price(block),
        **_qty(block, "qty", "qty_lots"),
        **_qty(block, "cum_qty", "cum_qty_lots"),
        **_qty(block, "leaves_qty", "leaves_lots"),
        "instrument": _instrument_name(block),
        "side": block.names(Side, "side"),
        "code": block.codes(),
    }


# What an order's first fact says of it and none after: when, by whom and on what it was decided.
def _kept_of_order(block: Block) -> Columns:
    return {
        "client_order_id": _order_ids(block),
        **_time(block, "created_"),
        "decision_seq": block.column("decision_seq"),
        "strategy": block.same(block.words.strategy),
        "config_hash": block.same(block.words.header.config_hash or None),
        "book_update_id": _or_none(block.column("book_update_id")),
        "book_ts": block.texts(_time_or_none, "book_ns"),
    }


def _order(block: Block) -> Made:
    event = _begin(block) | _of_order(block) | {
        "client_order_id": _order_ids(block),
        "event": block.names(OrderEvent, "order_event"),
        "state_from": block.names(OrderState, "state_from"),
        "state_to": block.names(OrderState, "state_to"),
        "venue_code": block.same(None),
        "mid": _mid(block),
        "decision_seq": block.column("decision_seq"),
    }  # fmt: skip
    keys = block.column("order_key")
    last = block.take(newest(keys))
    order = _latest(last) | _of_order(last) | _time(last, "updated_") | {
        "state": last.names(OrderState, "state_to"),
        "time_in_force": last.names(TimeInForce, "time_in_force"),
        "post_only": last.column("post_only"),
        "reduce_only": last.column("reduce_only"),
        "venue_order_id": _or_none(last.column("venue_order_id")),
        "order_key": last.column("order_key"),
    }  # fmt: skip
    order |= _kept_of_order(block.take(first(keys)))
    return [(tables.ORDERS, order), (tables.ORDER_EVENTS, event)]


def _reject(block: Block) -> Made:
    nothing = dict.fromkeys(
        ("price", "price_ticks", "qty", "qty_lots", "cum_qty", "cum_qty_lots", "leaves_qty",
         "leaves_qty_lots", "state_from", "state_to", "mid"), block.same(None)
    )  # fmt: skip
    columns = _begin(block) | nothing | {
        "client_order_id": _order_ids(block),
        "instrument": _instrument_name(block),
        "side": block.names(Side, "side"),
        "event": block.texts(
            lambda post_only: "POST_ONLY_MISSED" if post_only else "REFUSED_BY_VENUE", "post_only"
        ),
        "code": block.codes(),
        "venue_code": block.column("venue_code"),
        "decision_seq": block.column("decision_seq"),
    }  # fmt: skip
    return [(tables.ORDER_EVENTS, columns)]


def _fill(block: Block) -> Made:
    instrument = block.instrument
    assert instrument is not None
    assets = {FeeAsset.BASE: instrument.base, FeeAsset.QUOTE: instrument.quote}
    columns = _begin(block) | _price(block) | _qty(block, "qty", "qty_lots")
    pairs = zip(columns["price_ticks"], columns["qty_lots"], strict=True)
    notional_atoms = [ticks * lots * instrument.unit_atoms for ticks, lots in pairs]
    columns |= _amount(block, "fee", "fee_atoms") | {
        "instrument": _instrument_name(block),
        "trade_id": block.column("trade_id"),
        # A trade whose order is unknown to us is still ours where the venue says so.
        "client_order_id": [text or "" for text in _order_ids(block)],
        "exch_ts": block.texts(_time_or_none, "exch_ts_ns"),
        "side": block.names(Side, "side"),
        "notional_quote": each_once(atoms_text, notional_atoms),
        "notional_atoms": notional_atoms,
        "fee_asset": block.texts(
            lambda asset: assets.get(asset, name_of(FeeAsset, asset)), "fee_asset"
        ),
        "liquidity": block.names(Liquidity, "liquidity"),
        "mid": _mid(block),
        "venue_order_id": _or_none(block.column("venue_order_id")),
        "decision_seq": block.column("decision_seq"),
    }
    return [(tables.FILLS, columns)]


def _reasons(block: Block) -> list[str | None]:
    return [block.words.reason(fact) for fact in block.each()]


def _refusal(block: Block) -> Made:
    columns = _begin(block) | _price(block) | _qty(block, "qty", "qty_lots") | {
        "instrument": _instrument_name(block),
        "side": block.names(Side, "side"),
        "code": block.names(Code, "code"),
        "reason": _reasons(block),
        "value": block.column("value"),
        "bound": block.column("bound"),
        "decision_seq": block.column("decision_seq"),
    }  # fmt: skip
    return [(tables.REFUSALS, columns)]


def _state(block: Block) -> Made:
    kind = FactKind(int(block.facts["kind"][0]))
    states = BookState if kind == FactKind.BOOK else TradingState
    columns = _begin(block) | {
        "subject": block.same(kind.name),
        "instrument": _instrument_name(block),
        "state_from": block.names(states, "state_from"),
        "state_to": block.names(states, "state_to"),
        "code": block.codes(),
        "reason": _reasons(block),
    }
    return [(tables.STATE_CHANGES, columns)]


def _quoting(block: Block) -> Made:
    columns = _begin(block) | {
        "subject": block.texts(lambda side: "QUOTING_" + name_of(Side, side), "side"),
        "instrument": _instrument_name(block),
        "state_from": block.same(None),
        "state_to": block.texts(lambda code: "OFF" if code else "ON", "code"),
        "code": block.codes(),
        "reason": _reasons(block),
    }
    return [(tables.STATE_CHANGES, columns)]


def _position(block: Block) -> Made:
    last = block.take([-1])
    (fact,) = last.each()
    columns = _latest(last) | _time(last) | {
        "instrument": _instrument_name(last),
        "position_base": [position_base(block.words, fact)],
        "position_lots": last.column("position_lots"),
        "base_fee_atoms": last.column("base_fee_atoms"),
        "avg_price": [block.words.avg_price(fact)],
        "mid": _mid(last),
    }  # fmt: skip
    columns |= _amounts(last, "cost", "realized", "unrealized", "fees", "total", suffix="_quote")
    return [(tables.POSITIONS, columns)]


def position_base(words: RunWords, fact: Fact) -> str:
    """Return the position as shown: fills less commissions in base."""
    instrument = words.instrument(fact)
    assert instrument is not None
    return atoms_text(fact["position_lots"] * instrument.lot_e8 - fact["base_fee_atoms"])


def _assets(block: Block) -> list[str]:
    return [block.words.asset({"asset": asset}) for asset in block.column("asset")]


def _balance(block: Block) -> Made:
    last = block.take(newest(block.column("asset")))
    columns = _latest(last) | _time(last) | {"asset": _assets(last)}
    columns |= _amounts(last, "free", "locked", "expected")
    return [(tables.BALANCES, columns)]


def _flow(block: Block) -> Made:
    columns = _begin(block) | {"asset": _assets(block)} | _amounts(block, "delta")
    return [(tables.FLOWS, columns)]


def _difference(block: Block) -> Made:
    columns = _begin(block) | {
        "instrument": _instrument_name(block),
        "asset": block.same(None) if block.instrument else _assets(block),
        "code": block.names(Code, "code"),
        "ours": block.column("value"),
        "venues": block.column("bound"),
        "client_order_id": _order_ids(block),
    }
    return [(tables.DIFFERENCES, columns)]


def _command(block: Block) -> Made:
    columns = _begin(block) | {
        "command": block.names(CommandKind, "command"),
        "uid": block.same(None),
        "reason": block.same(None),
        "outcome": [code or "DONE" for code in block.codes()],
        "outcome_seq": block.seqs.tolist(),
        "state": block.names(TradingState, "value"),
    }
    return [(tables.COMMANDS, columns)]


def _equity(block: Block) -> Made:
    names = ("equity", "realized", "unrealized", "fees", "total", "day_loss", "drawdown")
    columns = _begin(block) | _amounts(block, *names, "turnover", suffix="_quote")
    for name in ("equity_quote", "equity_atoms"):  # 0 is an equity that was not known.
        columns[name] = [value if atoms else None for value, atoms in zip(
            columns[name], block.column("equity_atoms"), strict=True)]  # fmt: skip
    return [(tables.EQUITY, columns)]


_MAKERS: dict[int, Callable[[Block], Made]] = {
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
