"""The reel of a tape: from lines to the opening book and then message after message.

Owns how far a tape was read. Knows no venue time, orders or files: it is handed what opens
the lines.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from hftd.errors import ProfileError
from hftd.simex.market import SymbolSpec
from hftd.simex.tape_book import TapeBook
from hftd.simex.tape_lines import (
    Message,
    Steps,
    TapeDepth,
    TapeSnapshot,
    TapeTouch,
    Unreadable,
    decode,
)

MAX_OPENING_LINES = 10_000
"""A tape has its snapshot within so many lines."""

AT_END = "the tape is at its end"


class TapeReel:
    """One symbol's messages on a tape. ``named`` is what errors call the tape."""

    def __init__(self, lines: Callable[[], Iterator[bytes]], named: str, spec: SymbolSpec) -> None:
        self._open = lines
        self._named = named
        self._symbol = spec.symbol
        self._steps = Steps(spec)
        self._lines: Iterator[bytes] = iter(())
        self.lines_read = 0
        self.first_ns = 0
        self.ended_by = ""

    def begin(self) -> TapeBook:
        """Read up to the snapshot and apply the events before it that end after it.

        Raises: ProfileError where this is no tape, or no snapshot comes.
        """
        self._lines, self.lines_read, self.ended_by = self._open(), 0, ""
        early: list[TapeDepth] = []
        touch: TapeTouch | None = None
        while self.lines_read < MAX_OPENING_LINES:
            message = self._read()
            if isinstance(message, TapeDepth):
                early.append(message)
            elif isinstance(message, TapeTouch):
                touch = message
            elif isinstance(message, TapeSnapshot):
                book = TapeBook(message)
                self.first_ns = message.local_ns
                if not all(book.apply(depth) for depth in early):
                    break
                if touch is not None:
                    book.show(touch)
                return book
            elif self.ended_by:
                raise self._unusable(f"a tape with a depth snapshot is needed: {self.ended_by}")
        raise self._unusable(
            f"a depth snapshot within {MAX_OPENING_LINES} lines that the events join is needed"
        )

    def next(self) -> Message | None:
        """Return the next message that is to be played; None at the end, see ``ended_by``."""
        while not self.ended_by:
            message = self._read()
            if message is not None:
                return message
        return None

    def wind(self, lines: int) -> Iterator[Message]:
        """Yield what stands up to a line that was read before."""
        while self.lines_read < lines and not self.ended_by:
            message = self._read()
            if message is not None:
                yield message

    def _read(self) -> Message | None:
        # A tape that cannot be read on ends there: what was played stays true.
        try:
            line = next(self._lines)
            self.lines_read += 1
            return decode(line, self._symbol, self._steps)
        except StopIteration:
            self.ended_by = AT_END
        except (OSError, EOFError, Unreadable) as error:
            self.ended_by = str(error)
        return None

    def _unusable(self, expected: str) -> ProfileError:
        line = self.lines_read
        return ProfileError(expected, path=self._named, line=line, key="venue.market.path")
