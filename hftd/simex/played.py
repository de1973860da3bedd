"""A market that plays messages of another venue; our orders fill through a queue-position model.

Owns what recorded and followed markets have in common: the displayed book and its sequence, the
ids that are shown, and our orders. ``tape`` plays files at a pace, ``live`` what has just come
in. Knows no balances, protocol text, files or clocks; ``tape_book`` holds what is displayed,
``queue`` decides when resting orders fill.

What it does. Depth events, trades and bookTickers are restamped with the venue's clock; update
ids and trade ids are the recorded ones. What takes liquidity takes what is displayed, at once
and at its prices. Where depth events are missing, or the line was lost, the market closes:
orders are refused, what rests can be canceled, nothing is shown or filled. The next snapshot
that later events join opens it again, and one depth event leads from the last book to that one.

What it does not. Our orders do not change the recording: what they take stays displayed (no
impact), so that the rest of a limit order that took all it could reach fills again at the next
event; and users' orders never meet one another.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hftd.simex.doubt import Doubts
from hftd.simex.market import ID_GAP, Reports, State, SymbolSpec
from hftd.simex.queue import Filled, Queues
from hftd.simex.queue_model import QueueModel
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
from hftd.simex.tape_book import TapeBook
from hftd.simex.tape_lines import Message, TapeDepth, TapeLost, TapeSnapshot, TapeTrade

MARKET_CLOSED = (-2010, "Market is closed.")

FAR_BACK_LOTS = 1 << 40
"""What is ahead of an order that comes back to a book which nobody sees: the next display cuts
it to what is there."""

MAX_WAITING = 10_000
"""Depth events kept while a snapshot is awaited; beyond them the wait begins again."""


class PlayedMarket:
    """One symbol of another venue. ``doubts`` asks the optimist beside the model."""

    takes_all_orders = False

    def __init__(self, spec: SymbolSpec, model: QueueModel, *, doubts: bool) -> None:
        self.spec = spec
        self.doubts = Doubts() if doubts else None
        self._queues = Queues(model)
        self._order_id = 0
        self._fill_id = 0
        self._shift = 0  # Added to recorded update ids.
        self._trade_id = 0
        self._trade_shift: int | None = 0  # None: the next trade continues ``_trade_id``.
        self._last_price_ticks = 0
        self._touch: TouchChanged | None = None
        self._book = TapeBook(TapeSnapshot(0, 0, [], []))
        self._missing = ""  # Which updates are missing; empty while the book is whole.
        self._waiting: list[TapeDepth] = []

    @property
    def closed(self) -> bool:
        """Whether orders are refused: the book is not whole."""
        return bool(self._missing)

    # --- the port -------------------------------------------------------------------------

    def next_order_id(self) -> int:
        """Take the next order id."""
        self._order_id += 1
        return self._order_id

    def place(self, order: Place, ts_ns: int) -> Reports:
        """Take what is displayed, and queue what is left."""
        if self.closed:
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
        if self.doubts is not None:
            self.doubts.leave(order_id)
        if queued is None:
            return [CancelRejected(order_id, ts_ns)]
        return [Canceled(order_id, queued.order.account, queued.leaves, ts_ns)]

    def hit(self, order_id: int, qty_lots: int, ts_ns: int) -> Reports:
        """Let a stranger take lots of an order, out of its turn: a fault's fill."""
        reports: Reports = []
        if self.doubts is not None:
            self.doubts.hit(order_id, qty_lots)
        self._report_fills(self._queues.hit(order_id, qty_lots), ts_ns, reports)
        return reports

    def amend(self, order_id: int, leaves_lots: int, budget: int, ts_ns: int) -> Reports:
        """Leave less of an order in its queue."""
        account = self._queues.shrink(order_id, leaves_lots).order.account
        if self.doubts is not None:
            self.doubts.shrink(order_id, leaves_lots)
        return [Amended(order_id, account, leaves_lots, ts_ns)]

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

    def adopt(self, orders: Sequence[Place], ts_ns: int) -> None:
        """Make exactly ``orders`` the resting orders of users; see the port."""
        known = {queued.order.order_id: queued for queued in self._queues}
        wanted = {order.order_id: order for order in orders}
        for order_id, queued in known.items():
            order = wanted.get(order_id)
            if order is None:
                self.cancel(order_id, ts_ns)
            else:
                queued.leaves = min(queued.leaves, order.qty_lots)
        for order in orders:
            if order.order_id not in known:
                self._join(order, order.qty_lots)

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
        if self._missing:
            displayed = FAR_BACK_LOTS
        self._queues.join(order, leaves, displayed, self._book.newest_id())
        if self.doubts is not None:
            self.doubts.join(order, leaves, displayed, self._book.newest_id())

    def _report_fills(self, fills: Sequence[Filled], ts_ns: int, reports: Reports) -> None:
        if self.doubts is not None:
            self.doubts.settled(fills)
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

    def _play(self, message: Message, ts_ns: int, reports: Reports) -> None:
        if isinstance(message, TapeSnapshot):
            if self._missing:
                self._resync(message, ts_ns, reports)
        elif isinstance(message, TapeLost):
            self._missing = message.why
            self._waiting.clear()
        elif isinstance(message, TapeDepth):
            self._play_depth(message, ts_ns, reports)
        elif self._missing:
            return
        elif isinstance(message, TapeTrade):
            self._play_trade(message, ts_ns, reports)
        elif self._book.show(message):
            reports.append(self._show_book(ts_ns))
            self._cross(ts_ns, reports)

    def _play_depth(self, depth: TapeDepth, ts_ns: int, reports: Reports) -> None:
        first = self._book.update_id + 1
        if not self._missing and not self._book.apply(depth):
            self._missing = f"updates {first} to {depth.first_update_id - 1} are missing"
            self._waiting.clear()
        if self._missing:
            if len(self._waiting) == MAX_WAITING:
                self._waiting.clear()
            self._waiting.append(depth)
            return
        last = self._book.update_id
        if last < first:
            return
        bids, asks, shift = depth.bids, depth.asks, self._shift
        reports.append(DepthChanged(first + shift, last + shift, ts_ns, bids, asks))
        self._follow(depth.event_ns, ts_ns, reports)

    def _resync(self, snapshot: TapeSnapshot, ts_ns: int, reports: Reports) -> None:
        # A snapshot that the waiting events do not join is too old: the next one may do.
        book = TapeBook(snapshot)
        if all(book.apply(depth) for depth in self._waiting):
            self._missing = ""
            self._waiting.clear()
            self._lead_to(book, ts_ns, reports)

    def _lead_to(self, book: TapeBook, ts_ns: int, reports: Reports) -> None:
        # One event leads from the book shown to another one. Ids go on: by the recording's own
        # where they are beyond all that were shown, else moved there.
        before, self._book = self._book, book
        first = before.update_id + self._shift + 1
        shown = max(first, self._touch.update_id if self._touch else 0)
        if book.update_id + self._shift <= shown:
            self._shift = shown + 1 - book.update_id
        self._trade_shift = None
        self._queues.rewind()
        if self.doubts is not None:
            self.doubts.rewind()
        bids, asks = book.changes_from(before)
        reports.append(DepthChanged(first, book.update_id + self._shift, ts_ns, bids, asks))
        self._follow(0, ts_ns, reports)

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
        if self.doubts is not None:
            self.doubts.display(self._book.depth_at, self._book.update_id, event_ns)
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
        if self.doubts is not None:
            self.doubts.trade(taker_side, price_ticks, qty_lots, trade.event_ns)
        fills = self._queues.trade(taker_side, price_ticks, qty_lots, trade.event_ns)
        self._report_fills(fills, ts_ns, reports)

    def _cross(self, ts_ns: int, reports: Reports) -> None:
        if self._queues:
            bid_ticks, _, ask_ticks, _ = self._book.best()
            if self.doubts is not None:
                self.doubts.cross(bid_ticks, ask_ticks)
            self._report_fills(self._queues.cross(bid_ticks, ask_ticks), ts_ns, reports)

    def _show_book(self, ts_ns: int) -> TouchChanged:
        book = self._book
        self._touch = TouchChanged(book.newest_id() + self._shift, ts_ns, *book.best())
        return self._touch

    # --- memory ---------------------------------------------------------------------------

    def _dump_played(self) -> State:
        # The ids reached and our orders with their places.
        touch_id = self._touch.update_id if self._touch else 0
        return {
            "update_id": max(touch_id, self._book.update_id + self._shift),
            "trade_id": self._trade_id,
            "last_price_ticks": self._last_price_ticks,
            "order_id": self._order_id,
            "fill_id": self._fill_id,
            "queues": self._queues.dump(),
            "doubts": None if self.doubts is None else self.doubts.dump(),
        }

    def _load_played(self, state: State) -> None:
        self._shift = state["update_id"] + ID_GAP - self._book.update_id
        self._trade_id, self._trade_shift = state["trade_id"] + ID_GAP, None
        self._last_price_ticks = state["last_price_ticks"]
        self._order_id = state["order_id"] + ID_GAP
        self._fill_id = state["fill_id"] + ID_GAP
        self._queues.load(state["queues"])
        doubts = state.get("doubts")  # States of versions before this one have none.
        if self.doubts is not None and doubts is not None:
            self.doubts.load(doubts)


def _expired(order: Place, leaves: int, reason: ExpiryReason, ts_ns: int) -> Expired:
    return Expired(order.order_id, order.account, leaves, reason, ts_ns)
