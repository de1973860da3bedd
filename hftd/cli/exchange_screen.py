"""What the simulated exchange answers, as text of at most 80 columns; JSON has all of it.

Owns layout; books, accounts and the catalogue of faults are the exchange's.
"""

from __future__ import annotations

from collections.abc import Mapping
from textwrap import fill
from typing import Any

import msgspec

from hftd.errors import UsageError
from hftd.simex.fault_kinds import (
    CATALOGUE,
    FRAME,
    KINDS,
    MOMENT,
    OUT_OF_REACH,
    REQUEST,
    Kind,
    kinds_of,
)
from hftd.simex.faults import Fault

WIDTH = 79
LEVELS = 10
NEWEST = 10
_NAME_COLUMNS = 24


def books_as_text(books: dict[str, Any]) -> str:
    """Return every symbol's status, and its best levels side by side."""
    lines = []
    for symbol, book in books.items():
        bids, asks = book["bids"], book["asks"]
        lines += [f"{symbol}  {book['status']}", f"{'bid':>34}   ask"]
        for at in range(min(LEVELS, max(len(bids), len(asks)))):
            (bid, bid_qty), (ask, ask_qty) = (
                [_short(text) for text in side[at]] if at < len(side) else ("", "")
                for side in (bids, asks)
            )
            lines.append(f"{bid_qty:>18}{bid:>16}   {ask:<16}{ask_qty:<18}".rstrip())
        lines.append(f"{_levels(bids):>34}   {_levels(asks)}")
    return "\n".join(lines)


def truth_as_text(truth: dict[str, Any]) -> str:
    """Return every account's balances, open orders, and how many orders and trades it had."""
    lines = []
    for key, account in truth["accounts"].items():
        lines.append(key)
        lines += [_balance(asset, balance) for asset, balance in account["balances"].items()]
        more = account.get("optimistic", {}).get("worth_more", {})
        lines += [f"  {atoms} {asset} more by an optimistic queue" for asset, atoms in more.items()]
        states: dict[str, int] = {}
        for order in account["orders"]:
            states[order["status"]] = states.get(order["status"], 0) + 1
        counts = ", ".join(f"{count} {state}" for state, count in states.items()) or "none"
        lines.append(fill(f"orders {counts}", WIDTH, initial_indent="  ", subsequent_indent="    "))
        live = [each for each in account["orders"] if each["status"] in ("NEW", "PARTIALLY_FILLED")]
        lines += [_order(each) for each in live[-NEWEST:]]
        lines.append(f"  trades {len(account['trades']) or 'none'}")
        lines += [_trade(each) for each in account["trades"][-NEWEST:]]
    lines.append("fees taken")
    lines += [_balance(asset, balance) for asset, balance in truth["fees"].items()] or ["  none"]
    return "\n".join([*lines, "", "--json has every order and trade."])


def armed_as_text(armed: list[dict[str, Any]]) -> str:
    """Return the faults that are armed, one a line, with what differs from the kind's own."""
    if not armed:
        return "no fault is armed; `hftd exchange-ctl kinds` lists what there is"
    lines = []
    for fault in armed:
        kind = KINDS[fault["fault"]]
        own = {**_UNSET, "for_ms": kind.for_ms, "size": kind.size, "value": kind.value}
        words = [f"{name}: {_value(fault[name])}" for name in own if fault[name] != own[name]]
        words.append(f"fired {fault['fired']} of {fault['seen']} times")
        text = f"{fault['fault']}  {', '.join(words)}"
        lines.append(fill(text, WIDTH, subsequent_indent="    "))
    return "\n".join(lines)


_UNSET = {name: value for name, value in msgspec.to_builtins(Fault("")).items() if name != "fault"}


def _value(value: object) -> str:
    return _braces(value) if isinstance(value, dict) else str(value)


def _short(amount: str) -> str:
    # With two decimals at least, and no zeros after them.
    whole, _, decimals = amount.partition(".")
    return f"{whole}.{decimals[:2]}{decimals[2:].rstrip('0')}"


def _levels(side: list[Any]) -> str:
    return f"{len(side)} level{'' if len(side) == 1 else 's'}"


