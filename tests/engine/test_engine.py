"""The engine's face: the same events give the same state, and a snapshot is all of it."""

from __future__ import annotations

import pytest

from hftd.domain.events import CommandKind as C
from hftd.domain.events import Link
from hftd.domain.facts import FactKind as F
from hftd.errors import InvariantBroken
from tests.playbook import Playbook


def a_session() -> Playbook:
    """Return a playbook that has quoted, filled, lost its reports and come back."""
    play = Playbook()
    buy, _sell = play.resting()
    play.second().fill(buy, 300).print(6000).after(ms=700).market(5980, 6010)
    for row in play.orders():
        play.canceled(row["key"], row["cum_lots"])
    play.link(Link.USER, up=0).link(Link.USER).reconcile().pulse(3)
    return play


def test_the_same_events_give_the_same_state() -> None:
    """Fed again to a fresh engine: equal hash, actions and facts."""
    first = a_session()
    second = Playbook().repeat(first.script)
    assert second.engine.state_hash() == first.engine.state_hash()
    assert second.all_actions == first.all_actions
    assert second.all_facts == first.all_facts


def test_one_event_makes_another_state() -> None:
    """A hash that no event moved would show nothing."""
    play = a_session()
    before = play.engine.state_hash()
    assert play.pulse().engine.state_hash() != before


def test_a_snapshot_and_the_tail_are_the_whole() -> None:
    """Restored in the middle and fed the rest, an engine ends where the first one did."""
    first = a_session()
    middle = len(first.script) // 2
    half = Playbook().repeat(first.script[:middle])
    again = Playbook()
    again.engine.restore(half.engine.snapshot())
    assert again.engine.state_hash() == half.engine.state_hash()
    again.held, again.trades = dict(half.held), set(half.trades)
    again.sent, again.fills = set(half.sent), dict(half.fills)
    again.repeat(first.script[middle:])
    assert again.engine.state_hash() == first.engine.state_hash()


def test_a_snapshot_of_another_layout_is_refused() -> None:
    """By its head, or by its length."""
    play = Playbook()
    snapshot = play.engine.snapshot()
    with pytest.raises(InvariantBroken, match="another record layout"):
        play.engine.restore(b"0" * len(snapshot))
    with pytest.raises(InvariantBroken, match="another number"):
        play.engine.restore(snapshot[:-8])


def test_output_is_of_the_last_event_alone() -> None:
    """Facts and actions of one event are gone with the next."""
    play = Playbook().start().command(C.PAUSE)
    assert play.told(F.COMMAND)
    play.second()
    assert not play.told(F.COMMAND)
