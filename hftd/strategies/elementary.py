"""Logarithm and exponential by the four operations alone.

Owns two functions of floats. Must not know what they are for. A library's own may differ in the
last bit between machines, and between compiled and uncompiled code; these cannot, for IEEE 754
says what each of the four gives. So a price that is rounded from them is the same in a replay.
"""

from __future__ import annotations

from hftd.domain.kernel import kernel

LN_2 = 0.6931471805599453
TERMS = 24  # Of either series; the next one is below a double's last bit.
HALVINGS = 64  # Beyond 2^64 nothing here has a meaning.


@kernel
def ln(value: float) -> float:
    """Return the natural logarithm, within 4e-16 of the exact one or as much of itself.

    By value = m * 2^e with m near 1, and ln(m) = 2 atanh((m - 1) / (m + 1)). Asserts value > 0.
    """
    assert value > 0.0
    power = 0
    while value > 1.5 and power < HALVINGS:
        value = value / 2.0
        power += 1
    while value < 0.75 and power > -HALVINGS:
        value = value * 2.0
        power -= 1
    ratio = (value - 1.0) / (value + 1.0)
    square = ratio * ratio
    total = 0.0
    for term in range(TERMS - 1, -1, -1):
        total = total * square + 1.0 / (2.0 * term + 1.0)
    return 2.0 * ratio * total + power * LN_2


@kernel
def ln_1p(value: float) -> float:
    """Return ln(1 + value) for value > -0.5, exact to the last digits for a small one too."""
    assert value > -0.5
    if value > 0.5:
        return ln(1.0 + value)
    ratio = value / (2.0 + value)
    square = ratio * ratio
    total = 0.0
    for term in range(TERMS - 1, -1, -1):
        total = total * square + 1.0 / (2.0 * term + 1.0)
    return 2.0 * ratio * total


@kernel
def exp(value: float) -> float:
    """Return e to a power between -700 and 700: by its series near 0, then squared."""
    assert -700.0 < value < 700.0
    halved = 0
    while abs(value) > 0.25 and halved < HALVINGS:
        value = value / 2.0
        halved += 1
    total = 1.0
    for term in range(TERMS, 0, -1):
        total = 1.0 + total * value / term
    for _ in range(halved):
        total = total * total
    return total
