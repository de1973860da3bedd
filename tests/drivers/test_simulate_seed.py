"""What a seed's end is judged by: a book once more, and a reason for each side without a quote."""

from __future__ import annotations

from pathlib import Path

import pytest

from hftd.domain.codes import Code
from hftd.drivers.checkers import all_checkers
from hftd.drivers.simulate_seed import SECOND_NS, SeedRun, draw, unexplained
from tests.drivers.watched import BUILD
from tests.engine.scene import BUY, SELL, a_scene

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("code", "denied", "fault"),
    [
        (Code.SPREAD_TOO_NARROW, Code.NONE, ""),
        (Code.SPREAD_TOO_NARROW, Code.OPEN_ORDERS, ""),
        (Code.DENIED_RECENTLY, Code.TURNOVER, ""),
        (Code.NONE, Code.TURNOVER, "no quote and no reason for SELL"),
        (Code.DENIED_RECENTLY, Code.OPEN_ORDERS, "no order of ours, and SELL is refused by"),
        (Code.DENIED_RECENTLY, Code.SIDE_IN_DOUBT, "no order of ours, and SELL is refused by"),
    ],
)
def test_a_side_without_a_quote_has_a_reason_that_holds(
    code: Code, denied: Code, fault: str
) -> None:
    """None at all is none, nor is one that only an order of ours would give."""
    targets = a_scene().state.targets[0]
    targets[BUY]["quoted_code"] = Code.NO_EDGE
    targets[SELL]["quoted_code"], targets[SELL]["denied_code"] = code, denied
    said = unexplained(targets)
    assert said.startswith(fault) and bool(said) == bool(fault)


def test_a_daemon_that_never_has_a_book_again_has_not_mended(tmp_path: Path) -> None:
    """The market link falls as all faults end, 40 s on the way, and nobody opens another."""
    run = SeedRun(draw(3, 2, "market-making", []), BUILD, all_checkers, tmp_path)
    world = run.world

    def part() -> None:
        world.skies.market.shut_ns = world.now_ns + 1_000 * SECOND_NS
        world.roads.market.link.drop("cut")

    world.calendar.at(world.now_ns + 40 * SECOND_NS + 1, part)
    outcome = run.run()
    assert outcome.invariant == "I30"
    assert "not SYNCED" in outcome.violation


def test_of_several_instruments_each_is_judged_by_its_own_frames(tmp_path: Path) -> None:
    """A snapshot names no symbol: whose it is, its frame says. Nothing is broken, both trade."""
    text = (ROOT / "profiles" / "market-making.yaml").read_text()
    for old, new in (
        ("instruments: [BTC-USDT]", "instruments: [BTC-USDT, ETH-USDT]"),
        ('opening_balances: {BTC: "1", ', 'opening_balances: {BTC: "1", ETH: "10", '),
    ):
        assert old in text
        text = text.replace(old, new)
    profile = tmp_path / "two.yaml"
    profile.write_text(text)
    run = SeedRun(draw(3, 2, str(profile), []), BUILD, all_checkers, tmp_path / "world")
    assert run.run().violation == ""
    assert run.world.engine.state.instruments["fills"].all()
