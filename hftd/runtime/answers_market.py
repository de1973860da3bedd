"""The book with our orders in it, our open orders, and why a side is quoted or not.

Owns how the engine's book, order table and targets are shown; changes none of them.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from hftd.control import shapes
from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.order import OrderState, Side, client_order_id
from hftd.domain.refusals import half_ticks_text, measure_text, ms_text, name_of, reason_text
from hftd.domain.units import decimal_text, from_scaled
from hftd.runtime.answers_view import RESTING, Numbers, View, gate_of, numbers, state_reason

_E6 = 10**6
# Conditions that are said ahead of a side's own chain, with what holds at this moment.
_SAID_FIRST = (Code.NOT_RUNNING, Code.BOOK_NOT_SYNCED)
# Conditions that judge no number: what it means that they fail.
_MEANING = {
    Code.OPERATOR: "flatten is under way: the strategy waits until it is done",
    Code.ONE_SIDED: "the book without our own orders lacks a side",
    Code.TRADED_THROUGH: "a public trade went through our own level; the next depth update tells",
    Code.SIDE_IN_DOUBT: "an order of this side is UNKNOWN; the venue is being asked",
}

_UNSTATED: shapes.Condition = {
    "condition": Code.STARTING_UP.name,
    "ok": False,
    "value": None,
    "bound": None,
    "detail": "the strategy has not said yet what it wants of this side",
}


def spread_bps(bid_ticks: int, ask_ticks: int) -> str | None:
    """Return a spread in basis points of its mid, to four decimals; None without both sides."""
    if bid_ticks <= 0 or ask_ticks <= 0:
        return None
    return decimal_text(Fraction(2 * 10**4 * (ask_ticks - bid_ticks), bid_ticks + ask_ticks), 4)


def book(view: View, index: int, depth: int) -> shapes.Book:
    """Answer ``book``: ladder and best prices with ours; mid and imbalance without."""
    record, instrument = view.records[index], view.instruments[index]
    state = int(view.state.books[index]["state"])
    bids, asks = (_levels(view, index, side, depth) for side in Side)
    best = [levels[0][0] if levels else 0 for levels in (bids, asks)]
    prices = [instrument.price_text(ticks) if ticks else None for ticks in best]
    valid = record["market_valid"] == 1
    market = record["market_bid_ticks"], record["market_ask_ticks"]
    return {
        "instrument": instrument.name,
        "state": BookState(state).name,
        "last_update_id": int(view.state.books[index]["last_update_id"]) or None,
        "bids": [_level(view, index, level) for level in bids],
        "asks": [_level(view, index, level) for level in asks],
        "best_bid": prices[Side.BUY],
        "best_ask": prices[Side.SELL],
        "mid": half_ticks_text(instrument, record["mid_half_ticks"]) if valid else None,
        "spread_bps": spread_bps(*best),
        "spread_bps_without_own": spread_bps(*market) if valid else None,
        "imbalance": from_scaled(record["imbalance_e6"], _E6) if valid else None,
        "age_ms": age_ms(view, record["frame_ns"]),
    }


def age_ms(view: View, since_ns: int) -> float | None:
    """Return milliseconds since a time, None where it never was."""
    return round((view.now_ns - since_ns) / 1e6, 3) if since_ns else None


def _level(view: View, index: int, level: tuple[int, int, int]) -> shapes.Level:
    instrument = view.instruments[index]
    price_ticks, lots, own_lots = level
    return {
        "price": instrument.price_text(price_ticks),
        "qty": instrument.qty_text(lots),
        "own_qty": instrument.qty_text(own_lots),
    }


# Levels of a side, best first, as (price, lots with ours, our lots). What the venue told of a
# level holds our orders that were sent before; one sent later, or any on a tape, is added.
def _levels(view: View, index: int, side: int, depth: int) -> list[tuple[int, int, int]]:
    record, sign = view.records[index], 1 if side == Side.BUY else -1
    own = [order for order in view.orders_of(index, side) if order["state"] in RESTING]
    others: dict[int, int] = {order["price_ticks"]: 0 for order in own}
    for price_ticks, lots, told_ns in _told(view, index, side, depth):
        for order in own:
            inside = record["own_in_book"] == 1 and order["sent_ns"] <= told_ns
            if inside and order["price_ticks"] == price_ticks:
                lots -= order["leaves_lots"]
        others[price_ticks] = max(lots, 0)
    levels = []
    for price_ticks in sorted(others, key=lambda ticks: -sign * ticks):
        ours = sum(order["leaves_lots"] for order in own if order["price_ticks"] == price_ticks)
        if others[price_ticks] + ours > 0:
            levels.append((price_ticks, others[price_ticks] + ours, ours))
    return levels[:depth]


# What the venue told, as (price, lots, when): the touch, then the depth beyond it. The touch is
# the newer of both, which makes what the depth still shows before it void.
def _told(view: View, index: int, side: int, depth: int) -> list[tuple[int, int, int]]:
    record, sign = view.records[index], 1 if side == Side.BUY else -1
    name = "bid" if side == Side.BUY else "ask"
    touch = record[f"{name}_ticks"]
    if touch == 0:
        return []
    told = [(touch, record[f"{name}_lots"], record["touch_ns"])]
    ladder = view.state.books[index]
    depth_ns = int(ladder["depth_ns"])
    for at in range(int(ladder["count"][side]) - 1, -1, -1):
        if len(told) >= depth:
            break
        price_ticks = int(ladder["ticks"][side, at])
        if sign * price_ticks < sign * touch:
            told.append((price_ticks, int(ladder["lots"][side, at]), depth_ns))
    return told


def orders(view: View) -> shapes.Orders:
    """Answer ``orders``: by instrument, side and age."""
    ordered = sorted(view.orders, key=lambda one: (one["instrument"], one["side"], one["key"]))
    return {"orders": [_open_order(view, order) for order in ordered]}


def _open_order(view: View, order: Numbers) -> shapes.OpenOrder:
    instrument = view.instruments[order["instrument"]]
    return {
        "client_order_id": client_order_id(view.tag, order["key"]),
        "venue_order_id": str(order["venue_order_id"]) if order["venue_order_id"] else None,
        "instrument": instrument.name,
        "side": Side(order["side"]).name,
        "price": instrument.price_text(order["price_ticks"]),
        "qty": instrument.qty_text(order["qty_lots"]),
        "cum_qty": instrument.qty_text(order["cum_lots"]),
        "leaves_qty": instrument.qty_text(order["leaves_lots"]),
        "state": OrderState(order["state"]).name,
        "age_ms": age_ms(view, order["sent_ns"]) or 0.0,
        "reduce_only": bool(order["reduce_only"]),
        "post_only": bool(order["post_only"]),
    }


def explain(view: View, indices: list[int]) -> shapes.Explain:
    """Answer ``explain``: the chain of each side, the daemon's own conditions first."""
    return {
        "instruments": [
            {
                "instrument": view.instruments[index].name,
                "sides": {
                    "buy": _chain(view, index, Side.BUY),
                    "sell": _chain(view, index, Side.SELL),
                },
            }
            for index in indices
        ]
    }


