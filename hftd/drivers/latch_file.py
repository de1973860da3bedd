"""The latch on the disk, for a daemon that runs: kept when wanted, tried again where it failed.

A disk that takes no latch keeps no kill from being carried out: the state in memory holds, the
orders are canceled, and whoever killed is told what a restart would do. Must not know why
something is latched; of what is, only that a kill is more than a halt.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hftd.domain.codes import TradingState
from hftd.runtime.identity import NO_LATCH, Latch, read_latch, write_latch


class LatchFile:
    """One instance's latch; ``fault`` says why the disk lacks what was last wanted."""

    def __init__(self, path: Path, say: Callable[[str], None]) -> None:
        self.fault = ""
        self._path = path
        self._say = say
        self._wanted = NO_LATCH

    def at_boot(self, remembered: tuple[int, int], ts_ns: int) -> Latch:
        """Return what holds at a boot: what the file says, else what the journal ended in.

        A process that dies between a kill's record and its latch leaves the one without the
        other; the file is written then, also where it says HALTED: what a loss halted goes on being
        reduced, and a kill ends that. Raises: see `read_latch`.
        """
        found = read_latch(self._path)
        killed_since = remembered[0] == TradingState.KILLED and found.state == TradingState.HALTED
        if remembered[0] == 0 or (found.state != 0 and not killed_since):
            return found
        self.write(*remembered, ts_ns)
        return self._wanted

    def write(self, state: int, code: int, ts_ns: int) -> None:
        """Make a latched state durable, or its end (state 0), or remember why it is not."""
        self._wanted = Latch(state, code, ts_ns)
        self._write()

    def retry(self) -> None:
        """Try again where the last try failed; once a second."""
        if self.fault:
            self._write()

    def _write(self) -> None:
        try:
            write_latch(self._path, self._wanted)
        except OSError as error:
            if not self.fault:
                self._say(f"CRITICAL: the latch cannot be written, tried each second: {error}")
            self.fault = str(error.strerror).lower()
        else:
            if self.fault:
                self._say("the latch is written")
            self.fault = ""
