"""The trading day by its numbers: loss, drawdown and turnover at their limits, and the rollover."""

from __future__ import annotations

import pytest

from hftd.domain.codes import Code, TradingState
from hftd.domain.facts import FactKind as F
from hftd.engine import day
from tests.engine.scene import MS, SECOND, Scene, a_scene

DAY = 86_400 * SECOND


def a_day(loss: int = 100, drawdown: int = 1_000, turnover: int = 500) -> Scene:
    """Return a flat scene with these limits, at second 1."""
    scene = a_scene()
    scene.core["max_daily_loss_atoms"], scene.core["max_drawdown_atoms"] = loss, drawdown
    scene.core["max_turnover_atoms"] = turnover
    return scene


def at(scene: Scene, now_ns: int, realized: int) -> Scene:
    """Judge the day at a moment and with so much realized, over two instruments."""
    scene.begin(now_ns)
    scene.state.instruments["realized_atoms"] = [realized - 7, 7]
    day.check_loss(scene.state, scene.out)
    return scene


def halted(scene: Scene) -> tuple[int, int, int] | None:
    """Return code, value and bound of the halt, None where there was none."""
    found = [row for row in scene.facts() if row["kind"] == F.STATE]
    assert len(found) == (scene.core["state"] == TradingState.HALTED)
    return (found[0]["code"], found[0]["value"], found[0]["bound"]) if found else None


def test_c15_a_loss_at_the_limit_halts_when_it_has_stood_for_a_quarter_of_a_second() -> None:
    """One atom less is none; a nanosecond less is not long enough."""
    scene = at(a_day(), SECOND, -99)
    assert (scene.core["day_loss_atoms"], scene.core["loss_seen_ns"]) == (99, 0)
    at(scene, 2 * SECOND, -100)
    assert scene.core["loss_seen_ns"] == 2 * SECOND
    assert halted(at(scene, 2 * SECOND + 250 * MS - 1, -100)) is None
    assert halted(at(scene, 2 * SECOND + 250 * MS, -100)) == (Code.DAILY_LOSS, 100, 100)


def test_c15_a_loss_that_goes_away_is_counted_anew() -> None:
    """The next one has to stand for its own quarter of a second."""
    scene = at(at(at(a_day(), SECOND, -100), SECOND + 100 * MS, -99), SECOND + 200 * MS, -150)
    assert scene.core["loss_seen_ns"] == SECOND + 200 * MS
    assert halted(at(scene, SECOND + 449 * MS, -150)) is None
    assert halted(at(scene, SECOND + 450 * MS, -150)) == (Code.DAILY_LOSS, 150, 100)


def test_c16_a_drawdown_is_measured_from_the_days_peak() -> None:
    """A gain given back counts, though the day is not at a loss; the peak is kept."""
    scene = at(a_day(), SECOND, 1_500)
    assert (scene.core["peak_equity_atoms"], scene.core["day_loss_atoms"]) == (1_500, 0)
    at(scene, 2 * SECOND, 501)
    assert (scene.core["drawdown_atoms"], scene.core["loss_seen_ns"]) == (999, 0)
    at(scene, 3 * SECOND, 500)
    assert halted(at(scene, 4 * SECOND, 480)) == (Code.DRAWDOWN, 1_020, 1_000)
    assert scene.core["peak_equity_atoms"] == 1_500


def test_c15_the_days_loss_names_a_halt_that_is_both() -> None:
    """The day's opening, not the account's, is what a loss is measured from."""
    scene = a_day(loss=100, drawdown=100)
    scene.core["day_open_equity_atoms"] = 40
    at(scene, SECOND, -60)
    assert halted(at(scene, 2 * SECOND, -61)) == (Code.DAILY_LOSS, 101, 100)


@pytest.mark.parametrize(("turnover", "halts"), [(500, False), (501, True)])
def test_c16_a_turnover_beyond_the_cap_halts_at_once(turnover: int, halts: bool) -> None:
    """At the cap it does not."""
    scene = a_day()
    scene.core["turnover_atoms"] = turnover
    want = (Code.TURNOVER_LIMIT, 501, 500) if halts else None
    assert halted(at(scene, SECOND, 0)) == want


def test_c15_a_loss_is_as_new_as_the_newest_mark_of_what_is_held() -> None:
    """A flat account's is known now; an instrument without a position tells nothing."""
    scene = a_scene()
    scene.begin(9 * SECOND)
    records = scene.state.instruments
    records["mark_ns"] = [3 * SECOND, 5 * SECOND]
    assert day.newest_mark_ns(scene.state) == 9 * SECOND
    records["position_lots"] = [2, 0]
    assert day.newest_mark_ns(scene.state) == 3 * SECOND
    records["position_lots"] = [2, -1]
    assert day.newest_mark_ns(scene.state) == 5 * SECOND
    records["mark_ns"] = [6 * SECOND, 5 * SECOND]
    assert day.newest_mark_ns(scene.state) == 6 * SECOND


def test_c15_one_old_mark_seen_twice_halts_nothing() -> None:
    """However long it stands: it takes two updates of the market a quarter of a second apart."""
    scene = a_day()
    scene.instrument["position_lots"], scene.instrument["mark_ns"] = 1, SECOND
    for second in (2, 3, 4):
        assert halted(at(scene, second * SECOND, -100)) is None
    scene.instrument["mark_ns"] = SECOND + 250 * MS
    assert halted(at(scene, 5 * SECOND, -100)) == (Code.DAILY_LOSS, 100, 100)


def test_c15_a_new_day_opens_at_its_hour_with_what_there_is() -> None:
    """Open and peak are the total of then; turnover and doubts are of the day before."""
    scene = a_scene()
    core = scene.core
    core["day_starts_ns"], core["day"] = 3_600 * SECOND, 4
    scene.state.instruments["realized_atoms"] = [30, 12]
    core["turnover_atoms"] = core["loss_seen_ns"] = core["day_start_equity_atoms"] = 5
    scene.begin(5 * DAY + 3_600 * SECOND - 1)
    day.roll_day(scene.state, scene.out)
    assert (core["day"], core["turnover_atoms"], scene.facts()) == (4, 5, [])
    scene.begin(5 * DAY + 3_600 * SECOND)
    day.roll_day(scene.state, scene.out)
    assert (core["day"], core["day_open_equity_atoms"], core["peak_equity_atoms"]) == (5, 42, 42)
    assert (core["turnover_atoms"], core["loss_seen_ns"], core["day_start_equity_atoms"]) == (
        0, 0, 0,
    )  # fmt: skip
    assert [row["kind"] for row in scene.facts()] == [F.EQUITY]


def test_the_equity_of_the_days_start_waits_for_every_mid_and_opening() -> None:
    """It is kept once, and is not what comes later."""
    scene = a_scene()
    scene.state.balances["opening_atoms"] = [500, 3_000, 0]
    for mids, opening, kept in (([20, 0], 1, 0), ([0, 20], 1, 0), ([20, 20], 0, 0),
                                ([20, 20], 1, 500 + 3 * 20 * 1_000 // 2)):  # fmt: skip
        scene.state.instruments["mid_half_ticks"] = mids
        scene.state.balances["opening_known"][2] = opening
        day.keep_start_equity(scene.state)
        assert scene.core["day_start_equity_atoms"] == kept
    scene.state.instruments["mid_half_ticks"] = 90
    day.keep_start_equity(scene.state)
    assert scene.core["day_start_equity_atoms"] == 500 + 3 * 20 * 1_000 // 2
