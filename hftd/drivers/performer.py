"""What an action becomes in the world: the exit, the latch, and a frame to the venue.

Owns the journal's gate. The first order of a boot leaves only once the whole journal is on the
disk, so that no loss of power takes what the account held when the ledger began; with
``journal.gate: synced`` each order waits for its own intent and frame. A disk that refuses is told
of as an order that was never sent, and the writer's ``full`` then HALTs; cancels leave whatever
the disk says.
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
        begin: Callable[[], None],
        sync: Callable[[], None] | None,
    ) -> None:
        """Be ready; ``begin`` is called before the first order, ``sync`` before every other."""
        self._exit_now = exit_now
        self._latch = latch
        self._now_ns = now_ns
        self._begin: Callable[[], None] | None = begin
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
        sync = self._begin or self._sync
        if sync is None:
            return True
        try:
            sync()
        except JournalFull:
            return False
        self._begin = None
        return True
