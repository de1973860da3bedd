"""A venue whose messages take their time on the way, as the latency models say.

Owns what is under way: requests that have not arrived and frames that are not out. Pure like
``Venue``: a message is due at a time, and whoever drives the venue calls at that time. On one
connection no message overtakes another. A plain venue while no model is set.

REST has one reply to one request and no connection that the venue knows: its driver asks
``rest_delays_ns`` and waits. The streams bear no key: their frames take the default's feed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heappop, heappush

import msgspec

from hftd.simex.fault_frames import Frames
from hftd.simex.faults import Fault
from hftd.simex.faulty_venue import FaultyVenue
from hftd.simex.latency import Latencies, Way
from hftd.simex.market import Market, earliest
from hftd.simex.params import UNREADABLE
from hftd.simex.venue import VenueConfig

MAX_HELD_BYTES = 64_000_000
"""Frames under way beyond this are out early, the oldest first: none is lost or overtaken."""


class _Keyed(msgspec.Struct):
    """What of a request says whose it is."""

    params: dict[str, msgspec.Raw] = {}


class _UnderWay:
    """Messages of all connections by the time they are due, in order on each."""

    def __init__(self) -> None:
        self._heap: list[tuple[int, int, int, bytes]] = []
        self._last_ns: dict[int, int] = {}
        self._waiting: dict[int, int] = {}
        self._count = 0
        self.held_bytes = 0

    def put(self, connection: int, text: bytes, due_ns: int) -> None:
        """Send a message off; it is due no earlier than the one before it."""
        due_ns = max(due_ns, self._last_ns.get(connection, 0))
        self._last_ns[connection] = due_ns
        self._waiting[connection] = self._waiting.get(connection, 0) + 1
        self._count += 1
        self.held_bytes += len(text)
        heappush(self._heap, (due_ns, self._count, connection, text))

    def next_ns(self) -> int | None:
        """Return when the next message is due."""
        return self._heap[0][0] if self._heap else None

    def holds(self, connection: int) -> bool:
        """Return whether a connection has something under way."""
        return connection in self._waiting

    def pop(self) -> tuple[int, int, bytes]:
        """Take the next message: when it is due, of which connection, and its text."""
        due_ns, _, connection, text = heappop(self._heap)
        self.held_bytes -= len(text)
        left = self._waiting.pop(connection) - 1
        if left:
            self._waiting[connection] = left
        else:
            self._last_ns.pop(connection)
        return due_ns, connection, text


class LateVenue(FaultyVenue):
    """One simulated exchange at a distance."""

    def __init__(
        self,
        config: VenueConfig,
        make_markets: Callable[[], Iterable[Market]],
        seed: int = 0,
        faults: Sequence[Fault] = (),
        latencies: Latencies | None = None,
    ) -> None:
        super().__init__(config, make_markets, seed, faults)
        self._latencies = latencies or Latencies()
        self._is_late = self._latencies.any
        self._accounts = {each.key: number for number, each in enumerate(config.accounts, 1)}
        self._arriving = _UnderWay()
        self._leaving = _UnderWay()
        self._delivering = False
        self._closing = False
        self._hanging: list[int] = []

    # --- time -----------------------------------------------------------------------------

    def next_ns(self) -> int | None:
        """Return when ``advance`` is next due, messages under way included."""
        due_ns = super().next_ns()
        if not self._is_late:
            return due_ns
        return earliest(due_ns, self._arriving.next_ns(), self._leaving.next_ns())

    def advance(self, ts_ns: int) -> None:
        """Do all that is due, each request that arrives at its time."""
        while not self._delivering and (due_ns := self._arriving.next_ns()) is not None:
            if due_ns > ts_ns:
                break
            _, connection, text = self._arriving.pop()
            self._delivering = True
            try:
                super().receive(connection, text, due_ns)
            finally:
                self._delivering = False
        super().advance(ts_ns)

    # --- ways -----------------------------------------------------------------------------

    def receive(self, connection: int, text: bytes, ts_ns: int) -> None:
        """Take one text frame of a connection, when it has arrived."""
        delay_ns = 0
        if self._is_late and connection in self._is_api:
            delay_ns = self._latencies.delay_ns(self._sender(connection, text), Way.ENTRY)
        if delay_ns == 0 and not self._arriving.holds(connection):
            super().receive(connection, text, ts_ns)
        else:
            self.advance(ts_ns)
            self._arriving.put(connection, text, ts_ns + delay_ns)

    def take(self) -> Frames:
        """Return (connection, frame) of all that is to be out by now, in order."""
        frames = super().take()
        leaving, now_ns = self._leaving, self._now_ns
        if not self._is_late:
            return frames
        for connection, frame in frames:
            is_api = self._is_api.get(connection, False)
            way = Way.RESPONSE if is_api else Way.FEED
            account = self._ws.account(connection) if is_api else 0
            leaving.put(connection, frame, now_ns + self._latencies.delay_ns(account, way))
        out: Frames = []
        while (due_ns := leaving.next_ns()) is not None:
            if due_ns > now_ns and not self._closing and leaving.held_bytes <= MAX_HELD_BYTES:
                break
            out.append(leaving.pop()[1:])
        return out

    def take_hung_up(self) -> list[int]:
        """Return the connections to close: those with nothing under way any more."""
        if not self._is_late:
            return super().take_hung_up()
        self._hanging += super().take_hung_up()
        ready = [number for number in self._hanging if not self._leaving.holds(number)]
        self._hanging = [number for number in self._hanging if self._leaving.holds(number)]
        return ready

    def shut_down(self, ts_ns: int) -> None:
        """Tell every connection that the venue closes; nothing stays under way."""
        super().shut_down(ts_ns)
        self._closing = True

    def rest_delays_ns(self, headers: Mapping[str, str]) -> tuple[int, int]:
        """Return how long a REST request takes to arrive, and its answer to be back."""
        account = self._accounts.get(headers.get("X-MBX-APIKEY", ""), 0)
        return (
            self._latencies.delay_ns(account, Way.ENTRY),
            self._latencies.delay_ns(account, Way.RESPONSE),
        )

    def _sender(self, connection: int, text: bytes) -> int:
        account = self._ws.account(connection) if self._is_api[connection] else 0
        if account or not self._latencies.by_account:
            return account
        try:
            key = msgspec.json.decode(text, type=_Keyed).params.get("apiKey")
            return self._accounts.get(msgspec.json.decode(key, type=str), 0) if key else 0
        except UNREADABLE:
            return 0
