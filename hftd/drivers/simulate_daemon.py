"""One life of the daemon in the simulated world: what `drivers.live` is to a real process.

Owns the loop of one process, its pulse, its links, its journal, and how it ends. Must not know
which faults there are. What ends trading early is handled as live does it: an exception of the
world's making cancels all by the table as it stands and ends the process; a bug of ours is
raised, since it is what the simulation looks for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from hftd.config.load import LoadedProfile
from hftd.domain.actions import Action, ActionKind
from hftd.domain.codes import Code
from hftd.domain.events import CommandKind, EventKind, Link, Timer
from hftd.domain.facts import FactKind
from hftd.domain.layout import Records
from hftd.drivers.last_resort import cancel_all
from hftd.drivers.loop import Ink, Loop
from hftd.drivers.performer import CREATES
from hftd.drivers.simulate_process import Process
from hftd.drivers.simulate_roads import Roads
from hftd.drivers.stamps import NoStamps
from hftd.engine.engine import Engine
from hftd.errors import HftdError
from hftd.journal.record import RecordType, encode_json
from hftd.journal.writer import JournalFull
from hftd.runtime.connector_orders import OnFrame
from hftd.venues.port import Codec, new_event

PULSE_NS = 100_000_000
PULSES_PER_SECOND = 10

MakeRoads = Callable[[Codec, OnFrame, Callable[[Records], None]], Roads]


class Surroundings(Protocol):
    """What a daemon has around it, and tells."""

    def on_turn(self) -> None:
        """Hear that the loop has taken an input whole."""

    def on_first_order(self) -> bool:
        """Bring the journal to the disk before an order leaves; False where it refuses."""

    def on_latch(self, state: int, code: int) -> None:
        """Keep the latch durably."""

    def on_exit(self, code: int) -> None:
        """Hear that the process ends by itself."""


class Daemon:
    """One process of the daemon, from its boot to its end."""

    def __init__(
        self,
        loaded: LoadedProfile,
        process: Process,
        engine: Engine,
        codec: Codec,
        ink: Ink,
        make_roads: MakeRoads,
        around: Surroundings,
        keep_house: Callable[[int], JournalFull | None] = lambda _ts_ns: None,
    ) -> None:
        """Make the parts; nothing happens yet. ``keep_house`` is called once a second."""
        self.loaded = loaded
        self.process = process
        self.engine = engine
        self._codec = codec
        self._ink = ink
        self._around = around
        self._keep_house = keep_house
        self.loop = Loop(engine, codec, ink, self._perform, NoStamps())
        self.roads = make_roads(codec, self._on_frame, self.on_event)
        self._pulses = 0
        self._pulse_event = new_event(EventKind.TIMER, 0, timer=Timer.PULSE)
        self._pulse_ts_ns = self._pulse_event["ts_ns"]  # Views: a field costs much more to set.
        self._pulse_lag_ns = self._pulse_event["lag_ns"]
        self._journal_told = False
        self._ordered = False
        self.failure: JournalFull | None = None
        self.exiting = False

    def boot(self, **fields: int) -> None:
        """Begin to trade: the boot event, the links, the pulse."""
        now_ns = self.process.now_ns
        self.on_event(new_event(EventKind.BOOT, now_ns, **fields))
        self.roads.connect()
        self.process.at(now_ns + PULSE_NS, self._pulse, now_ns + PULSE_NS)

    def command(self, kind: CommandKind) -> Code:
        """Hand an operator's command in; return why the engine refused it, or NONE."""
        ts_ns = self.process.now_ns

        def turn() -> None:
            words = encode_json({"command": kind.name.lower()})
            self._ink.append(RecordType.COMMAND, ts_ns, words)
            self.loop.on_event(new_event(EventKind.COMMAND, ts_ns, command=kind, instrument=-1))

        self._guard(turn)
        for fact in self.engine.facts:
            if int(fact["kind"]) == FactKind.COMMAND:
                return Code(int(fact["code"]))
        return Code.NONE

    # --- the loop's inputs ----------------------------------------------------------------

    def _on_frame(self, link: Link, data: bytes, ts_ns: int, more: bool = False) -> None:
        self._guard(self.loop.on_frame, link, data, ts_ns, more)

    def on_event(self, event: Records) -> None:
        """Hand an event to the loop."""
        self._guard(self.loop.on_event, event)

    def _guard(self, turn: Callable[..., None], *inputs: Any) -> None:
        if self.failure is not None:
            return
        try:
            turn(*inputs)
        except JournalFull as full:
            self._fail(full)
        else:
            self._around.on_turn()

    def _fail(self, full: JournalFull) -> None:
        """Take every order off the market by the table as it stands, then end."""
        self.failure = full
        cancel_all(self.engine, self._codec, self.roads.perform, self.process.now_ns)
        self.process.at(self.process.now_ns + PULSE_NS, self._around.on_exit, HftdError.exit_code)

    def _perform(self, action: Action, frame: bytes | None) -> None:
        kind = action.kind
        if kind == ActionKind.EXIT:
            self.exiting = True
            self.process.at(self.process.now_ns, self._around.on_exit, 0)
        elif kind == ActionKind.LATCH:
            self._around.on_latch(action.state, action.code)
        elif frame is not None and kind in CREATES and not self._may_order():
            self.roads.orders.refuse(frame)
        else:
            self.roads.perform(action, frame)

    def _may_order(self) -> bool:
        self._ordered = self._ordered or self._around.on_first_order()
        return self._ordered

    def _pulse(self, due_ns: int) -> None:
        now_ns = self.process.now_ns
        if self.failure is not None or self.exiting:
            return
        self._pulse_ts_ns[0] = now_ns  # The loop copies what it is handed.
        self._pulse_lag_ns[0] = max(0, now_ns - due_ns)
        self.on_event(self._pulse_event)
        self._pulses += 1
        if self._pulses % PULSES_PER_SECOND == 0:
            self.on_event(new_event(EventKind.TIMER, now_ns, timer=Timer.SECOND))
            if self.failure is None:
                self._look_after(now_ns)
        next_ns = max(due_ns + PULSE_NS, now_ns)
        self.process.at(next_ns, self._pulse, next_ns)

    def _look_after(self, now_ns: int) -> None:
        try:
            full = self._keep_house(now_ns)
        except JournalFull as error:
            self._fail(error)
            return
        if full is not None and not self._journal_told:
            self._journal_told = True
            self.on_event(new_event(EventKind.JOURNAL_FAILED, now_ns, code=full.errno))
