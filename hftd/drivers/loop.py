"""The one loop body: journal the input, decode, step, journal facts and intents, perform.

The only caller of the engine. Drivers differ in source, sink and clock and in nothing else:
live hands frames of real sockets in and performs on them, replay hands a journal in and
compares. An intent is in the journal before its frame can reach a socket.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from hftd.domain.actions import Action, ActionKind, actions_of
from hftd.domain.events import EVENT, Link
from hftd.domain.layout import Records
from hftd.drivers.stamps import NoStamps
from hftd.engine.engine import Engine
from hftd.errors import InvariantBroken
from hftd.journal.record import WAITED, RecordType, encode_json
from hftd.venues.port import Codec

# Called with each action and its unsigned frame (None where nothing goes to the venue).
Perform = Callable[[Action, bytes | None], None]

# Looked up once: a member of an Enum by its name costs 0.1 µs, and more out of the caches.
CANCEL, MARKET = int(ActionKind.CANCEL), int(Link.MARKET)
FACT, INTENT, FRAME_OUT = RecordType.FACT, RecordType.INTENT, RecordType.FRAME_OUT


class Ink(Protocol):
    """Where the loop writes: the journal, or what compares with one."""

    def append(self, record_type: RecordType, ts_ns: int, payload: Any) -> int:
        """Write one record and return its sequence."""
        ...

    def append_frame(self, ts_ns: int, link: int, frame: Any) -> int:
        """Write a frame of the order or REST link."""
        ...

    def append_market(self, ts_ns: int, link: int, frame: Any) -> int:
        """Write a frame of market data."""
        ...


class Newest(NamedTuple):
    """The newest market frame, and facts and actions of the newest step that wanted any."""

    frame: bytes = b""
    facts: bytes = b""
    actions: bytes = b""


class Loop:
    """Engine, codec, journal and performer, turned by a driver one input at a time."""

    def __init__(
        self, engine: Engine, codec: Codec, journal: Ink, perform: Perform, stamps: NoStamps
    ) -> None:
        """Tie the parts together; nothing is written or sent yet."""
        self.engine = engine
        self.codec = codec
        self._journal = journal
        self._perform = perform
        self._stamps = stamps
        # A view taken once: asking the state's record for a field costs 10 µs each time.
        core: Any = engine.state.core
        self._venue_offset_ns = memoryview(core["venue_offset_ns"])
        self._first_event = engine.events.view(np.uint8).data[: EVENT.itemsize]
        self._busy = False
        self._frame = self._facts = self._actions = b""

    @property
    def newest(self) -> Newest:
        """Return what was handled last, for whoever rehearses it."""
        return Newest(self._frame, self._facts, self._actions)

    def on_frame(self, link: Link, data: bytes, ts_ns: int, more: bool = False) -> None:
        """Take one raw frame of a link.

        ``more``: another market frame is here already. Then the book takes this one and the
        decision waits for the last: in a backlog the strategy sees the newest market alone. That
        it waited stands in the journal, so a replay waits as well. Should that last one be no
        frame of ours, the next pulse decides.
        """
        self._enter()
        is_market = link == MARKET
        self._stamps.begin(is_market)
        if is_market:
            self._journal.append_market(ts_ns, link | WAITED if more else link, data)
            self._frame = data
        else:
            self._journal.append_frame(ts_ns, link, data)
        engine = self.engine
        count = self.codec.decode(link, data, ts_ns, engine.events, engine.levels)
        for at in range(count):
            self._step(at, ts_ns, more and is_market)
        self._busy = False

    def on_event(self, event: Records) -> None:
        """Take one event that is no frame: a timer, a command, a link, a clock sample.

        Shapes: event (1,) EVENT.
        """
        self._enter()
        self._stamps.begin(False)
        ts_ns = int(event[0]["ts_ns"])
        words = event.tobytes()
        self._journal.append(RecordType.EVENT, ts_ns, words)
        self._first_event[:] = words
        self._step(0, ts_ns)
        self._busy = False

    def _enter(self) -> None:
        if self._busy:
            raise InvariantBroken("the loop was entered again from inside a step")
        self._busy = True

    def _step(self, at: int, ts_ns: int, waits: bool = False) -> None:
        engine = self.engine
        if waits:
            engine.observe(at, self._stamps.stamp)
        else:
            engine.handle(at, self._stamps.stamp)
        facts, actions = engine.fact_bytes(), engine.action_bytes()
        self.carry_out(facts, actions, ts_ns)
        if actions:
            self._facts, self._actions = facts, actions
        self._stamps.stepped(facts)
        if facts:
            for words in engine.strategy.take_failures():
                self._journal.append(RecordType.STRATEGY_ERROR, ts_ns, encode_json(words))

    def carry_out(self, facts: bytes, actions: bytes, ts_ns: int) -> None:
        """Write down what a step produced, and do what it wants."""
        # The facts stand before what leaves, which is 2 µs later for it: whoever judges what was
        # sent finds in the journal why.
        if facts:
            self._journal.append(FACT, ts_ns, facts)
        if actions:
            self._journal.append(INTENT, ts_ns, actions)
            self._send(actions_of(actions), ts_ns)

    def _send(self, actions: list[Action], ts_ns: int) -> None:
        offset_ns = self._venue_offset_ns[0]
        for action in cancels_first(actions):
            frame = self.codec.encode(action, offset_ns)
            if frame is not None:
                self._journal.append(FRAME_OUT, ts_ns, frame)
            self._perform(action, frame)
            self._stamps.performed(action.kind, action.order_key)


def cancels_first(actions: list[Action]) -> list[Action]:
    """Return a decision's actions as they leave: what protects goes first, else as decided."""
    return sorted(actions, key=_is_no_cancel) if len(actions) > 1 else actions


def _is_no_cancel(action: Action) -> bool:
    return action.kind != CANCEL
