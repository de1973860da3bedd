"""Exact conversion between decimal text at the edges and integers inside.

Every venue quantity is read as an integer of 1e-8 (Binance Spot's precision), then divided
by the instrument's step; what does not divide is refused, never rounded.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

E8 = 100_000_000
INT64_MAX = 2**63 - 1


def parse_e8(text: str) -> int:
    """Return decimal text as an integer of 1e-8.

    Raises: ValueError where the text is no plain decimal or has more than eight decimals.
    """
    sign = -1 if text.startswith("-") else 1
    whole, _, part = text.lstrip("-").partition(".")
    digits = (whole or "0") + part
    if len(part) > 8 and part[8:].strip("0"):
        raise ValueError(f"more than eight decimals, was {text!r}")
    if not digits.isdecimal() or not digits.isascii() or len(whole) > 18:
        raise ValueError(f"a plain decimal is needed, was {text[:40]!r}")
    return sign * (int(whole or "0") * E8 + int((part[:8]).ljust(8, "0")))


def to_steps(text: str, step_e8: int) -> int:
    """Return decimal text in whole steps; ValueError where a step does not divide it."""
    value = parse_e8(text)
    steps, rest = divmod(value, step_e8)
    if rest:
        raise ValueError(f"a multiple of {from_scaled(step_e8, E8)} is needed, was {text}")
    return steps


def from_scaled(value: int, scale: int) -> str:
    """Return an integer of 1/scale (a power of ten) as plain decimal text without padding."""
    sign = "-" if value < 0 else ""
    whole, part = divmod(abs(value), scale)
    decimals = len(str(scale)) - 1
    text = str(part).rjust(decimals, "0").rstrip("0") if decimals else ""
    return f"{sign}{whole}.{text}" if text else f"{sign}{whole}"


def from_steps(steps: int, step_e8: int) -> str:
    """Return a number of steps as plain decimal text."""
    return from_scaled(steps * step_e8, E8)


def decimal_text(value: Decimal | Fraction, places: int = 8) -> str:
    """Return a decimal or fraction as plain text, rounded half-even to ``places``."""
    if isinstance(value, Fraction):
        scaled = round(value * 10**places)
        return from_scaled(scaled, 10**places)
    return from_scaled(int(value.scaleb(places).to_integral_value()), 10**places)
