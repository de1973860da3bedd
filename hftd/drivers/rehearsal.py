"""The way from a frame to an order, walked on scratch while nothing happens, so that it stays hot.

Orders are rare: between two of them the machine forgets their way. Caches, TLB and branch
predictors are filled with whatever ran since, here or at a neighbor's, and the same code that takes
10 µs when hot takes 60 (`scripts/bench profile`). A loop that polls has the time, so now and then
it handles the newest market frame again: a spare engine, a journal in memory, no socket; and writes
the newest actions again, to nobody.

Owns the scratch that is walked on. Nothing of it is read by anybody: no state, journal, counter or
stage time of the daemon knows of it. The user's strategy is not called. A fault found here ends the
rehearsals and nothing else: what only saves time may not stop who trades.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hftd.domain.actions import Action, ActionKind
from hftd.domain.events import Link
from hftd.domain.layout import Records
from hftd.drivers.loop import Loop
from hftd.drivers.stamps import NoStamps
from hftd.engine.engine import Engine, Stamp
from hftd.journal.scratch import ScratchJournal
from hftd.venues.port import Codec

EVERY_NS = 2_000_000  # At 0.5 ms more frames came during a walk, and none was answered sooner.
# A turn of the loop that had nothing takes some 10 µs. After a longer one others had the core, or a
# frame was handled, and what came meanwhile is looked at first.
LONG_TURN_NS = 100_000
# Of a frame, and of a step's facts and actions (some 16 orders): what is longer would take longer
# to rehearse than it is worth.
MAX_BYTES = 8_192
ORDERS = (int(ActionKind.SUBMIT), int(ActionKind.CANCEL), int(ActionKind.CANCEL_REPLACE))

Seal = Callable[[bytes], bytes]
Say = Callable[[str], None]


class Rehearsal:
    """Call it as often as the loop turns; it walks each `EVERY_NS`."""

    def __init__(
        self, loop: Loop, codec: Codec, now_ns: Callable[[], int], seal: Seal, say: Say
    ) -> None:
        """Make the scratch; ``codec`` is one of the same profile, its own."""
        self._loop = loop
        self._spare = _Spare(loop.engine)
        self._journal = ScratchJournal()
        self._seal = seal
        self._say = say
        self._over = False
        self._now_ns = now_ns
        self._walk = Loop(self._spare, codec, self._journal, self._perform, NoStamps())
        self._due_ns = self._turned_ns = 0

    def renew(self) -> None:
        """Take the state as it is now; what has aged since would not be decided on."""
        self._spare.take(self._loop.engine)

    def __call__(self) -> None:
        """Walk once, if it is time and the last turn of the loop had nothing to do."""
        now_ns = time.perf_counter_ns()
        away_ns, self._turned_ns = now_ns - self._turned_ns, now_ns
        if self._over or now_ns < self._due_ns or away_ns > LONG_TURN_NS:
            return
        try:
            self.walk()
        except Exception as error:  # noqa: BLE001 - top of a turn that is not worth the daemon
            self._over = True
            self._say(f"rehearsals end, orders may be slower: {type(error).__name__}: {error}")
        self._turned_ns = time.perf_counter_ns()
        self._due_ns = self._turned_ns + EVERY_NS

    def walk(self) -> None:
        """Handle the newest market frame and write the newest actions once more."""
        ts_ns, newest = self._now_ns(), self._loop.newest
        self._journal.rewind()
        if 0 < len(newest.frame) <= MAX_BYTES:
            self._walk.on_frame(Link.MARKET, newest.frame, ts_ns)
        if 0 < len(newest.facts) + len(newest.actions) <= MAX_BYTES:
            self._walk.carry_out(newest.facts, newest.actions, ts_ns)

    def _perform(self, action: Action, frame: bytes | None) -> None:
        if frame is not None and action.kind in ORDERS:  # A question by REST has another seal.
            self._seal(frame)


class _Spare(Engine):
    # An engine that takes the same frame again and again: it always follows what it knows.

    def __init__(self, engine: Engine) -> None:
        _, world = engine.arrays()
        super().__init__(world.copy(), engine.strategy._replace(quotes=_no_quotes))

    def take(self, engine: Engine) -> None:
        _, world = engine.arrays()
        self._world[...] = world

    def handle(self, at: int, stamp: Stamp) -> None:
        event, index = self.events[at], int(self.events[at]["instrument"])
        newest = max(
            int(self.state.books[index]["last_update_id"]),
            int(self.state.instruments[index]["touch_update_id"]),
        )
        event["first_update_id"], event["last_update_id"] = 0, newest + 1
        super().handle(at, stamp)


def _no_quotes(world: Records, params: Records, memory: Records, outs: Records) -> Any:
    """Leave the targets as they are."""
