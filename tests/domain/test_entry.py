"""The way into a kernel without the dispatcher."""

from __future__ import annotations

from enum import IntEnum

import numba
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


@kernel.borrowing
def _median(numbers):
    return np.sort(numbers)[len(numbers) // 2]


@kernel
def _median_of_a_copy(numbers):
    return np.sort(numbers)[len(numbers) // 2]


@kernel.borrowing
def _twice_the_median(numbers):
    return 2 * _median_of_a_copy(numbers)


def test_a_kernel_that_borrows_makes_no_array() -> None:
    """One that would is refused when it is compiled; a kernel that it calls is as it was made."""
    numbers = np.array([5, 3, 4])
    assert _twice_the_median(numbers) == 8
    assert numbers.tolist() == [5, 3, 4]
    if numba.config.DISABLE_JIT:
        assert _median(numbers) == 4
    else:
        with pytest.raises(numba.core.errors.NumbaError):
            _median(numbers)


class _Colour(IntEnum):
    RED = 7


@kernel
def _half(number, is_odd):
    return (number - 1) // 2 if is_odd else number // 2


@kernel
def _halves(pairs):
    narrow = np.int32(9)
    return (
        _half(8, False)
        + _half(_Colour.RED, True)
        + _half(pairs[0]["one"], False)
        + _half(narrow, narrow > 8)
    )


def test_a_kernel_is_compiled_once_for_all_whole_numbers_that_kernels_pass_it() -> None:
    """A constant, an enumeration, a field and a narrow number; what is no number is as it was."""
    assert _halves(np.array([(20, 0)], PAIR)) == 4 + 3 + 10 + 4
    if not numba.config.DISABLE_JIT:
        integer, truth = numba.types.int64, numba.types.boolean
        assert list(_half.overloads) == [(integer, truth)]
        assert _half.overloads[integer, truth].signature.return_type == integer


def test_a_plain_function_is_its_own_entry() -> None:
    """A strategy in plain Python is called as it is."""
    assert entry(len, []) is len
