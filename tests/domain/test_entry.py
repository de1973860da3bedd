"""The way into a kernel without the dispatcher."""

from __future__ import annotations

import numpy as np
import pytest

from hftd.domain.entry import entry
from hftd.domain.kernel import kernel

PAIR = np.dtype([("one", "i8"), ("two", "i8")])


@kernel
def _swap(pairs, at):
    if pairs[at]["two"] == 13:
        raise AssertionError  # Not by `assert`: pytest rewrites that into what Numba cannot read.
    pairs[at]["one"], pairs[at]["two"] = pairs[at]["two"], pairs[at]["one"]
    return pairs[at]["one"]


def test_an_entry_does_what_its_kernel_does() -> None:
    """It takes records of the type that it was made for, and an assertion in it is raised."""
    pairs = np.array([(1, 2), (3, 4), (5, 13)], PAIR)
    swap = entry(_swap, pairs, 0)
    assert (swap(pairs, 1), _swap(pairs, 0)) == (4, 2)
    assert pairs.tolist() == [(2, 1), (4, 3), (5, 13)]
    with pytest.raises(AssertionError):
        swap(pairs, 2)


def test_a_plain_function_is_its_own_entry() -> None:
    """A strategy in plain Python is called as it is."""
    assert entry(len, []) is len
