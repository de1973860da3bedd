"""Follows the public market data of a server that speaks Binance Spot, as lines of a tape.

Owns one WebSocket link and the REST snapshots that its depth events need. Knows no book and no
file: whoever is handed the lines plays them or writes them down.

A line is what ``hftd.simex.tape_lines`` reads. For each symbol: depth events, trades and
bookTickers as they come; a REST snapshot after each opening of the link and after each gap in
the depth events; and ``{"lost": ...}`` when the link goes down. Back-off for the link is the
connector's; a snapshot that is refused or too old is asked for again after a second, twice as
long each time up to half a minute, and not before a Retry-After is over. No key is needed.
"""

from __future__ import annotations

import asyncio
import json
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final, NamedTuple, Protocol
from urllib.parse import quote, urlsplit

import msgspec

from hftd.errors import UsageError
from hftd.runtime.clock import Clock
from hftd.runtime.rest import RestClient, retry_after_s_of
from hftd.runtime.transport import WebSocketLink
from hftd.venues.binance.endpoints import LIVE, TESTNET
from hftd.venues.binance.replies import LIMIT_STATUSES, wait_ns_of
from hftd.venues.binance.session import backoff_s
from hftd.venues.binance.signing import signer_of

SNAPSHOT_LEVELS = 1_000
FIRST_EVENT_WITHIN_S = 2.0
"""How long the first depth event is awaited before the snapshot; a quiet market has none."""

SNAPSHOT_EVERY_S = 2.0
"""Snapshots of one symbol come no faster, however often the market asks."""

ANSWER_WITHIN_S = 10.0
RETRY_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
PING_EVERY_S = 5.0
MAX_SYMBOLS = 20

_STREAMS: Final = ("depth@100ms", "trade", "bookTicker")
_MARKET_URLS: Final = {
    LIVE.rest_url: LIVE.market_url,
    TESTNET.rest_url: TESTNET.market_url,
    "https://data-api.binance.vision": "wss://data-stream.binance.vision",
}
_NOTICE_BYTES: Final = 1_000


class Source(NamedTuple):
    """The two base addresses of a server, without a path."""

    rest_url: str
    market_url: str

    @property
    def name(self) -> str:
        """What a message calls the server."""
        return urlsplit(self.rest_url).netloc


class Sink(Protocol):
    """Who takes the lines."""

    def on_line(self, symbol: str, line: bytes, ts_ns: int) -> None:
        """Take a line; of a symbol, or of all where it is empty."""


class _Ids(msgspec.Struct, frozen=True):
    e: str = ""
    U: int = 0
    u: int = 0


class _Head(msgspec.Struct, frozen=True):
    stream: str = ""
    data: _Ids = _Ids()


class _Snapshot(msgspec.Struct):
    lastUpdateId: int  # noqa: N815 the wire's name


class _Touch(msgspec.Struct):
    bidPrice: Decimal  # noqa: N815
    askPrice: Decimal  # noqa: N815


_touch = msgspec.json.Decoder(_Touch)
_head = msgspec.json.Decoder(_Head)
_snapshot = msgspec.json.Decoder(_Snapshot)


def source_of(text: str) -> Source:
    """Return the addresses of ``REST_URL`` or ``REST_URL,STREAM_URL``.

    The streams of a known host are known; of another they are on the host itself.
    Raises: UsageError.
    """
    rest_url, comma, market_url = (part.rstrip("/") for part in text.partition(","))
    parts = urlsplit(rest_url)
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path or parts.query:
        raise UsageError(f"a server must be given as http(s)://HOST[:PORT], was {rest_url}")
    if not comma:
        scheme = "wss" if parts.scheme == "https" else "ws"
        market_url = _MARKET_URLS.get(rest_url, f"{scheme}://{parts.netloc}")
    parts = urlsplit(market_url)
    if parts.scheme not in ("ws", "wss") or not parts.netloc or parts.path or parts.query:
        raise UsageError(f"its streams must be given as ws(s)://HOST[:PORT], was {market_url}")
    return Source(rest_url, market_url)


