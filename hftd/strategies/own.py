"""The port of a strategy of your own: what it is shown, and what it may answer.

Owns the words that a user's file is written with. Must not know the engine's arrays, how an
answer becomes an order, or what happens when the file raises (`own_calls.py`).

A file names one class or several:

    class Mine(Strategy):
        half_spread_bps: PositiveBps = Decimal(4)
        '''Distance from mid to each quote.'''

        def decide(self, view: View) -> Iterable[Answer]:
            return [Quote(Side.BUY, view.below_mid(self.half_spread_bps), ...)]

Its annotated fields are the keys that a profile may give it, checked like those of the built-in
strategies; the unit stands in the key. They cannot be changed afterwards. ``decide`` is called
when something changed that a decision may depend on, while book and market are sound; "now" is
``view.now_ns``. What it must remember it keeps in ``view.memory``, whole numbers by the names of
``memory``: they are part of the state that a restart and a replay come back with. Anything else
(attributes of the module, say) is forgotten or differs, and a replay will tell.

Units: prices in ticks, sizes in lots of the instrument, before the canary; both are int64, and a
float is refused. The daemon's own conditions hold after it: post-only, position limit, balance,
least size, and every check of the gate.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, MutableMapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, ClassVar, NamedTuple, Protocol

from hftd.config.strategy_parameters import Levels, OwnParameters
from hftd.config.values import (
    DecimalText,
    Flag,
    Fraction,
    Integer,
    NonNegativeBps,
    NonNegativeDecimal,
    NonNegativeMs,
    PositiveBps,
    PositiveDecimal,
    PositiveFraction,
    PositiveMs,
    SignedBps,
)
from hftd.domain.instrument import Instrument
from hftd.domain.layout import Field, layout
from hftd.domain.order import Side

__all__ = [
    "Answer",
    "DecimalText",
    "Field",
    "Flag",
    "Fraction",
    "Instrument",
    "Integer",
    "KernelStrategy",
    "Level",
    "Levels",
    "NoQuote",
    "NonNegativeBps",
    "NonNegativeDecimal",
    "NonNegativeMs",
    "OpenOrder",
    "PositiveBps",
    "PositiveDecimal",
    "PositiveFraction",
    "PositiveMs",
    "Quote",
    "Side",
    "SignedBps",
    "Strategy",
    "Take",
    "View",
    "layout",
]

HALF_BPS = 20_000  # Half ticks of mid in a tick of distance, times the basis points in one.


class Level(NamedTuple):
    """One level of the book, our own orders left out."""

    price_ticks: int
    qty_lots: int


class OpenOrder(NamedTuple):
    """One order of ours; ``state`` is a `hftd.domain.order.OrderState`."""

    side: Side
    price_ticks: int
    leaves_lots: int
    state: int


class Quote(NamedTuple):
    """Want one resting order on this side, post-only; one that stands so already is left."""

    side: Side
    price_ticks: int
    qty_lots: int


class Take(NamedTuple):
    """Want to take at this price or better by an IOC order; nothing rests."""

    side: Side
    price_ticks: int
    qty_lots: int


class NoQuote(NamedTuple):
    """Want nothing on this side, for one of the strategy's declared ``reasons``."""

    side: Side
    reason: str


Answer = Quote | Take | NoQuote
"""At most one a side; a side that is left out is not quoted."""


class Market(Protocol):
    """One instrument as the engine has it; `own_view.py` reads it from the arrays."""

    @property
    def now_ns(self) -> int:
        """The event's time."""
        ...

    def number(self, name: str) -> int:
        """Return a field of INSTRUMENT (`hftd/engine/state.py`)."""
        ...

    def fee_bps_e2(self, name: str) -> int:
        """Return the fee of a ``maker`` or ``taker``."""
        ...

    def levels(self, side: Side, depth: int) -> list[Level]:
        """Return levels of a side, best first."""
        ...

    def orders(self) -> list[OpenOrder]:
        """Return our open orders."""
        ...


