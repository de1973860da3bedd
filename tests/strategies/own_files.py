"""Profiles and files of a user's own strategies, written where a test says."""

from __future__ import annotations

from pathlib import Path

HEAD = """
from decimal import Decimal

from hftd.strategies.own import NoQuote, PositiveBps, Quote, Side, Strategy, Take, View
"""

MAKER = (
    HEAD
    + '''

class Maker(Strategy):
    """Quote at a distance from mid, not at all while the book leans."""

    half_spread_bps: PositiveBps = Decimal(10)
    """Distance from mid to each quote."""
    reasons = ("the book leans",)
    memory = ("calls", "seen_ns")

    def decide(self, view: View):
        view.memory["calls"] += 1
        view.memory["seen_ns"] = view.now_ns
        size = view.lots(self.order_size_base)
        if view.imbalance > Decimal("0.9"):
            yield NoQuote(Side.BUY, "the book leans")
        else:
            yield Quote(Side.BUY, view.below_mid(self.half_spread_bps), size)
        yield Quote(Side.SELL, view.above_mid(self.half_spread_bps), size)
'''
)


def a_profile(
    folder: Path,
    source: str = MAKER,
    name: str = "Maker",
    more: str = "",
    base: str = "market-making.yaml",
) -> str:
    """Write a strategy and a profile that names it; return the profile's path."""
    (folder / "mine.py").write_text(source)
    path = folder / "mine.yaml"
    path.write_text(
        "schema_version: 1\n"
        "description: A strategy of one's own.\n"
        f"extends: {base}\n"
        "strategy:\n"
        f"  kind: mine.py:{name}\n"
        '  order_size_base: "0.01"\n'
        f"{more}"
    )
    return str(path)


def decides(body: str, more: str = "") -> str:
    """Return the source of a class Maker whose decide has this body."""
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    return f"{HEAD}\n\nclass Maker(Strategy):\n    {more or 'reasons = ()'}\n\n" + (
        f"    def decide(self, view):\n{lines}\n"
    )
