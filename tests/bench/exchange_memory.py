"""How the exchange's memory grows over simulated hours, as a process of its own.

``python -m tests.bench.exchange_memory HOURS`` prints one JSON line. The venue as it is shipped
(market ``calm``, Binance's limits raised) is driven as the server drives it, in simulated time as
fast as it goes: one connection follows depth, touch, trades and candles, one account trades over
the WS API and hears of itself: twenty orders a second, a fifth of them take. What an account
remembers is bounded by numbers (10,000 orders, 20,000 trades in one symbol) that a bot reaches
after hours; here the bounds are a tenth, so that the first ten minutes reach them and what grows
after those is a leak. What the venue gives to be written (its log, its archive) is taken and
dropped, as a disk would take it.

Resident memory is read every simulated minute, after a collection; growth an hour is the slope of
a least-squares line through all minutes after the tenth.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from hftd.config.preset_shelf import load_preset
from hftd.runtime.exchange_markets import DEFAULT_KEY, ExchangeWish, build_venue
from hftd.simex.agents import agents
from hftd.simex.late_venue import LateVenue
from hftd.simex.limits import Limits
from hftd.simex.matching import MatchingMarket
from hftd.simex.orders import History
from hftd.simex.presets import SYMBOLS, preset_of
from tests.runtime.exchange_process import sign

T0 = 1_800_000_000_000_000_000
SECOND_NS, MINUTE_NS = 10**9, 60 * 10**9
SETTLED_MINUTES = 10
EVERY_NS = SECOND_NS // 20
MANY = 10**9
STREAMS = "/stream?streams=btcusdt@depth@100ms/btcusdt@bookTicker/btcusdt@trade/btcusdt@kline_1m"
LIMITS = Limits(
    weight_per_minute=MANY,
    orders_per_10s=MANY,
    orders_per_day=MANY,
    raw_requests_per_5min=MANY,
    connection_hours=10_000,
)
HISTORY = History(final_orders=1_000, trades=2_000, prevented_matches=100)


class Drive:
    """A venue, one reader and one trader, in simulated time."""

    def __init__(self) -> None:
        wish = ExchangeWish(limits=LIMITS, balances=("USDT=100000000", "BTC=1000"))
        config = replace(build_venue(wish).config, history=HISTORY)
        house, preset = SYMBOLS["BTCUSDT"], preset_of(load_preset("calm"))
        self.venue = LateVenue(
            config, lambda: [MatchingMarket(house.spec, agents(preset, "BTCUSDT", wish.seed))]
        )
        self.now_ns = T0
        self.frames = self.bytes = self.orders = 0
        self.venue.start(T0)
        self._drain()
        assert self.venue.open(STREAMS, T0) is not None
        trader = self.venue.open("/ws-api/v3", T0)
        assert trader is not None
        self._trader = trader
        stamp = T0 // 10**6
        signature = sign(f"apiKey={DEFAULT_KEY}&timestamp={stamp}")
        self._ask("session.logon", apiKey=DEFAULT_KEY, timestamp=stamp, signature=signature)
        self._ask("userDataStream.subscribe")

    def _ask(self, method: str, **params: object) -> None:
        frame = {"id": self.orders, "method": method, "params": params}
        self.venue.receive(self._trader, json.dumps(frame).encode(), self.now_ns)
        self._drain()

    def _drain(self) -> None:
        # As the server does after every call.
        venue = self.venue
        venue.take_restarted()
        venue.take_log()
        venue.exchange.take_closed()
        for _, frame in venue.take():
            self.frames += 1
            self.bytes += len(frame)
        assert not venue.take_hung_up()
        assert not venue.take_cut()

    def order(self) -> None:
        """Place the next order: four rest far away and are canceled together, one takes."""
        self.orders += 1
        number, stamp = self.orders, self.now_ns // 10**6
        terms = {"symbol": "BTCUSDT", "quantity": "0.00100", "newClientOrderId": f"n{number}"}
        if number % 5 == 0:
            side = "BUY" if number % 10 else "SELL"
            self._ask("order.place", **terms, side=side, type="MARKET", timestamp=stamp)
        else:
            rest = {"side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "price": "40000"}
            self._ask("order.place", **terms, **rest, timestamp=stamp)
        if number % 20 == 0:
            self._ask("openOrders.cancelAll", symbol="BTCUSDT", timestamp=stamp)

    def until(self, ts_ns: int) -> None:
        """Let simulated time pass, with its orders."""
        order_ns = self.now_ns + EVERY_NS
        while order_ns <= ts_ns:
            while (due_ns := self.venue.next_ns()) is not None and due_ns <= order_ns:
                self.venue.advance(due_ns)
                self._drain()
            self.now_ns = order_ns
            self.order()
            order_ns += EVERY_NS


def resident_bytes() -> int:
    """Return what this process holds in memory."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def slope(values: list[float]) -> float:
    """Return the slope of a least-squares line through values at 0, 1, 2 …"""
    middle, mean = (len(values) - 1) / 2, sum(values) / len(values)
    above = sum((at - middle) * (value - mean) for at, value in enumerate(values))
    return above / sum((at - middle) ** 2 for at in range(len(values)))


def measure(hours: float) -> dict[str, Any]:
    """Return how memory grew."""
    drive, begun_s, mb = Drive(), time.process_time(), []
    for minute in range(1, round(hours * 60) + 1):
        drive.until(T0 + minute * MINUTE_NS)
        gc.collect()
        mb.append(resident_bytes() / 1e6)
    settled = mb[SETTLED_MINUTES:]
    return {
        "simulated_hours": hours,
        "cpu_s": round(time.process_time() - begun_s),
        "orders": drive.orders,
        "frames": drive.frames,
        "mb_at_start": round(mb[0], 1),
        "mb_after_10_minutes": round(mb[SETTLED_MINUTES - 1], 1),
        "mb_at_end": round(mb[-1], 1),
        "growth_mb_an_hour": round(slope(settled) * 60, 2),
        "mb_by_ten_minutes": [round(each, 1) for each in mb[SETTLED_MINUTES - 1 :: 10]],
    }


if __name__ == "__main__":
    print(json.dumps(measure(float(sys.argv[1]))), flush=True)
