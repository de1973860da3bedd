"""What is true for the checkers: what the exchange did, and what is on its way to it.

Owns the judge's own count of our trades, orders and requests, read from the exchange behind its
faults and from the frames that left. Must not ask the engine anything, nor use the daemon's
decoders: a mistake that both made would be seen by nobody.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

from hftd.domain.events import Link
from hftd.domain.order import parse_client_order_id
from hftd.drivers.watch import Checker, Watch, World
from hftd.journal.record import Record, RecordType
from hftd.simex.exchange import Exchange
from hftd.simex.orders import AccountTrade, Order, OrderBookkeeping
from hftd.simex.requests import Side

ACCOUNT = 1
MS_NS = 1_000_000
BUY, SELL = 0, 1

# Faults that tell, in sequence and well-formed, levels which the book does not have: no client
# can know before the next snapshot.
BOOK_LIES = (
    "crossed_book", "locked_book", "one_sided_book", "empty_book", "absurd_price", "moved_prices",
    "corrupt",
)  # fmt: skip

BY_HAND = {
    "truncate": "frame cut in half",
    "cancel_unasked": "operator canceled at the exchange",
    "foreign_trade": "operator traded at the exchange",
}


class Create(NamedTuple):
    """A new order as its frame asked for it; times are the world's."""

    client_order_id: str
    key: int
    request_id: str
    instrument: int
    side: int
    price_ticks: int
    qty_lots: int
    replaces: str
    sent_ns: int
    dead_ns: int
    timestamp_ms: int


class Asked(NamedTuple):
    """One request on the order link, as the exchange will read it."""

    request_id: str
    method: str
    cancels: str


class Answer(msgspec.Struct):
    """The head of a reply, and what it says of a refusal."""

    id: str | int | None = None
    status: int = 0
    error: Refused | None = None


class Refused(msgspec.Struct):
    """A refusal as the exchange words it."""

    code: int = 0
    msg: str = ""
    data: Detail | None = None


class Detail(msgspec.Struct, rename="camel"):
    """Beside a refusal for rate: until when to be quiet."""

    server_time: int = 0
    retry_after: int = 0


class _Params(msgspec.Struct, rename="camel"):
    symbol: str = ""
    side: str = ""
    price: str = ""
    quantity: str = ""
    new_client_order_id: str = ""
    orig_client_order_id: str = ""
    cancel_orig_client_order_id: str = ""
    recv_window: int = 5000
    timestamp: int = 0


class _Request(msgspec.Struct):
    id: str | int
    method: str
    params: _Params


_request = msgspec.json.Decoder(_Request)
_answer = msgspec.json.Decoder(Answer)


def key_of(client_order_id: str) -> int:
    """Return the key in a client order id of ours, whatever its tag."""
    return parse_client_order_id(client_order_id.split("-")[1], client_order_id)


