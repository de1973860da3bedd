"""Stage times against numpy's exact percentiles."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hftd.runtime.telemetry import (
    BOUNDS_NS,
    CAP_NS,
    NOTED_CAPACITY,
    RELATIVE_ERROR,
    Histogram,
    Stage,
    Telemetry,
)

TIMES = st.lists(st.integers(0, 1 << 20) | st.integers(0, CAP_NS), min_size=1, max_size=300)


@given(TIMES)
def test_quantiles_are_numpys_within_the_stated_error(times):
    """Each quantile is within RELATIVE_ERROR of the exact one; count, mean, max are exact."""
    histogram = Histogram()
    histogram.record(np.array(times))
    figures = histogram.times()
    assert figures["count"] == len(times)
    assert figures["mean_ns"] == sum(times) // len(times)
    assert figures["max_ns"] == max(times)
    for name, quantile in (("p50", 50), ("p95", 95), ("p99", 99), ("p999", 99.9)):
        exact = int(np.percentile(times, quantile, method="inverted_cdf"))
        assert abs(figures[f"{name}_ns"] - exact) <= exact * RELATIVE_ERROR


@given(TIMES, TIMES)
def test_two_histograms_added_are_one(some, others):
    """Adding is the same as having recorded all in one."""
    one, first, second = Histogram(), Histogram(), Histogram()
    one.record(np.array(some + others))
    first.record(np.array(some))
    second.record(np.array(others))
    first.add(second)
    assert first.times() == one.times()


@given(TIMES)
def test_buckets_are_a_naive_count_within_the_stated_error(times):
    """All times are in some bucket, and at most 1.6 % beyond its bound."""
    histogram = Histogram()
    histogram.record(np.array(times))
    told = histogram.buckets()
    assert len(told) == len(BOUNDS_NS) + 1 and min(told) >= 0 and sum(told) == len(times)
    for at, bound_ns in enumerate(BOUNDS_NS):
        below = sum(told[: at + 1])
        assert sum(ns <= bound_ns for ns in times) <= below
        assert below <= sum(ns <= bound_ns * (1 + 1 / 64) for ns in times)


def test_time_out_of_range_is_cut():
    """A negative time counts as zero, one over the cap as the cap."""
    histogram = Histogram()
    histogram.record(np.array([-5, CAP_NS + 1]))
    assert histogram.times()["max_ns"] == CAP_NS
    assert histogram.times()["p50_ns"] == 0


def test_no_times_are_zeros():
    """A stage that never ran has zeros, and is over no target."""
    figures = Histogram().times(target_ns=1)
    assert set(figures.values()) == {0, 1}


def test_second_is_taken_once_and_the_whole_keeps_it():
    """A second's figures are given once; the summary counts taken and running seconds."""
    telemetry = Telemetry({Stage.RISK: 1000})
    telemetry.record(Stage.RISK, 500)
    telemetry.record(Stage.RISK, 2000)
    second = telemetry.take_second()
    assert list(second) == ["risk"]
    assert second["risk"]["count"] == 2
    assert second["risk"]["target_ns"] == 1000
    assert second["risk"]["over_target"]
    assert telemetry.take_second() == {}
    telemetry.record(Stage.RISK, 700)
    whole = telemetry.summary()
    assert whole["risk"]["count"] == 3
    assert whole["venue"]["count"] == 0
    assert list(whole) == [stage.name.lower() for stage in Stage]


def test_more_times_than_are_noted_at_once_are_counted_all_the_same():
    """A stage that is busier than its notes are long loses nothing."""
    telemetry = Telemetry({})
    for ns in range(2 * NOTED_CAPACITY + 5):
        telemetry.record(Stage.MARKET_DATA, ns)
    second = telemetry.take_second()["market_data"]
    assert (second["count"], second["max_ns"]) == (2 * NOTED_CAPACITY + 5, 2 * NOTED_CAPACITY + 4)
