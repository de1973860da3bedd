"""The port between the venue and what makes its prices: a market per symbol.

Owns the two protocols ``Market`` (what the venue drives) and ``OrderFlow`` (an agent inside a
matching market), the view of the book that agents get, and the symbol's numbers. Must not
know protocol text, balances, connections or clocks: time is always an argument.

Time. The venue calls ``advance(ts_ns)`` before every request and whenever ``next_ns()`` has
come. A market does what is due at the time it was due (``ts_ns`` of its reports is the due
time, never the time of the call), in order of time, up to and including ``ts_ns``. So what
happens depends on the times of requests only, and not on how late a timer fired.

Durability. The account's truth (balances, open orders, trades) is the venue's and is never
lost; a market's own state may be some seconds old when it comes back. ``dump()`` returns plain
JSON values. A restart calls ``load(state, shift_ns)``, where ``shift_ns`` is what the clock ran
on meanwhile (add it to every stored time: nothing happened while the venue was down), then
``adopt(orders, ts_ns)`` with all user orders that are open in truth. Ids must not come twice:
``load`` skips ``ID_GAP`` ahead on every id axis.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Protocol, TypeAlias

from msgspec import Struct

from hftd.simex.requests import Cancel, DepthSnapshot, Place, Report, Side, TouchChanged

Reports: TypeAlias = list[Report]
State: TypeAlias = dict[str, Any]

ATOMS = 100_000_000
"""Atoms in one unit of any asset: eight decimals, as the protocol prints them."""

ID_GAP = 1_000_000
"""How far ids jump after a restart; more than a market uses between two snapshots."""

CUT_NS = 100_000_000
"""The grid of venue time on which depth events are cut."""


class SymbolSpec(Struct, frozen=True):
    """The numbers of one symbol, as decimals in text.

    ``tick_size`` times ``lot_size`` must be a whole number of quote atoms, and ``lot_size`` a
    whole number of base atoms: then all money is exact in integers.
    """

    symbol: str
    base: str
    quote: str
    tick_size: str
    lot_size: str
    min_notional: str = "5"
    max_notional: str = "9000000"
    max_qty: str = "9000"
    max_market_qty: str = "100"
    max_price: str = "1000000"
    max_num_orders: int = 200
    max_num_algo_orders: int = 5
    max_num_iceberg_orders: int = 5
    iceberg_parts: int = 50
    max_num_order_amends: int = 10

    @property
    def atoms_per_lot(self) -> int:
        """Return the base atoms in one lot."""
        return exact(Decimal(self.lot_size) * ATOMS, f"{self.symbol} lot_size in atoms")

    @property
    def atoms_per_tick_lot(self) -> int:
        """Return the quote atoms that one lot costs at a price of one tick."""
        product = Decimal(self.tick_size) * Decimal(self.lot_size) * ATOMS
        return exact(product, f"{self.symbol} tick_size * lot_size in atoms")


def exact(value: Decimal, what: str) -> int:
    """Return a positive whole number as int; assert that it is one."""
    assert value > 0 and value == value.to_integral_value(), f"{what} must be whole, was {value}"
    return int(value)


def earliest(*times_ns: int | None) -> int | None:
    """Return the first of some times, None where there is none."""
    first_ns = None
    for ts_ns in times_ns:
        if ts_ns is not None and (first_ns is None or ts_ns < first_ns):
            first_ns = ts_ns
    return first_ns


class Market(Protocol):
    """One symbol's prices and fills: ``MatchingMarket`` or ``TapeMarket``.

    Reports follow the grammar of ``requests``. Reports on agents' orders stay inside the
    market, except Trade (settled by the venue against the house account).
    """

    spec: SymbolSpec
    takes_all_orders: bool
    """Whether stop orders and icebergs are taken; without, the venue refuses them before."""

    @property
    def closed(self) -> bool:
        """Whether orders are refused for as long as the market has no book to meet them."""

    def start(self, ts_ns: int) -> None:
        """Begin a new market at ``ts_ns``; called once, unless ``load`` is."""

    def next_order_id(self) -> int:
        """Take the next order id of the symbol."""

    def place(self, order: Place, ts_ns: int) -> Reports:
        """Match a user's order and rest what is left. The venue advanced to ``ts_ns`` before."""

    def cancel(self, order_id: int, ts_ns: int) -> Reports:
        """Take a user's order off the book."""

    def amend(self, order_id: int, leaves_lots: int, budget: int, ts_ns: int) -> Reports:
        """Leave less of a user's order, above 0, where it stands; ``budget`` as in ``Place``."""

    def halt(self, ts_ns: int) -> None:
        """Let nothing happen but cancels, until ``resume``."""

    def resume(self, ts_ns: int) -> None:
        """Go on after ``halt`` as if no time had passed; without one do nothing."""

    def next_ns(self) -> int | None:
        """Return when the market next wants ``advance``; None: not before a request comes."""

    def advance(self, ts_ns: int) -> Reports:
        """Do all that is due up to and including ``ts_ns``, each at its own time."""

    def best(self) -> TouchChanged | None:
        """Return the touch as it now stands on the bookTicker stream; None before the first."""

    def last_price_ticks(self) -> int:
        """Return the price of the last printed trade, else the mid, else 0."""

    def levels(self, side: Side) -> Iterator[tuple[int, int]]:
        """Yield (price_ticks, qty_lots) of the book in sight, best first; BUY yields bids."""

    def liquidity(self, side: Side) -> Iterator[tuple[int, int]]:
        """Yield (price_ticks, qty_lots) of all that orders match against, hidden or not.

        The venue walks it to see what a MARKET order would cost.
        """

    def snapshot(self, limit: int) -> DepthSnapshot:
        """Return up to ``limit`` levels a side as of the last depth event's end."""

    def dump(self) -> State:
        """Return the state as plain JSON values (dict with str keys, list, str, int, float)."""

    def load(self, state: State, shift_ns: int) -> None:
        """Take back what ``dump`` gave, all times shifted, all ids skipped by ``ID_GAP``."""

    def adopt(self, orders: Sequence[Place], ts_ns: int) -> None:
        """Make exactly ``orders`` the resting and waiting user orders, after a ``load``.

        ``qty_lots`` is what is left of each. Orders already known keep their place in the
        queue with the smaller quantity of the two; unknown ones join the back; what is known
        but not in ``orders`` goes. Nothing trades: house orders in the way are removed.
        """


