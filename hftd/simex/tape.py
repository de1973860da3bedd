"""A market that plays recorded messages; our orders fill through a queue-position model.

Owns the play: which line is due when, the ids that are shown, and our orders on the tape.
Knows no balances, protocol text or clocks; ``tape_reel`` reads, ``tape_book`` holds what is
displayed, ``queue`` decides when resting orders fill.

What it does. The tape begins at its REST snapshot, with the depth events before it applied by
the venue's rule. Depth events, trades and bookTickers come at the tape's own pace, or
``speed`` times that, restamped with the venue's clock; update ids and trade ids are the
recorded ones. What takes liquidity takes what is displayed, at once and at its prices.

What it does not. Our orders do not change the recording: what they take stays displayed (no
impact), so that the rest of a limit order that took all it could reach fills again at the next
event; and users' orders never meet one another.

At the end of a tape the market closes: orders are refused, what rests can be canceled, nothing
is due. With ``loop`` it begins again instead: one depth event leads from the last book to the
first, and ids go on. A tape also ends where events are missing or a line cannot be read;
``ended_by`` says which.
"""

# long: what is due, what is shown and what our orders make of it are one play.

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from hftd.simex.market import CUT_NS, ID_GAP, Reports, State, SymbolSpec
from hftd.simex.queue import Filled, Queues
from hftd.simex.queue_model import PESSIMISTIC, QueueModel
from hftd.simex.refusals import WOULD_TAKE
from hftd.simex.requests import (
    TAPE_ACCOUNT,
    Accepted,
    Amended,
    Canceled,
    CancelRejected,
    DepthChanged,
    DepthSnapshot,
    Expired,
    ExpiryReason,
    Kind,
    Place,
    Rejected,
    Side,
    TimeInForce,
    TouchChanged,
    Trade,
)
from hftd.simex.tape_lines import Message, TapeDepth, TapeTouch, TapeTrade, read_lines
from hftd.simex.tape_reel import AT_END, TapeReel

MARKET_CLOSED = (-2010, "Market is closed.")

BTCUSDT_SPEC = SymbolSpec("BTCUSDT", "BTC", "USDT", "0.01", "0.00001")
"""The steps of the recorded symbol, as its venue had them in 2024."""