def _balance(asset: str, balance: dict[str, str]) -> str:
    return f"  {asset:<8}{_short(balance['free']):>20} free{_short(balance['locked']):>20} locked"


def _order(order: dict[str, Any]) -> str:
    done, of = _short(order["executedQty"]), _short(order["origQty"])
    terms = f"{order['side']:<5}{of} {order['symbol']} at {_short(order['price'])}"
    return f"    {order['orderId']:<9}{terms}, {done} done"


def _trade(trade: dict[str, Any]) -> str:
    side = "BUY" if trade["isBuyer"] else "SELL"
    terms = f"{side:<5}{_short(trade['qty'])} {trade['symbol']} at {_short(trade['price'])}"
    return f"    {trade['id']:<9}{terms}, fee {trade['commission']} {trade['commissionAsset']}"


def all_kinds() -> str:
    """Return every fault with its kinds, and every kind with what it does."""
    lines = []
    for fault, meaning in CATALOGUE.items():
        made = ", ".join(kinds_of(fault)) or f"out of reach: {OUT_OF_REACH[fault]}"
        lines.append(fill(f"{fault}  {meaning}: {made}", WIDTH, subsequent_indent=" " * 5))
    indent = " " * _NAME_COLUMNS
    for site, when in _WHEN.items():
        lines += ["", fill(f"When {when}", WIDTH, subsequent_indent=" " * 5)]
        for name, kind in KINDS.items():
            if kind.site == site:
                text = f"{name:<{_NAME_COLUMNS}}{kind.does}"
                lines.append(fill(text, WIDTH, subsequent_indent=indent))
    lines += ["", "hftd exchange-ctl kinds NAME shows one of them with an example."]
    return "\n".join(lines)


def one_kind(name: str) -> str:
    """Return all about one kind."""
    kind = KINDS.get(name)
    if kind is None:
        raise UsageError(f"`hftd exchange-ctl kinds` lists the kinds of fault, {name} is none")
    faults = ", ".join(f"{fault} {CATALOGUE[fault]}" for fault in kind.faults.split())
    words = [("what", kind.does), ("of", faults), ("when", _WHEN[kind.site])]
    if kind.match:
        words.append(("match", _braces(kind.match) + " unless told otherwise"))
    words += [(each, _default(kind, each)) for each in kind.reads]
    told = "only what clients are told" if kind.lies else "it happens at the exchange"
    words.append(("truth", told))
    indent = " " * 10
    rows = [fill(f"{word:<10}{text}", WIDTH, subsequent_indent=indent) for word, text in words]
    # Not folded, so that it can be copied.
    example = f"hftd exchange-ctl arm '{_example(name, kind)}' --state DIR"
    return "\n".join([name, *rows, "", f"  {example}"])


def kinds_as_json() -> dict[str, Any]:
    """Return both tables for programs."""
    return {
        "faults": {
            fault: {"meaning": meaning, "kinds": kinds_of(fault), "why": OUT_OF_REACH.get(fault)}
            for fault, meaning in CATALOGUE.items()
        },
        "kinds": {name: msgspec.to_builtins(kind) for name, kind in KINDS.items()},
    }


_WHEN = {
    REQUEST: "a request comes in: from_s, until_s, after, times, probability, match",
    MOMENT: "at from_s, again each every_s, or after a request that a match names: after, times, "
    "probability",
    FRAME: "a frame goes out: from_s, until_s, after, times, probability, match",
}


def _default(kind: Kind, name: str) -> str:
    defaults = {
        "for_ms": str(kind.for_ms),
        "size": str(kind.size),
        "value": kind.value,
        "skew_ms": "0",
        "symbol": "BTCUSDT",
        "account": "the first one's key",
    }
    return f"{defaults[name]} unless told otherwise"


def _example(name: str, kind: Kind) -> str:
    words = {"fault": name}
    if kind.site == REQUEST and not kind.match:
        words["match"] = "{request: order.place}"
    if kind.site == MOMENT:
        words["from_s"] = "5"
    if "skew_ms" in kind.reads:
        words["skew_ms"] = "2000"
    return _braces(words)


def _braces(words: Mapping[str, object]) -> str:
    return "{" + ", ".join(f"{name}: {value}" for name, value in words.items()) + "}"
