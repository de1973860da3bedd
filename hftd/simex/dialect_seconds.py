"""The streams that speak once a second: candles and tickers.

Owns their names, their grid and what has changed since they last spoke. Knows no connections:
it asks which names are read, and says what each is sent.

A second passes only while somebody reads such a stream. A ticker is sent when a trade or the
touch changed it, a candle when it changed; a candle whose time is over is sent once more as
closed, and the one after it follows.
"""

from __future__ import annotations

from collections.abc import Callable, Container

from hftd.simex import render_public
from hftd.simex.endpoint import Desk
from hftd.simex.listing import Listing
from hftd.simex.prints import LENGTHS_NS, Candle
from hftd.simex.render import Json

SECOND_NS = 1_000_000_000
_TICKERS = ("ticker", "miniTicker")
ALL_MINI = "!miniTicker@arr"


def speaks_by_the_second(stream: str) -> bool:
    """Return whether a stream's name is one of a candle or a ticker."""
    _, _, kind = stream.partition("@")
    return kind in _TICKERS or kind.startswith("kline_") or stream == ALL_MINI


class SecondStreams:
    """What candles and tickers have to say."""

    def __init__(self, desk: Desk, send: Callable[[str, object], None]) -> None:
        self._desk = desk
        self._send = send
        self._names: dict[str, None] = {}
        self._changed: dict[str, None] = {}
        # The open time and the count of trades of the candle last sent, by stream.
        self._sent: dict[str, tuple[int, int]] = {}
        self._due_ns: int | None = None

    def read(self, stream: str, ts_ns: int) -> None:
        """Note that a stream is read from now on."""
        self._names[stream] = None
        if self._due_ns is None:
            self._due_ns = (ts_ns // SECOND_NS + 1) * SECOND_NS

    def unread(self, stream: str) -> None:
        """Note that nobody reads a stream any more."""
        self._names.pop(stream, None)
        self._sent.pop(stream, None)
        if not self._names:
            self._due_ns = None
            self._changed.clear()

    def next_ns(self) -> int | None:
        """Return when the next second is over; None where nobody reads."""
        return self._due_ns

    def changed(self, symbol: str, ts_ns: int) -> None:
        """Note a trade or a touch; seconds that were over before it are told first."""
        if self._due_ns is not None:
            self.advance(ts_ns - 1)
            self._changed[symbol] = None

    def advance(self, ts_ns: int) -> None:
        """Tell all seconds that are over by ``ts_ns``."""
        while self._due_ns is not None and self._due_ns <= ts_ns:
            now_ns = self._due_ns
            changed, self._changed = self._changed, {}
            for stream in self._names:
                self._speak(stream, changed, now_ns)
            # Seconds in which nothing can have happened are passed over at once.
            behind = (ts_ns - now_ns) // SECOND_NS
            self._due_ns = now_ns + SECOND_NS * max(1, behind)

    def _speak(self, stream: str, changed: Container[str], ts_ns: int) -> None:
        name, _, kind = stream.partition("@")
        if stream == ALL_MINI:
            listings = self._desk.exchange.listings.items()
            tickers = [self._mini(each, ts_ns) for symbol, each in listings if symbol in changed]
            if tickers:
                self._send(stream, tickers)
            return
        listing = self._desk.exchange.listings.get(name.upper())
        if listing is None:
            return
        symbol = listing.spec.symbol
        if kind.startswith("kline_"):
            interval = kind.removeprefix("kline_")
            if interval in LENGTHS_NS:
                self._speak_candle(stream, listing, interval, ts_ns)
        elif symbol in changed:
            day = self._desk.prints[symbol].day(ts_ns)
            full = kind == "ticker"
            shape = render_public.ticker_event if full else render_public.mini_ticker_event
            self._send(stream, shape(listing, day))

    def _mini(self, listing: Listing, ts_ns: int) -> Json:
        day = self._desk.prints[listing.spec.symbol].day(ts_ns)
        return render_public.mini_ticker_event(listing, day)

    def _speak_candle(self, stream: str, listing: Listing, interval: str, ts_ns: int) -> None:
        candles = self._desk.prints[listing.spec.symbol].candles(interval, ts_ns)
        open_ns, trades = self._sent.get(stream, (0, -1))
        if not candles:
            return
        # Those after the one last sent, and that one itself if it went on or was closed; who
        # begins to read hears of the last one alone.
        first = len(candles) - 1
        while open_ns and first > 0 and candles[first].open_ns > open_ns:
            first -= 1
        for candle in candles[first:]:
            if (candle.open_ns, candle.trades) != (open_ns, trades) or ts_ns > candle.close_ns:
                self._send(stream, render_public.kline_event(listing, interval, candle, ts_ns))
        last: Candle = candles[-1]
        self._sent[stream] = (last.open_ns, last.trades)
