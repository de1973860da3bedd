"""A small venue that answers a playbook late, out of order, wrongly or not at all, by a seed.

It has no book: a price walks, and orders of ours fill when it comes to them. Requests arrive
late or never, replies are lost, the user stream falls and comes back. What it holds and what
is open at it are the truth that the engine has to come to.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from hftd.domain.actions import ActionKind as A
from hftd.domain.events import EventKind as E
from hftd.domain.events import Link
from hftd.domain.order import FeeAsset, OrderState, Side, TimeInForce
from tests.playbook import BTC, MS, SECOND, USDT, Playbook, venue_id

TICK_NS = 50 * MS
WOULD_MATCH, NOT_ATTEMPTED, UNKNOWN_ORDER = -201001, -202201, -2011


@dataclass
class Order:
    """An order as the venue has it."""

    key: int
    side: int
    price: int
    qty: int
    cum: int = 0
    state: OrderState = OrderState.NEW

    @property
    def is_open(self) -> bool:
        """Tell whether it may still trade."""
        return self.state in (OrderState.NEW, OrderState.PARTIALLY_FILLED)


class ToyVenue:
    """The other end of a playbook. ``fault`` is the chance of each thing that can go wrong."""

    def __init__(self, play: Playbook, seed: int, fault: float) -> None:
        """Connect nothing yet."""
        self.play = play
        self.random = random.Random(seed)
        self.fault = fault
        self.orders: dict[int, Order] = {}
        self.trades: list[dict[str, int]] = []
        self.held = {USDT: play.held[USDT], BTC: play.held[BTC]}
        self.mid = 6000
        self.user_up = False
        self.due: list[tuple[int, int, Callable[[], None]]] = []
        self.count = 0

    # --- Time.

    def later(self, ms: float, what: Callable[[], None]) -> None:
        """Let something happen after so long."""
        self.count += 1
        heapq.heappush(self.due, (self.play.now_ns + round(ms * MS), self.count, what))

    def wait_ms(self) -> float:
        """Return a latency: mostly small, at times long."""
        return self.random.uniform(1, 400 if self.random.random() < self.fault else 40)

    def goes_wrong(self) -> bool:
        """Tell whether this time something is lost."""
        return self.random.random() < self.fault

    def feed(self, kind: E, levels: object = None, **fields: int) -> None:
        """Hand an event to the engine and take what it wants done."""
        self.play.feed(kind, levels, **fields)
        for action in self.play.actions:
            self.take(action)

    def begin(self) -> None:
        """Boot the engine and open all links."""
        self.feed(E.BOOT, epoch=9, on_crash=1)
        self.feed(E.LINK, link=Link.MARKET, up=1)
        self.feed(E.LINK, link=Link.ORDER, up=1)
        self.set_user(1)

    def run(self, seconds: float) -> None:
        """Turn the world for so long."""
        for turn in range(round(seconds * SECOND / TICK_NS)):
            until = self.play.now_ns + TICK_NS
            while self.due and self.due[0][0] <= until:
                at, _, what = heapq.heappop(self.due)
                self.play.now_ns = max(self.play.now_ns, at)
                what()
            self.play.now_ns = max(self.play.now_ns, until)
            if turn % 2 == 0:
                self.move()
                self.feed(E.TIMER, timer=0)
            if turn % 20 == 0:
                self.feed(E.TIMER, timer=1)
                self.feed(E.CLOCK)
                if self.user_up and self.goes_wrong():
                    self.set_user(0)
                    self.later(700, lambda: self.set_user(1))

    def set_user(self, up: int) -> None:
        """Open or close the stream of reports; what happens meanwhile is not told."""
        self.user_up = up == 1
        self.feed(E.LINK, link=Link.USER, up=up)

    # --- The market.

    def move(self) -> None:
        """Walk the price, fill what it reaches, tell the book."""
        self.mid += self.random.choice((-2, -1, 0, 0, 1, 2))
        for order in list(self.orders.values()):
            bid, ask = self.mid - 8, self.mid + 8
            reached = order.price >= ask if order.side == Side.BUY else order.price <= bid
            near = abs(order.price - self.mid) <= 9 and self.random.random() < 0.05
            if order.is_open and (reached or near):
                left = order.qty - order.cum
                self.trade(order, left if reached else self.random.randint(1, left))
        rows = [(0, self.mid - 8 - n, 5000) for n in range(3)]
        rows += [(1, self.mid + 8 + n, 5000) for n in range(3)]
        self.play.next_update_id += 1
        book = self.play.engine.state.books[0]
        kept = {row[:2] for row in rows}
        for side in (0, 1):
            told = [int(ticks) for ticks in book["ticks"][side, : book["count"][side]]]
            rows += [(side, ticks, 0) for ticks in told if (side, ticks) not in kept]
        at = self.play.next_update_id
        snapshot = book["last_update_id"] == 0
        kind = E.SNAPSHOT if snapshot else E.DEPTH
        first = {} if snapshot else {"first_update_id": at}
        self.feed(kind, np.array(rows, np.int64), last_update_id=at, **first)

    def trade(self, order: Order, lots: int) -> None:
        """Execute so much of an order at its price, and report it."""
        order.cum += lots
        full = order.cum == order.qty
        order.state = OrderState.FILLED if full else OrderState.PARTIALLY_FILLED
        sign = 1 if order.side == Side.BUY else -1
        fee = lots  # A thousandth of what a buy brings, say.
        self.held[BTC] += sign * lots * 1000 - (fee if sign > 0 else 0)
        self.held[USDT] -= sign * lots * order.price * 10_000 + (0 if sign > 0 else fee)
        trade = {
            "trade_id": len(self.trades) + 1,
            "venue_order_id": venue_id(order.key),
            "side": order.side,
            "price_ticks": order.price,
            "qty_lots": lots,
            "fee_atoms": fee,
            "fee_asset": FeeAsset.BASE if sign > 0 else FeeAsset.QUOTE,
        }
        self.trades.append(trade)
        self.report(E.FILL, order_key=order.key, cum_qty_lots=order.cum, **trade)

    def report(self, kind: E, **fields: int) -> None:
        """Send a report on the user stream: in order, lost while it is down."""
        if self.user_up:
            stream = self.play.core["user_alive_ns"]
            self.later(5, lambda: self.feed(kind, **fields) if self.user_up and stream else None)

    # --- Requests.

    def take(self, action: dict[str, int]) -> None:
        """Receive one action of the engine."""
        kind = action["kind"]
        if kind in (A.SUBMIT, A.CANCEL_REPLACE, A.CANCEL):
            self.take_order(action)
        elif kind == A.QUERY_ORDER:
            self.later(self.wait_ms(), lambda: self.answer_query(action["target_key"]))
        elif kind == A.ASK_OPEN_ORDERS:
            self.later(self.wait_ms(), self.answer_open_orders)
        elif kind == A.ASK_TRADES:
            self.later(self.wait_ms(), lambda: self.answer_trades(action["trade_id"]))
        elif kind == A.ASK_BALANCES:
            self.later(self.wait_ms(), self.answer_balances)

    def take_order(self, action: dict[str, int]) -> None:
        """Let a create or cancel arrive, or be lost on the way or on the way back."""
        lost, unheard = self.goes_wrong(), self.goes_wrong()
        if lost or unheard:
            self.later(900, lambda: self.doubt(action))
        if not lost:
            self.later(self.wait_ms(), lambda: self.arrive(action, heard=not unheard))

    def doubt(self, action: dict[str, int]) -> None:
        """The connector gives up on a reply."""
        if action["target_key"]:
            self.feed(E.CANCEL_UNKNOWN, order_key=action["target_key"])
        if action["order_key"]:
            self.feed(E.OUTCOME_UNKNOWN, order_key=action["order_key"])

    def arrive(self, action: dict[str, int], heard: bool) -> None:
        """Do what was asked; the replies go back by themselves."""
        went = True
        if action["target_key"]:
            went = self.cancel(action["target_key"], heard)
        key = action["order_key"]
        if key and went:
            self.place(action, heard)
        elif key and heard:
            self.later(2, lambda: self.feed(E.REJECTED, order_key=key, code=NOT_ATTEMPTED))

    def cancel(self, key: int, heard: bool) -> bool:
        """Cancel an order that is open; reply and report come in either order."""
        order = self.orders.get(key)
        if order is None or not order.is_open:
            if heard:
                fields = {"order_key": key, "code": UNKNOWN_ORDER}
                self.later(self.wait_ms(), lambda: self.feed(E.CANCEL_REJECTED, **fields))
            return False
        order.state = OrderState.CANCELED
        told = {"order_key": key, "venue_order_id": venue_id(key), "cum_qty_lots": order.cum}
        if heard:
            self.later(self.random.uniform(1, 10), lambda: self.feed(E.CANCELED, **told))
        self.report(E.CANCELED, **told)
        return True

    def place(self, action: dict[str, int], heard: bool) -> None:
        """Place an order: refused where it would match, immediate where it is IOC."""
        key, side, price = action["order_key"], action["side"], action["price_ticks"]
        assert key not in self.orders, "a create arrived twice"
        crosses = price >= self.mid + 8 if side == Side.BUY else price <= self.mid - 8
        if action["post_only"] and crosses:
            if heard:
                fields = {"order_key": key, "code": WOULD_MATCH}
                self.later(2, lambda: self.feed(E.REJECTED, **fields))
            return
        order = self.orders[key] = Order(key, side, price, action["qty_lots"])
        told = {"order_key": key, "venue_order_id": venue_id(key)}
        if heard:
            self.later(self.random.uniform(1, 10), lambda: self.feed(E.ACCEPTED, **told))
        self.report(E.ACCEPTED, **told)
        if action["time_in_force"] == TimeInForce.IOC:
            if crosses:
                self.trade(order, order.qty)
            else:
                order.state = OrderState.EXPIRED
                self.report(E.EXPIRED, **told)

    # --- Questions.

    def status(self, order: Order) -> None:
        """Tell all of one order."""
        self.feed(
            E.ORDER_STATUS,
            order_key=order.key,
            venue_order_id=venue_id(order.key),
            found=1,
            status=order.state,
            side=order.side,
            price_ticks=order.price,
            qty_lots=order.qty,
            cum_qty_lots=order.cum,
        )

    def answer_query(self, key: int) -> None:
        """Tell what an order is, or that there is none."""
        order = self.orders.get(key)
        if self.goes_wrong():
            self.feed(E.QUERY_FAILED, order_key=key, code=-1003)
        elif order is None:
            self.feed(E.ORDER_STATUS, order_key=key, code=-2013)
        else:
            self.status(order)

    def answer_open_orders(self) -> None:
        """List what is open."""
        if self.goes_wrong():
            return
        opened = [order for order in self.orders.values() if order.is_open]
        for order in opened:
            self.status(order)
        self.feed(E.OPEN_ORDERS_END, order_count=len(opened), until_ns=self.play.now_ns)

    def answer_trades(self, trade_id: int) -> None:
        """List own trades from an id on."""
        if self.goes_wrong():
            return
        listed = [trade for trade in self.trades if trade["trade_id"] >= trade_id]
        for trade in listed:
            self.feed(E.FILL, **trade)
        self.feed(E.TRADES_END, order_count=len(listed), trade_id=len(self.trades))

    def answer_balances(self) -> None:
        """Tell what the account holds."""
        if self.goes_wrong():
            return
        for asset, held in self.held.items():
            self.feed(E.BALANCE, asset=asset, free_atoms=held)
        self.feed(E.BALANCES_END)
