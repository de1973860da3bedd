"""The exchange behind the dialect: takes orders, keeps accounts, tells what happened.

Owns the road of an order: filters, reservation, market, settlement, history. Knows no protocol
text, keys, connections, files or clocks.

Every call may add events, which the caller takes with ``take_events`` right after.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping

from hftd.simex import refusals
from hftd.simex.accounts import Accounts
from hftd.simex.events import (
    BalanceEvent,
    Event,
    ExecType,
    Fees,
    MarketEvent,
    NewOrder,
    OrderEvent,
    Placed,
)
from hftd.simex.filters import Filters
from hftd.simex.market import Market, Reports, SymbolSpec
from hftd.simex.orders import AccountTrade, Order, OrderBookkeeping, Status
from hftd.simex.refusals import Refusal
from hftd.simex.requests import (
    FEE_ACCOUNT,
    Accepted,
    Canceled,
    DepthChanged,
    Expired,
    ExpiryReason,
    Kind,
    Place,
    Prevented,
    Rejected,
    Report,
    Side,
    TouchChanged,
    Trade,
)


class Listing:
    """One symbol: its market, its filters, and the atoms behind its units."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.spec: SymbolSpec = market.spec
        self.filters = Filters.of(market.spec)
        self.status = "TRADING"
        self.atoms_per_lot = market.spec.atoms_per_lot
        self.atoms_per_tick_lot = market.spec.atoms_per_tick_lot

    def pays_with(self, side: Side) -> str:
        """Return the asset that an order of this side locks."""
        return self.spec.quote if side is Side.BUY else self.spec.base


