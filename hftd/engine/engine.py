"""The engine's face: holds the arrays, turns one event into actions and facts.

Knows no socket, file or clock. The stamp is a write-only port: the driver may note when a
stage ended, nothing here reads it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from hftd.domain.actions import ACTION
from hftd.domain.entry import entry
from hftd.domain.events import EVENT
from hftd.domain.facts import FACT
from hftd.domain.layout import Records
from hftd.engine import step
from hftd.engine.state import N_ACTIONS, N_FACTS, Out, State, in_use, layout_hash, new_outs
from hftd.engine.strategy import Strategy
from hftd.errors import InvariantBroken

EVENTS_CAPACITY = 4096  # Events that one frame may decode into.
LEVELS_CAPACITY = 16384  # Depth levels that one frame may carry; more is a broken message.

Stamp = Callable[[int], None]
STAGE_BOOK, STAGE_STRATEGY, STAGE_RISK = 0, 1, 2


class Entries(NamedTuple):
    """The three kernels of a step, each for this engine's own arrays."""

    observe: Callable[..., None]
    quotes: Callable[..., None]
    decide: Callable[..., None]


class Engine:
    """One decision over arrays.

    ``events`` and ``levels`` are filled by the codec; `handle` applies one row and leaves
    what it produced in `actions` and `facts` until the next call.
    """

    def __init__(self, world: Records, strategy: Strategy) -> None:
        """Take ownership of the state, an array of one, and of the strategy's arrays."""
        self._world = world
        self._outs = new_outs()
        self.state: State = in_use(world)
        self.out: Out = self._outs[0]
        # Views taken once: asking the record for a field costs 5 µs each time.
        self._actions: Records = self._outs["actions"][0]
        self._facts: Records = self._outs["facts"][0]
        # Bytes and numbers of the same memory: an array's slice costs 1 µs, a view's 0.1.
        self._counts = memoryview(self._outs["counts"][0])
        self._action_bytes = memoryview(self._actions.view(np.uint8))
        self._fact_bytes = memoryview(self._facts.view(np.uint8))
        self.strategy = strategy
        fields = world.dtype.names or ()
        self._arrays: list[Records] = [
            *(getattr(self.state, name) for name in fields),
            strategy.memory,
        ]
        self.events: Records = np.zeros(EVENTS_CAPACITY, EVENT)
        self.levels: Records = np.zeros((LEVELS_CAPACITY, 3), np.int64)
        self._entries: Entries | None = None  # Made by the first event: they compile.

    def handle(self, at: int, stamp: Stamp) -> None:
        """Decide on event ``at`` of the events array."""
        observe, quotes, decide = self._entries or self._enter()
        world, outs, strategy = self._world, self._outs, self.strategy
        observe(world, self.events, at, self.levels, outs)
        stamp(STAGE_BOOK)
        quotes(world, strategy.params, strategy.memory, outs)
        stamp(STAGE_STRATEGY)
        decide(world, outs)
        stamp(STAGE_RISK)

    def observe(self, at: int, stamp: Stamp) -> None:
        """Let event ``at`` happen and decide nothing yet: a newer one is here already."""
        observe, _, _ = self._entries or self._enter()
        observe(self._world, self.events, at, self.levels, self._outs)
        stamp(STAGE_BOOK)

    def _enter(self) -> Entries:
        world, outs, strategy = self._world, self._outs, self.strategy
        self._entries = Entries(
            entry(step.observe, world, self.events, 0, self.levels, outs),
            entry(strategy.quotes, world, strategy.params, strategy.memory, outs),
            entry(step.decide, world, outs),
        )
        return self._entries

    def arrays(self) -> tuple[Records, Records]:
        """Return outs and world as the compiled entries take them."""
        return self._outs, self._world

    def action_bytes(self) -> bytes:
        """Return the actions of the last event, in order, as a journal holds them."""
        count = self._counts[N_ACTIONS]  # Most steps want nothing: an empty slice costs too.
        return bytes(self._action_bytes[: count * ACTION.itemsize]) if count else b""

    def fact_bytes(self) -> bytes:
        """Return the facts of the last event, in order, as a journal holds them."""
        count = self._counts[N_FACTS]
        return bytes(self._fact_bytes[: count * FACT.itemsize]) if count else b""

    @property
    def actions(self) -> Records:
        """Return the actions of the last event, in order."""
        return self._actions[: self._counts[N_ACTIONS]]

    @property
    def facts(self) -> Records:
        """Return the facts of the last event, in order."""
        return self._facts[: self._counts[N_FACTS]]

    def snapshot(self) -> bytes:
        """Return the state as bytes: the layout's hash, then every array, of what is in use."""
        return layout_hash().encode() + b"".join(array.tobytes() for array in self._arrays)

    def restore(self, snapshot: bytes) -> None:
        """Take the state of a snapshot.

        Raises: InvariantBroken where the snapshot was made under another layout or shape.
        """
        head = layout_hash().encode()
        if snapshot[: len(head)] != head:
            raise InvariantBroken("the snapshot was written under another record layout")
        at = len(head)
        if len(snapshot) != at + sum(array.nbytes for array in self._arrays):
            raise InvariantBroken("the snapshot is of another number of instruments or assets")
        for array in self._arrays:
            part = snapshot[at : at + array.nbytes]
            array[...] = np.frombuffer(part, array.dtype).reshape(array.shape)
            at += array.nbytes

    def state_hash(self) -> str:
        """Return the hash of all state: equal after live run, replay, and snapshot plus tail."""
        digest = hashlib.blake2b(digest_size=16)
        for array in self._arrays:
            digest.update(np.ascontiguousarray(array).view(np.uint8).data)
        return digest.hexdigest()
