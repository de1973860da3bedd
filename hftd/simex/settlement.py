"""What a market reports, carried over into users' orders, money and events.

Owns the orders and trades of all accounts, the execution ids, and the events that nobody has
taken yet. Knows how much an order locks no more than its record says; no filters, no requests,
no protocol text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from hftd.simex.accounts import Accounts
from hftd.simex.events import (
    BalanceEvent,
    Event,
    ExecType,
    Fees,
    MarketEvent,
    OrderEvent,
    RejectReason,
)
from hftd.simex.listing import Listing
from hftd.simex.market import Reports
from hftd.simex.orders import (
    AccountTrade,
    History,
    Order,
    OrderBookkeeping,
    PreventedMatch,
    Status,
    copied,
)
from hftd.simex.requests import (
    FEE_ACCOUNT,
    Accepted,
    Amended,
    Canceled,
    CancelRejected,
    DepthChanged,
    Expired,
    Prevented,
    Rejected,
    Report,
    Side,
    TouchChanged,
    Trade,
    Triggered,
)

OrderReport: TypeAlias = Accepted | Canceled | Expired | Triggered | Amended


class Settlement:
    """All users' orders and money, as the markets' reports left them."""

    def __init__(self, fees: Fees, history: History) -> None:
        self.fees = fees
        self.accounts = Accounts()
        self.books: dict[int, OrderBookkeeping] = {}
        self.exec_id = 0
        # A fault: (asset, atoms) of a fill's fee in place of a share of what is received.
        self.third_fee: tuple[str, int] | None = None
        self._history = history
        self._events: list[Event] = []
        # By type, because isinstance over ten types is half of what an order costs here.
        self._takers: dict[type[Report], Callable[[Listing, Any, str], None]] = {
            Accepted: self._accept,
            Trade: self._settle,
            Canceled: self._cancel,
            Expired: self._expire,
            Triggered: self._trigger,
            Amended: self._amend,
            Prevented: self._prevent,
        }

    def bookkeeping(self, account: int) -> OrderBookkeeping:
        """Return the orders of an account."""
        book = self.books.get(account)
        if book is None:
            book = self.books[account] = OrderBookkeeping(self._history)
        return book

    def take_events(self) -> list[Event]:
        """Return the events since the last call."""
        events, self._events = self._events, []
        return events

    def apply(self, listing: Listing, reports: Reports, request_id: str = "") -> None:
        """Take what a market reported, in its order; ``request_id`` as in ``OrderEvent``."""
        for report in reports:
            kind = type(report)
            if kind is TouchChanged or kind is DepthChanged:
                self._events.append(MarketEvent(listing.spec.symbol, report))  # type: ignore[arg-type]
            elif kind is not CancelRejected and kind is not Rejected:
                self._takers[kind](listing, report, request_id)

    def taken_at_once(
        self, order: Order, seen: int
    ) -> tuple[list[AccountTrade], list[PreventedMatch]]:
        """Return what an order did as a taker, from the events after the first ``seen``."""
        trades: list[AccountTrade] = []
        prevented: list[PreventedMatch] = []
        for event in self._events[seen:]:
            if not isinstance(event, OrderEvent):
                continue
            trade, match = event.trade, event.prevented
            if trade is not None and trade.order_id == order.order_id and not trade.is_maker:
                trades.append(trade)
            # Both orders may tell of one match, one right after the other.
            told = bool(prevented) and prevented[-1] == match
            if match is not None and match.taker_order_id == order.order_id and not told:
                prevented.append(match)
        return trades, prevented

    def reject(self, order: Order, reason: RejectReason, ts_ns: int) -> None:
        """Tell of an order that never was: the new half of a replacement, alone."""
        order.status, order.reserved_atoms = Status.REJECTED, 0
        self._note(ExecType.REJECTED, order, ts_ns, reason=reason)

    def event_count(self) -> int:
        """Return how many events nobody has taken yet."""
        return len(self._events)

    def release(self, listing: Listing, order: Order, atoms: int) -> None:
        """Unlock a part of what an order reserved."""
        if atoms:
            order.reserved_atoms -= atoms
            self.accounts.release(order.account, listing.pays_with(order.side), atoms)

    # --- orders ---------------------------------------------------------------------------

    def _order(self, listing: Listing, report: OrderReport) -> Order:
        return self.books[report.account].open[listing.spec.symbol, report.order_id]

    def _accept(self, listing: Listing, report: Accepted, _: str) -> None:
        self._note(ExecType.NEW, self._order(listing, report), report.ts_ns)
        self._note_balances(report.ts_ns)

    def _cancel(self, listing: Listing, report: Canceled, request_id: str) -> None:
        order = self._order(listing, report)
        self._finish(listing, order, Status.CANCELED)
        self._note(ExecType.CANCELED, order, report.ts_ns, request_id=request_id)
        self._note_balances(report.ts_ns)

    def _trigger(self, listing: Listing, report: Triggered, _: str) -> None:
        order = self._order(listing, report)
        order.triggered_ns = report.ts_ns
        self._note(ExecType.NEW, order, report.ts_ns)

    def _amend(self, listing: Listing, report: Amended, request_id: str) -> None:
        order = self._order(listing, report)
        assert report.leaves_lots == order.leaves_lots, "book and record agree on what is left"
        self._note(ExecType.REPLACED, order, report.ts_ns, request_id=request_id)
        self._note_balances(report.ts_ns)

    def _expire(self, listing: Listing, report: Expired, _: str) -> None:
        order = self._order(listing, report)
        order.expiry = report.reason
        self._finish(listing, order, Status.EXPIRED)
        self._note(ExecType.EXPIRED, order, report.ts_ns)
        self._note_balances(report.ts_ns)

    def _prevent(self, listing: Listing, report: Prevented, _: str) -> None:
        symbol = listing.spec.symbol
        match = PreventedMatch(
            report.match_id,
            symbol,
            report.taker_order_id,
            report.maker_order_id,
            report.mode,
            report.price_ticks,
            report.lots,
            report.taker_lots,
            report.maker_lots,
            report.ts_ns,
        )
        book = self.books[report.account]
        book.add_prevented(match)
        for order_id, lots in (
            (report.maker_order_id, report.maker_lots),
            (report.taker_order_id, report.taker_lots),
        ):
            if lots:
                self._lose(listing, book.open[symbol, order_id], lots, match)
        self._note_balances(report.ts_ns)

    def _lose(self, listing: Listing, order: Order, lots: int, match: PreventedMatch) -> None:
        order.prevented_lots += lots
        order.prevented_match_id = match.match_id
        if order.leaves_lots == 0:
            self._finish(listing, order, Status.EXPIRED_IN_MATCH)
        elif order.side is Side.SELL:
            self.release(listing, order, lots * listing.atoms_per_lot)
        elif order.price_ticks:
            # What a BUY at market has locked is bound by its budget, and released at its end.
            atoms = order.price_ticks * lots * listing.atoms_per_tick_lot
            self.release(listing, order, atoms)
        self._note(ExecType.TRADE_PREVENTION, order, match.ts_ns, prevented=match)

    def _finish(self, listing: Listing, order: Order, status: Status) -> None:
        self.release(listing, order, order.reserved_atoms)
        order.status = status
        self.books[order.account].put(order)

    # --- trades ---------------------------------------------------------------------------

    def _settle(self, listing: Listing, trade: Trade, _: str) -> None:
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
        if buys and order.price_ticks:
            # A better price than the limit leaves something over.
            over = (order.price_ticks - trade.price_ticks) * trade.qty_lots
            self.release(listing, order, over * listing.atoms_per_tick_lot)
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

    # --- events ---------------------------------------------------------------------------

    def _note(
        self,
        exec_type: ExecType,
        order: Order,
        ts_ns: int,
        *,
        trade: AccountTrade | None = None,
        request_id: str = "",
        prevented: PreventedMatch | None = None,
        reason: RejectReason | None = None,
    ) -> None:
        order.updated_ns = ts_ns
        self.exec_id += 1
        self._events.append(
            OrderEvent(
                exec_type,
                copied(order),
                self.exec_id,
                ts_ns,
                trade,
                request_id,
                prevented,
                reason,
            )
        )

    def _note_balances(self, ts_ns: int) -> None:
        touched: dict[int, list[tuple[str, int, int]]] = {}
        for account, asset in self.accounts.take_touched():
            balance = self.accounts.balance(account, asset)
            held = (asset, balance.free, balance.locked)
            if account in touched:
                touched[account].append(held)
            else:
                touched[account] = [held]
        for account, balances in touched.items():
            self._events.append(BalanceEvent(account, ts_ns, balances))
