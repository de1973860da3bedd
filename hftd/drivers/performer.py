"""What an action becomes in the world: the exit, the latch, and a frame to the venue.

Owns the journal's gate: with ``journal.gate: synced`` an order leaves only once its intent and
its frame are on the disk. A disk that refuses that is told of as an order that was never sent,
and the writer's ``full`` then HALTs; cancels leave whatever the disk says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from hftd.domain.actions import Action, ActionKind
from hftd.drivers.latch_file import LatchFile
from hftd.journal.writer import JournalFull

# Plain integers: to look a member up in its class costs more than to compare.
EXIT, LATCH = int(ActionKind.EXIT), int(ActionKind.LATCH)
CREATES = (int(ActionKind.SUBMIT), int(ActionKind.CANCEL_REPLACE))


class Roads(Protocol):
    """The roads to a venue."""

    def perform(self, action: Action, frame: bytes | None) -> None:
        """Send the frame of an action by its road."""
        ...

    def refuse(self, frame: bytes) -> None:
        """Tell the loop that a frame was not sent."""
        ...


class Performer:
    """Carry out what the engine wants; ``roads`` are there before the first action is."""

    roads: Roads

    def __init__(
        self,
        exit_now: Callable[[], None],
        latch: LatchFile,
        now_ns: Callable[[], int],
        sync: Callable[[], None] | None,
    ) -> None:
        self._exit_now = exit_now
        self._latch = latch
        self._now_ns = now_ns
        self._sync = sync

    def perform(self, action: Action, frame: bytes | None) -> None:
        """Do one thing; what comes of it comes later, as an input of the loop."""
        kind = action.kind
        if kind == EXIT:
            self._exit_now()
        elif kind == LATCH:
            self._latch.write(action.state, action.code, self._now_ns())
        elif frame is not None and kind in CREATES and not self._is_durable():
            self.roads.refuse(frame)
        else:
            self.roads.perform(action, frame)

    def _is_durable(self) -> bool:
        if self._sync is None:
            return True
        try:
            self._sync()
        except JournalFull:
            return False
        return True
