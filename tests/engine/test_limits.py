"""C38: limits change while trading only to the tighter side, whole or not at all."""

from __future__ import annotations

import pytest

from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind as C
from hftd.domain.events import EventKind as E
from hftd.domain.facts import FactKind as F
from hftd.domain.limits import FIRST_OF_INSTRUMENT, Limit
from hftd.engine import limits
from hftd.engine.state import PROPOSALS_CAPACITY
from tests.engine.scene import a_scene
from tests.playbook import Playbook


def held(play: Playbook, limit: Limit) -> int:
    """Return a limit as the engine holds it."""
    index = 0 if limit >= FIRST_OF_INSTRUMENT else -1
    return int(limits.in_force(play.engine.state, int(limit), index))


def changed(play: Playbook, *wanted: tuple[int, int]) -> Code:
    """Propose values for limits, give the command, and return what came of it."""
    for limit, value in wanted:
        index = 0 if limit >= FIRST_OF_INSTRUMENT else -1
        play.feed(E.LIMIT, limit=int(limit), instrument=index, value=value)
    play.command(C.SET_LIMITS)
    return Code(play.fact(F.COMMAND)["code"])


@pytest.mark.parametrize("limit", list(Limit))
def test_c38_every_limit_tightens_while_running_and_loosens_only_while_halted(
    limit: Limit,
) -> None:
    """One step tighter is taken, its own value too; back again is refused until HALTED."""
    play = Playbook().start()
    before = held(play, limit)
    tighter = before + 1 if limit == Limit.ORDER_INTERVAL_NS else before - 1
    assert changed(play, (limit, before)) == Code.NONE
    assert changed(play, (limit, tighter)) == Code.NONE
    assert held(play, limit) == tighter
    assert changed(play, (limit, before)) == Code.LIMIT_LOOSENED
    assert held(play, limit) == tighter
    play.feed(E.RATE_LIMITED, code=418)
    assert changed(play, (limit, before)) == Code.NONE
    assert held(play, limit) == before


@pytest.mark.parametrize(
    ("limit", "value", "instrument"),
    [(50, 5, -1), (999, 5, 0), (Limit.POSITION_LOTS, 5, -1), (Limit.POSITION_LOTS, 5, 7),
     (Limit.DAILY_LOSS_ATOMS, 5, 0), (Limit.OPEN_ORDERS, 0, 0), (Limit.DAILY_LOSS_ATOMS, -1, -1)],
)  # fmt: skip
def test_c38_what_names_no_limit_or_no_value_is_refused(
    limit: int, value: int, instrument: int
) -> None:
    """An unknown number, the wrong instrument, zero or less: refused, and named in a note."""
    play = Playbook().start()
    play.feed(E.LIMIT, limit=int(limit), instrument=instrument, value=value)
    play.command(C.SET_LIMITS)
    assert play.fact(F.COMMAND)["code"] == Code.LIMIT_INVALID
    assert play.fact(F.NOTE)["value"] == limit


def test_c38_all_or_none() -> None:
    """One that loosens among others: none is taken, and nothing is left of them."""
    play = Playbook().start()
    position, loss = held(play, Limit.POSITION_LOTS), held(play, Limit.DAILY_LOSS_ATOMS)
    wanted = [(Limit.POSITION_LOTS, position - 1), (Limit.DAILY_LOSS_ATOMS, loss + 1)]
    assert changed(play, *wanted) == Code.LIMIT_LOOSENED
    assert held(play, Limit.POSITION_LOTS) == position
    assert changed(play) == Code.LIMIT_INVALID  # Nothing was proposed since.


def test_c38_more_than_there_is_room_for_is_refused_whole() -> None:
    """The table of proposals is full: none of them is taken."""
    play = Playbook().start()
    before = held(play, Limit.OPEN_ORDERS)
    play.core["proposals"] = PROPOSALS_CAPACITY
    assert changed(play, (Limit.OPEN_ORDERS, before - 1)) == Code.LIMIT_INVALID
    assert held(play, Limit.OPEN_ORDERS) == before


def test_c38_the_hash_of_the_limits_in_force_is_told() -> None:
    """At each boot and after each change; equal limits have equal hashes, others do not."""
    play = Playbook().boot()
    first = play.fact(F.NOTE, code=Code.LIMITS)["value"]
    assert Playbook().boot().fact(F.NOTE, code=Code.LIMITS)["value"] == first
    play.links().reconcile()
    before = held(play, Limit.POSITION_LOTS)
    changed(play, (Limit.POSITION_LOTS, before - 1))
    assert play.fact(F.NOTE, code=Code.LIMITS)["value"] != first
    other = Playbook(sets=["risk.max_daily_loss_quote=249"]).boot()
    assert other.fact(F.NOTE, code=Code.LIMITS)["value"] != first


def test_c38_a_tighter_limit_holds_for_the_next_order() -> None:
    """The gate judges by it at once; what rests already is left to its own end."""
    play = Playbook().start()
    assert changed(play, (Limit.OPEN_ORDERS, 1)) == Code.NONE
    play.market()
    refused = [row["code"] for row in play.facts if row["kind"] == F.REFUSAL]
    assert (refused, len(play.orders())) == ([Code.OPEN_ORDERS], 1)
    assert play.state == TradingState.RUNNING