def _chain(view: View, index: int, side: Side) -> list[shapes.Condition]:
    target = numbers(view.state.targets[index, side])
    chain = [_running(view, index, side), _synced(view, index), _gate(view, target)]
    for at in range(target["checks"]):
        code, ok, value, bound = (
            int(target[f"check_{part}"][at]) for part in ("code", "ok", "value", "bound")
        )
        if code not in _SAID_FIRST and code != Code.DENIED_RECENTLY:
            since_ns = target["reason_since_ns"] if code == target["quoted_code"] else 0
            chain.append(_condition(view, index, side, (code, ok == 1, value, bound), since_ns))
    if view.now_ns < target["denied_until_ns"]:
        chain.append(_denied(view, index, side, target))
    if target["wanted"] == 0 and all(one["ok"] for one in chain):
        chain.append(_UNSTATED.copy())
    return chain


def _condition(
    view: View, index: int, side: Side, check: tuple[int, bool, int, int], since_ns: int
) -> shapes.Condition:
    code, ok, value, bound = check
    instrument, quote = view.instruments[index], view.quote_asset
    detail = None
    if not ok:
        detail = reason_text(code, value, bound, quote, instrument, side)
        detail = _own_words(view, code, value) or _MEANING.get(Code(code), detail)
        if since_ns:
            detail += f"; for {(view.now_ns - since_ns) / 1e9:.1f} s"
    counted = code not in _MEANING and code != Code.NOT_WANTED
    # Who has never traded rests since 1970, which is no time that anybody asked for.
    never = code == Code.COOLDOWN and value > view.now_ns // 2
    return {
        "condition": name_of(Code, code),
        "ok": ok,
        "value": measure_text(code, value, quote, instrument, side)
        if counted and not never
        else None,
        "bound": measure_text(code, bound, quote, instrument, side) if counted else None,
        "detail": detail,
    }


# What a strategy of the user's own says in its own words, or did.
def _own_words(view: View, code: int, value: int) -> str | None:
    if code == Code.NOT_WANTED:
        named = 0 < value <= len(view.reasons)
        return view.reasons[value - 1] if named else "the strategy wants nothing of this side"
    if code == Code.STRATEGY_FAILED:
        times = "once" if value == 1 else f"{value} times"
        return (
            f"the strategy raised {times}: hftctl logs --stage strategy has the traceback; "
            "hftctl pause and resume let it try again"
        )
    return None


def _running(view: View, index: int, side: Side) -> shapes.Condition:
    record = view.records[index]
    excess = record["position_lots"] - record["target_position_lots"]
    reduces = excess > 0 if side == Side.SELL else excess < 0
    running = view.trading == TradingState.RUNNING
    ok = running or (view.trading == TradingState.REDUCE_ONLY and reduces)
    return {
        "condition": Code.NOT_RUNNING.name,
        "ok": ok,
        "value": view.trading.name,
        "bound": TradingState.RUNNING.name,
        "detail": state_reason(view),
    }


def _synced(view: View, index: int) -> shapes.Condition:
    state = BookState(int(view.state.books[index]["state"]))
    age = age_ms(view, view.records[index]["frame_ns"])
    heard = "nothing heard yet" if age is None else f"last heard {age:.0f} ms ago"
    synced = state == BookState.SYNCED
    return {
        "condition": Code.BOOK_NOT_SYNCED.name,
        "ok": synced,
        "value": state.name,
        "bound": BookState.SYNCED.name,
        "detail": None if synced else heard,
    }


def _gate(view: View, target: dict[str, Any]) -> shapes.Condition:
    word, why = gate_of(view)
    reducing = word == "reduce_only" and target["reduce_only"] == 1
    return {
        "condition": Code.GATE_CLOSED.name,
        "ok": word == "open" or reducing,
        "value": word,
        "bound": "open",
        "detail": why,
    }


def _denied(view: View, index: int, side: Side, target: dict[str, Any]) -> shapes.Condition:
    left = ms_text(target["denied_until_ns"] - view.now_ns)
    code, value, bound = (target[f"denied_{name}"] for name in ("code", "value", "bound"))
    why = reason_text(code, value, bound, view.quote_asset, view.instruments[index], side)
    return {
        "condition": Code.DENIED_RECENTLY.name,
        "ok": False,
        "value": left,
        "bound": "0 ms",
        "detail": f"the gate refused this side's last order ({why}); it asks again in {left}",
    }
