"""Reads a tape: lines of text become numbers.

Owns the format. Knows no market, no queue and no clock. A tape is text, plain or gzip; a line is

    <local receive time, ns> <JSON>

where the JSON is a combined-stream frame ``{"stream": ..., "data": ...}`` of a depth, trade or
bookTicker stream, or, inline, the reply of a REST depth query (``lastUpdateId``, ``bids``,
``asks``). A tape of several symbols says ``symbol`` in such a reply. The reply of an exchangeInfo
query, which a recorder writes first, gives the symbols' steps. Where a recorder lost its line
it writes ``{"lost": "why"}``: what follows joins nothing before it. Other lines are passed over.
Prices and quantities are decimals in text.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

import msgspec
from msgspec import Struct

from hftd.simex.market import ATOMS, SymbolSpec
from hftd.simex.numbers import exact_atoms

MAX_LINE_BYTES = 8_000_000
"""A REST reply of 5,000 levels a side is 300 kB; a longer line than this is no tape."""

LISTING_LINES = 10
"""A tape that lists its symbols does so within so many lines."""

Levels: TypeAlias = list[tuple[int, int]]


class TapeDepth(Struct, frozen=True):
    """A depth event: absolute quantities, ids on the recording venue's axis."""

    local_ns: int
    event_ns: int
    first_update_id: int
    last_update_id: int
    bids: Levels
    asks: Levels


class TapeTrade(Struct, frozen=True):
    """A public trade."""

    local_ns: int
    event_ns: int
    trade_id: int
    price_ticks: int
    qty_lots: int
    buyer_is_maker: bool


class TapeTouch(Struct, frozen=True):
    """A bookTicker."""

    local_ns: int
    update_id: int
    bid_ticks: int
    bid_lots: int
    ask_ticks: int
    ask_lots: int


class TapeSnapshot(Struct, frozen=True):
    """A REST depth reply."""

    local_ns: int
    update_id: int
    bids: Levels
    asks: Levels


class TapeLost(Struct, frozen=True):
    """The recorder's line was down: messages are missing, and ids may begin anew."""

    local_ns: int
    why: str


Message: TypeAlias = TapeDepth | TapeTrade | TapeTouch | TapeSnapshot | TapeLost

_Texts: TypeAlias = list[tuple[str, str]]


class _Data(Struct):
    # All payloads in one: the keys of the three streams do not contradict each other.
    e: str = ""
    E: int = 0
    s: str = ""
    U: int = 0
    u: int = 0
    b: str | _Texts = ""
    a: str | _Texts = ""
    B: str = ""
    A: str = ""
    t: int = 0
    p: str = ""
    q: str = ""
    T: int = 0
    m: bool = False


class _Filter(Struct):
    # The keys of all filters in one.
    filterType: str = ""  # noqa: N815 the wire's name
    tickSize: str = ""  # noqa: N815
    maxPrice: str = ""  # noqa: N815
    stepSize: str = ""  # noqa: N815
    maxQty: str = ""  # noqa: N815
    minNotional: str = ""  # noqa: N815
    maxNotional: str = ""  # noqa: N815
    maxNumOrders: int = 0  # noqa: N815


class _Listed(Struct):
    symbol: str = ""
    baseAsset: str = ""  # noqa: N815
    quoteAsset: str = ""  # noqa: N815
    filters: list[_Filter] = []


class _Frame(Struct):
    stream: str = ""
    data: _Data | None = None
    lastUpdateId: int = 0  # noqa: N815 the wire's name
    bids: _Texts = []
    asks: _Texts = []
    symbol: str = ""
    symbols: list[_Listed] = []
    lost: str = ""


_decoder = msgspec.json.Decoder(_Frame)


class Unreadable(Exception):
    """A line that is no tape's; the message says why."""