class BookView(Protocol):
    """What an agent may see and ask: the public book, users' orders included."""

    def next_order_id(self) -> int:
        """Take an id for an order that the agent is about to return; it may cancel by it."""

    def best_bid(self) -> tuple[int, int] | None:
        """Return (price_ticks, qty_lots) of the best bid."""

    def best_ask(self) -> tuple[int, int] | None:
        """Return (price_ticks, qty_lots) of the best ask."""

    def levels(self, side: Side) -> Iterator[tuple[int, int]]:
        """Yield (price_ticks, qty_lots) best first; do not keep the iterator."""

    def qty_at(self, side: Side, price_ticks: int) -> int:
        """Return the lots that rest at a price, 0 where none do."""

    def leaves(self, order_id: int) -> int:
        """Return the lots of an order still resting, 0 when it is gone."""


class OrderFlow(Protocol):
    """One agent, or one kind of agents, inside a ``MatchingMarket``.

    Pure and deterministic: its randomness is a seeded generator handed in, whose state stands
    in ``dump``. ``account`` is below 0 and its own; house accounts need no balance.
    """

    account: int

    def start(self, ts_ns: int) -> None:
        """Begin: set the first wake-up, usually ``ts_ns`` itself to build the opening book."""

    def next_ns(self) -> int | None:
        """Return when to call ``act``; None: not until ``observe`` changes it."""

    def act(self, ts_ns: int, book: BookView) -> Sequence[Place | Cancel]:
        """Return what to do now; ``ts_ns`` equals ``next_ns()``, which must then move on.

        The orders are matched in their order, after ``act`` returned. Places bear the flow's
        ``account`` and an id of ``book.next_order_id()``.
        """

    def observe(self, report: Report) -> None:
        """Hear of every Trade, every TouchChanged, and Rejected, Canceled, Expired of its own.

        Called while reports are made: it may move ``next_ns()`` to any time at or after the
        report's ``ts_ns``, and must not touch the market.
        """

    def dump(self) -> State:
        """Return the state as plain JSON values."""

    def load(self, state: State, shift_ns: int) -> None:
        """Take back what ``dump`` gave, with all times shifted."""
