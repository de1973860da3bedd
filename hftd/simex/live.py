"""A market that follows another server: what has just come in is played at once, as a tape.

Owns the messages that came in and are not played yet. ``played`` has the market itself;
whoever holds the sockets pushes the lines that a recorder would write. The market is closed
until its first snapshot, and whenever the line to the other server is down: nothing is filled
on a book that nobody sees.

Every order is judged twice (``doubt``): by the queue model that makes the truth, the pessimist
unless told otherwise, and by the optimist.
"""

from __future__ import annotations

from collections import deque

from hftd.simex.market import ID_GAP, Reports, State, SymbolSpec
from hftd.simex.played import PlayedMarket
from hftd.simex.queue_model import PESSIMISTIC, QueueModel
from hftd.simex.tape_book import TapeBook
from hftd.simex.tape_lines import Message, Steps, TapeSnapshot, Unreadable, decode

NOT_YET = "the first snapshot has not come"
MAX_COMING = 100_000
"""Messages that came in and are not played; beyond them the line is taken to be down."""


class LiveMarket(PlayedMarket):
    """One symbol of another server."""

    def __init__(self, spec: SymbolSpec, model: QueueModel = PESSIMISTIC) -> None:
        super().__init__(spec, model, doubts=True)
        self._steps = Steps(spec)
        self._coming: deque[tuple[int, Message]] = deque()
        self._halted = False
        self._resumed_ns = 0
        self._missing = NOT_YET

    @property
    def missing(self) -> str:
        """Say why the market is closed; empty while it is open."""
        return self._missing

    # --- what comes in --------------------------------------------------------------------

    def push(self, line: bytes, ts_ns: int) -> str:
        """Take a line of a tape; it is due at once.

        Returns why it cannot be read, and closes the market then; else nothing.
        """
        try:
            message = decode(line, self.spec.symbol, self._steps)
        except Unreadable as error:
            self._lose(str(error))
            return str(error)
        if message is not None:
            if len(self._coming) >= MAX_COMING:
                self._lose(f"over {MAX_COMING} messages wait")
            self._coming.append((ts_ns, message))
        return ""

    def _lose(self, why: str) -> None:
        self._coming.clear()
        self._waiting.clear()
        self._missing = why

    # --- the port -------------------------------------------------------------------------

    def start(self, ts_ns: int) -> None:
        """Wait for the first snapshot."""

    def next_ns(self) -> int | None:
        """Return when the oldest message came in; None while nothing waits."""
        return self._coming[0][0] if self._coming and not self._halted else None

    def advance(self, ts_ns: int) -> Reports:
        """Play what has come in."""
        reports: Reports = []
        while (due_ns := self.next_ns()) is not None and due_ns <= ts_ns:
            _, message = self._coming.popleft()
            self._play(message, max(due_ns, self._resumed_ns), reports)
        return reports

    def halt(self, ts_ns: int) -> None:
        """Play nothing; what comes in waits."""
        self._halted = True

    def resume(self, ts_ns: int) -> None:
        """Play what came in meanwhile, as of now."""
        if self._halted:
            self._halted, self._resumed_ns = False, ts_ns

    # --- memory ---------------------------------------------------------------------------

    def dump(self) -> State:
        """Return the ids reached and our orders with their places."""
        return self._dump_played()

    def load(self, state: State, shift_ns: int) -> None:
        """Take them back; the book comes with the first snapshot."""
        self._book = TapeBook(TapeSnapshot(0, state["update_id"] + ID_GAP, [], []))
        self._load_played(state)
