"""Stage times as histograms of fixed size; knows stages and nanoseconds, and no clock.

Telemetry is beside trading: nothing of it is in the engine's state or in what replay compares.

A bucket is chosen by the number's highest bit and the six bits after it: values below 128 ns
have a bucket each, above that a bucket is at most 1/64 of its values wide, and its middle,
which stands for it, at most 1/128 (0.8 %) off. Count, mean and max are exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

BITS = 6
RELATIVE_ERROR = 1 / (2 << BITS)
CAP_NS = (1 << 42) - 1  # 73 minutes; what takes longer counts as this long.
_SIZE = ((42 - BITS) << BITS) + (1 << BITS)
_QUANTILES = (0.5, 0.95, 0.99, 0.999)


class Stage(IntEnum):
    """The parts of the way from a frame to the venue's answer."""

    MARKET_DATA = 0  # frame received -> book updated
    STRATEGY = 1  # book updated -> targets
    RISK = 2  # targets -> approved or refused
    EXECUTION = 3  # approved -> journaled, encoded, given to the socket
    TICK_TO_ORDER = 4  # frame received -> order given to the socket
    END_TO_END = 5  # frame received -> the venue's answer to the order of it
    VENUE = 6  # order given to the socket -> the venue's answer


class StageTimes(TypedDict):
    """One stage's figures, in nanoseconds; ``target_ns`` 0 where the profile names none."""

    count: int
    mean_ns: int
    p50_ns: int
    p95_ns: int
    p99_ns: int
    p999_ns: int
    max_ns: int
    target_ns: int
    over_target: bool  # p99 over the target.


class Histogram:
    """Counts by size of one stage's times; ``record`` takes about 0.2 µs."""

    __slots__ = ("_counts", "count", "max_ns", "sum_ns")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._counts = [0] * _SIZE
        self.count = self.sum_ns = self.max_ns = 0

    def record(self, ns: int) -> None:
        """Count one time. A clock that went back, or a time over CAP_NS, is cut to the range."""
        if not 0 <= ns <= CAP_NS:
            ns = min(max(ns, 0), CAP_NS)
        shift = ns.bit_length() - BITS - 1
        if shift < 0:
            shift = 0
        self._counts[(shift << BITS) + (ns >> shift)] += 1
        self.count += 1
        self.sum_ns += ns
        if ns > self.max_ns:
            self.max_ns = ns

    def add(self, other: Histogram) -> None:
        """Count all that the other counted."""
        self._counts = [a + b for a, b in zip(self._counts, other._counts, strict=True)]
        self.count += other.count
        self.sum_ns += other.sum_ns
        self.max_ns = max(self.max_ns, other.max_ns)

    def times(self, target_ns: int = 0) -> StageTimes:
        """Return the figures; a quantile is the smallest time that so many were not over."""
        p50, p95, p99, p999 = self._quantiles()
        return {
            "count": self.count,
            "mean_ns": self.sum_ns // self.count if self.count else 0,
            "p50_ns": p50,
            "p95_ns": p95,
            "p99_ns": p99,
            "p999_ns": p999,
            "max_ns": self.max_ns,
            "target_ns": target_ns,
            "over_target": bool(0 < target_ns < p99),
        }

    def _quantiles(self) -> list[int]:
        if not self.count:
            return [0] * len(_QUANTILES)
        below = np.cumsum(np.array(self._counts, dtype=np.int64))
        ranks = [max(1, -int(-self.count * quantile // 1)) for quantile in _QUANTILES]
        return [min(int(_MIDDLES[bucket]), self.max_ns) for bucket in np.searchsorted(below, ranks)]


class Telemetry:
    """The histograms of all stages: since the start, and of the second that runs."""

    def __init__(self, targets_ns: Mapping[Stage, int]) -> None:
        self._targets_ns = dict(targets_ns)
        self._whole = [Histogram() for _ in Stage]
        self._second = [Histogram() for _ in Stage]

    def record(self, stage: Stage, ns: int) -> None:
        """Count one time of a stage."""
        self._second[stage].record(ns)

    def summary(self) -> dict[str, StageTimes]:
        """Return the figures of each stage since the start."""
        whole = []
        for stage in Stage:
            both = Histogram()
            both.add(self._whole[stage])
            both.add(self._second[stage])
            whole.append(both)
        return self._named(whole)

    def take_second(self) -> dict[str, StageTimes]:
        """Return the figures since the last call, of stages that were there; begin anew.

        This is what a TELEMETRY record of the journal holds.
        """
        named = self._named(self._second)
        for whole, second in zip(self._whole, self._second, strict=True):
            if second.count:
                whole.add(second)
                second.clear()
        return {name: times for name, times in named.items() if times["count"]}

    def _named(self, histograms: list[Histogram]) -> dict[str, StageTimes]:
        return {
            stage.name.lower(): histograms[stage].times(self._targets_ns.get(stage, 0))
            for stage in Stage
        }


# The middle of each bucket: its shift is 0 for the first 2 << BITS, then grows by one every
# 1 << BITS buckets.
def _middles() -> NDArray[np.int64]:
    buckets = np.arange(_SIZE, dtype=np.int64)
    shifts = np.maximum((buckets >> BITS) - 1, 0)
    lowest = (buckets - (shifts << BITS)) << shifts
    return lowest + ((np.int64(1) << shifts) - 1) // 2


_MIDDLES = _middles()
