"""Owns the path that a market's worth takes; knows no book, no orders and no agents.

The worth of the coin (the fundamental) moves on a grid of beats. Each agent carries a copy,
made from the same seed: all copies walk the same path, whoever asks when, so that no agent
needs another's state to be dumped or restored. Those of one market share the newest beats,
so that each is walked once.

Units: worth and half-spread are micro-ticks (``MICRO`` to a tick), all integers.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from hftd.simex.flow_noise import Noise

MICRO = 1_000_000
BEAT_NS = 250_000_000
"""The grid on which the fundamental moves."""

_FLOOR = 500 * MICRO  # Worth stays positive however long a market runs.


class Plunge(Struct, frozen=True):
    """One stretch of a scripted fall: so many micro-ticks down a beat."""

    from_beat: int
    until_beat: int
    per_beat: int


class PathSpec(Struct, frozen=True):
    """The numbers of a path. Rates are per beat, lengths micro-ticks.

    ``trend_per_beat`` is the drift's size; its sign is drawn anew every ``trend_beats`` on
    average. ``jump_odds`` is one in so many beats; a jump has ``jump_low`` to ``jump_high``.
    The makers' half-spread wanders between ``half_low`` and ``half_high``.
    """

    start: int
    deviation: int
    jump_odds: int
    jump_low: int
    jump_high: int
    half_low: int
    half_high: int
    half_deviation: int
    trend_per_beat: int = 0
    trend_beats: int = 1
    plunges: tuple[Plunge, ...] = ()


# By the noise before a beat: worth, half-spread, trend and the noise behind it. The noise never
# comes twice, and who stands at the same of one seed has come the same way.
Walked = dict[int, tuple[int, int, int, int]]
MAX_WALKED = 256


class Fundamental:
    """The path itself, walked forward beat by beat; ``worth`` and ``half_spread`` are now."""

    __slots__ = (
        "beat", "half_spread", "noise", "origin_ns", "spec", "trend", "walked", "worth",
    )  # fmt: skip

    def __init__(self, spec: PathSpec, seed: int, walked: Walked | None = None) -> None:
        self.spec = spec
        self.walked = {} if walked is None else walked
        self.noise = Noise(seed)
        self.origin_ns = 0
        self.beat = 0
        self.worth = spec.start
        self.half_spread = (spec.half_low + spec.half_high) // 2
        self.trend = 0

    def start(self, ts_ns: int) -> None:
        """Lay beat 0 at ``ts_ns``."""
        self.origin_ns = ts_ns

    def beat_at(self, ts_ns: int) -> int:
        """Return the last beat at or before a time."""
        return (ts_ns - self.origin_ns) // BEAT_NS

    def time_of(self, beat: int) -> int:
        """Return when a beat falls."""
        return self.origin_ns + beat * BEAT_NS

    def walk(self, ts_ns: int) -> None:
        """Go on to the last beat at or before ``ts_ns``."""
        for _ in range(self.beat, self.beat_at(ts_ns)):
            self.walk_beat()

    def walk_beat(self) -> None:
        """Go on by one beat."""
        self.beat += 1
        known = self.walked.get(self.noise.state)
        if known is not None:
            self.worth, self.half_spread, self.trend, self.noise.state = known
            return
        before = self.noise.state
        self._step()
        if len(self.walked) >= MAX_WALKED:
            self.walked.clear()
        self.walked[before] = self.worth, self.half_spread, self.trend, self.noise.state

    def _step(self) -> None:
        self.worth = max(_FLOOR, self.worth + self._change())
        spec = self.spec
        middle = (spec.half_low + spec.half_high) // 2
        pull = (middle - self.half_spread) // 64
        half = self.half_spread + pull + self.noise.step(spec.half_deviation)
        self.half_spread = min(spec.half_high, max(spec.half_low, half))

    def _change(self) -> int:
        spec, noise = self.spec, self.noise
        change = noise.step(spec.deviation)
        if noise.below(spec.jump_odds) == 0:
            size = noise.between(spec.jump_low, spec.jump_high)
            change += size if noise.chance(50) else -size
        if spec.trend_per_beat:
            if self.trend == 0 or noise.below(spec.trend_beats) == 0:
                self.trend = 1 if noise.chance(50) else -1
            change += self.trend * spec.trend_per_beat
        for plunge in spec.plunges:
            if plunge.from_beat <= self.beat < plunge.until_beat:
                self.trend = -1
                change -= plunge.per_beat
            elif self.beat == plunge.until_beat:
                self.trend = 0
        return change

    def dump(self) -> dict[str, Any]:
        """Return the state as plain JSON values."""
        return {
            "origin_ns": self.origin_ns,
            "beat": self.beat,
            "worth": self.worth,
            "half_spread": self.half_spread,
            "trend": self.trend,
            "noise": self.noise.state,
        }

    def load(self, state: dict[str, Any], shift_ns: int) -> None:
        """Take back what ``dump`` gave."""
        self.origin_ns = state["origin_ns"] + shift_ns
        self.beat = state["beat"]
        self.worth = state["worth"]
        self.half_spread = state["half_spread"]
        self.trend = state["trend"]
        self.noise = Noise(state["noise"])
