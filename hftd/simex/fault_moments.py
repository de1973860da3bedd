"""What happens to the exchange at a moment, without anybody's request.

Owns the acts of strangers, operators and clocks on a venue's exchange. Must not know scripts,
connections or frames.

What lasts is named by its symbol, so that its end finds the exchange of after a restart too.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from hftd.simex.events import NewOrder
from hftd.simex.exchange import Exchange
from hftd.simex.faults import Fault
from hftd.simex.listing import Listing, SymbolStatus
from hftd.simex.market import Reports
from hftd.simex.matching import MatchingMarket
from hftd.simex.orders import Order
from hftd.simex.played import PlayedMarket
from hftd.simex.refusals import Refusal
from hftd.simex.requests import (
    Canceled,
    Expired,
    ExpiryReason,
    Kind,
    Place,
    Prevented,
    Side,
    Stp,
    TimeInForce,
)
from hftd.simex.venue import Venue

STRANGER_ACCOUNT = -999_999
FOREIGN_ID = "web_"
"""How the client ids begin of orders that nobody here sent."""

MS_NS = 1_000_000
DRIFT_EVERY_NS = 100 * MS_NS
NO_ORDER = "no order is open"
CLOSED = "the market is closed"


class Moments:
    """Does the acts on one venue.

    ``later`` takes a time and what to do then, ``set_skew`` how far the venue's clock is off.
    """

    def __init__(
        self,
        venue: Venue,
        later: Callable[[int, Callable[[int], object]], None],
        set_skew: Callable[[int], None],
    ) -> None:
        self._venue = venue
        self._later = later
        self._set_skew = set_skew
        self._clock_faults = 0  # The newest one counts; the ends of those before it do not.
        self._halts: dict[str, Fault] = {}  # By symbol; here too the newest counts.
        self._acts: dict[str, Callable[[Fault, int], str]] = {
            "partial_fill": self._partial_fill,
            "dribble": self._dribble,
            "cancel_unasked": self._cancel_unasked,
            "expire_unasked": self._expire_unasked,
            "stp_expiry": self._expire_unasked,
            "foreign_order": self._foreign_order,
            "foreign_trade": self._foreign_order,
            "flash_move": self._flash_move,
            "halt": self._halt,
            "tick_size": self._coarser,
            "lot_size": self._coarser,
            "clock_skew": self._clock,
            "clock_drift": self._clock,
            "fee_asset": self._fee_asset,
        }

    def act(self, fault: Fault, ts_ns: int) -> str:
        """Do one; return "", or why nothing came of it."""
        return self._acts[fault.fault](fault, ts_ns)

    def end(self, ts_ns: int) -> None:
        """End what faults hold on: the clock is right, symbols trade, fees are the account's."""
        self._clock_faults += 1
        self._set_skew(0)
        self._end_fee_asset()
        for fault in list(self._halts.values()):
            self._end_halt(fault, ts_ns)

    def fill(self, order: Order, lots: int, ts_ns: int) -> str:
        """Let a stranger take lots of a resting order, behind all that stands before it.

        Return "", or why nothing came of it.
        """
        if self._listing(order.symbol).status is not SymbolStatus.TRADING:
            return CLOSED
        if order.working_ns == 0:
            return NO_ORDER  # A stop order that waits is not in the book.
        lots = min(lots, order.leaves_lots)
        market = self._listing(order.symbol).market
        if isinstance(market, PlayedMarket):
            self._venue.exchange.report(order.symbol, market.hit(order.order_id, lots, ts_ns))
            return ""
        assert isinstance(market, MatchingMarket)
        side = Side.SELL if order.side is Side.BUY else Side.BUY
        lots = market.lots_until(order.order_id, lots)
        self._strike(order.symbol, side, order.price_ticks, lots, ts_ns)
        return ""

    def _listing(self, symbol: str) -> Listing:
        return self._venue.exchange.listings[symbol]

    def _oldest(self, symbol: str, *, working: bool = False) -> Order | None:
        books = self._venue.exchange.books.values()
        orders = [order for book in books for order in book.open_orders(symbol)]
        if working:
            orders = [order for order in orders if order.working_ns]
        return min(orders, key=_order_id, default=None)

    def _strike(self, symbol: str, side: Side, price_ticks: int, lots: int, ts_ns: int) -> None:
        market = self._listing(symbol).market
        place = Place(
            market.next_order_id(),
            STRANGER_ACCOUNT,
            side,
            price_ticks,
            lots,
            Kind.LIMIT,
            TimeInForce.IOC,
        )
        self._venue.exchange.report(symbol, market.place(place, ts_ns))

    # --- orders ---------------------------------------------------------------------------

    def _partial_fill(self, fault: Fault, ts_ns: int) -> str:
        order = self._oldest(fault.symbol, working=True)
        return NO_ORDER if order is None else self.fill(order, fault.size, ts_ns)

    def _dribble(self, fault: Fault, ts_ns: int) -> str:
        order = self._oldest(fault.symbol, working=True)
        if order is None:
            return NO_ORDER
        order_id = order.order_id

        def take(at_ns: int, left: int) -> str:
            oldest = self._oldest(fault.symbol, working=True)
            if oldest is None or oldest.order_id != order_id:
                return NO_ORDER
            why = self.fill(oldest, 1, at_ns)
            if left > 1:
                next_ns = at_ns + max(1, fault.for_ms) * MS_NS
                self._later(next_ns, lambda due_ns: take(due_ns, left - 1))
            return why

        return take(ts_ns, fault.size)

    def _cancel_unasked(self, fault: Fault, ts_ns: int) -> str:
        order = self._oldest(fault.symbol)
        if order is None:
            return NO_ORDER
        self._venue.exchange.cancel(order, f"venue-{ts_ns}", ts_ns)
        return ""

    def _expire_unasked(self, fault: Fault, ts_ns: int) -> str:
        order = self._oldest(fault.symbol)
        if order is None:
            return NO_ORDER
        by_stp = fault.fault == "stp_expiry"
        reports: Reports = [
            _ended(each, order.price_ticks, by_stp=by_stp) if isinstance(each, Canceled) else each
            for each in self._listing(fault.symbol).market.cancel(order.order_id, ts_ns)
        ]
        self._venue.exchange.report(fault.symbol, reports)
        return ""

    def _foreign_order(self, fault: Fault, ts_ns: int) -> str:
        # It rests below the touch, or trades at once, under a client id that is not its owner's.
        listing = self._listing(fault.symbol)
        bid = next(iter(listing.market.levels(Side.BUY)), None)
        if bid is None:
            return "no bid stands"
        rests = fault.fault == "foreign_order"
        step = listing.filters.price_step
        price = bid[0] * listing.filters.tick * 99 // 100 // step * step
        new = NewOrder(
            account_of(self._venue, fault.account),
            fault.symbol,
            Side.BUY if rests else Side(fault.value),
            Kind.LIMIT if rests else Kind.MARKET,
            TimeInForce.GTC,
            price if rests else 0,
            fault.size * listing.atoms_per_lot,
            0,
            f"{FOREIGN_ID}{ts_ns}",
        )
        placed = self._venue.exchange.place(new, ts_ns)
        return placed.msg if isinstance(placed, Refusal) else ""

    # --- markets --------------------------------------------------------------------------

    def _flash_move(self, fault: Fault, ts_ns: int) -> str:
        market = self._listing(fault.symbol).market
        if self._listing(fault.symbol).status is not SymbolStatus.TRADING:
            return CLOSED
        if not isinstance(market, MatchingMarket):
            return "a recording cannot be moved; moved_prices tells that it did"
        up = fault.value == "up"
        levels = list(market.levels(Side.SELL if up else Side.BUY))
        if not levels:
            return "nothing stands there"
        percent = 100 + fault.size if up else max(0, 100 - fault.size)
        bound = max(1, levels[0][0] * percent // 100)
        lots = sum(lots for price, lots in levels if (price <= bound if up else price >= bound))
        self._strike(fault.symbol, Side.BUY if up else Side.SELL, bound, lots, ts_ns)
        return ""

    def _halt(self, fault: Fault, ts_ns: int) -> str:
        self._venue.exchange.set_status(fault.symbol, SymbolStatus(fault.value), ts_ns)
        self._halts[fault.symbol] = fault
        if fault.for_ms:
            end_ns = ts_ns + fault.for_ms * MS_NS
            self._later(end_ns, lambda at_ns: self._end_halt(fault, at_ns))
        return ""

    def _end_halt(self, fault: Fault, ts_ns: int) -> None:
        if self._halts.get(fault.symbol) is fault:
            del self._halts[fault.symbol]
            self._venue.exchange.set_status(fault.symbol, SymbolStatus.TRADING, ts_ns)

    def _coarser(self, fault: Fault, ts_ns: int) -> str:
        listing, times = self._listing(fault.symbol), max(1, fault.size)
        filters = listing.filters
        if fault.fault == "tick_size":
            listing.filters = replace(filters, price_step=filters.tick * times)
        else:
            listing.filters = replace(filters, qty_step=filters.lot * times)
        return ""

    # --- clock and fees -------------------------------------------------------------------

    def _clock(self, fault: Fault, ts_ns: int) -> str:
        self._clock_faults += 1
        mine, end_ns = self._clock_faults, ts_ns + fault.for_ms * MS_NS

        def run_off(at_ns: int) -> None:
            if self._clock_faults != mine:
                return
            if fault.for_ms and at_ns >= end_ns:
                self._set_skew(0)
            elif fault.fault == "clock_skew":
                self._set_skew(fault.skew_ms * MS_NS)
                if fault.for_ms:
                    self._later(end_ns, run_off)
            else:
                self._set_skew((at_ns - ts_ns) * fault.skew_ms // 1000)
                self._later(at_ns + DRIFT_EVERY_NS, run_off)

        run_off(ts_ns)
        return ""

    def _fee_asset(self, fault: Fault, ts_ns: int) -> str:
        self._venue.exchange.settlement.third_fee = (fault.value, fault.size)
        if fault.for_ms:
            self._later(ts_ns + fault.for_ms * MS_NS, lambda _: self._end_fee_asset())
        return ""

    def _end_fee_asset(self) -> None:
        self._venue.exchange.settlement.third_fee = None


def _ended(canceled: Canceled, price_ticks: int, *, by_stp: bool) -> Expired | Prevented:
    # Says of an order that it expired, or that it met one of its account that nobody sent.
    order_id, account, lots, ts_ns = (
        canceled.order_id,
        canceled.account,
        canceled.leaves_lots,
        canceled.ts_ns,
    )
    if not by_stp:
        return Expired(order_id, account, lots, ExpiryReason.NO_LIQUIDITY, ts_ns)
    mode = Stp.EXPIRE_MAKER
    return Prevented(-1, ts_ns, price_ticks, lots, mode, account, 0, order_id, 0, lots)


def account_of(venue: Venue, key: str) -> int:
    """Return the number of the account with a key, of the first one without."""
    keys = [account.key for account in venue.config.accounts]
    return keys.index(key) + 1 if key else 1


def keep_rules(before: Exchange, after: Exchange, ts_ns: int) -> None:
    """Carry status and filters of all symbols, and how fees are taken, over a restart."""
    after.settlement.third_fee = before.settlement.third_fee
    for symbol, listing in before.listings.items():
        after.set_status(symbol, listing.status, ts_ns)
        after.listings[symbol].filters = listing.filters


def _order_id(order: Order) -> int:
    return order.order_id
