"""Decimals of the wire as whole atoms and back.

Owns the one way from text to integers: eight decimals, no float, no rounding.
"""

from __future__ import annotations

import re
from functools import lru_cache

from hftd.simex import refusals
from hftd.simex.market import ATOMS
from hftd.simex.refusals import Refusal

LEGAL_NUMBER = "^([0-9]{1,20})(\\.[0-9]{1,20})?$"
_NUMBER = re.compile(r"([0-9]{1,20})(?:\.([0-9]{1,20}))?")


def atoms_of(name: str, text: str) -> int | Refusal:
    """Return the atoms of a decimal in text, or the refusal that parameter ``name`` gets."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return refusals.illegal(name, LEGAL_NUMBER)
    whole, decimals = match.group(1), (match.group(2) or "").rstrip("0")
    if len(decimals) > 8:
        return refusals.too_precise(name)
    return int(whole) * ATOMS + int(decimals.ljust(8, "0"))


@lru_cache(maxsize=16_384)
def text_of(atoms: int) -> str:
    """Return atoms as text with eight decimals, as the protocol prints all amounts.

    Prices and quantities come again and again: the newest are remembered.
    """
    sign = "-" if atoms < 0 else ""
    whole, decimals = divmod(abs(atoms), ATOMS)
    return f"{sign}{whole}.{decimals:08d}"


def exact_atoms(text: str) -> int:
    """Return the atoms of a decimal of our own configuration; assert that it is one."""
    atoms = atoms_of("value", text)
    assert isinstance(atoms, int), f"a decimal with at most eight places, was {text}"
    return atoms