class TapeMarket:
    """One symbol of one recording. Files of ``paths`` follow one another without a gap."""

    takes_all_orders = False

    def __init__(
        self,
        spec: SymbolSpec,
        paths: Sequence[Path],
        speed: str = "1",
        loop: bool = False,
        model: QueueModel = PESSIMISTIC,
    ) -> None:
        self.spec = spec
        assert Fraction(speed) > 0, f"speed must be positive, was {speed}"
        self._speed = Fraction(speed).as_integer_ratio()
        self._loop = loop
        self._queues = Queues(model)
        self._order_id = 0
        self._fill_id = 0
        self._anchor_ns = 0  # When, by the venue's clock, the snapshot's line was due.
        self._shift = 0  # Added to recorded update ids.
        self._trade_id = 0
        self._trade_shift: int | None = 0  # None: the next trade continues ``_trade_id``.
        self._last_price_ticks = 0
        self._touch: TouchChanged | None = None
        self._due_ns: int | None = None
        self._halted_ns: int | None = None
        self._next: Message | None = None
        self._reel = TapeReel(lambda: read_lines(paths), " ".join(map(str, paths)), spec)
        self._book = self._reel.begin()

    @property
    def ended_by(self) -> str:
        """Say why nothing is due any more; empty while something is."""
        return self._reel.ended_by if self._due_ns is None else ""

    # --- the port -------------------------------------------------------------------------

    def start(self, ts_ns: int) -> None:
        """Play from the snapshot on."""
        self._anchor_ns = ts_ns
        self._show_book(ts_ns)
        self._pull(ts_ns)

    def next_order_id(self) -> int:
        """Take the next order id."""
        self._order_id += 1
        return self._order_id

    def next_ns(self) -> int | None:
        """Return when the next line is due; None after the end and while the tape is stopped."""
        return self._due_ns if self._halted_ns is None else None

    def advance(self, ts_ns: int) -> Reports:
        """Play what is due."""
        reports: Reports = []
        while (due_ns := self.next_ns()) is not None and due_ns <= ts_ns:
            message = self._next
            if message is None:
                self._begin_again(due_ns, reports)
            else:
                self._play(message, due_ns, reports)
            self._pull(due_ns)
        return reports

    def place(self, order: Place, ts_ns: int) -> Reports:
        """Take what is displayed, and queue what is left."""
        if self._due_ns is None:
            return [Rejected(order.order_id, order.account, *MARKET_CLOSED, ts_ns)]
        takes = self._takes(order)
        if order.kind is Kind.LIMIT_MAKER and takes:
            return [Rejected(order.order_id, order.account, *WOULD_TAKE, ts_ns)]
        reports: Reports = [Accepted(order.order_id, order.account, ts_ns)]
        leaves = order.qty_lots - sum(lots for _, lots in takes)
        if order.tif is TimeInForce.FOK and leaves:
            reports.append(_expired(order, order.qty_lots, ExpiryReason.FOK, ts_ns))
            return reports
        for price_ticks, lots in takes:
            fill_id = self._next_fill_id()
            reports.append(
                Trade(
                    fill_id,
                    ts_ns,
                    price_ticks,
                    lots,
                    order.side,
                    0,
                    order.order_id,
                    TAPE_ACCOUNT,
                    order.account,
                    public=False,
                )
            )
        if leaves and order.kind is Kind.MARKET:
            reports.append(_expired(order, leaves, ExpiryReason.NO_LIQUIDITY, ts_ns))
        elif leaves and order.tif is TimeInForce.IOC:
            reports.append(_expired(order, leaves, ExpiryReason.IOC, ts_ns))
        elif leaves:
            self._join(order, leaves)
        return reports

    def cancel(self, order_id: int, ts_ns: int) -> Reports:
        """Take an order out of its queue."""
        queued = self._queues.leave(order_id)
        if queued is None:
            return [CancelRejected(order_id, ts_ns)]
        return [Canceled(order_id, queued.order.account, queued.leaves, ts_ns)]

    def hit(self, order_id: int, qty_lots: int, ts_ns: int) -> Reports:
        """Let a stranger take lots of an order, out of its turn: a fault's fill."""
        reports: Reports = []
        self._report_fills(self._queues.hit(order_id, qty_lots), ts_ns, reports)
        return reports

    def amend(self, order_id: int, leaves_lots: int, budget: int, ts_ns: int) -> Reports:
        """Leave less of an order in its queue."""
        account = self._queues.shrink(order_id, leaves_lots).order.account
        return [Amended(order_id, account, leaves_lots, ts_ns)]

    def halt(self, ts_ns: int) -> None:
        """Stop the tape."""
        if self._halted_ns is None:
            self._halted_ns = ts_ns

    def resume(self, ts_ns: int) -> None:
        """Play on from where the tape was stopped."""
        if self._halted_ns is None:
            return
        elapsed_ns, self._halted_ns = ts_ns - self._halted_ns, None
        self._anchor_ns += elapsed_ns
        if self._due_ns is not None:
            self._due_ns += elapsed_ns

    def best(self) -> TouchChanged | None:
        """Return the touch last shown."""
        return self._touch

    def last_price_ticks(self) -> int:
        """Return the price of the last recorded trade, else the mid, else 0."""
        bid_ticks, _, ask_ticks, _ = self._book.best()
        if self._last_price_ticks or not (bid_ticks and ask_ticks):
            return self._last_price_ticks
        return (bid_ticks + ask_ticks) // 2

    def levels(self, side: Side) -> Iterator[tuple[int, int]]:
        """Yield what is displayed now, best first."""
        return self._book.levels(side)

    def liquidity(self, side: Side) -> Iterator[tuple[int, int]]:
        """Yield what is displayed now: nothing more is known."""
        return self._book.levels(side)

    def snapshot(self, limit: int) -> DepthSnapshot:
        """Return the book as of the last depth event."""
        snapshot = self._book.snapshot(limit)
        return DepthSnapshot(snapshot.update_id + self._shift, snapshot.bids, snapshot.asks)

    # --- our orders -----------------------------------------------------------------------

    def _takes(self, order: Place) -> list[tuple[int, int]]:
        # What the order takes of the displayed book: (price_ticks, lots).
        opposite = Side.SELL if order.side is Side.BUY else Side.BUY
        sign = 1 if order.side is Side.BUY else -1
        takes: list[tuple[int, int]] = []
        leaves, budget = order.qty_lots, order.budget
        for price_ticks, displayed in self._book.levels(opposite):
            if order.kind is not Kind.MARKET and (order.price_ticks - price_ticks) * sign < 0:
                break
            lots = min(leaves, displayed)
            if order.budget:
                lots = min(lots, budget // price_ticks)
                budget -= lots * price_ticks
            if lots == 0:
                break
            takes.append((price_ticks, lots))
            leaves -= lots
        return takes

    def _join(self, order: Place, leaves: int) -> None:
        displayed = self._book.qty_at(order.side, order.price_ticks)
        self._queues.join(order, leaves, displayed, self._book.newest_id())

    def _report_fills(self, fills: Sequence[Filled], ts_ns: int, reports: Reports) -> None:
        for fill in fills:
            order = fill.order
            reports.append(
                Trade(
                    self._next_fill_id(),
                    ts_ns,
                    order.price_ticks,
                    fill.qty_lots,
                    Side.SELL if order.side is Side.BUY else Side.BUY,
                    order.order_id,
                    0,
                    order.account,
                    TAPE_ACCOUNT,
                    public=False,
                )
            )

    def _next_fill_id(self) -> int:
        self._fill_id += 1
        return self._fill_id

    # --- the play -------------------------------------------------------------------------

    def _pull(self, ts_ns: int) -> None:
        # Reads ahead to the next message; at the end a loop is due to begin again.
        self._next = self._reel.next()
        if self._next is not None:
            over, under = self._speed
            elapsed_ns = (self._next.local_ns - self._reel.first_ns) * under // over
            self._due_ns = max(ts_ns, self._anchor_ns + elapsed_ns)
        else:
            again = self._loop and self._reel.ended_by == AT_END
            self._due_ns = ts_ns + CUT_NS if again else None

    def _begin_again(self, ts_ns: int, reports: Reports) -> None:
        before = self._book
        first = before.update_id + self._shift + 1
        last = 1 + max(first, self._touch.update_id if self._touch else 0)
        self._book = self._reel.begin()
        self._anchor_ns, self._shift = ts_ns, last - self._book.update_id
        self._trade_shift = None
        self._queues.rewind()
        bids, asks = self._book.changes_from(before)
        reports.append(DepthChanged(first, last, ts_ns, bids, asks))
        self._follow(0, ts_ns, reports)

    def _play(self, message: Message, ts_ns: int, reports: Reports) -> None:
        if isinstance(message, TapeDepth):
            self._play_depth(message, ts_ns, reports)
        elif isinstance(message, TapeTrade):
            self._play_trade(message, ts_ns, reports)
        elif isinstance(message, TapeTouch) and self._book.show(message):
            reports.append(self._show_book(ts_ns))
            self._cross(ts_ns, reports)

    def _play_depth(self, depth: TapeDepth, ts_ns: int, reports: Reports) -> None:
        first = self._book.update_id + 1
        if not self._book.apply(depth):
            self._reel.end(f"updates {first} to {depth.first_update_id - 1} are missing")
            return
        last = self._book.update_id
        if last < first:
            return
        bids, asks, shift = depth.bids, depth.asks, self._shift
        reports.append(DepthChanged(first + shift, last + shift, ts_ns, bids, asks))
        self._follow(depth.event_ns, ts_ns, reports)

    def _follow(self, event_ns: int, ts_ns: int, reports: Reports) -> None:
        # What every change of the book brings: the touch it shows, and our orders' places.
        shown = self._touch
        displayed = self._book.best()
        if shown is None or displayed != (
            shown.bid_ticks,
            shown.bid_lots,
            shown.ask_ticks,
            shown.ask_lots,
        ):
            reports.append(self._show_book(ts_ns))
        if not self._queues:
            return
        self._queues.display(self._book.depth_at, self._book.update_id, event_ns)
        self._cross(ts_ns, reports)

    def _play_trade(self, trade: TapeTrade, ts_ns: int, reports: Reports) -> None:
        if self._trade_shift is None:
            self._trade_shift = self._trade_id + 1 - trade.trade_id
        self._trade_id = trade.trade_id + self._trade_shift
        self._last_price_ticks = trade.price_ticks
        taker_side = Side.SELL if trade.buyer_is_maker else Side.BUY
        price_ticks, qty_lots = trade.price_ticks, trade.qty_lots
        reports.append(
            Trade(
                self._trade_id,
                ts_ns,
                price_ticks,
                qty_lots,
                taker_side,
                0,
                0,
                TAPE_ACCOUNT,
                TAPE_ACCOUNT,
            )
        )
        fills = self._queues.trade(taker_side, price_ticks, qty_lots, trade.event_ns)
        self._report_fills(fills, ts_ns, reports)

    def _cross(self, ts_ns: int, reports: Reports) -> None:
        if self._queues:
            bid_ticks, _, ask_ticks, _ = self._book.best()
            self._report_fills(self._queues.cross(bid_ticks, ask_ticks), ts_ns, reports)

    def _show_book(self, ts_ns: int) -> TouchChanged:
        book = self._book
        self._touch = TouchChanged(book.newest_id() + self._shift, ts_ns, *book.best())
        return self._touch

    # --- memory ---------------------------------------------------------------------------

    def dump(self) -> State:
        """Return the place on the tape, the ids reached and our orders with their places."""
        touch_id = self._touch.update_id if self._touch else 0
        return {
            "first_ns": self._reel.first_ns,
            "lines_read": self._reel.lines_read - (self._next is not None),
            "anchor_ns": self._anchor_ns,
            "due_ns": self._due_ns or 0,
            "update_id": max(touch_id, self._book.update_id + self._shift),
            "trade_id": self._trade_id,
            "last_price_ticks": self._last_price_ticks,
            "order_id": self._order_id,
            "fill_id": self._fill_id,
            "queues": self._queues.dump(),
        }

    def load(self, state: State, shift_ns: int) -> None:
        """Find the place on the tape again by reading up to it.

        A state of another tape gives its ids and orders alone: this one begins at its start.
        """
        self._anchor_ns = state["anchor_ns"] + shift_ns
        if state["first_ns"] != self._reel.first_ns:
            self._anchor_ns = state["due_ns"] + shift_ns
        else:
            self._reel.wind(state["lines_read"], self._book)
        self._shift = state["update_id"] + ID_GAP - self._book.update_id
        self._trade_id, self._trade_shift = state["trade_id"] + ID_GAP, None
        self._last_price_ticks = state["last_price_ticks"]
        self._order_id = state["order_id"] + ID_GAP
        self._fill_id = state["fill_id"] + ID_GAP
        self._queues.load(state["queues"])
        begun_ns = state["due_ns"] + shift_ns if state["due_ns"] else self._anchor_ns
        self._show_book(begun_ns)
        self._pull(begun_ns)

    def adopt(self, orders: Sequence[Place], ts_ns: int) -> None:
        """Make exactly ``orders`` the resting orders of users; see the port."""
        known = {queued.order.order_id: queued for queued in self._queues}
        wanted = {order.order_id: order for order in orders}
        for order_id, queued in known.items():
            order = wanted.get(order_id)
            if order is None:
                self._queues.leave(order_id)
            else:
                queued.leaves = min(queued.leaves, order.qty_lots)
        for order in orders:
            if order.order_id not in known:
                self._join(order, order.qty_lots)


def _expired(order: Place, leaves: int, reason: ExpiryReason, ts_ns: int) -> Expired:
    return Expired(order.order_id, order.account, leaves, reason, ts_ns)