def fetch_listing(source: Source, symbols: Sequence[str]) -> bytes:
    """Return the server's exchangeInfo of the symbols.

    Raises: UsageError where it cannot be had.
    """
    if not 0 < len(symbols) <= MAX_SYMBOLS:
        raise UsageError(f"1 to {MAX_SYMBOLS} symbols can be followed, was {len(symbols)}")
    names = quote(json.dumps(list(symbols), separators=(",", ":")))
    return _fetch(source, f"/api/v3/exchangeInfo?symbols={names}")


def fetch_mid(source: Source, symbol: str) -> Decimal:
    """Return the mid price of a symbol now; raises UsageError where there is none."""
    body = _fetch(source, f"/api/v3/ticker/bookTicker?symbol={symbol}")
    try:
        touch = _touch.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"{source.name} tells no price of {symbol}: {error}") from None
    if not touch.bidPrice > 0 or not touch.askPrice > 0:
        raise UsageError(f"{source.name} has no price of {symbol} now")
    return (touch.bidPrice + touch.askPrice) / 2


def _fetch(source: Source, target: str) -> bytes:
    try:
        # The scheme was checked by source_of.
        url = source.rest_url + target
        with urllib.request.urlopen(url, timeout=ANSWER_WITHIN_S) as reply:  # noqa: S310
            body: bytes = reply.read()
            return body
    except urllib.error.HTTPError as error:
        told = error.read(300).decode("utf-8", "replace")
        error.close()
        path = target.partition("?")[0]
        raise UsageError(f"{source.name} refuses {path} with {error.code}: {told}") from None
    except (OSError, TimeoutError) as error:
        reason = getattr(error, "reason", error)
        raise UsageError(f"{source.name} does not answer: {reason}") from None


class _Sequence(msgspec.Struct):
    """What is known of one symbol's depth events since the link opened."""

    first_id: int = 0
    last_id: int = 0
    whole: bool = False
    """Whether a snapshot has come that the events join."""
    begun: asyncio.Event = msgspec.field(default_factory=asyncio.Event)


