"""Owns the seeded randomness of the market's agents; knows neither prices nor orders.

The generator is SplitMix64 (Steele, Lea and Flood 2014, "Fast splittable pseudorandom number
generators"): one 64-bit word of state, so a dump is one integer. Every variate is made of
integers alone: the same seed gives the same market on any platform and Python version.
"""

from __future__ import annotations

from decimal import Context, Decimal
from itertools import pairwise

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_ONE = 1_000_000  # Fixed point of the exponential table.
_STEPS = 256


def _exponential_quantiles() -> tuple[int, ...]:
    # Decimal's logarithm is correctly rounded everywhere; libm's is not.
    context = Context(prec=18)
    points = [
        context.multiply(context.ln(Decimal(_STEPS) / Decimal(_STEPS - step)), Decimal(_ONE))
        for step in range(_STEPS)
    ]
    # The last quantile is infinite; this value keeps the mean of the whole at one.
    inner = sum((low + high) / 2 for low, high in pairwise(points))
    points.append(2 * (_STEPS * _ONE - inner) - points[-1])
    return tuple(int(point) for point in points)


_EXPONENTIAL = _exponential_quantiles()


class Noise:
    """A stream of random integers that a seed and a position define.

    Invariant: ``state`` is the whole of it; ``Noise(other.state)`` goes on where other stands.
    """

    __slots__ = ("state",)

    def __init__(self, state: int) -> None:
        self.state = state & _MASK

    def bits(self) -> int:
        """Draw 64 uniform bits."""
        self.state = state = (self.state + _GOLDEN) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        return state ^ (state >> 31)

    def below(self, bound: int) -> int:
        """Draw a uniform integer in [0, bound); the bias is under bound / 2**64."""
        # `bits`, written out: half of all that a simulated market does is to draw.
        self.state = state = (self.state + _GOLDEN) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((state ^ (state >> 31)) * bound) >> 64

    def between(self, low: int, high: int) -> int:
        """Draw a uniform integer in [low, high], both ends included."""
        return low + self.below(high - low + 1)

    def chance(self, percent: int) -> bool:
        """Answer yes with the given probability."""
        return self.below(100) < percent

    def step(self, deviation: int) -> int:
        """Draw a walk's step with mean 0 and standard deviation close to ``deviation``.

        The population count of 64 fair bits is binomial with deviation 4: bell-shaped,
        bounded at 8 deviations, and exact.
        """
        return (self.bits().bit_count() - 32) * deviation // 4

    def waiting(self, mean: int) -> int:
        """Draw an exponential with the given mean: the time to the next of a Poisson stream."""
        at = self.bits()
        step = at >> 56
        low, high = _EXPONENTIAL[step], _EXPONENTIAL[step + 1]
        within = (at >> 24) & 0xFFFFFFFF
        return mean * (low + ((high - low) * within >> 32)) // _ONE