def test_c38_a_number_that_names_no_limit_is_none_and_sets_nothing() -> None:
    """Neither of the profile nor of an instrument, next to the last as far from it."""
    scene = a_scene()
    core, instrument = scene.core.tobytes(), scene.instrument.tobytes()
    for number in (max(Limit) + 1, FIRST_OF_INSTRUMENT - 1, 999):
        limits.set_profile(scene.core, number, 5)
        limits.set_instrument(scene.instrument, number, 5)
        assert limits.of_profile(scene.core, number) == limits.UNKNOWN
        assert limits.of_instrument(scene.instrument, number) == limits.UNKNOWN
    assert (scene.core.tobytes(), scene.instrument.tobytes()) == (core, instrument)


def test_c38_each_limit_is_kept_in_a_place_of_its_own() -> None:
    """What is set for one is read for that one, and changes no other; the hash sees each."""
    scene = a_scene()
    hashes = {int(limits.limits_hash(scene.state))}
    for at, limit in enumerate(Limit):
        if limit < FIRST_OF_INSTRUMENT:
            limits.set_profile(scene.core, limit, 100 + at)
        else:
            limits.set_instrument(scene.instrument, limit, 100 + at)
        hashes.add(int(limits.limits_hash(scene.state)))
    assert len(hashes) == 1 + len(Limit)
    for at, limit in enumerate(Limit):
        index = 0 if limit >= FIRST_OF_INSTRUMENT else -1
        assert limits.in_force(scene.state, limit, index) == 100 + at


def test_c38_the_burst_follows_the_throttle() -> None:
    """One order a second is no burst: what a second allows beyond the one that leaves."""
    play = Playbook().start()
    assert changed(play, (Limit.ORDER_INTERVAL_NS, 400_000_000)) == Code.NONE
    assert play.core["order_burst_ns"] == 600_000_000


def test_c38_a_refusal_tells_what_was_wanted_beside_what_holds() -> None:
    """Of the first that may not be taken: its instrument, the value wanted, the value held."""
    play = Playbook().start()
    before = held(play, Limit.OPEN_ORDERS)
    assert changed(play, (Limit.OPEN_ORDERS, before + 2)) == Code.LIMIT_LOOSENED
    told = play.fact(F.NOTE, code=Code.LIMIT_LOOSENED)
    assert (told["instrument"], told["value"], told["bound"]) == (0, before + 2, before)
    assert changed(play) == Code.LIMIT_INVALID
    told = play.fact(F.NOTE, code=Code.LIMIT_INVALID)
    assert (told["value"], told["bound"]) == (0, PROPOSALS_CAPACITY)
    limit = Limit.DAILY_LOSS_ATOMS
    play.feed(E.LIMIT, limit=int(limit), instrument=-1, value=0).command(C.SET_LIMITS)
    told = play.fact(F.NOTE, code=Code.LIMIT_INVALID)
    assert (told["instrument"], told["value"], told["bound"]) == (-1, limit, 0)


def test_c38_as_many_proposals_as_there_is_room_for_are_taken() -> None:
    """The last of them as well; one more than that is refused, and is written nowhere."""
    play = Playbook().start()
    before = held(play, Limit.OPEN_ORDERS)
    for _ in range(PROPOSALS_CAPACITY - 1):
        play.feed(E.LIMIT, limit=int(Limit.OPEN_ORDERS), instrument=0, value=before)
    assert changed(play, (Limit.OPEN_ORDERS, before - 1)) == Code.NONE
    assert held(play, Limit.OPEN_ORDERS) == before - 1
    for _ in range(PROPOSALS_CAPACITY + 1):
        play.feed(E.LIMIT, limit=int(Limit.OPEN_ORDERS), instrument=0, value=1)
    play.command(C.SET_LIMITS)
    told = play.fact(F.NOTE, code=Code.LIMIT_INVALID)
    assert (told["value"], told["bound"]) == (PROPOSALS_CAPACITY + 1, PROPOSALS_CAPACITY)
    assert held(play, Limit.OPEN_ORDERS) == before - 1


def test_c38_the_profiles_new_hash_comes_with_its_limits() -> None:
    """Where the command brings one it holds from then on; without, or refused, the old one does."""
    play = Playbook().start()
    before, old = held(play, Limit.OPEN_ORDERS), int(play.core["config_hash"])
    assert changed(play, (Limit.OPEN_ORDERS, before)) == Code.NONE
    assert play.core["config_hash"] == old
    play.feed(E.LIMIT, limit=int(Limit.OPEN_ORDERS), instrument=0, value=before + 1)
    play.command(C.SET_LIMITS, value=77)
    assert play.core["config_hash"] == old
    play.feed(E.LIMIT, limit=int(Limit.OPEN_ORDERS), instrument=0, value=before)
    play.command(C.SET_LIMITS, value=77)
    assert play.core["config_hash"] == 77
