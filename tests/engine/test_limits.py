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
