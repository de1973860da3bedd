"""The latency models alone: what they draw, and that one seed draws the same for ever."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from hftd.simex.latency import MAX_DELAY_NS, Constant, Latencies, LogNormal, Samples, Way

MS = 1_000_000
DRAWN_WITH_7 = [2_128_481, 1_940_219, 2_056_447, 1_276_697]


def draws(late: Latencies, account: int, way: Way, count: int) -> list[int]:
    """Return so many delays in a row."""
    return [late.delay_ns(account, way) for _ in range(count)]


def test_without_a_model_nothing_takes_time() -> None:
    """No model, no delay, on any way of any account."""
    late = Latencies()
    assert not late.any
    assert {late.delay_ns(account, way) for account in (0, 1, 9) for way in Way} == {0}


def test_an_account_overrides_the_ways_it_names() -> None:
    """Account 2 has an entry of its own and the default's response."""
    late = Latencies(
        {Way.ENTRY: Constant(2 * MS), Way.RESPONSE: Constant(MS)},
        {2: {Way.ENTRY: Constant(80 * MS)}, 3: {Way.ENTRY: Constant(0)}},
    )
    entries = [late.delay_ns(account, Way.ENTRY) for account in (0, 1, 2, 3)]
    assert entries == [2 * MS, 2 * MS, 80 * MS, 0]
    assert late.delay_ns(2, Way.RESPONSE) == MS
    assert late.delay_ns(2, Way.FEED) == 0


def test_log_normal_has_its_median_and_deviation() -> None:
    """20,000 delays: the median is the model's, and so are the quantiles one and two away."""
    late = Latencies({Way.FEED: LogNormal(2 * MS, Decimal("0.5"))}, seed=7)
    delays = sorted(draws(late, 0, Way.FEED, 20_000))
    expected = {0.5: 1.0, 0.841: 1.6487, 0.159: 0.6065, 0.977: 2.7183}
    for share, factor in expected.items():
        assert abs(delays[int(share * 20_000)] / (2 * MS) - factor) < 0.06 * factor
    assert delays[-1] < MAX_DELAY_NS


def test_no_delay_is_beyond_ten_seconds() -> None:
    """However heavy the tail, no message is under way for longer."""
    late = Latencies({Way.FEED: LogNormal(9_000 * MS, Decimal(5)), Way.ENTRY: Constant(10**12)})
    assert max(draws(late, 0, Way.FEED, 200)) == MAX_DELAY_NS
    assert late.delay_ns(0, Way.ENTRY) == MAX_DELAY_NS


def test_samples_are_drawn_each_as_often() -> None:
    """Only what was measured comes, all of it, in equal parts."""
    late = Latencies({Way.FEED: Samples((5, 6, 7, 900))}, seed=1)
    delays = draws(late, 0, Way.FEED, 8_000)
    assert {delay: round(delays.count(delay) / 2_000, 1) for delay in (5, 6, 7, 900)} == {
        5: 1.0,
        6: 1.0,
        7: 1.0,
        900: 1.0,
    }


def test_one_seed_draws_the_same_on_any_machine() -> None:
    """These four were drawn once; another seed draws others."""
    model = {Way.ENTRY: LogNormal(2 * MS, Decimal("0.5"))}
    assert draws(Latencies(model, seed=7), 1, Way.ENTRY, 4) == DRAWN_WITH_7
    assert draws(Latencies(model, seed=8), 1, Way.ENTRY, 4) != DRAWN_WITH_7


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from(Way)), max_size=60))
def test_what_others_do_changes_no_delay(others: list[tuple[int, Way]]) -> None:
    """Account 9's entries are the same whoever else draws in between."""
    model = dict.fromkeys(Way, LogNormal(MS, Decimal(1)))
    alone, among = Latencies(model, seed=3), Latencies(model, seed=3)
    expected = draws(alone, 9, Way.ENTRY, 1 + len(others))
    found = [among.delay_ns(9, Way.ENTRY)]
    for account, way in others:
        among.delay_ns(account, way)
        found.append(among.delay_ns(9, Way.ENTRY))
    assert found == expected
