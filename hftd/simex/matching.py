"""A market that matches: price-time priority over integer ticks and lots.

Owns one symbol's resting and waiting orders, its ids and the agents that trade there. Knows
nothing of balances (the venue reserved them before), protocol text or clocks.

The rules. The best price trades first, at one price the oldest order; a trade is done at the
resting order's price. LIMIT_MAKER is refused if it would take. FOK is filled whole at once or
not at all. IOC and MARKET never rest. Of an iceberg one part is in sight and in the queue; the
next joins the back. A stop order waits until a trade reaches its price, and works when the
order that traded is done. Two orders of one account that meet are kept apart by the taker's
self-trade prevention mode. An order that is made smaller keeps its place.
"""

# long: what two orders do when they meet is read in one place.

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from hftd.simex.feed import Feed
from hftd.simex.flows import Flows
from hftd.simex.ladder import Ladder, Resting
from hftd.simex.market import ID_GAP, OrderFlow, Reports, State, SymbolSpec
from hftd.simex.refusals import WOULD_TAKE, WOULD_TRIGGER
from hftd.simex.requests import (
    Accepted,
    Amended,
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
    Triggered,
)
from hftd.simex.stops import Stops, is_reached


class MatchingMarket:
    """An order book per symbol, and the agents that make it live."""

    takes_all_orders = True
    closed = False

    def __init__(self, spec: SymbolSpec, flows: Sequence[OrderFlow] = ()) -> None:
        self.spec = spec
        self._flows = Flows(flows)
        self._bids, self._asks = Ladder(Side.BUY), Ladder(Side.SELL)
        self._resting: dict[int, Resting] = {}
        self._stops = Stops()
        self._feed = Feed(self._bids, self._asks)
        self._order_id = 0
        self._trade_id = 0
        self._match_id = 0
        self._last_price_ticks = 0

    # --- what the venue asks --------------------------------------------------------------

    def start(self, ts_ns: int) -> None:
        """Start every agent."""
        self._flows.start(ts_ns)

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
        """Take an order off the book, or out of its wait."""
        reports: Reports = []
        self._cancel(order_id, ts_ns, reports)
        self._touch(ts_ns, reports)
        return reports

    def amend(self, order_id: int, leaves_lots: int, budget: int, ts_ns: int) -> Reports:
        """Leave less of an order; it keeps its place. ``budget`` as in ``Place``."""
        order = self._resting.get(order_id)
        if order is None:
            waiting = self._stops.remove(order_id)
            assert waiting is not None, f"order {order_id} neither rests nor waits"
            account = waiting.account
            self._stops.add(replace(waiting, qty_lots=leaves_lots, budget=budget))
        else:
            account = order.account
            self._shrink(order, leaves_lots, ts_ns)
        reports: Reports = [Amended(order_id, account, leaves_lots, ts_ns)]
        self._touch(ts_ns, reports)
        return reports

    def halt(self, ts_ns: int) -> None:
        """Keep the agents still: nothing trades, orders can be canceled."""
        self._flows.keep_still(ts_ns)

    def resume(self, ts_ns: int) -> None:
        """Go on as if no time had passed."""
        self._flows.go_on(ts_ns)

    def next_ns(self) -> int | None:
        """Return the earlier of the next cut and the next act."""
        flow_ns = self._flows.next()[0]
        cut_ns = self._feed.cut_ns
        if cut_ns is None:
            return flow_ns
        return cut_ns if flow_ns is None or cut_ns <= flow_ns else flow_ns

    def advance(self, ts_ns: int) -> Reports:
        """Cut and act in order of time; at one time the cut comes first."""
        reports: Reports = []
        while True:
            due_ns, flow = self._flows.next()
            cut_ns = self._feed.cut_ns
            if cut_ns is not None and cut_ns <= ts_ns and (due_ns is None or cut_ns <= due_ns):
                reports.append(self._feed.cut())
                continue
            if flow is None or due_ns is None or due_ns > ts_ns:
                return reports
            self._flows.count_act(flow, due_ns)
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
        """Yield (price_ticks, qty_lots) in sight, best first."""
        for level in self._ladder(side):
            yield level.price_ticks, level.lots

    def liquidity(self, side: Side) -> Iterator[tuple[int, int]]:
        """Yield (price_ticks, qty_lots) with what icebergs hide, best first."""
        for level in self._ladder(side):
            yield level.price_ticks, level.lots + level.hidden

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
        """Return the lots that rest in sight at a price."""
        return self._ladder(side).lots_at(price_ticks)

    def leaves(self, order_id: int) -> int:
        """Return what is left of a resting order, else 0."""
        order = self._resting.get(order_id)
        return 0 if order is None else order.leaves + order.hidden

    def lots_until(self, order_id: int, lots: int) -> int:
        """Return the lots that a taker needs until a resting order has traded ``lots``."""
        order = self._resting[order_id]
        return self._ladder(order.side).lots_until(order, lots)

    # --- matching -------------------------------------------------------------------------

    def _ladder(self, side: Side) -> Ladder:
        return self._bids if side is Side.BUY else self._asks

    def _place(self, order: Place, ts_ns: int, reports: Reports) -> None:
        refusal = self._refusal(order)
        if refusal is not None:
            rejected = Rejected(order.order_id, order.account, *refusal, ts_ns)
            self._report(rejected, order.account, reports)
            return
        self._report(Accepted(order.order_id, order.account, ts_ns), order.account, reports)
        if order.stop_ticks:
            self._stops.add(order)
            return
        self._work(order, ts_ns, reports)
        while (stop := self._stops.take()) is not None:
            triggered = Triggered(stop.order_id, stop.account, ts_ns)
            self._report(triggered, stop.account, reports)
            self._work(stop, ts_ns, reports)

    def _refusal(self, order: Place) -> tuple[int, str] | None:
        if order.kind is Kind.LIMIT_MAKER:
            best = self._opposite(order).best()
            if best is not None and _reaches(order, best.price_ticks):
                return WOULD_TAKE
        elif order.stop_ticks and is_reached(order, self._last_price_ticks):
            return WOULD_TRIGGER
        return None

    def _opposite(self, order: Place) -> Ladder:
        return self._asks if order.side is Side.BUY else self._bids

    def _work(self, order: Place, ts_ns: int, reports: Reports) -> None:
        opposite = self._opposite(order)
        if order.tif is TimeInForce.FOK and not self._fillable(order, opposite):
            self._expire(order, order.qty_lots, ExpiryReason.FOK, ts_ns, reports)
            return
        leaves = self._match(order, opposite, ts_ns, reports)
        if leaves == 0:
            return
        if order.kind is Kind.MARKET:
            self._expire(order, leaves, ExpiryReason.NO_LIQUIDITY, ts_ns, reports)
        elif order.tif is TimeInForce.GTC:
            self._rest(order, leaves, ts_ns)
        else:
            self._expire(order, leaves, ExpiryReason.IOC, ts_ns, reports)

    def _match(self, order: Place, opposite: Ladder, ts_ns: int, reports: Reports) -> int:
        # Returns the lots that are left to rest or to expire.
        leaves, budget = order.qty_lots, order.budget
        while leaves:
            level = opposite.best()
            if level is None or not _reaches(order, level.price_ticks):
                break
            maker = level.head
            assert maker is not None, "a level without orders leaves the ladder"
            price_ticks = level.price_ticks
            if maker.account == order.account and order.stp is not Stp.NONE:
                leaves -= self._prevent(order, leaves, maker, price_ticks, ts_ns, reports)
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
        return leaves

    def _prevent(
        self,
        order: Place,
        leaves: int,
        maker: Resting,
        price_ticks: int,
        ts_ns: int,
        reports: Reports,
    ) -> int:
        # Returns what the taker loses. DECREMENT takes what both have in common from both; the
        # other modes take all that is left of one or both.
        lots = min(leaves, maker.leaves)
        ladder = self._ladder(maker.side)
        if order.stp is Stp.DECREMENT:
            taker_lots = maker_lots = lots
            ladder.reduce(maker, lots)
        else:
            taker_lots = 0 if order.stp is Stp.EXPIRE_MAKER else leaves
            maker_lots = 0 if order.stp is Stp.EXPIRE_TAKER else ladder.remove(maker)
        if maker_lots:
            self._feed.changed(maker.side, price_ticks, ts_ns)
            if maker.level is None:
                del self._resting[maker.order_id]
        prevented = Prevented(
            self._match_id,
            ts_ns,
            price_ticks,
            lots,
            order.stp,
            order.account,
            order.order_id,
            maker.order_id,
            taker_lots,
            maker_lots,
        )
        self._match_id += 1
        self._report(prevented, order.account, reports)
        return taker_lots

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
        self._flows.observe(trade)
        if self._stops.waiting:
            self._stops.call(price_ticks)

    def _rest(self, order: Place, leaves: int, ts_ns: int) -> None:
        resting = Resting(order.order_id, order.account, order.side, leaves, order.iceberg_lots)
        self._resting[order.order_id] = resting
        self._ladder(order.side).append(resting, order.price_ticks)
        self._feed.changed(order.side, order.price_ticks, ts_ns)

    def _fillable(self, order: Place, opposite: Ladder) -> bool:
        # What self-trade prevention would remove or stop at does not count.
        lots = 0
        for level in opposite:
            if not _reaches(order, level.price_ticks):
                break
            hidden = level.hidden
            if order.stp is Stp.NONE:
                lots += level.lots
            else:
                for maker in level:
                    if maker.account != order.account:
                        lots += maker.leaves
                    elif order.stp is Stp.EXPIRE_MAKER:
                        hidden -= maker.hidden
                    else:
                        # What others hide at this price stands behind it.
                        return lots >= order.qty_lots
            lots += hidden
            if lots >= order.qty_lots:
                return True
        return False

    def _cancel(self, order_id: int, ts_ns: int, reports: Reports) -> None:
        order = self._resting.pop(order_id, None)
        if order is not None:
            leaves = self._take_off(order, ts_ns)
            canceled = Canceled(order_id, order.account, leaves, ts_ns)
            self._report(canceled, order.account, reports)
        elif (waiting := self._stops.remove(order_id)) is not None:
            reports.append(Canceled(order_id, waiting.account, waiting.qty_lots, ts_ns))
        else:
            reports.append(CancelRejected(order_id, ts_ns))

    def _take_off(self, order: Resting, ts_ns: int) -> int:
        level = order.level
        assert level is not None, "a resting order stands on a level"
        leaves = self._ladder(order.side).remove(order)
        self._feed.changed(order.side, level.price_ticks, ts_ns)
        return leaves

    def _shrink(self, order: Resting, leaves_lots: int, ts_ns: int) -> None:
        level = order.level
        assert level is not None, "a resting order stands on a level"
        in_sight = order.leaves
        self._ladder(order.side).shrink(order, order.leaves + order.hidden - leaves_lots)
        if order.leaves != in_sight:
            self._feed.changed(order.side, level.price_ticks, ts_ns)

    def _expire(
        self, order: Place, leaves: int, reason: ExpiryReason, ts_ns: int, reports: Reports
    ) -> None:
        expired = Expired(order.order_id, order.account, leaves, reason, ts_ns)
        self._report(expired, order.account, reports)

    # --- agents ---------------------------------------------------------------------------

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
            self._flows.tell(account, report)

    def _touch(self, ts_ns: int, reports: Reports) -> None:
        touch = self._feed.touched(ts_ns)
        if touch is not None:
            reports.append(touch)
            self._flows.observe(touch)

    # --- memory ---------------------------------------------------------------------------

    def dump(self) -> State:
        """Return ids, resting orders in order of priority, and the agents' own states.

        Stop orders that wait are users' alone, and come back by ``adopt``.
        """
        return {
            "order_id": self._order_id,
            "trade_id": self._trade_id,
            "match_id": self._match_id,
            "last_price_ticks": self._last_price_ticks,
            "feed": self._feed.dump(),
            "orders": [
                [
                    order.order_id,
                    order.account,
                    order.side.value,
                    level.price_ticks,
                    order.leaves,
                    order.hidden,
                    order.iceberg_lots,
                ]
                for ladder in (self._bids, self._asks)
                for level in ladder
                for order in level
            ],
            "flows": self._flows.dump(),
        }

    def load(self, state: State, shift_ns: int) -> None:
        """Take back a dump, with ids skipped ahead and the agents' times shifted."""
        self._order_id = int(state["order_id"]) + ID_GAP
        self._trade_id = int(state["trade_id"]) + ID_GAP
        # A dump of an older version knows no prevented matches and no icebergs.
        self._match_id = int(state.get("match_id", 0)) + ID_GAP
        self._last_price_ticks = int(state["last_price_ticks"])
        for order_id, account, side, price_ticks, leaves, *iceberg in state["orders"]:
            hidden, iceberg_lots = iceberg or (0, 0)
            order = Resting(order_id, account, Side(side), leaves)
            order.hidden, order.iceberg_lots = hidden, iceberg_lots
            self._resting[order_id] = order
            self._ladder(order.side).append(order, price_ticks)
        self._feed.load(state["feed"])
        self._flows.load(state["flows"], shift_ns)

    def adopt(self, orders: Sequence[Place], ts_ns: int) -> None:
        """Make exactly ``orders`` the users' resting and waiting orders; see the port."""
        wanted = {order.order_id: order for order in orders}
        for order in [order for order in self._resting.values() if order.account >= 0]:
            place = wanted.pop(order.order_id, None)
            if place is None:
                del self._resting[order.order_id]
                self._take_off(order, ts_ns)
            elif place.qty_lots < order.leaves + order.hidden:
                self._shrink(order, place.qty_lots, ts_ns)
        for place in wanted.values():
            if place.stop_ticks:
                self._stops.add(place)
            else:
                self._clear_way(place, ts_ns)
                self._rest(place, place.qty_lots, ts_ns)
        # Nobody is connected yet: the touch is only to be known, for queries and agents.
        unheard: Reports = []
        self._touch(ts_ns, unheard)

    def _clear_way(self, place: Place, ts_ns: int) -> None:
        opposite = self._opposite(place)
        while (level := opposite.best()) is not None and _reaches(place, level.price_ticks):
            order = level.head
            assert order is not None and order.account < 0, "users' orders in truth never cross"
            unheard: Reports = []
            self._cancel(order.order_id, ts_ns, unheard)


def _reaches(order: Place, price_ticks: int) -> bool:
    # Whether the order may trade at the price of a resting one.
    if order.price_ticks == 0:
        return True
    if order.side is Side.BUY:
        return order.price_ticks >= price_ticks
    return order.price_ticks <= price_ticks