class View:
    """One instrument at the moment of a decision, without our own orders in its market."""

    def __init__(
        self, instrument: Instrument, market: Market, memory: MutableMapping[str, int]
    ) -> None:
        """Look at a market; nothing is copied."""
        self.instrument = instrument
        """Names and steps: ``tick_size``, ``lot_size``, ``price_text``, ``qty_text`` …"""
        self.memory = memory
        """Whole numbers by the names of the strategy's ``memory``, 0 at first."""
        self._market = market

    @property
    def now_ns(self) -> int:
        """The time, nanoseconds since 1970: the only clock there is."""
        return self._market.now_ns

    @property
    def best_bid_ticks(self) -> int:
        """The best bid of others."""
        return self._market.number("market_bid_ticks")

    @property
    def best_ask_ticks(self) -> int:
        """The best ask of others."""
        return self._market.number("market_ask_ticks")

    @property
    def mid_half_ticks(self) -> int:
        """Best bid plus best ask: the mid in half ticks, exactly."""
        return self.best_bid_ticks + self.best_ask_ticks

    @property
    def spread_ticks(self) -> int:
        """The spread of others."""
        return self.best_ask_ticks - self.best_bid_ticks

    @property
    def spread_bps(self) -> Decimal:
        """The spread of others in basis points of mid."""
        return Decimal(HALF_BPS * self.spread_ticks) / self.mid_half_ticks

    @property
    def imbalance(self) -> Decimal:
        """(bid - ask) / (bid + ask) of the lots over ``imbalance_levels``, -1 to 1."""
        return Decimal(self._market.number("imbalance_e6")).scaleb(-6)

    @property
    def position_lots(self) -> int:
        """What we hold beyond the target, signed."""
        held = self._market.number("position_lots")
        return held - self._market.number("target_position_lots")

    @property
    def max_position_lots(self) -> int:
        """The position limit in force, after the canary."""
        return self._market.number("max_position_lots")

    @property
    def last_trade(self) -> tuple[Side, int] | None:
        """The side that took and the price in ticks of the last public trade."""
        ticks = self._market.number("last_trade_ticks")
        return (Side(self._market.number("last_trade_side")), ticks) if ticks else None

    @property
    def maker_fee_bps(self) -> Decimal:
        """The fee of an order that rested."""
        return Decimal(self._market.fee_bps_e2("maker")).scaleb(-2)

    @property
    def taker_fee_bps(self) -> Decimal:
        """The fee of an order that crossed."""
        return Decimal(self._market.fee_bps_e2("taker")).scaleb(-2)

    def bids(self, depth: int = 5) -> list[Level]:
        """Return bids of others, best first."""
        return self._market.levels(Side.BUY, depth)

    def asks(self, depth: int = 5) -> list[Level]:
        """Return asks of others, best first."""
        return self._market.levels(Side.SELL, depth)

    @property
    def orders(self) -> list[OpenOrder]:
        """Our open orders, in flight ones too."""
        return self._market.orders()

    def below_mid(self, bps: Decimal) -> int:
        """Return the price so far below mid, in ticks, rounded away from mid."""
        away = _half_ticks(bps, self.mid_half_ticks)
        return (self.mid_half_ticks - away) // 2

    def above_mid(self, bps: Decimal) -> int:
        """Return the price so far above mid, in ticks, rounded away from mid."""
        away = _half_ticks(bps, self.mid_half_ticks)
        return -(-(self.mid_half_ticks + away) // 2)

    def ticks(self, price: Decimal) -> int:
        """Return a price in ticks, rounded down."""
        steps = price / Decimal(self.instrument.tick_size)
        return int(steps.to_integral_value(ROUND_FLOOR))

    def lots(self, size_base: Decimal) -> int:
        """Return a size in lots, rounded down."""
        steps = size_base / Decimal(self.instrument.lot_size)
        return int(steps.to_integral_value(ROUND_FLOOR))


def _half_ticks(bps: Decimal, mid_half_ticks: int) -> int:
    return int((bps * mid_half_ticks / 10_000).to_integral_value(ROUND_CEILING))


class Strategy(OwnParameters):
    """A strategy of your own in plain Python; its fields are its parameters."""

    memory: ClassVar[tuple[str, ...]] = ()
    """Names of the whole numbers that it remembers."""
    reasons: ClassVar[tuple[str, ...]] = ()
    """Everything that it may say for not quoting a side."""

    @abstractmethod
    def decide(self, view: View) -> Iterable[Answer]:
        """Return what is wanted of either side; raise nothing for what a market does."""


class KernelStrategy(OwnParameters):
    """A strategy of your own whose decision is a kernel (`hftd.domain.kernel`).

    ``decide(world, index, params, memory)`` is compiled in. Shapes: world (1,) State
    (`hftd/engine/state.py`); params (instruments,) of ``params_layout``; memory (instruments,), of
    which ``memory[index]["own"]`` is a record of ``memory_layout`` and ``memory[index]["answers"]``
    (2,) ANSWER (`own_calls.py`), buy and sell, cleared before.
    """

    params_layout: ClassVar[Any]
    """Record of its parameters in integers, made by `hftd.domain.layout.layout`."""
    memory_layout: ClassVar[Any]
    """Record of what it remembers."""
    reasons: ClassVar[tuple[str, ...]] = ()
    """Everything that it may say for not quoting a side, by number from 1."""
    decide: ClassVar[Any]
    """The kernel, as a staticmethod."""

    @abstractmethod
    def params(self, instrument: Instrument) -> dict[str, int]:
        """Return the parameters in the instrument's steps, by the fields of the record."""
