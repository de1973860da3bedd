"""The clocks of a simulated machine: none shows the world's time, and each errs in its own way.

Owns how a machine's wall clock and monotonic clock run beside the world's time: the monotonic
clock drifts, the wall clock is that one plus what somebody has set it by. Must not know who
reads them. The exchange's clock is the exchange's own.
"""

from __future__ import annotations

MILLION = 1_000_000


class MachineClocks:
    """Both clocks of one machine; they outlive its processes."""

    def __init__(self, start_ns: int, drift_ppm: int = 0) -> None:
        """Let both begin right; ``drift_ppm`` is by how many millionths they run too fast."""
        self._start_ns = start_ns
        self.drift_ppm = drift_ppm
        self.set_by_ns = 0

    def monotonic_ns(self, world_ns: int) -> int:
        """Return the monotonic clock at a time of the world, on an axis that begins like it."""
        return world_ns + (world_ns - self._start_ns) * self.drift_ppm // MILLION

    def world_ns(self, monotonic_ns: int) -> int:
        """Return the first time of the world at which the monotonic clock shows so much."""
        if not self.drift_ppm:
            return monotonic_ns
        since_ns = monotonic_ns - self._start_ns
        return self._start_ns - (-since_ns * MILLION // (MILLION + self.drift_ppm))

    def wall_ns(self, world_ns: int) -> int:
        """Return the wall clock at a time of the world."""
        return self.monotonic_ns(world_ns) + self.set_by_ns

    def step(self, by_ns: int) -> None:
        """Set the wall clock forward or back."""
        self.set_by_ns += by_ns

    def set_right(self) -> None:
        """Set the wall clock to what it would show had nobody touched it."""
        self.set_by_ns = 0
