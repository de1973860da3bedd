"""A market that plays recorded messages at their own pace, or faster.

Owns the play: which line is due when. ``played`` has the market itself, ``tape_reel`` reads.

The tape begins at its REST snapshot, with the depth events before it applied by the venue's
rule. Messages come at the tape's own pace, or ``speed`` times that. Where events are missing
the market is closed until a later snapshot on the tape, which a recorder writes when it has
lost its line.

At the end of a tape the market closes: orders are refused, what rests can be canceled, nothing
is due. With ``loop`` it begins again instead: one depth event leads from the last book to the
first, and ids go on. A tape also ends where a line cannot be read; ``ended_by`` says why.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

from hftd.simex.market import CUT_NS, Reports, State, SymbolSpec
from hftd.simex.played import PlayedMarket
from hftd.simex.queue_model import PESSIMISTIC, QueueModel
from hftd.simex.tape_lines import Message, read_lines
from hftd.simex.tape_reel import AT_END, TapeReel

BTCUSDT_SPEC = SymbolSpec("BTCUSDT", "BTC", "USDT", "0.01", "0.00001")
"""The steps of the recorded symbol, as its venue had them in 2024."""


class TapeMarket(PlayedMarket):
    """One symbol of one recording. Files of ``paths`` follow one another without a gap."""

    def __init__(
        self,
        spec: SymbolSpec,
        paths: Sequence[Path],
        speed: str = "1",
        loop: bool = False,
        model: QueueModel = PESSIMISTIC,
    ) -> None:
        super().__init__(spec, model, doubts=False)
        assert Fraction(speed) > 0, f"speed must be positive, was {speed}"
        self._speed = Fraction(speed).as_integer_ratio()
        self._loop = loop
        self._anchor_ns = 0  # When, by the venue's clock, the snapshot's line was due.
        self._due_ns: int | None = None
        self._halted_ns: int | None = None
        self._next: Message | None = None
        self._reel = TapeReel(lambda: read_lines(paths), " ".join(map(str, paths)), spec)
        self._book = self._reel.begin()

    @property
    def ended_by(self) -> str:
        """Say why nothing is due any more; empty while something is."""
        return (self._missing or self._reel.ended_by) if self._due_ns is None else ""

    @property
    def closed(self) -> bool:
        """Whether orders are refused: the tape is at its end, or its book is not whole."""
        return self._due_ns is None or super().closed

    # --- the port -------------------------------------------------------------------------

    def start(self, ts_ns: int) -> None:
        """Play from the snapshot on."""
        self._anchor_ns = ts_ns
        self._show_book(ts_ns)
        self._pull(ts_ns)

    def next_ns(self) -> int | None:
        """Return when the next line is due; None after the end and while the tape is stopped."""
        return self._due_ns if self._halted_ns is None else None

    def advance(self, ts_ns: int) -> Reports:
        """Play what is due."""
        reports: Reports = []
        while (due_ns := self.next_ns()) is not None and due_ns <= ts_ns:
            message = self._next
            if message is None:
                self._begin_again(due_ns, reports)
            else:
                self._play(message, due_ns, reports)
            self._pull(due_ns)
        return reports

    def halt(self, ts_ns: int) -> None:
        """Stop the tape."""
        if self._halted_ns is None:
            self._halted_ns = ts_ns

    def resume(self, ts_ns: int) -> None:
        """Play on from where the tape was stopped."""
        if self._halted_ns is None:
            return
        elapsed_ns, self._halted_ns = ts_ns - self._halted_ns, None
        self._anchor_ns += elapsed_ns
        if self._due_ns is not None:
            self._due_ns += elapsed_ns

    # --- the play -------------------------------------------------------------------------

    def _pull(self, ts_ns: int) -> None:
        # Reads ahead to the next message; at the end a loop is due to begin again.
        self._next = self._reel.next()
        if self._next is not None:
            over, under = self._speed
            elapsed_ns = (self._next.local_ns - self._reel.first_ns) * under // over
            self._due_ns = max(ts_ns, self._anchor_ns + elapsed_ns)
        else:
            again = self._loop and self._reel.ended_by == AT_END and not self._missing
            self._due_ns = ts_ns + CUT_NS if again else None

    def _begin_again(self, ts_ns: int, reports: Reports) -> None:
        self._anchor_ns = ts_ns
        self._lead_to(self._reel.begin(), ts_ns, reports)

    # --- memory ---------------------------------------------------------------------------

    def dump(self) -> State:
        """Return the place on the tape, the ids reached and our orders with their places."""
        return {
            "first_ns": self._reel.first_ns,
            "lines_read": self._reel.lines_read - (self._next is not None),
            "anchor_ns": self._anchor_ns,
            "due_ns": self._due_ns or 0,
            **self._dump_played(),
        }

    def load(self, state: State, shift_ns: int) -> None:
        """Find the place on the tape again by reading up to it.

        A state of another tape gives its ids and orders alone: this one begins at its start.
        """
        self._anchor_ns = state["anchor_ns"] + shift_ns
        if state["first_ns"] != self._reel.first_ns:
            self._anchor_ns = state["due_ns"] + shift_ns
        else:
            for message in self._reel.wind(state["lines_read"]):
                self._play(message, 0, [])
        self._load_played(state)
        begun_ns = state["due_ns"] + shift_ns if state["due_ns"] else self._anchor_ns
        self._show_book(begun_ns)
        self._pull(begun_ns)