class MarketFollower:
    """One server's symbols; ``run`` it until it is canceled."""

    def __init__(
        self, source: Source, symbols: Sequence[str], sink: Sink, tell: Callable[[str], None]
    ) -> None:
        self._source = source
        self._sink = sink
        self._tell = tell
        self._clock = Clock()
        self._sequences = {symbol: _Sequence() for symbol in symbols}
        self._not_before_s: dict[str, float] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}
        streams = "/".join(f"{each.lower()}@{kind}" for each in symbols for kind in _STREAMS)
        url = f"{source.market_url}/stream?streams={streams}"
        self._link = WebSocketLink(url, self, self._clock.ts_ns, backoff_s, PING_EVERY_S)
        self.gaps = 0

    async def run(self) -> None:
        """Follow until canceled; raise what a sink raised."""
        # Public data needs no key; the client wants one to be made.
        self._rest = RestClient(self._source.rest_url, signer_of("public", "public"), self._clock)
        try:
            await self._link.run()
        finally:
            self._stop_asking()
            await self._rest.close()

    def is_whole(self, symbol: str) -> bool:
        """Tell whether a snapshot of the symbol has come, and no event is missing since."""
        return self._sequences[symbol].whole

    def begin_file(self, symbol: str) -> None:
        """Ask for a snapshot of a symbol at once: a file begins that has to play alone."""
        self._not_before_s.pop(symbol, None)
        self.resync(symbol)

    def resync(self, symbol: str) -> None:
        """Ask for a snapshot of a symbol, unless one is being asked for."""
        if symbol not in self._asking:
            self._sequences[symbol].whole = False
            task = asyncio.create_task(self._ask(symbol))
            self._asking[symbol] = task
            task.add_done_callback(lambda _: self._asking.pop(symbol, None))

    # --- the link -------------------------------------------------------------------------

    def on_open(self) -> None:
        """Begin every symbol anew."""
        self._tell(f"connected to {self._source.name}")
        for symbol in self._sequences:
            self.resync(symbol)

    def on_frame(self, data: bytes, ts_ns: int, more: bool = False) -> None:
        """Hand a frame on, and look whether one is missing before it."""
        try:
            head = _head.decode(data)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            self._link.drop("a frame that cannot be read")
            return
        symbol = head.stream.partition("@")[0].upper()
        sequence = self._sequences.get(symbol)
        if sequence is None:
            if len(data) < _NOTICE_BYTES and b"serverShutdown" in data:
                self._link.drop("the server shuts down")
            return
        self._sink.on_line(symbol, b"%d %b\n" % (ts_ns, data), ts_ns)
        if head.data.e == "depthUpdate":
            self._note(symbol, sequence, head.data)

    def on_alive(self) -> None:
        """A ping was answered: nothing depends on it here."""

    def on_refused(self, status: int, retry_after: str) -> None:
        """Wait for as long as the venue wants, where it says so."""
        if status in LIMIT_STATUSES:
            wait_ns = wait_ns_of(status, retry_after_s_of(retry_after) * 1_000)
            self._link.hold_back(self._clock.ts_ns() + wait_ns)

    def on_down(self) -> None:
        """Say that the line was lost."""
        self.gaps += 1
        self._stop_asking()
        self._sequences = {symbol: _Sequence() for symbol in self._sequences}
        why = f"the link to {self._source.name} went down: {self._link.fault}"
        self._tell(why)
        ts_ns = self._clock.ts_ns()
        self._sink.on_line("", b"%d %b\n" % (ts_ns, msgspec.json.encode({"lost": why})), ts_ns)

    # --- sequence -------------------------------------------------------------------------

    def _note(self, symbol: str, sequence: _Sequence, ids: _Ids) -> None:
        if sequence.last_id and sequence.last_id + 1 < ids.U:
            self.gaps += 1
            self._tell(f"{symbol}: updates {sequence.last_id + 1} to {ids.U - 1} are missing")
            sequence.first_id = ids.U
            self.resync(symbol)
        sequence.first_id = sequence.first_id or ids.U
        sequence.last_id = max(sequence.last_id, ids.u)
        sequence.begun.set()

    async def _ask(self, symbol: str) -> None:
        # The snapshot must end where an event that we have goes on: it is asked for after one.
        sequence = self._sequences[symbol]
        try:
            async with asyncio.timeout(FIRST_EVENT_WITHIN_S):
                await sequence.begun.wait()
        except TimeoutError:
            pass  # A quiet market: its snapshot is good until an event says otherwise.
        # Who asks again and again, for what cannot be read say, does so once in a while.
        now_s = asyncio.get_running_loop().time()
        await asyncio.sleep(max(0.0, self._not_before_s.get(symbol, 0.0) - now_s))
        self._not_before_s[symbol] = asyncio.get_running_loop().time() + SNAPSHOT_EVERY_S
        target = f"/api/v3/depth?symbol={symbol}&limit={SNAPSHOT_LEVELS}"
        attempt = 0
        while True:
            answer = await self._rest.get(target)
            wait_s = RETRY_S[min(attempt, len(RETRY_S) - 1)]
            attempt += 1
            if answer.status == 200 and self._joins(sequence, answer.body):
                sequence.whole = True
                ts_ns = self._clock.ts_ns()
                named = b'{"symbol":"%b",%b' % (symbol.encode(), answer.body.lstrip()[1:])
                self._sink.on_line(symbol, b"%d %b\n" % (ts_ns, named), ts_ns)
                return
            if answer.status != 200:
                said = answer.fault or f"HTTP {answer.status}"
                self._tell(f"{symbol}: no snapshot: {said}; again in {wait_s:g} s")
            await asyncio.sleep(max(wait_s, answer.retry_after_s))

    def _joins(self, sequence: _Sequence, body: bytes) -> bool:
        try:
            reached = _snapshot.decode(body).lastUpdateId
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return False
        return not sequence.first_id or sequence.first_id <= reached + 1

    def _stop_asking(self) -> None:
        for task in list(self._asking.values()):
            task.cancel()
        self._asking.clear()
