"""Flatten: reduce-only slices within the collar to position 0, never the user's own coins."""

from __future__ import annotations

import pytest

from hftd.domain.actions import ActionKind as A
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind as C
from hftd.domain.events import EventKind as E
from hftd.domain.events import Link
from hftd.domain.facts import FactKind as F
from hftd.domain.order import Side, TimeInForce
from hftd.engine import commands, flatten
from tests.engine.scene import a_scene
from tests.playbook import BTC, Playbook


def slices(play: Playbook) -> list[dict[str, int]]:
    """Return the reduce-only creates so far."""
    return [row for row in play.all_actions if row["kind"] == A.SUBMIT and row["reduce_only"]]


def test_in_slices_to_zero() -> None:
    """IOC sells at the collar's bound, each within the order limit, until nothing is left."""
    play = Playbook().hold(1000)
    play.command(C.FLATTEN)
    first = play.expect(A.SUBMIT)
    assert (first["side"], first["time_in_force"]) == (Side.SELL, TimeInForce.IOC)
    assert first["price_ticks"] == 5970  # 50 bps below 6,000.
    assert first["qty_lots"] == 1000
    play.fill(first["order_key"], 300, price_ticks=5990)
    play.feed(E.EXPIRED, order_key=first["order_key"], cum_qty_lots=300).expect_none(A.SUBMIT)
    play.pulse(3)
    second = slices(play)[-1]
    assert (len(slices(play)), second["qty_lots"]) == (2, 700)
    play.fill(second["order_key"], 700)
    assert play.instrument["position_lots"] == 0
    play.pulse(5).expect_none(A.SUBMIT)
    assert play.instrument["flatten"] == 0


def test_a_short_position_is_bought_back() -> None:
    """The other way round, at the collar above."""
    play = Playbook()
    buy, sell = play.resting()
    play.fill(sell, 200).command(C.PAUSE).canceled(buy).canceled(sell, 200)
    play.command(C.FLATTEN)
    order = play.expect(A.SUBMIT)
    assert (order["side"], order["price_ticks"], order["qty_lots"]) == (Side.BUY, 6030, 200)


def test_slices_keep_the_order_limits() -> None:
    """A full-size position under the canary: slices of the unscaled order limit."""
    play = Playbook(profile="canary").hold(100)
    play.position_before = 2_900  # Bought before the canary.
    play.instrument["position_lots"] += 2_900
    play.instrument["boot_position_lots"] += 2_900
    play.command(C.FLATTEN)
    assert play.expect(A.SUBMIT)["qty_lots"] == 2_000  # Ten times the canary's limit.


def test_dust_is_left_alone() -> None:
    """What the venue would refuse for its value ends the flatten, and says so once."""
    play = Playbook().hold(8)  # 8 lots of 60,000 are 4.80 USDT; the least is 5.
    play.command(C.FLATTEN).expect_none(A.SUBMIT)
    note = play.fact(F.NOTE)
    assert (note["code"], note["value"]) == (Code.SIZE_ZERO, 8)
    play.pulse(5).expect_none()


def test_it_never_sells_the_users_own_coins() -> None:
    """Position 0 over an opening of a whole coin: there is nothing to do."""
    play = Playbook().run()
    assert play.held[BTC] == 10**8
    for row in play.orders():
        play.feed(E.REJECTED, order_key=row["key"], code=-201001)
    play.command(C.PAUSE).command(C.FLATTEN)
    play.pulse(5)
    assert not slices(play)
    assert play.instrument["flatten"] == 0


def test_it_never_sells_below_the_reserve() -> None:
    """The reserve holds in flatten as well; the shortage is told."""
    play = Playbook(sets=["inventory.reserve_base=1"])
    play.run()
    buy = play.key(Side.BUY)  # The sell is not quoted: nothing is above the reserve.
    play.accept(buy).fill(buy, 200).feed(E.EXTERNAL_FLOW, asset=BTC, delta_atoms=-150 * 1000)
    play.command(C.PAUSE).canceled(buy, 200).command(C.FLATTEN)
    assert play.expect(A.SUBMIT)["qty_lots"] == 50


def test_resting_quotes_go_first() -> None:
    """In PAUSED with quotes on their way out the first slice waits for their end."""
    play = Playbook()
    buy, sell = play.resting()
    play.fill(buy, 500).command(C.PAUSE).command(C.FLATTEN).expect_none(A.SUBMIT)
    play.canceled(buy, 500).expect_none(A.SUBMIT)
    assert play.canceled(sell).expect(A.SUBMIT)["qty_lots"] == 500


