"""The seeded randomness of the agents."""

from __future__ import annotations

import statistics

import pytest

from hftd.simex.flow_noise import Noise


def test_the_generator_is_splitmix64() -> None:
    """The first words of seed 1234567 are those of the published algorithm."""
    noise = Noise(1_234_567)
    assert [noise.bits() for _ in range(5)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_the_state_is_the_whole_of_it() -> None:
    """A generator made from another's state goes on where that one stands."""
    first = Noise(3)
    first.bits()
    second = Noise(first.state)
    assert [first.waiting(1_000) for _ in range(9)] == [second.waiting(1_000) for _ in range(9)]


@pytest.mark.parametrize("seed", [1, 2**63, -5])
def test_waiting_times_are_exponential(seed: int) -> None:
    """Mean and deviation are the given mean, and about e**-1 of the draws exceed it."""
    noise = Noise(seed)
    draws = [noise.waiting(1_000_000) for _ in range(40_000)]
    assert statistics.mean(draws) == pytest.approx(1_000_000, rel=0.02)
    assert statistics.pstdev(draws) == pytest.approx(1_000_000, rel=0.03)
    assert sum(draw > 1_000_000 for draw in draws) / len(draws) == pytest.approx(0.368, abs=0.01)
    assert min(draws) >= 0


def test_steps_have_the_deviation_asked_for() -> None:
    """A walk's steps have no drift and the given deviation."""
    noise = Noise(11)
    draws = [noise.step(10_000) for _ in range(40_000)]
    assert abs(statistics.mean(draws)) < 150
    assert statistics.pstdev(draws) == pytest.approx(10_000, rel=0.02)


def test_ranges_are_reached_and_kept() -> None:
    """``below`` and ``between`` reach each value of their range and none outside."""
    noise = Noise(5)
    assert sorted({noise.below(7) for _ in range(500)}) == list(range(7))
    assert sorted({noise.between(-2, 2) for _ in range(500)}) == [-2, -1, 0, 1, 2]
    assert sum(noise.chance(30) for _ in range(20_000)) / 20_000 == pytest.approx(0.3, abs=0.015)
