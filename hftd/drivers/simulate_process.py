"""One process in the simulated world: its clock, its pace, and its death.

Owns when what is meant for a process really happens to it: at once, later because it stands
still or is slow, or never because it is dead. Must not know what it runs. Its clock is the live
driver's, read from the machine's simulated clocks: the wall clock at its beginning plus the
monotonic clock since.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from hftd.drivers.simulate_clocks import MachineClocks
from hftd.drivers.simulate_network import Calendar
from hftd.runtime.clock import Clock


class ProcessDied(Exception):
    """The process ends here and now; whatever it was doing is not done to its end."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class Process(Clock):
    """What happens to one process, in its own time."""

    def __init__(
        self, calendar: Calendar, clocks: MachineClocks, on_death: Callable[[str], None]
    ) -> None:
        """Begin a process now; ``on_death`` hears how it died in the middle of something."""
        self._calendar = calendar
        self._clocks = clocks
        self._on_death = on_death
        self._base_ns = clocks.set_by_ns
        self._backlog: deque[tuple[Callable[..., None], tuple[Any, ...]]] = deque()
        self._busy_until_ns = 0
        self.turn_ns = 0  # How long it takes over each thing that happens to it.
        self.dead = False

    @property
    def now_ns(self) -> int:
        """Return ``ts_ns``, the time of the process."""
        if not self._clocks.drift_ppm:
            return self._calendar.now_ns + self._base_ns
        return self.ts_ns()

    def ts_ns(self) -> int:
        """Return the clock on the axis of all events; it never steps back."""
        if not self._clocks.drift_ppm:
            return self._calendar.now_ns + self._base_ns
        return self._clocks.monotonic_ns(self._calendar.now_ns) + self._base_ns

    def not_before(self, ts_ns: int) -> None:
        """Go on from a time that was told before; nothing may have been put in for later yet."""
        behind_ns = ts_ns - self._clocks.monotonic_ns(self._calendar.now_ns)
        self._base_ns = max(self._base_ns, behind_ns)

    def wall_offset_ns(self) -> int:
        """Return the wall clock less `ts_ns`."""
        return self._clocks.set_by_ns - self._base_ns

    def at(self, ts_ns: int, actor: Callable[..., None], *event: Any) -> None:
        """Let something happen at a time of the process's own clock, or when it can."""
        world_ns = self._clocks.world_ns(ts_ns - self._base_ns)
        self._calendar.at(max(world_ns, self._calendar.now_ns), self.take, actor, *event)

    def take(self, actor: Callable[..., None], *event: Any) -> None:
        """Let something happen now, behind what waits already."""
        if self.dead:
            return
        if self._backlog or self._busy_until_ns > self._calendar.now_ns:
            if not self._backlog:
                self._calendar.at(self._busy_until_ns, self._work_off)
            self._backlog.append((actor, event))
            return
        self._run(actor, event)

    @property
    def is_busy(self) -> bool:
        """Return whether it stands still, or has not worked off what came in."""
        return bool(self._backlog) or self._busy_until_ns > self._calendar.now_ns

    def freeze(self, for_ns: int) -> None:
        """Stand still, as SIGSTOP makes it; what comes in waits."""
        self._busy_until_ns = max(self._busy_until_ns, self._calendar.now_ns + for_ns)

    def go_on(self) -> None:
        """Stand still no more; what has come in is worked off now."""
        self._busy_until_ns = min(self._busy_until_ns, self._calendar.now_ns)
        self._calendar.at(self._calendar.now_ns, self._work_off)

    def die(self) -> None:
        """Let nothing happen to it any more."""
        self.dead = True
        self._backlog.clear()

    def _work_off(self) -> None:
        while self._backlog and not self.dead:
            if self._busy_until_ns > self._calendar.now_ns:
                self._calendar.at(self._busy_until_ns, self._work_off)
                return
            self._run(*self._backlog.popleft())

    def _run(self, actor: Callable[..., None], event: tuple[Any, ...]) -> None:
        try:
            actor(*event)
        except ProcessDied as death:
            self._on_death(death.kind)
        else:
            if self.turn_ns:
                self.freeze(self.turn_ns)