class Steps:
    """Turns decimals in text into ticks and lots of one symbol."""

    def __init__(self, spec: SymbolSpec) -> None:
        self._tick = exact_atoms(spec.tick_size)
        self._lot = exact_atoms(spec.lot_size)

    def ticks(self, text: str) -> int:
        """Return a price in ticks."""
        ticks, rest = divmod(_atoms(text), self._tick)
        if rest:
            raise Unreadable(f"a multiple of the tick size {self._tick}e-8 is needed, was {text}")
        return ticks

    def lots(self, text: str) -> int:
        """Return a quantity in lots, rounded up.

        Recorded books hold quantities finer than a lot, from orders older than the filter
        (25.42618900 BTC in 2024). Rounded up a level never vanishes, and what is ahead of us
        is never less than it was.
        """
        return -(-_atoms(text) // self._lot)

    def levels(self, texts: _Texts) -> Levels:
        """Return the levels of a message in ticks and lots."""
        return [(self.ticks(price), self.lots(qty)) for price, qty in texts]


def decode(line: bytes, symbol: str, steps: Steps) -> Message | None:
    """Return what a line says; None for another stream or symbol.

    Raises: Unreadable.
    """
    stamp, _, text = line.partition(b" ")
    try:
        local_ns = int(stamp)
        frame = _decoder.decode(text)
    except (ValueError, msgspec.MsgspecError) as error:
        raise Unreadable(f"a line is '<ns> <JSON>': {error}") from error
    if frame.lastUpdateId:
        if frame.symbol not in ("", symbol):
            return None
        return TapeSnapshot(
            local_ns, frame.lastUpdateId, steps.levels(frame.bids), steps.levels(frame.asks)
        )
    if frame.lost:
        return TapeLost(local_ns, frame.lost)
    data = frame.data
    if data is None or data.s != symbol:
        return None
    if data.e == "depthUpdate":
        if not isinstance(data.b, list) or not isinstance(data.a, list):
            raise Unreadable("a depth event has lists of levels")
        bids, asks = steps.levels(data.b), steps.levels(data.a)
        return TapeDepth(local_ns, data.E * 1_000_000, data.U, data.u, bids, asks)
    if data.e == "trade":
        price_ticks, qty_lots = steps.ticks(data.p), steps.lots(data.q)
        return TapeTrade(local_ns, data.T * 1_000_000, data.t, price_ticks, qty_lots, data.m)
    if not data.e and data.u:
        return _touch(local_ns, data, steps)
    return None


def spec_in(line: bytes, symbol: str) -> SymbolSpec | None:
    """Return the steps and filters of a symbol where a line lists it, an exchangeInfo reply.

    Raises: Unreadable where tick and lot are finer than money can be counted.
    """
    try:
        frame = _decoder.decode(line.partition(b" ")[2])
    except msgspec.MsgspecError:
        return None
    listed = next((each for each in frame.symbols if each.symbol == symbol), None)
    if listed is None:
        return None
    named = {each.filterType: each for each in listed.filters}
    price, lot = named.get("PRICE_FILTER", _Filter()), named.get("LOT_SIZE", _Filter())
    notional = named.get("NOTIONAL", named.get("MIN_NOTIONAL", _Filter()))
    market = named.get("MARKET_LOT_SIZE", lot)
    usual = SymbolSpec(symbol, listed.baseAsset, listed.quoteAsset, price.tickSize, lot.stepSize)
    for name, text in (("tickSize", price.tickSize), ("stepSize", lot.stepSize)):
        if not text or _atoms(text) == 0:
            raise Unreadable(f"{symbol} must be listed with a {name}, was {text or 'none'}")
    if _atoms(price.tickSize) * _atoms(lot.stepSize) % ATOMS:
        raise Unreadable(
            f"{symbol}: tick times lot must be a whole number of 1e-8,"
            f" was {price.tickSize} times {lot.stepSize}"
        )
    return SymbolSpec(
        symbol,
        listed.baseAsset,
        listed.quoteAsset,
        price.tickSize,
        lot.stepSize,
        min_notional=notional.minNotional or usual.min_notional,
        max_notional=notional.maxNotional or usual.max_notional,
        max_qty=lot.maxQty or usual.max_qty,
        max_market_qty=market.maxQty or usual.max_market_qty,
        max_price=price.maxPrice or usual.max_price,
        max_num_orders=named.get("MAX_NUM_ORDERS", _Filter()).maxNumOrders or usual.max_num_orders,
    )


def spec_on(paths: Sequence[Path], symbol: str) -> SymbolSpec | None:
    """Return the steps and filters of a symbol as a tape's first lines list it, else None."""
    try:
        for line in islice(read_lines(paths), LISTING_LINES):
            spec = spec_in(line, symbol)
            if spec is not None:
                return spec
    except (OSError, EOFError):
        pass  # The market that plays it says what is wrong with the file.
    return None


def read_lines(paths: Sequence[Path]) -> Iterator[bytes]:
    """Yield the lines of tapes that follow one another; gzip is told by its first bytes.

    Raises: OSError, EOFError where a compressed file is cut short, Unreadable.
    """
    for path in paths:
        with path.open("rb") as raw:
            zipped = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            file = cast("BinaryIO", gzip.GzipFile(fileobj=raw)) if zipped else raw
            while line := file.readline(MAX_LINE_BYTES):
                if len(line) == MAX_LINE_BYTES:
                    raise Unreadable(f"a line has under {MAX_LINE_BYTES} bytes")
                yield line


def _touch(local_ns: int, data: _Data, steps: Steps) -> TapeTouch:
    if not isinstance(data.b, str) or not isinstance(data.a, str):
        raise Unreadable("a bookTicker has prices in text")
    return TapeTouch(
        local_ns,
        data.u,
        steps.ticks(data.b),
        steps.lots(data.B),
        steps.ticks(data.a),
        steps.lots(data.A),
    )


def _atoms(text: str) -> int:
    whole, _, decimals = text.partition(".")
    try:
        atoms = int(whole + decimals[:8].ljust(8, "0"))
    except ValueError:
        raise Unreadable(f"decimals in text are needed, was {text[:40]!r}") from None
    if decimals[8:].strip("0") or atoms < 0:
        raise Unreadable(f"at most eight decimals and no sign are needed, was {text[:40]!r}")
    return atoms