class Truth(Checker):
    """Our orders and trades at the exchange, and our creates that it may yet take.

    A create is in flight until the exchange has it, or has refused it for good, or can take it
    no more (timestamp plus recvWindow). ``changed`` tells whether anything moved in this step.
    """

    READS = ((RecordType.FRAME_IN, Link.ORDER),)

    def __init__(self, world: World, watch: Watch) -> None:
        super().__init__(world, watch)
        self._world = world
        self._exchange = world.venue.exchange
        self._exec_id = -1
        self.symbols = [instrument.symbol for instrument in world.instruments]
        count = len(self.symbols)
        self.prefix = "h1-"  # Of our client ids; the tag is read from the first that leaves.
        self.changed = True
        self.position_lots = [0] * count
        self.paid_atoms = [0] * count  # Quote given for what is held, fees apart.
        self.trades: dict[tuple[int, int], AccountTrade] = {}
        self.foreign_trades: dict[tuple[int, int], AccountTrade] = {}
        self.self_trades: list[AccountTrade] = []
        self.open: list[Order] = []
        self.in_flight: dict[str, Create] = {}
        self.asked: Asked | None = None  # The request that is leaving now.
        self.create: Create | None = None  # The new order that it asks for.
        self.answer: Answer | None = None  # The last reply that came in.
        self.book_lied_ns = 0  # When a fault last told levels that are not the book's.
        self._faults_seen = 0
        self._trades_seen = [0] * count
        self._last_trade_id = [0] * count
        self._ours: dict[tuple[str, int], bool] = {}

    # --- what leaves and what is answered -------------------------------------------------

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """Read a request of the order link."""
        self.asked = self.create = None
        if link != Link.ORDER:
            return
        request = _request.decode(frame)
        params = request.params
        cancels = params.cancel_orig_client_order_id
        if request.method == "order.cancel":
            cancels = params.orig_client_order_id
        if params.new_client_order_id and request.method in ("order.place", "order.cancelReplace"):
            self.create = create = self._create(str(request.id), params)
            self.in_flight[create.client_order_id] = create
            self.prefix = "-".join(create.client_order_id.split("-")[:2]) + "-"
            self.changed = True
        self.asked = Asked(str(request.id), request.method, cancels)

    def _create(self, request_id: str, params: _Params) -> Create:
        index = self.symbols.index(params.symbol)
        instrument = self._world.instruments[index]
        now_ns = self._world.now_ns
        return Create(
            params.new_client_order_id,
            key_of(params.new_client_order_id),
            request_id,
            index,
            BUY if params.side == "BUY" else SELL,
            int(Decimal(params.price) * 10**8) // instrument.tick_e8,
            int(Decimal(params.quantity) * 10**8) // instrument.lot_e8,
            params.cancel_orig_client_order_id,
            now_ns,
            now_ns + params.recv_window * MS_NS,
            params.timestamp,
        )

    def on_record(self, record: Record) -> None:
        """Read a reply: a create that is refused for good is in flight no more."""
        self.answer = None
        try:
            answer = _answer.decode(record.payload[1:])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        self.answer = answer
        if 400 <= answer.status < 500 and isinstance(answer.id, str):
            for create in list(self.in_flight.values()):
                if create.request_id == answer.id:
                    del self.in_flight[create.client_order_id]

    # --- what happened --------------------------------------------------------------------

    def on_turn(self, world: World) -> None:
        """Take in what the exchange did since the last turn."""
        exchange = world.venue.exchange
        if len(world.script.log) != self._faults_seen:
            self._read_faults(world)
        if self.in_flight:
            self._forget_the_dead(world.now_ns)
        if exchange.exec_id != self._exec_id or exchange is not self._exchange:
            self._take_in(exchange)
        if self.changed:
            self.watch.stir()

    def _take_in(self, exchange: Exchange) -> None:
        self.changed = True
        self._exec_id, self._exchange = exchange.exec_id, exchange
        book = exchange.bookkeeping(ACCOUNT)
        for index, symbol in enumerate(self.symbols):
            self._take_trades(book, index, book.trades.get(symbol, []))
        self.open = [
            order for order in book.open.values() if order.client_order_id.startswith(self.prefix)
        ]
        for name, create in list(self.in_flight.items()):
            if book.find_by_client_id(self.symbols[create.instrument], name) is not None:
                del self.in_flight[name]

    def _read_faults(self, world: World) -> None:
        log = world.script.log
        for entry in log[self._faults_seen :]:
            if entry["fault"] in BOOK_LIES:
                self.book_lied_ns = world.now_ns
            if entry["fault"] in BY_HAND:
                self.watch.sometimes(BY_HAND[entry["fault"]])
        self._faults_seen = len(log)

    def settled(self) -> None:
        """All checkers have seen this step."""
        self.changed = False

    def _forget_the_dead(self, now_ns: int) -> None:
        dead = [name for name, create in self.in_flight.items() if create.dead_ns < now_ns]
        for name in dead:
            del self.in_flight[name]
            self.changed = True

    def _take_trades(self, book: OrderBookkeeping, index: int, trades: list[AccountTrade]) -> None:
        begin = self._trades_seen[index]
        if begin > len(trades):  # The exchange keeps the newest alone, or began anew.
            begin = 0
        for trade in trades[begin:]:
            if trade.trade_id < self._last_trade_id[index]:
                continue
            self._last_trade_id[index] = trade.trade_id
            self._take_trade(book, index, trade)
        self._trades_seen[index] = len(trades)

    def _take_trade(self, book: OrderBookkeeping, index: int, trade: AccountTrade) -> None:
        key = (index, trade.trade_id)
        if not self.is_ours(book, trade):  # By hand, and be it against a quote of ours.
            self.foreign_trades[key] = trade
            return
        if key in self.trades:
            self.self_trades.append(trade)
            return
        self.trades[key] = trade
        sign = 1 if trade.is_buyer else -1
        self.position_lots[index] += sign * trade.qty_lots
        self.paid_atoms[index] += sign * trade.quote_atoms

    def is_ours(self, book: OrderBookkeeping, trade: AccountTrade) -> bool:
        """Return whether a trade of the account is of an order that bears our tag."""
        key = (trade.symbol, trade.order_id)
        if key not in self._ours:
            order = book.find(*key)
            self._ours[key] = order is not None and order.client_order_id.startswith(self.prefix)
        return self._ours[key]

    def worst_lots(self, index: int) -> tuple[int, int]:
        """Return the furthest that buys and sells could bring the position: long, short."""
        buys = sells = 0
        symbol = self.symbols[index]
        for order in self.open:
            if order.symbol != symbol:
                continue
            if order.side is Side.BUY:
                buys += order.leaves_lots
            else:
                sells += order.leaves_lots
        for create in self.in_flight.values():
            if create.instrument == index and create.side == BUY:
                buys += create.qty_lots
            elif create.instrument == index:
                sells += create.qty_lots
        return self.position_lots[index] + buys, sells - self.position_lots[index]
