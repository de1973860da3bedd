"""One codec of two instruments, and ways to feed it."""

from __future__ import annotations

import json
from typing import Any

from hftd.domain.actions import Action, ActionKind
from hftd.domain.events import EVENT, EventKind, Link
from hftd.domain.instrument import Instrument
from hftd.domain.order import client_order_id, order_key
from hftd.venues.binance.codec import BinanceCodec
from hftd.venues.port import new_event_buffers

TAG = "abc123"
KEY = order_key(1_700_000_000, 7)
OLD = order_key(1_700_000_000, 6)
ID = client_order_id(TAG, KEY)
OLD_ID = client_order_id(TAG, OLD)
TAIL, OLD_TAIL = "s44we8-7", "s44we8-6"
NOW_NS = 1_700_000_100_000_000_000

BTC = Instrument(
    "BTC-USDT", "BTCUSDT", "BTC", "USDT", 1_000_000, 1_000, 1, 10**8, 1, 9 * 10**8, 5 * 10**8,
    9 * 10**14, 200,
)  # fmt: skip
ETH = Instrument(
    "ETH-USDT", "ETHUSDT", "ETH", "USDT", 5_000_000, 10_000, 1, 10**8, 1, 9 * 10**8, 5 * 10**8,
    9 * 10**14, 200,
)  # fmt: skip


class Wire:
    """A codec with its buffers; gives events as plain dicts without their zeros."""

    def __init__(self) -> None:
        self.codec = BinanceCodec([BTC, ETH], ["BTC", "ETH", "USDT"], TAG)
        self.events, self.levels = new_event_buffers()
        # What an earlier frame left behind must never shine through.
        for name in EVENT.names or ():
            self.events[name] = 77

    def decode(self, link: Link, data: bytes) -> list[dict[str, int]]:
        """Return the events of a frame: the kind, and every field that is not zero."""
        count = self.codec.decode(link, data, NOW_NS, self.events, self.levels)
        out = []
        for row in self.events[:count]:
            values = {name: int(row[name]) for name in EVENT.names or ()}
            assert values.pop("ts_ns") == NOW_NS
            kind = EventKind(values.pop("kind"))
            out.append({"kind": kind} | {name: v for name, v in values.items() if v})
        return out

    def order(self, message: Any) -> list[dict[str, int]]:
        """Return the events of a message on the order link."""
        return self.decode(Link.ORDER, json.dumps(message).encode())

    def user(self, event: dict[str, Any]) -> list[dict[str, int]]:
        """Return the events of a user data event."""
        return self.order({"subscriptionId": 0, "event": event})

    def market(self, data: dict[str, Any], stream: str = "x") -> list[dict[str, int]]:
        """Return the events of a combined-stream payload."""
        return self.decode(Link.MARKET, json.dumps({"stream": stream, "data": data}).encode())

    def rows(self, event: dict[str, int]) -> list[tuple[int, int, int]]:
        """Return the levels of a DEPTH or SNAPSHOT."""
        rows = self.levels[event.get("levels_begin", 0) : event.get("levels_end", 0)]
        return [tuple(row) for row in rows.tolist()]


def action(kind: ActionKind, **fields: int) -> Action:
    """Return an action of now."""
    return Action(kind, **{"ts_ns": NOW_NS} | fields)


def reply(identity: str, result: Any = None, **more: Any) -> dict[str, Any]:
    """Return a WS API reply: good unless ``status`` and ``error`` say otherwise."""
    return {"id": identity, "status": 200, "result": result} | more


def refused(identity: str, code: int, status: int = 400, **data: Any) -> dict[str, Any]:
    """Return a WS API error."""
    error: dict[str, Any] = {"code": code, "msg": "no"}
    if data:
        error["data"] = data
    return {"id": identity, "status": status, "error": error}


def order(**more: Any) -> dict[str, Any]:
    """Return an order as the venue writes it in replies."""
    return {
        "symbol": "BTCUSDT", "orderId": 28, "orderListId": -1, "clientOrderId": ID,
        "transactTime": 1_700_000_100_001, "price": "60000.00000000", "origQty": "0.01000000",
        "executedQty": "0.00000000", "origQuoteOrderQty": "0.00000000",
        "cummulativeQuoteQty": "0.00000000", "status": "NEW", "timeInForce": "GTC",
        "type": "LIMIT_MAKER", "side": "SELL", "workingTime": 1_700_000_100_001,
        "selfTradePreventionMode": "EXPIRE_TAKER",
    } | more  # fmt: skip


def report(**more: Any) -> dict[str, Any]:
    """Return an executionReport."""
    return {
        "e": "executionReport", "E": 1_700_000_100_002, "s": "BTCUSDT", "c": ID, "S": "SELL",
        "o": "LIMIT_MAKER", "f": "GTC", "q": "0.01000000", "p": "60000.00000000",
        "P": "0.00000000", "F": "0.00000000", "g": -1, "C": "", "x": "NEW", "X": "NEW",
        "r": "NONE", "i": 28, "l": "0.00000000", "z": "0.00000000", "L": "0.00000000", "n": "0",
        "N": None, "T": 1_700_000_100_001, "t": -1, "I": 8641984, "w": True, "m": False,
        "M": False, "O": 1_700_000_100_001, "Z": "0.00000000", "Y": "0.00000000",
        "Q": "0.00000000", "W": 1_700_000_100_001, "V": "NONE",
    } | more  # fmt: skip