class Exchange:
    """All symbols, all accounts."""

    def __init__(self, markets: Iterable[Market], fees: Fees) -> None:
        self.listings: Mapping[str, Listing] = {
            market.spec.symbol: Listing(market) for market in markets
        }
        self.fees = fees
        self.accounts = Accounts()
        self.books: dict[int, OrderBookkeeping] = {}
        self.exec_id = 0
        # Both are faults: why the next orders are refused, and (asset, atoms) of a fill's fee.
        self.refuse_with: Refusal | None = None
        self.third_fee: tuple[str, int] | None = None
        self._events: list[Event] = []

    # --- time -----------------------------------------------------------------------------

    def start(self, ts_ns: int) -> None:
        """Start every market; for a new exchange alone."""
        for listing in self.listings.values():
            listing.market.start(ts_ns)

    def next_ns(self) -> int | None:
        """Return when ``advance`` is next due."""
        due = [listing.market.next_ns() for listing in self.listings.values()]
        return min((ns for ns in due if ns is not None), default=None)

    def advance(self, ts_ns: int) -> None:
        """Let every market do what is due."""
        for listing in self.listings.values():
            self._apply(listing, listing.market.advance(ts_ns))

    def take_events(self) -> list[Event]:
        """Return the events since the last call."""
        events, self._events = self._events, []
        return events

    # --- orders ---------------------------------------------------------------------------

    def bookkeeping(self, account: int) -> OrderBookkeeping:
        """Return the orders of an account."""
        return self.books.setdefault(account, OrderBookkeeping())

    def check(self, new: NewOrder, *, replaced: int = 0) -> Refusal | None:
        """Return why the order would be refused before its money is looked at.

        ``replaced`` is how many open orders the same request will cancel first.
        """
        listing = self.listings[new.symbol]
        if listing.status != "TRADING":
            return refusals.MARKET_CLOSED
        book = self.bookkeeping(new.account)
        qty_atoms = new.qty_atoms or self._affordable_lots(new) * listing.atoms_per_lot
        return listing.filters.check(
            new.side,
            new.kind,
            new.price_atoms,
            qty_atoms,
            listing.market.last_price_ticks() * listing.filters.tick,
            len(book.open_orders(new.symbol)) - replaced,
        )

    def place(self, new: NewOrder, ts_ns: int) -> Placed | Refusal:
        """Check, reserve, match; the caller advanced to ``ts_ns`` before."""
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
            return refusals.INSUFFICIENT_BALANCE
        place = Place(
            order.order_id,
            new.account,
            new.side,
            order.price_ticks,
            order.qty_lots,
            new.kind,
            new.tif,
            new.stp,
            budget,
        )
        book.put(order)
        reports = listing.market.place(place, ts_ns)
        first = reports[0]
        if isinstance(first, Rejected):
            book.forget(order)
            self.accounts.release(new.account, asset, order.reserved_atoms)
            self.accounts.take_touched()
            return Refusal(first.code, first.msg)
        seen = len(self._events)
        self._apply(listing, reports)
        trades = [
            event.trade
            for event in self._events[seen:]
            if isinstance(event, OrderEvent)
            and event.trade is not None
            and event.trade.order_id == order.order_id
            and not event.trade.is_maker
        ]
        return Placed(copy.copy(order), trades)

    def cancel(self, order: Order, request_id: str, ts_ns: int) -> Order:
        """Cancel an order that is open; ``request_id`` is the client id of the cancel itself."""
        listing = self.listings[order.symbol]
        reports = listing.market.cancel(order.order_id, ts_ns)
        assert isinstance(reports[0], Canceled), (
            f"order {order.order_id} is open for its account and unknown to {order.symbol}"
        )
        self._apply(listing, reports, request_id)
        return copy.copy(order)

    def report(self, symbol: str, reports: Reports) -> None:
        """Take what a market did that no user asked for: faults."""
        self._apply(self.listings[symbol], reports)

    def _prepare(self, listing: Listing, new: NewOrder, ts_ns: int) -> tuple[Order, int]:
        # The order in ticks and lots, with the atoms it will lock, and the budget of a
        # MARKET BUY: what walking the book costs now is all that it may spend.
        price_ticks = new.price_atoms // listing.filters.tick
        budget = 0
        if new.qty_atoms:
            qty_lots = new.qty_atoms // listing.atoms_per_lot
        else:
            qty_lots = self._affordable_lots(new)
        if new.side is Side.SELL:
            reserved = qty_lots * listing.atoms_per_lot
        elif new.kind is Kind.MARKET:
            budget = _cost(listing, qty_lots)
            reserved = budget * listing.atoms_per_tick_lot
        else:
            reserved = price_ticks * qty_lots * listing.atoms_per_tick_lot
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
        )
        return order, budget

    def _affordable_lots(self, new: NewOrder) -> int:
        # What quoteOrderQty buys, or has to sell, at the prices that stand in the book.
        listing = self.listings[new.symbol]
        money, lots = new.quote_order_atoms // listing.atoms_per_tick_lot, 0
        opposite = Side.SELL if new.side is Side.BUY else Side.BUY
        for price_ticks, qty_lots in listing.market.levels(opposite):
            taken = min(qty_lots, money // price_ticks)
            money -= taken * price_ticks
            lots += taken
            if taken < qty_lots:
                break
        return lots

    # --- what markets report --------------------------------------------------------------

    def _apply(self, listing: Listing, reports: Reports, request_id: str = "") -> None:
        for report in reports:
            kind = type(report)
            if kind is Trade:
                self._settle(listing, report)  # type: ignore[arg-type]
            elif kind is TouchChanged or kind is DepthChanged:
                self._events.append(MarketEvent(listing.spec.symbol, report))  # type: ignore[arg-type]
            else:
                self._apply_order(listing, report, request_id)

    def _apply_order(self, listing: Listing, report: Report, request_id: str) -> None:
        if not isinstance(report, Accepted | Canceled | Expired | Prevented):
            return
        order = self.books[report.account].open[listing.spec.symbol, report.order_id]
        if isinstance(report, Accepted):
            self._note(ExecType.NEW, order, report.ts_ns)
        elif isinstance(report, Canceled):
            self._finish(listing, order, Status.CANCELED)
            self._note(ExecType.CANCELED, order, report.ts_ns, request_id=request_id)
        elif isinstance(report, Prevented):
            self._prevent(listing, order, report)
        else:
            order.expiry = report.reason
            prevented = report.reason is ExpiryReason.SELF_TRADE
            self._finish(listing, order, Status.EXPIRED_IN_MATCH if prevented else Status.EXPIRED)
            exec_type = ExecType.TRADE_PREVENTION if prevented else ExecType.EXPIRED
            self._note(exec_type, order, report.ts_ns)
        self._note_balances(report.ts_ns)

    def _prevent(self, listing: Listing, order: Order, report: Prevented) -> None:
        order.prevented_lots += report.lots
        if report.leaves_lots == 0:
            order.expiry = ExpiryReason.SELF_TRADE
            self._finish(listing, order, Status.EXPIRED_IN_MATCH)
        elif order.side is Side.SELL:
            self._release(listing, order, report.lots * listing.atoms_per_lot)
        elif order.kind is not Kind.MARKET:
            # What a MARKET BUY has locked is bound by its budget, and released at its end.
            atoms = order.price_ticks * report.lots * listing.atoms_per_tick_lot
            self._release(listing, order, atoms)
        self._note(ExecType.TRADE_PREVENTION, order, report.ts_ns)

    def _settle(self, listing: Listing, trade: Trade) -> None:
        if trade.maker_account >= 0 or trade.taker_account >= 0:
            taker_buys = trade.taker_side is Side.BUY
            taker = (trade.taker_account, trade.taker_order_id, False)
            maker = (trade.maker_account, trade.maker_order_id, True)
            buyer, seller = (taker, maker) if taker_buys else (maker, taker)
            # Both sides pay before either receives: an account that trades with itself
            # must hold both.
            spec = listing.spec
            quote_atoms = trade.price_ticks * trade.qty_lots * listing.atoms_per_tick_lot
            base_atoms = trade.qty_lots * listing.atoms_per_lot
            self.accounts.pay(buyer[0], spec.quote, quote_atoms)
            self.accounts.pay(seller[0], spec.base, base_atoms)
            base_fee = self._receive(buyer, spec.base, base_atoms)
            quote_fee = self._receive(seller, spec.quote, quote_atoms)
            self._fill(listing, trade, buyer, quote_atoms, base_fee)
            self._fill(listing, trade, seller, quote_atoms, quote_fee)
            self._note_balances(trade.ts_ns)
        if trade.public:
            self._events.append(MarketEvent(listing.spec.symbol, trade))

    def _receive(self, party: tuple[int, int, bool], asset: str, atoms: int) -> tuple[int, str]:
        # Credits a side of a trade; returns its fee, and the asset of the fee.
        account = party[0]
        if self.third_fee is not None and account > 0:
            fee_asset, fee = self.third_fee
            if self.accounts.balance(account, fee_asset).free >= fee:
                self.accounts.receive(account, asset, atoms, 0)
                self.accounts.deposit(account, fee_asset, -fee)
                self.accounts.deposit(FEE_ACCOUNT, fee_asset, fee)
                return fee, fee_asset
        rate = self.fees.maker if party[2] else self.fees.taker
        return self.accounts.receive(account, asset, atoms, rate), asset

    def _fill(
        self,
        listing: Listing,
        trade: Trade,
        party: tuple[int, int, bool],
        quote_atoms: int,
        fee: tuple[int, str],
    ) -> None:
        account, order_id, is_maker = party
        if account < 0:
            return
        order = self.books[account].open[listing.spec.symbol, order_id]
        buys = order.side is Side.BUY
        order.cum_lots += trade.qty_lots
        order.cum_quote_atoms += quote_atoms
        spent = quote_atoms if buys else trade.qty_lots * listing.atoms_per_lot
        order.reserved_atoms -= spent
        if buys and order.kind is not Kind.MARKET:
            # A better price than the limit leaves something over.
            over = (order.price_ticks - trade.price_ticks) * trade.qty_lots
            self._release(listing, order, over * listing.atoms_per_tick_lot)
        record = AccountTrade(
            trade.trade_id,
            order_id,
            order.symbol,
            trade.price_ticks,
            trade.qty_lots,
            quote_atoms,
            *fee,
            trade.ts_ns,
            buys,
            is_maker,
        )
        if order.leaves_lots == 0:
            self._finish(listing, order, Status.FILLED)
        else:
            order.status = Status.PARTIALLY_FILLED
        self.books[account].add_trade(record)
        self._note(ExecType.TRADE, order, trade.ts_ns, trade=record)

    def _finish(self, listing: Listing, order: Order, status: Status) -> None:
        self._release(listing, order, order.reserved_atoms)
        order.status = status
        self.books[order.account].put(order)

    def _release(self, listing: Listing, order: Order, atoms: int) -> None:
        if atoms:
            order.reserved_atoms -= atoms
            self.accounts.release(order.account, listing.pays_with(order.side), atoms)

    def _note(
        self,
        exec_type: ExecType,
        order: Order,
        ts_ns: int,
        *,
        trade: AccountTrade | None = None,
        request_id: str = "",
    ) -> None:
        order.updated_ns = ts_ns
        self.exec_id += 1
        self._events.append(
            OrderEvent(exec_type, copy.copy(order), self.exec_id, ts_ns, trade, request_id)
        )

    def _note_balances(self, ts_ns: int) -> None:
        touched: dict[int, list[tuple[str, int, int]]] = {}
        for account, asset in self.accounts.take_touched():
            balance = self.accounts.balance(account, asset)
            touched.setdefault(account, []).append((asset, balance.free, balance.locked))
        for account, balances in touched.items():
            self._events.append(BalanceEvent(account, ts_ns, balances))


def _cost(listing: Listing, qty_lots: int) -> int:
    # What buying so many lots from the book costs, in tick-lots.
    cost = 0
    for price_ticks, lots in listing.market.levels(Side.SELL):
        taken = min(lots, qty_lots)
        cost += taken * price_ticks
        qty_lots -= taken
        if qty_lots == 0:
            break
    return cost