def test_the_quoter_keeps_away() -> None:
    """While an instrument is being flattened nothing but slices is created on it."""
    play = Playbook().hold(500)
    play.command(C.FLATTEN)
    key = play.expect(A.SUBMIT)["order_key"]
    play.accept(key)
    for bid in (5980, 6000, 5970):
        play.after(seconds=1).market(bid, bid + 20).pulse().expect_none(A.SUBMIT, A.CANCEL_REPLACE)
    assert play.order(key)["cancel_wanted"] == 0


def test_resume_ends_it() -> None:
    """Back to quoting: no slice follows, both sides are quoted."""
    play = Playbook().hold(500)
    play.command(C.FLATTEN)
    key = play.expect(A.SUBMIT)["order_key"]
    play.feed(E.EXPIRED, order_key=key).command(C.RESUME)
    assert play.state == TradingState.RUNNING
    play.market().pulse(5)
    assert len(slices(play)) == 1
    assert {row["side"] for row in play.orders()} == {Side.BUY, Side.SELL}


def test_a_pause_of_its_own_is_held() -> None:
    """Flattened in a pause that would lift itself: PAUSED until `resume`."""
    play = Playbook()
    play.resting()
    play.feed(E.CLOCK, venue_offset_ns=10**9)
    assert play.state == TradingState.PAUSED
    for row in play.orders():
        play.canceled(row["key"])
    play.command(C.FLATTEN).feed(E.CLOCK)
    play.after(seconds=3).market().pulse()
    assert (play.state, play.core["state_code"]) == (TradingState.PAUSED, Code.OPERATOR)


@pytest.mark.parametrize("how", [C.PAUSE, C.KILL])
def test_it_waits_while_reports_are_lost(how: C) -> None:
    """Without our own reports the position is a guess: no slice until it is known again."""
    play = Playbook().hold(500)
    play.command(how).open_orders_end()
    play.link(Link.USER, up=0).command(C.FLATTEN).market().pulse(5)
    assert not slices(play)
    assert not [row for row in play.all_facts if row["kind"] == F.REFUSAL]
    play.link(Link.USER).reconcile().pulse()
    assert len(slices(play)) == 1


def test_it_is_allowed_when_killed_and_kill_ends_it() -> None:
    """KILLED may flatten on command; another kill stops that too."""
    play = Playbook().hold(500)
    play.command(C.KILL).open_orders_end().command(C.FLATTEN)
    key = play.expect(A.SUBMIT)["order_key"]
    play.command(C.KILL)
    assert play.did(A.CANCEL, target_key=key)
    play.feed(E.EXPIRED, order_key=key).pulse(10)
    assert len(slices(play)) == 1


def test_without_a_reference_no_slice_has_a_price() -> None:
    """Nothing tells what is fair: it waits, and is not over."""
    scene = a_scene()
    core, record = scene.core, scene.instrument
    core["order_up"] = core["user_up"] = core["recovery_clean"] = 1
    record["flatten"], record["position_lots"], record["collar_bps_e2"] = 1, 5, 5_000
    record["max_order_lots_reduce"], record["max_order_notional_atoms_reduce"] = 100, 10**12
    flatten.wishes(scene.state, scene.out)
    assert (scene.wishes(), scene.facts(), int(record["flatten"])) == ([], [], 1)
    record["last_trade_ticks"] = 1_000
    flatten.wishes(scene.state, scene.out)
    assert [(row["price_ticks"], row["qty_lots"]) for row in scene.wishes()] == [(995, 5)]
    assert [flatten.slice_price_ticks(scene.state, 0, side) for side in (0, 1)] == [1_005, 995]


def test_one_instrument_is_flattened_where_one_is_named() -> None:
    """The other keeps its position; no name means all."""
    for wanted, flattened in ((0, [1, 0]), (1, [0, 1]), (-1, [1, 1])):
        scene = a_scene()
        scene.core["state"], scene.core["recovery_clean"] = TradingState.PAUSED, 1
        scene.state.instruments["flatten_next_ns"] = 9
        assert commands.flatten(scene.state, wanted) == Code.NONE
        assert list(scene.state.instruments["flatten"]) == flattened
        assert list(scene.state.instruments["flatten_next_ns"]) == [9 - 9 * f for f in flattened]


@pytest.mark.parametrize(("position", "target", "lots"), [(30, 20, 10), (-5, 20, 25), (30, -5, 35)])
def test_a_slice_leads_to_the_target(position: int, target: int, lots: int) -> None:
    """Where the profile names a holding, that is what is left; within the limits of one order."""
    record = a_scene().instrument
    record["position_lots"], record["target_position_lots"] = position, target
    record["max_order_lots_reduce"], record["max_order_notional_atoms_reduce"] = 100, 10**9
    assert flatten.slice_lots(record, 100) == lots
    record["max_order_lots_reduce"] = 7
    assert flatten.slice_lots(record, 100) == 7
    record["max_order_notional_atoms_reduce"] = 3 * 100 * 1_000 + 99_999
    assert flatten.slice_lots(record, 100) == 3
