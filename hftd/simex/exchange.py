"""The exchange behind the dialect: takes orders, keeps accounts, tells what happened.

Owns the road of a request: status, filters, reservation, market, settlement. Knows no protocol
text, keys, connections, files or clocks.

Every call may add events, which the caller takes with ``take_events`` right after.

What an order locks from its entry on: a SELL its quantity; a BUY with a limit its price times
its quantity; a MARKET BUY what walking the book costs now; a stop order that becomes a MARKET
BUY its stop price and ``STOP_MARGIN_PERCENT`` more, times its quantity. The last two may spend
no more than that, and what it does not buy expires.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from hftd.simex import refusals
from hftd.simex.events import Event, Fees, NewOrder, Placed, RejectReason
from hftd.simex.listing import STP_MODES, Listing, SymbolStatus
from hftd.simex.market import Market, Reports, earliest
from hftd.simex.orders import (
    AccountTrade,
    Amendment,
    History,
    Order,
    OrderBookkeeping,
    copied,
)
from hftd.simex.refusals import Refusal
from hftd.simex.requests import Canceled, Kind, Place, Rejected, Side
from hftd.simex.settlement import Settlement

STOP_MARGIN_PERCENT = 5


class Exchange:
    """All symbols, all accounts."""

    def __init__(
        self,
        markets: Iterable[Market],
        fees: Fees,
        history: History = History(),  # noqa: B008 - it is frozen.
    ) -> None:
        self.listings: Mapping[str, Listing] = {
            market.spec.symbol: Listing(market) for market in markets
        }
        self.settlement = Settlement(fees, history)
        self.fees = fees
        self.accounts = self.settlement.accounts
        self.books = self.settlement.books
        # A fault: why the next orders are refused.
        self.refuse_with: Refusal | None = None

    @property
    def exec_id(self) -> int:
        """Return the id of the last execution report."""
        return self.settlement.exec_id

    # --- time and status ------------------------------------------------------------------

    def start(self, ts_ns: int) -> None:
        """Start every market; for a new exchange alone."""
        for listing in self.listings.values():
            listing.market.start(ts_ns)

    def next_ns(self) -> int | None:
        """Return when ``advance`` is next due."""
        first_ns = None
        for listing in self.listings.values():
            first_ns = earliest(first_ns, listing.market.next_ns())
        return first_ns

    def advance(self, ts_ns: int) -> None:
        """Let every market do what is due."""
        for listing in self.listings.values():
            self.settlement.apply(listing, listing.market.advance(ts_ns))

    def set_status(self, symbol: str, status: SymbolStatus, ts_ns: int) -> None:
        """Let a symbol trade or stop; while it stops time stands still in its market.

        The caller advanced to ``ts_ns`` before.
        """
        listing = self.listings[symbol]
        if status is SymbolStatus.TRADING:
            listing.market.resume(ts_ns)
        else:
            listing.market.halt(ts_ns)
        listing.status = status

    def take_events(self) -> list[Event]:
        """Return the events since the last call."""
        return self.settlement.take_events()

    def take_closed(self) -> list[tuple[int, Order | AccountTrade]]:
        """Return (account, what left its memory) since the last call."""
        return [
            (account, closed)
            for account, book in self.books.items()
            for closed in book.take_closed()
        ]

    # --- orders ---------------------------------------------------------------------------

    def bookkeeping(self, account: int) -> OrderBookkeeping:
        """Return the orders of an account."""
        return self.settlement.bookkeeping(account)

    def check(self, new: NewOrder, *, replaced: Order | None = None) -> Refusal | None:
        """Return why the order would be refused before its money is looked at.

        ``replaced`` is the open order that the same request will cancel first.
        """
        listing = self.listings[new.symbol]
        if listing.status is not SymbolStatus.TRADING:
            return refusals.MARKET_CLOSED
        if not listing.market.takes_all_orders:
            if new.stop_atoms:
                return refusals.unsupported(_STOP_WORDS[new.kind])
            if new.iceberg_atoms:
                return refusals.unsupported("Iceberg")
        if new.stp not in STP_MODES:
            return refusals.STP_NOT_ALLOWED
        qty_atoms = new.qty_atoms or self._affordable_lots(new) * listing.atoms_per_lot
        if new.iceberg_atoms >= qty_atoms > 0:
            return refusals.ICEBERG_TOO_LARGE
        return listing.filters.check(
            new,
            qty_atoms,
            listing.market.last_price_ticks() * listing.filters.tick,
            self.bookkeeping(new.account).open_counts(new.symbol),
            replaced,
        )

    def place(self, new: NewOrder, ts_ns: int, *, replaces: bool = False) -> Placed | Refusal:
        """Check, reserve, match; the caller advanced to ``ts_ns`` before.

        Of an order that ``replaces`` one that was canceled, a refusal is reported as well.
        """
        refusal = self.check(new) or self.refuse_with
        if refusal is not None:
            return refusal
        book = self.bookkeeping(new.account)
        if book.open_by_client_id(new.symbol, new.client_order_id) is not None:
            return refusals.DUPLICATE_ORDER
        listing = self.listings[new.symbol]
        order, budget = self._prepare(listing, new, ts_ns)
        asset = listing.pays_with(new.side)
        if not self.accounts.reserve(new.account, asset, order.reserved_atoms):
            if replaces:
                self.settlement.reject(order, RejectReason.FUNDS, ts_ns)
            return refusals.INSUFFICIENT_BALANCE
        book.put(order)
        reports = listing.market.place(as_place(order, order.qty_lots, budget), ts_ns)
        first = reports[0]
        if isinstance(first, Rejected):
            book.forget(order)
            self.accounts.release(new.account, asset, order.reserved_atoms)
            self.accounts.take_touched()
            if replaces:
                takes = (first.code, first.msg) == refusals.WOULD_TAKE
                reason = RejectReason.TAKES if takes else RejectReason.TRIGGERS
                self.settlement.reject(order, reason, ts_ns)
            return Refusal(first.code, first.msg)
        seen = self.settlement.event_count()
        self.settlement.apply(listing, reports)
        return Placed(copied(order), *self.settlement.taken_at_once(order, seen))

    def cancel(self, order: Order, request_id: str, ts_ns: int) -> Order:
        """Cancel an order that is open; ``request_id`` is the client id of the cancel itself."""
        listing = self.listings[order.symbol]
        reports = listing.market.cancel(order.order_id, ts_ns)
        assert isinstance(reports[0], Canceled), (
            f"order {order.order_id} is open for its account and unknown to {order.symbol}"
        )
        self.settlement.apply(listing, reports, request_id)
        return copied(order)

    def amend(
        self, order: Order, qty_atoms: int, client_order_id: str, ts_ns: int
    ) -> Order | Refusal:
        """Make an open order smaller where it stands, under a client id new or its own."""
        listing = self.listings[order.symbol]
        refusal = self._check_amend(listing, order, qty_atoms, client_order_id)
        if refusal is not None:
            return refusal
        qty_lots, client_id_before = qty_atoms // listing.atoms_per_lot, order.client_order_id
        reserved, budget = order.reserved_atoms, 0
        if order.side is Side.SELL:
            reserved -= (order.qty_lots - qty_lots) * listing.atoms_per_lot
        elif order.price_ticks:
            fewer = (order.qty_lots - qty_lots) * order.price_ticks
            reserved -= fewer * listing.atoms_per_tick_lot
        else:
            budget = _stop_budget(order.stop_ticks, qty_lots)
            reserved = budget * listing.atoms_per_tick_lot
        self.settlement.release(listing, order, order.reserved_atoms - reserved)
        amendment = Amendment(
            self.settlement.exec_id + 1,
            client_id_before,
            client_order_id,
            order.qty_lots,
            qty_lots,
            ts_ns,
        )
        order.amendments = (*order.amendments, amendment)
        order.qty_lots = qty_lots
        self.bookkeeping(order.account).rename(order, client_order_id)
        reports = listing.market.amend(order.order_id, order.leaves_lots, budget, ts_ns)
        self.settlement.apply(listing, reports, client_id_before)
        return copied(order)

    def _check_amend(
        self, listing: Listing, order: Order, qty_atoms: int, client_order_id: str
    ) -> Refusal | None:
        if listing.status is not SymbolStatus.TRADING:
            return refusals.AMEND_WHILE_CLOSED
        qty_before = order.qty_lots * listing.atoms_per_lot
        if qty_atoms == qty_before:
            return refusals.AMEND_NOTHING
        if qty_atoms > qty_before:
            return refusals.AMEND_INCREASE
        namesake = self.bookkeeping(order.account).open_by_client_id(order.symbol, client_order_id)
        if namesake not in (None, order):
            return refusals.AMEND_DUPLICATE
        if len(order.amendments) >= listing.filters.max_num_order_amends:
            return refusals.TOO_MANY_AMENDS
        # What is filled or prevented cannot be taken back: something must be left to work.
        gone = (order.qty_lots - order.leaves_lots) * listing.atoms_per_lot
        price = (order.price_ticks or order.stop_ticks) * listing.filters.tick
        return listing.filters.check_amend(price, qty_atoms, gone)

    def report(self, symbol: str, reports: Reports) -> None:
        """Take what a market did that no user asked for: faults."""
        self.settlement.apply(self.listings[symbol], reports)

    def _prepare(self, listing: Listing, new: NewOrder, ts_ns: int) -> tuple[Order, int]:
        # The order in ticks and lots, with the atoms it will lock, and the budget of a BUY at
        # market.
        price_ticks = new.price_atoms // listing.filters.tick
        stop_ticks = new.stop_atoms // listing.filters.tick
        budget = 0
        if new.qty_atoms:
            qty_lots = new.qty_atoms // listing.atoms_per_lot
        else:
            qty_lots = self._affordable_lots(new)
        if new.side is Side.SELL:
            reserved = qty_lots * listing.atoms_per_lot
        elif price_ticks:
            reserved = price_ticks * qty_lots * listing.atoms_per_tick_lot
        else:
            budget = _stop_budget(stop_ticks, qty_lots) if stop_ticks else _cost(listing, qty_lots)
            reserved = budget * listing.atoms_per_tick_lot
        order = Order(
            listing.market.next_order_id(),
            new.account,
            new.symbol,
            new.client_order_id,
            new.side,
            new.kind,
            new.tif,
            new.stp,
            price_ticks,
            qty_lots,
            ts_ns,
            ts_ns,
            new.quote_order_atoms,
            reserved_atoms=reserved,
            stop_ticks=stop_ticks,
            iceberg_lots=new.iceberg_atoms // listing.atoms_per_lot,
            strategy_id=new.strategy_id,
            strategy_type=new.strategy_type,
        )
        return order, budget

    def _affordable_lots(self, new: NewOrder) -> int:
        # What quoteOrderQty buys, or has to sell, at the prices that stand in the book, in whole
        # steps.
        listing = self.listings[new.symbol]
        money, lots = new.quote_order_atoms // listing.atoms_per_tick_lot, 0
        opposite = Side.SELL if new.side is Side.BUY else Side.BUY
        for price_ticks, qty_lots in listing.market.liquidity(opposite):
            taken = min(qty_lots, money // price_ticks)
            money -= taken * price_ticks
            lots += taken
            if taken < qty_lots:
                break
        return lots - lots % (listing.filters.qty_step // listing.filters.lot)


_STOP_WORDS = {
    Kind.STOP_LOSS: "Stop loss",
    Kind.STOP_LOSS_LIMIT: "Stop loss limit",
    Kind.TAKE_PROFIT: "Take profit",
    Kind.TAKE_PROFIT_LIMIT: "Take profit limit",
}


def as_place(order: Order, qty_lots: int, budget: int) -> Place:
    """Return what a market is told of an order: one that waits, or one that works."""
    waits = order.working_ns == 0
    kind = order.kind
    if order.stop_ticks and not waits:
        kind = Kind.LIMIT
    return Place(
        order.order_id,
        order.account,
        order.side,
        order.price_ticks,
        qty_lots,
        kind,
        order.tif,
        order.stp,
        budget,
        order.stop_ticks if waits else 0,
        order.iceberg_lots,
    )


def _stop_budget(stop_ticks: int, qty_lots: int) -> int:
    # In tick-lots, rounded down: what a stop order may spend when it becomes a MARKET BUY.
    return stop_ticks * qty_lots * (100 + STOP_MARGIN_PERCENT) // 100


def _cost(listing: Listing, qty_lots: int) -> int:
    # What buying so many lots from the book costs, in tick-lots.
    cost = 0
    for price_ticks, lots in listing.market.liquidity(Side.SELL):
        taken = min(lots, qty_lots)
        cost += taken * price_ticks
        qty_lots -= taken
        if qty_lots == 0:
            break
    return cost
