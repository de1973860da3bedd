"""A market that matches: price-time priority over integer ticks and lots.

Owns one symbol's resting orders, its ids and the agents that trade there. Knows nothing of
balances (the venue reserved them before), protocol text or clocks.

The rules. The best price trades first, at one price the oldest order; a trade is done at the
resting order's price. LIMIT_MAKER is refused if it would take. FOK is filled whole at once or
not at all. IOC and MARKET never rest. Two orders of one account that meet are kept apart by
the taker's self-trade prevention mode.
"""

# long: what two orders do when they meet is read in one place.

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hftd.simex.feed import Feed
from hftd.simex.ladder import Ladder, Resting
from hftd.simex.market import ID_GAP, OrderFlow, Reports, State, SymbolSpec
from hftd.simex.refusals import WOULD_TAKE
from hftd.simex.requests import (
    Accepted,
    Cancel,
    Canceled,
    CancelRejected,
    DepthSnapshot,
    Expired,
    ExpiryReason,
    Kind,
    Place,
    Prevented,
    Rejected,
    Report,
    Side,
    Stp,
    TimeInForce,
    TouchChanged,
    Trade,
)

MAX_ACTS_AT_ONCE = 10_000
"""Acts of agents at one time of the clock; more is an agent that does not move on."""


class MatchingMarket:
    """An order book per symbol, and the agents that make it live."""

    def __init__(self, spec: SymbolSpec, flows: Sequence[OrderFlow] = ()) -> None:
        self.spec = spec
        self._flows = list(flows)
        self._by_account = {flow.account: flow for flow in flows}
        assert len(self._by_account) == len(self._flows), "each agent needs its own account"
        assert all(account < 0 for account in self._by_account), "agents' accounts are below 0"
        self._bids, self._asks = Ladder(Side.BUY), Ladder(Side.SELL)
        self._resting: dict[int, Resting] = {}
        self._feed = Feed(self._bids, self._asks)
        self._order_id = 0
        self._trade_id = 0
        self._last_price_ticks = 0

    # --- what the venue asks --------------------------------------------------------------

    def start(self, ts_ns: int) -> None:
        """Start every agent."""
        for flow in self._flows:
            flow.start(ts_ns)

    def next_order_id(self) -> int:
        """Take the next order id."""
        self._order_id += 1
        return self._order_id

    def place(self, order: Place, ts_ns: int) -> Reports:
        """Match an order and rest what is left."""
        reports: Reports = []
        self._place(order, ts_ns, reports)
        self._touch(ts_ns, reports)
        return reports

    def cancel(self, order_id: int, ts_ns: int) -> Reports:
        """Take an order off the book."""
        reports: Reports = []
        self._cancel(order_id, ts_ns, reports)
        self._touch(ts_ns, reports)
        return reports

    def next_ns(self) -> int | None:
        """Return the earlier of the next cut and the next act."""
        flow_ns = self._next_flow()[0]
        cut_ns = self._feed.cut_ns
        if cut_ns is None:
            return flow_ns
        return cut_ns if flow_ns is None or cut_ns <= flow_ns else flow_ns

    def advance(self, ts_ns: int) -> Reports:
        """Cut and act in order of time; at one time the cut comes first."""
        reports: Reports = []
        acts, acted_ns = 0, -1
        while True:
            due_ns, flow = self._next_flow()
            cut_ns = self._feed.cut_ns
            if cut_ns is not None and cut_ns <= ts_ns and (due_ns is None or cut_ns <= due_ns):
                reports.append(self._feed.cut())
                continue
            if flow is None or due_ns is None or due_ns > ts_ns:
                return reports
            acts = acts + 1 if due_ns == acted_ns else 1
            acted_ns = due_ns
            assert acts <= MAX_ACTS_AT_ONCE, f"agent {flow.account} does not move on in time"
            self._act(flow, due_ns, reports)

    def best(self) -> TouchChanged | None:
        """Return the touch last shown."""
        return self._feed.touch

    def last_price_ticks(self) -> int:
        """Return the price of the last trade, else the mid, else 0."""
        bid, ask = self._bids.best(), self._asks.best()
        if self._last_price_ticks or bid is None or ask is None:
            return self._last_price_ticks
        return (bid.price_ticks + ask.price_ticks) // 2

    def levels(self, side: Side) -> Iterator[tuple[int, int]]:
        """Yield (price_ticks, qty_lots), best first."""
        for level in self._ladder(side):
            yield level.price_ticks, level.lots

    def snapshot(self, limit: int) -> DepthSnapshot:
        """Return the book as of the last cut."""
        return self._feed.snapshot(limit)

    # --- what agents see besides ----------------------------------------------------------

    def best_bid(self) -> tuple[int, int] | None:
        """Return price and quantity of the best bid."""
        level = self._bids.best()
        return None if level is None else (level.price_ticks, level.lots)

    def best_ask(self) -> tuple[int, int] | None:
        """Return price and quantity of the best ask."""
        level = self._asks.best()
        return None if level is None else (level.price_ticks, level.lots)

    def qty_at(self, side: Side, price_ticks: int) -> int:
        """Return the lots that rest at a price."""
        return self._ladder(side).lots_at(price_ticks)

    def leaves(self, order_id: int) -> int:
        """Return what is left of a resting order, else 0."""
        order = self._resting.get(order_id)
        return 0 if order is None else order.leaves

    def lots_before(self, order_id: int) -> int:
        """Return the lots that trade before a resting order."""
        order = self._resting[order_id]
        return self._ladder(order.side).lots_before(order)

    # --- matching -------------------------------------------------------------------------

    def _ladder(self, side: Side) -> Ladder:
        return self._bids if side is Side.BUY else self._asks

    def _place(self, order: Place, ts_ns: int, reports: Reports) -> None:
        opposite = self._asks if order.side is Side.BUY else self._bids
        if order.kind is Kind.LIMIT_MAKER and self._crosses(order, opposite):
            self._report(
                Rejected(order.order_id, order.account, *WOULD_TAKE, ts_ns), order.account, reports
            )
            return
        self._report(Accepted(order.order_id, order.account, ts_ns), order.account, reports)
        if order.tif is TimeInForce.FOK and not self._fillable(order, opposite):
            self._expire(order, order.qty_lots, ExpiryReason.FOK, ts_ns, reports)
            return
        leaves, prevented = self._match(order, opposite, ts_ns, reports)
        if leaves == 0:
            return
        if prevented:
            self._expire(order, leaves, ExpiryReason.SELF_TRADE, ts_ns, reports)
        elif order.kind is Kind.MARKET:
            self._expire(order, leaves, ExpiryReason.NO_LIQUIDITY, ts_ns, reports)
        elif order.tif is TimeInForce.GTC:
            self._rest(order, leaves, ts_ns)
        else:
            self._expire(order, leaves, ExpiryReason.IOC, ts_ns, reports)

    def _crosses(self, order: Place, opposite: Ladder) -> bool:
        best = opposite.best()
        return best is not None and _reaches(order, best.price_ticks)

    def _match(
        self, order: Place, opposite: Ladder, ts_ns: int, reports: Reports
    ) -> tuple[int, bool]:
        # Returns the lots left and whether self-trade prevention stopped the taker.
        leaves, budget = order.qty_lots, order.budget
        while leaves:
            level = opposite.best()
            if level is None or not _reaches(order, level.price_ticks):
                break
            maker = level.head
            assert maker is not None, "a level without orders leaves the ladder"
            price_ticks = level.price_ticks
            if order.stp is Stp.DECREMENT and maker.account == order.account:
                leaves = self._decrement(order, leaves, maker, ts_ns, reports)
                continue
            if order.stp is not Stp.NONE and maker.account == order.account:
                if order.stp is not Stp.EXPIRE_TAKER:
                    self._expire_maker(maker, ts_ns, reports)
                if order.stp is not Stp.EXPIRE_MAKER:
                    return leaves, True
                continue
            lots = min(leaves, maker.leaves)
            if order.budget:
                lots = min(lots, budget // price_ticks)
                if lots == 0:
                    break
                budget -= lots * price_ticks
            leaves -= lots
            self._trade(order, maker, price_ticks, lots, ts_ns, reports)
            opposite.reduce(maker, lots)
            if maker.leaves == 0:
                del self._resting[maker.order_id]
            self._feed.changed(opposite.side, price_ticks, ts_ns)
        return leaves, False

    def _decrement(
        self, order: Place, leaves: int, maker: Resting, ts_ns: int, reports: Reports
    ) -> int:
        # Both lose what they have in common, and nothing is traded.
        lots = min(leaves, maker.leaves)
        level = maker.level
        assert level is not None, "a resting order stands on a level"
        self._ladder(maker.side).reduce(maker, lots)
        self._feed.changed(maker.side, level.price_ticks, ts_ns)
        if maker.leaves == 0:
            del self._resting[maker.order_id]
        for order_id, left in ((maker.order_id, maker.leaves), (order.order_id, leaves - lots)):
            prevented = Prevented(order_id, order.account, lots, left, ts_ns)
            self._report(prevented, order.account, reports)
        return leaves - lots

    def _trade(
        self, taker: Place, maker: Resting, price_ticks: int, lots: int, ts_ns: int, out: Reports
    ) -> None:
        self._trade_id += 1
        self._last_price_ticks = price_ticks
        trade = Trade(
            self._trade_id,
            ts_ns,
            price_ticks,
            lots,
            taker.side,
            maker.order_id,
            taker.order_id,
            maker.account,
            taker.account,
        )
        out.append(trade)
        for flow in self._flows:
            flow.observe(trade)

    def _rest(self, order: Place, leaves: int, ts_ns: int) -> None:
        resting = Resting(order.order_id, order.account, order.side, leaves)
        self._resting[order.order_id] = resting
        self._ladder(order.side).append(resting, order.price_ticks)
        self._feed.changed(order.side, order.price_ticks, ts_ns)

    def _fillable(self, order: Place, opposite: Ladder) -> bool:
        # What self-trade prevention would remove or stop at does not count.
        lots = 0
        for level in opposite:
            if not _reaches(order, level.price_ticks):
                break
            if order.stp is Stp.NONE:
                lots += level.lots
            else:
                for maker in level:
                    if maker.account != order.account:
                        lots += maker.leaves
                    elif order.stp is not Stp.EXPIRE_MAKER:
                        return lots >= order.qty_lots
            if lots >= order.qty_lots:
                return True
        return False

    def _cancel(self, order_id: int, ts_ns: int, reports: Reports) -> None:
        order = self._resting.pop(order_id, None)
        if order is None:
            reports.append(CancelRejected(order_id, ts_ns))
            return
        leaves = self._take_off(order, ts_ns)
        canceled = Canceled(order_id, order.account, leaves, ts_ns)
        self._report(canceled, order.account, reports)

    def _take_off(self, order: Resting, ts_ns: int) -> int:
        level = order.level
        assert level is not None, "a resting order stands on a level"
        leaves = self._ladder(order.side).remove(order)
        self._feed.changed(order.side, level.price_ticks, ts_ns)
        return leaves

    def _expire(
        self, order: Place, leaves: int, reason: ExpiryReason, ts_ns: int, reports: Reports
    ) -> None:
        expired = Expired(order.order_id, order.account, leaves, reason, ts_ns)
        self._report(expired, order.account, reports)

    def _expire_maker(self, maker: Resting, ts_ns: int, reports: Reports) -> None:
        del self._resting[maker.order_id]
        leaves = self._take_off(maker, ts_ns)
        reason = ExpiryReason.SELF_TRADE
        self._report(
            Expired(maker.order_id, maker.account, leaves, reason, ts_ns), maker.account, reports
        )

    # --- agents ---------------------------------------------------------------------------

    def _next_flow(self) -> tuple[int | None, OrderFlow | None]:
        first_ns: int | None = None
        first: OrderFlow | None = None
        for flow in self._flows:
            due_ns = flow.next_ns()
            if due_ns is not None and (first_ns is None or due_ns < first_ns):
                first_ns, first = due_ns, flow
        return first_ns, first

    def _act(self, flow: OrderFlow, ts_ns: int, reports: Reports) -> None:
        for request in flow.act(ts_ns, self):
            if isinstance(request, Cancel):
                order = self._resting.get(request.order_id)
                # An agent cancels what it sees as its own; a fill may have come first.
                if order is not None and order.account == flow.account:
                    self._cancel(request.order_id, ts_ns, reports)
            else:
                assert request.account == flow.account, "an agent orders for itself alone"
                self._place(request, ts_ns, reports)
            self._touch(ts_ns, reports)

    def _report(self, report: Report, account: int, reports: Reports) -> None:
        # Reports on agents' orders stay inside; only users' go to the venue.
        if account >= 0:
            reports.append(report)
        elif not isinstance(report, Accepted):
            flow = self._by_account.get(account)
            if flow is not None:
                flow.observe(report)

    def _touch(self, ts_ns: int, reports: Reports) -> None:
        touch = self._feed.touched(ts_ns)
        if touch is not None:
            reports.append(touch)
            for flow in self._flows:
                flow.observe(touch)

    # --- memory ---------------------------------------------------------------------------

    def dump(self) -> State:
        """Return ids, resting orders in order of priority, and the agents' own states."""
        return {
            "order_id": self._order_id,
            "trade_id": self._trade_id,
            "last_price_ticks": self._last_price_ticks,
            "feed": self._feed.dump(),
            "orders": [
                [order.order_id, order.account, order.side.value, level.price_ticks, order.leaves]
                for ladder in (self._bids, self._asks)
                for level in ladder
                for order in level
            ],
            "flows": {str(flow.account): flow.dump() for flow in self._flows},
        }

    def load(self, state: State, shift_ns: int) -> None:
        """Take back a dump, with ids skipped ahead and the agents' times shifted."""
        self._order_id = int(state["order_id"]) + ID_GAP
        self._trade_id = int(state["trade_id"]) + ID_GAP
        self._last_price_ticks = int(state["last_price_ticks"])
        for order_id, account, side, price_ticks, leaves in state["orders"]:
            order = Resting(order_id, account, Side(side), leaves)
            self._resting[order_id] = order
            self._ladder(order.side).append(order, price_ticks)
        self._feed.load(state["feed"])
        for flow in self._flows:
            flow.load(state["flows"][str(flow.account)], shift_ns)

    def adopt(self, orders: Sequence[Place], ts_ns: int) -> None:
        """Make exactly ``orders`` the users' resting orders; see the port."""
        wanted = {order.order_id: order for order in orders}
        for order in [order for order in self._resting.values() if order.account >= 0]:
            place = wanted.pop(order.order_id, None)
            if place is None:
                del self._resting[order.order_id]
                self._take_off(order, ts_ns)
            elif place.qty_lots < order.leaves:
                assert order.level is not None
                price_ticks = order.level.price_ticks
                self._ladder(order.side).reduce(order, order.leaves - place.qty_lots)
                self._feed.changed(order.side, price_ticks, ts_ns)
        for place in wanted.values():
            self._clear_way(place, ts_ns)
            self._rest(place, place.qty_lots, ts_ns)
        # Nobody is connected yet: the touch is only to be known, for queries and agents.
        unheard: Reports = []
        self._touch(ts_ns, unheard)

    def _clear_way(self, place: Place, ts_ns: int) -> None:
        opposite = self._asks if place.side is Side.BUY else self._bids
        while (level := opposite.best()) is not None and _reaches(place, level.price_ticks):
            order = level.head
            assert order is not None and order.account < 0, "users' orders in truth never cross"
            unheard: Reports = []
            self._cancel(order.order_id, ts_ns, unheard)


def _reaches(order: Place, price_ticks: int) -> bool:
    # Whether the order may trade at the price of a resting one.
    if order.kind is Kind.MARKET:
        return True
    if order.side is Side.BUY:
        return order.price_ticks >= price_ticks
    return order.price_ticks <= price_ticks
