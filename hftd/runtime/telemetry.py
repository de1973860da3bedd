"""Stage times as histograms of fixed size; knows stages and nanoseconds, and no clock.

Telemetry is beside trading: nothing of it is in the engine's state or in what replay compares.

A bucket is chosen by the number's highest bit and the six bits after it: values below 128 ns
have a bucket each, above that a bucket is at most 1/64 of its values wide, and its middle,
which stands for it, at most 1/128 (0.8 %) off. Count, mean and max are exact.

A time is only noted while the way to the socket is hot, which takes about 0.1 µs; notes are
sorted into buckets all at once, when somebody asks or `NOTED_CAPACITY` of a stage are there.
"""

from __future__ import annotations

from array import array
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
NOTED_CAPACITY = 4096
# The upper bounds of the buckets that Prometheus is told; each reaches to the end of the bucket
# of ours that it falls into, at most 1.6 % beyond.
BOUNDS_NS = (
    1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    5_000_000, 10_000_000, 25_000_000, 50_000_000, 100_000_000, 250_000_000, 500_000_000,
    1_000_000_000,
)  # fmt: skip


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


class SecondTimes(StageTimes):
    """One stage's figures of a second, as the journal keeps them."""

    buckets: list[int]  # By BOUNDS_NS, not cumulative; the last has what is over all of them.


class Histogram:
    """Counts by size of one stage's times."""

    __slots__ = ("_counts", "count", "max_ns", "sum_ns")

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        """Forget all."""
        self._counts = np.zeros(_SIZE, np.int64)
        self.count = self.sum_ns = self.max_ns = 0

    def record(self, times_ns: NDArray[np.int64]) -> None:
        """Count times. A clock that went back, or a time over CAP_NS, is cut to the range.

        Shapes: times_ns (n,), n over 0.
        """
        cut = times_ns.clip(0, CAP_NS)
        np.add.at(self._counts, _bucket_of(cut), 1)
        self.count += len(cut)
        self.sum_ns += int(cut.sum())
        self.max_ns = max(self.max_ns, int(cut.max()))

    def add(self, other: Histogram) -> None:
        """Count all that the other counted."""
        self._counts += other._counts
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

    def buckets(self) -> list[int]:
        """Return how many times were in each bucket of BOUNDS_NS, and how many over the last."""
        below = np.cumsum(self._counts)[_BOUND_BUCKETS]
        buckets: list[int] = np.diff(below, prepend=0, append=self.count).tolist()
        return buckets

    def _quantiles(self) -> list[int]:
        if not self.count:
            return [0] * len(_QUANTILES)
        below = np.cumsum(self._counts)
        ranks = [max(1, -int(-self.count * quantile // 1)) for quantile in _QUANTILES]
        return [min(int(_MIDDLES[bucket]), self.max_ns) for bucket in np.searchsorted(below, ranks)]


class Telemetry:
    """The histograms of all stages: since the start, and of the second that runs."""

    def __init__(self, targets_ns: Mapping[Stage, int]) -> None:
        self._targets_ns = dict(targets_ns)
        self._whole = [Histogram() for _ in Stage]
        self._second = [Histogram() for _ in Stage]
        self._noted = [array("q") for _ in Stage]

    def record(self, stage: int, ns: int) -> None:
        """Note one time of a `Stage`."""
        noted = self._noted[stage]
        noted.append(ns)
        if len(noted) >= NOTED_CAPACITY:
            self._count_noted()

    def _count_noted(self) -> None:
        for stage, noted in enumerate(self._noted):
            if noted:
                self._second[stage].record(np.array(noted))
                del noted[:]

    def summary(self) -> dict[str, StageTimes]:
        """Return the figures of each stage since the start."""
        self._count_noted()
        whole = []
        for stage in Stage:
            both = Histogram()
            both.add(self._whole[stage])
            both.add(self._second[stage])
            whole.append(both)
        return self._named(whole)

    def take_second(self) -> dict[str, SecondTimes]:
        """Return the figures since the last call, of stages that were there; begin anew.

        This is what a TELEMETRY record of the journal holds.
        """
        self._count_noted()
        taken: dict[str, SecondTimes] = {}
        for stage, whole, second in zip(Stage, self._whole, self._second, strict=True):
            if second.count:
                times = second.times(self._targets_ns.get(stage, 0))
                taken[stage.name.lower()] = {**times, "buckets": second.buckets()}
                whole.add(second)
                second.clear()
        return taken

    def _named(self, histograms: list[Histogram]) -> dict[str, StageTimes]:
        return {
            stage.name.lower(): histograms[stage].times(self._targets_ns.get(stage, 0))
            for stage in Stage
        }


# The bucket of each time. Shapes: times_ns (n,), within 0 and CAP_NS.
def _bucket_of(times_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    bits = np.frexp(times_ns.astype(np.float64))[1]  # The highest bit: exact below 2 ** 53.
    shifts = np.maximum(bits.astype(np.int64) - BITS - 1, 0)
    return (shifts << BITS) + (times_ns >> shifts)


# The middle of each bucket: its shift is 0 for the first 2 << BITS, then grows by one every
# 1 << BITS buckets.
def _middles() -> NDArray[np.int64]:
    buckets = np.arange(_SIZE, dtype=np.int64)
    shifts = np.maximum((buckets >> BITS) - 1, 0)
    lowest = (buckets - (shifts << BITS)) << shifts
    return lowest + ((np.int64(1) << shifts) - 1) // 2


_MIDDLES = _middles()
_BOUND_BUCKETS = _bucket_of(np.array(BOUNDS_NS))
