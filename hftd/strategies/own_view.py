"""What a strategy of the user's own is shown, read from the engine's arrays field by field.

Owns the way from the arrays to a `Market`, and whether an instrument that raised may speak again.
Must not know what is decided, nor write anything but the strategy's own memory.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any

import numpy as np

from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.instrument import Instrument, InstrumentStatus
from hftd.domain.layout import Records
from hftd.domain.order import Side
from hftd.strategies.own import Level, OpenOrder, View


class OwnMemory(MutableMapping[str, int]):
    """What a strategy remembers, as a mapping of whole numbers over its record."""

    def __init__(self, record: Any) -> None:
        """Look at a record of the engine's."""
        self._record = record

    def __getitem__(self, name: str) -> int:
        if name not in (self._record.dtype.names or ()):
            raise KeyError(f"{name} is none of memory: {', '.join(self)}")
        return int(self._record[name])

    def __setitem__(self, name: str, value: int) -> None:
        if name not in (self._record.dtype.names or ()):
            raise KeyError(f"{name} is none of memory: {', '.join(self)}")
        if isinstance(value, bool) or not isinstance(value, int | np.integer):
            raise TypeError(f"memory[{name!r}] must be a whole number, was {value!r:.80}")
        self._record[name] = value

    def __delitem__(self, name: str) -> None:
        raise TypeError("what a strategy remembers has the names of memory, always")

    def __iter__(self) -> Iterator[str]:
        return iter(self._record.dtype.names or ())

    def __len__(self) -> int:
        return len(self._record.dtype.names or ())


class Eye:
    """One instrument of the engine's arrays, read field by field: a `Market`.

    Views are taken once: asking a record for a field costs microseconds each time.
    """

    def __init__(self, world: Records, memory: Records, index: int, instrument: Instrument) -> None:
        """Look at one instrument's arrays, which live as long as the engine."""
        state = world[0]
        self._core = {name: state.core[name] for name in _CORE_FIELDS}
        self._fields = {name: state.instruments[name] for name in _INSTRUMENT_FIELDS}
        self._orders = {name: state.orders[name] for name in _ORDER_FIELDS}
        book = state.books[index]
        self._count, self._ticks, self._lots = book["count"], book["ticks"], book["lots"]
        self._book = {name: state.books[name] for name in ("state", "depth_ns")}
        self._memory = {name: memory[name] for name in ("epoch", "errors", "told", "stopped")}
        self._memory["pause_seen"] = memory["pause_seen"]
        self._index = index
        self.view = View(instrument, self, OwnMemory(memory[index]["own"]))

    def number(self, name: str) -> int:
        """Return a field of INSTRUMENT."""
        return int(self._fields[name][self._index])

    def is_dirty(self) -> bool:
        """Tell whether something changed that a decision may depend on."""
        return bool(self._fields["dirty"][self._index])

    def is_stopped(self) -> bool:
        """Tell whether it raised, and nobody has said since that it may try again."""
        at, memory = self._index, self._memory
        if memory["epoch"][at] != self._core["epoch"][0]:
            memory["epoch"][at] = self._core["epoch"][0]
            memory["errors"][at] = memory["told"][at] = memory["stopped"][at] = 0
        if memory["stopped"][at] == 0:
            return False
        trading = self._core["state"][0]
        if trading == TradingState.PAUSED and self._core["state_code"][0] == Code.OPERATOR:
            memory["pause_seen"][at] = 1
        elif trading == TradingState.RUNNING and memory["pause_seen"][at] == 1:
            memory["pause_seen"][at] = memory["stopped"][at] = 0
        return bool(memory["stopped"][at])

    def may_decide(self) -> bool:
        """Tell whether daemon, venue, book and market let a strategy of either side speak."""
        trading = self._core["state"][0]
        return bool(
            (trading == TradingState.RUNNING or trading == TradingState.REDUCE_ONLY)
            and self.number("market_valid") == 1
            and self.number("flatten") == 0
            and self.number("status") == InstrumentStatus.TRADING
            and self._book["state"][self._index] == BookState.SYNCED
        )

    @property
    def now_ns(self) -> int:
        """The event's time."""
        return int(self._core["now_ns"][0])

    def fee_bps_e2(self, name: str) -> int:
        """Return the fee of a ``maker`` or ``taker``."""
        return int(self._core[f"{name}_fee_bps_e2"][0])

    def orders(self) -> list[OpenOrder]:
        """Return our open orders of this instrument."""
        table = self._orders
        slots = np.flatnonzero(table["key"])
        return [
            OpenOrder(
                Side(int(table["side"][slot])),
                int(table["price_ticks"][slot]),
                int(table["leaves_lots"][slot]),
                int(table["state"][slot]),
            )
            for slot in slots
            if table["instrument"][slot] == self._index
        ]

    def levels(self, side: Side, depth: int) -> list[Level]:
        """Return levels without our own orders, best first, as `signals.py` reads them."""
        sign, name = (1, "bid") if side == Side.BUY else (-1, "ask")
        price, lots = self.number(f"{name}_ticks"), self.number(f"{name}_lots")
        told_ns, touch = self.number("touch_ns"), price
        depth_ns = int(self._book["depth_ns"][self._index])
        found: list[Level] = []
        at = int(self._count[side])
        while price > 0 and len(found) < depth:
            lots -= self._own_lots(side, price, told_ns)
            if lots > 0:
                found.append(Level(price, lots))
            at -= 1
            while at >= 0 and sign * self._ticks[side, at] >= sign * touch:
                at -= 1
            if at < 0:
                break
            price, lots = int(self._ticks[side, at]), int(self._lots[side, at])
            told_ns = depth_ns
        return found

    def _own_lots(self, side: Side, price_ticks: int, told_ns: int) -> int:
        if self.number("own_in_book") == 0:
            return 0
        table, total = self._orders, 0
        for slot in np.flatnonzero(table["price_ticks"] == price_ticks):
            ours = table["key"][slot] != 0 and table["instrument"][slot] == self._index
            ours = ours and table["side"][slot] == side and table["acked_ns"][slot] > 0
            if ours and table["sent_ns"][slot] <= told_ns:
                total += int(table["leaves_lots"][slot])
        return total


_CORE_FIELDS = (
    "now_ns", "epoch", "state", "state_code", "maker_fee_bps_e2", "taker_fee_bps_e2"
)  # fmt: skip
_INSTRUMENT_FIELDS = (
    "dirty", "market_valid", "flatten", "status", "market_bid_ticks", "market_ask_ticks",
    "imbalance_e6", "position_lots", "target_position_lots", "max_position_lots",
    "last_trade_ticks", "last_trade_side", "bid_ticks", "bid_lots", "ask_ticks", "ask_lots",
    "touch_ns", "own_in_book",
)  # fmt: skip
_ORDER_FIELDS = (
    "key", "instrument", "side", "state", "price_ticks", "leaves_lots", "sent_ns", "acked_ns"
)  # fmt: skip
