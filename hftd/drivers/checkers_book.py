"""Invariants of the book: it is the exchange's, and nothing is quoted on one that is not.

Owns I14 and I15.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from hftd.domain.codes import BookState
from hftd.domain.events import EVENT, EventKind, Link
from hftd.domain.facts import FactKind
from hftd.drivers.checkers_told import Told
from hftd.drivers.checkers_truth import Truth
from hftd.drivers.watch import Checker, Watch, World
from hftd.journal.record import Record, RecordType
from hftd.venues.binance.rest_frames import instrument_of

STRIDE = 8  # Looks between two comparisons with the exchange: about three seconds.
LEVELS = 20
# A snapshot this long after a lie holds nothing of it, nor does what is applied over it: a road
# may hold one back for 15 s, and what came meanwhile waits for it.
LIE_NS = 20_000_000_000
SYNCED = int(BookState.SYNCED)  # A number out of an array compared with a member takes 7 µs.
MS_NS = 1_000_000
PULSE_NS = 100 * MS_NS
PULSES_BEHIND = 40  # Four seconds awake, in which a living stream tells of depth forty times.


class BookTrue(Checker):
    """I14."""

    ID = "I14"
    SAYS = "a SYNCED book is sorted, uncrossed and level by level the exchange's"

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._truth, self._told = truth, told
        self._looks = 0
        self._engine: Any = None
        self._synced_ns = 0

    def on_step(self, world: World) -> None:
        """Keep when a book came to be SYNCED."""
        for fact in self._told.facts:
            if fact.kind == FactKind.BOOK and fact.state_from == BookState.RESYNCING:
                self._synced_ns = world.now_ns

    def on_look(self, world: World) -> None:
        """Look at the touch, and at the levels every so often."""
        self._see(world)
        self._looks += 1
        for index in range(len(self._truth.symbols)):
            if int(self._state[index]) != SYNCED:
                continue
            bids, asks = self._count[index].tolist()
            if bids and asks:
                bid, ask = self._ticks[index, 0, bids - 1], self._ticks[index, 1, asks - 1]
                if bid >= ask:
                    self.break_off("bid below ask", f"{bid} and {ask}", self._truth.symbols[index])
            if self._looks % STRIDE == 0:
                self._compare(world, index)

    def at_quiescence(self, world: World) -> None:
        """In the end every SYNCED book is compared."""
        self._see(world)
        for index in range(len(self._truth.symbols)):
            if int(self._state[index]) == SYNCED:
                self._compare(world, index)

    def _see(self, world: World) -> None:
        if world.engine is not self._engine:
            self._engine = world.engine
            books = world.engine.state.books
            self._state, self._count = books["state"], books["count"]
            self._ticks, self._lots = books["ticks"], books["lots"]
            self._update_id = books["last_update_id"]

    def _compare(self, world: World, index: int) -> None:
        symbol = self._truth.symbols[index]
        market = world.venue.exchange.listings[symbol].market
        shot = market.snapshot(LEVELS)
        for side, theirs in ((0, shot.bids), (1, shot.asks)):
            count = int(self._count[index, side])
            first = max(0, count - LEVELS)
            ticks = self._ticks[index, side, first:count].tolist()
            lots = self._lots[index, side, first:count].tolist()
            ordered = ticks == sorted(ticks, reverse=side == 1)
            if len(set(ticks)) < len(ticks) or not ordered or min(lots, default=1) <= 0:
                was = list(zip(ticks, lots, strict=True))
                self.break_off("levels in order, none empty", was, symbol)
            lied = self._truth.book_lied_ns > self._synced_ns - LIE_NS
            if lied or int(self._update_id[index]) != shot.update_id:
                continue  # Something is on its way, or was told wrong; another time.
            ours = list(zip(reversed(ticks), reversed(lots), strict=True))
            expected = [(level[0], level[1]) for level in theirs][: len(ours)]
            if ours != expected:
                about = f"{symbol} side {side} at update {shot.update_id}"
                at = next(i for i, pair in enumerate(ours) if expected[i : i + 1] != [pair])
                self.break_off(expected[at : at + 1], ours[at : at + 1], f"{about}, level {at}")


class FreshQuotes(Checker):
    """I15: the age is that of the frames which came in, whatever the engine made of them.

    So it is with depth: where touches tell of updates that no frame of depth holds, and none comes
    for seconds, that stream is dead, and a book without it is not the exchange's.
    """

    ID = "I15"
    SAYS = "nothing is quoted on a book that is not SYNCED or older than its limit"
    READS = (
        (RecordType.FRAME_IN, Link.MARKET), (RecordType.FRAME_IN, Link.REST),
        (RecordType.EVENT, EventKind.LINK),
    )  # fmt: skip

    def __init__(self, world: World, watch: Watch, truth: Truth, told: Told) -> None:
        super().__init__(world, watch)
        self._truth, self._told, self._world = truth, told, world
        profile = world.loaded.profile
        self._max_age_ns = profile.limits(profile.instruments[0]).max_book_age_ms * MS_NS
        self._heard_ns = [0] * len(truth.symbols)
        self._touch_id = [0] * len(truth.symbols)
        self._depth_id = [0] * len(truth.symbols)
        self._behind = [0] * len(truth.symbols)  # Pulses since depth was first missed.
        self._pulse_ns = 0
        self._streams = {symbol.lower().encode(): i for i, symbol in enumerate(truth.symbols)}

    def on_record(self, record: Record) -> None:
        """Keep when each instrument was last heard of, and up to which update."""
        link = record.payload[0]
        if record.record_type == RecordType.EVENT:
            # The market link came or went: its ids may begin anew. The user's tells each second.
            if int(np.frombuffer(record.payload, EVENT)["link"][0]) == Link.MARKET:
                self._forget_updates()
        elif link == Link.MARKET:
            frame = bytes(record.payload)
            name, _, stream = frame[1:48].partition(b'stream":"')[2].partition(b"@")
            index = self._streams.get(name)
            if index is not None:
                self._heard_ns[index] = record.ts_ns
                self._read_update(index, stream, frame)
        elif link == Link.REST:
            answer = bytes(record.payload)
            index = instrument_of(answer[1:])
            self._heard_ns[index] = record.ts_ns
            told = _number_after(b'"lastUpdateId":', answer)
            self._depth_id[index] = max(self._depth_id[index], told)

    def _read_update(self, index: int, stream: bytes, frame: bytes) -> None:
        if stream.startswith(b"depth"):
            self._depth_id[index] = max(self._depth_id[index], _number_after(b'"u":', frame))
            self._behind[index] = 0
        elif stream.startswith(b"bookTicker"):
            self._touch_id[index] = max(self._touch_id[index], _number_after(b'"u":', frame))

    def _forget_updates(self) -> None:
        count = len(self._truth.symbols)
        self._touch_id, self._depth_id = [0] * count, [0] * count
        self._behind = [0] * count

    def on_boot(self, epoch: int) -> None:
        """A boot has heard of nothing."""
        self._forget_updates()

    def on_look(self, world: World) -> None:
        """Count for how long, awake, depth has been behind a touch."""
        now_ns = int(self.watch.views(world).core["now_ns"])
        awake = min(5, (now_ns - self._pulse_ns) // PULSE_NS)
        self._pulse_ns = now_ns
        if world.now_ns - self._truth.book_lied_ns < LIE_NS:
            self._forget_updates()
        for index in range(len(self._behind)):
            behind = self._touch_id[index] > self._depth_id[index]
            self._behind[index] = self._behind[index] + awake if behind else 0

    def on_sent(self, link: Link, frame: bytes, ts_ns: int) -> None:
        """A create that does not reduce needs a book in time."""
        create = self._truth.create
        if create is None or self._told.reduces(create.key):
            return
        index = create.instrument
        views = self.watch.views(self._world)
        state = BookState(int(views.book_states[index]))
        if state != BookState.SYNCED:
            self.break_off("SYNCED", state.name, create.client_order_id)
        age_ns = int(views.core["now_ns"]) - self._heard_ns[index]
        if age_ns > self._max_age_ns:
            about = f"{create.client_order_id}: age of the last frame"
            self.break_off(
                f"{self._max_age_ns / 1e6:g} ms at most", f"{age_ns / 1e6:.0f} ms", about
            )
        is_behind = self._touch_id[index] > self._depth_id[index]  # A snapshot may just have come.
        if is_behind and self._behind[index] > PULSES_BEHIND:
            ids = f"none up to {self._touch_id[index]} for {self._behind[index] / 10:g} s"
            self.break_off("depth of every update", ids, create.client_order_id)


def _number_after(name: bytes, frame: bytes) -> int:
    """Return the whole number behind a field's name; 0 where there is none."""
    at = frame.find(name)
    if at < 0:
        return 0
    begin = at + len(name)
    digits = frame[begin : begin + 20].partition(b",")[0]
    return int(digits) if digits.isdigit() else 0
