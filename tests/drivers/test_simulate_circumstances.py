"""What is so in a world from its beginning: each circumstance by itself, and what it leads to."""

from __future__ import annotations

import pytest

from hftd.cli.simulate import runner
from hftd.config.load import load_profile
from hftd.drivers.simulate_circumstances import CIRCUMSTANCES, draw_circumstances, sets_of
from hftd.drivers.simulate_seed import draw
from hftd.simex.flow_noise import Noise


@pytest.mark.parametrize("name", CIRCUMSTANCES)
def test_a_circumstance_is_a_profile_that_loads_and_is_another(name: str) -> None:
    """Whatever a seed draws of it; and another seed may draw another."""
    plain = load_profile("market-making", environ={}).profile
    drawn = [sets_of([name], seed) for seed in range(20)]
    for sets in drawn:
        assert load_profile("market-making", sets=sets, environ={}).profile != plain
    assert name in ("canary", "crash-halts") or len({tuple(sets) for sets in drawn}) > 1


def test_a_seed_keeps_the_others_where_one_is_left_out() -> None:
    """So that a failing seed shrinks by circumstances as well."""
    whole = sets_of(tuple(CIRCUMSTANCES), 7)
    for name in CIRCUMSTANCES:
        fewer = sets_of([each for each in CIRCUMSTANCES if each != name], 7)
        assert fewer == [each for each in whole if each not in sets_of([name], 7)] != whole


def test_more_than_every_other_seed_has_a_circumstance() -> None:
    """They are drawn beside the faults, and a line that names its faults adds none."""
    having = sum(bool(draw_circumstances(Noise(seed))) for seed in range(1_000))
    assert 500 < having < 650
    drawn = [draw(seed, 10, "market-making", None) for seed in range(100)]
    assert any(set(CIRCUMSTANCES) & set(each.faults) for each in drawn)
    assert draw(1, 10, "market-making", ("kill-9",)).faults == ("kill-9",)


def test_what_is_rare_is_met_where_the_circumstances_ask_for_it() -> None:
    """A day's end, a loss that is sold off, limits and funds that an order meets."""
    names = ("day-ends", "little-money", "tight-limits", "small-loss")
    out = runner()(draw(506, 10, "market-making", names))
    assert out.violation == ""
    assert set(out.sometimes) >= {
        "day rolled over", "funds short", "open orders limit refused",
        "halted for a loss", "position reduced after a loss",
    }  # fmt: skip
