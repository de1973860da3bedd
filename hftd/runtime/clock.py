"""The clock of the live driver: the wall clock at boot plus the monotonic clock since.

Owns the one reading of the machine's clocks that becomes ``ts_ns``. Must not know who asks.
It never steps back; how far the wall clock has wandered from it is told beside it.
"""

from __future__ import annotations

import time


class Clock:
    """A clock in nanoseconds since 1970 that never steps back."""

    def __init__(self) -> None:
        self._boot_ns = time.time_ns() - time.monotonic_ns()

    def ts_ns(self) -> int:
        """Return now, on the axis of all events."""
        return self._boot_ns + time.monotonic_ns()

    def not_before(self, ts_ns: int) -> None:
        """Go on from a time that was told before, where the wall clock was set back since.

        What the clock then shows too much stands in `wall_offset_ns`, and in the venue's offset.
        """
        self._boot_ns = max(self._boot_ns, ts_ns - time.monotonic_ns())

    def wall_offset_ns(self) -> int:
        """Return the wall clock less `ts_ns`: what it was stepped or slewed by since boot."""
        return time.time_ns() - self.ts_ns()
