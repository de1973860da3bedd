"""What a boot keeps of a ring, against the same told record by record."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from hftd.drivers.carried import carry_ring

RING = np.dtype([("instrument", "i4"), ("id", "i8")])


@given(
    st.lists(st.integers(0, 2), max_size=20),
    st.sampled_from([{0: 0, 1: 1, 2: 2}, {0: 1, 1: 0}, {2: 0}, {0: 2, 2: 1}, {}]),
    st.integers(1, 8),
)
def test_a_ring_keeps_the_newest_of_the_instruments_that_are_left(
    written: list[int], places: dict[int, int], capacity: int
) -> None:
    """In their order, renumbered; what was overwritten and what is no more traded is gone."""
    before, after = np.zeros(capacity, RING), np.zeros(capacity, RING)
    for at, instrument in enumerate(written):
        before[at % capacity] = instrument, at
    newest = list(enumerate(written))[-capacity:]
    expected = [(places[index], at) for at, index in newest if index in places]
    count = carry_ring(before, after, len(written), places)
    kept = [after[at % capacity].item() for at in range(max(0, count - capacity), count)]
    assert kept == expected
    assert count == (len(written) if len(expected) == len(newest) else len(expected))
