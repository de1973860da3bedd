"""The watch: hooks reach those who define them, a breach names what, when and which seed."""

from __future__ import annotations

from typing import Any

import pytest

from hftd.domain.codes import Code, TradingState
from hftd.drivers.rare_states import DONE, RARE_STATES, SEEN
from hftd.drivers.watch import Checker, InvariantViolated, Watch, World
from hftd.journal.record import Record, RecordType, Stream


class Small:
    """The least of a world: a time."""

    now_ns = 5_000_000_000


class Strict(Checker):
    """Holds that no latch is written and no fact is journaled."""

    ID = "I00"
    SAYS = "nothing is latched"
    READS = (RecordType.FACT,)

    def on_latch(self, state: TradingState, code: Code) -> None:
        """Break off at once."""
        self.break_off("no latch", state.name, code.name)

    def on_record(self, record: Record) -> None:
        """Count the facts."""
        self.watch.sometimes("killed")


def build(world: World, watch: Watch) -> list[Checker]:
    """Return the one checker of these tests."""
    return [Strict(world, watch)]


def watched(world: Any) -> Watch:
    """Return a watch that has begun."""
    watch = Watch(77, build)
    watch.begin(world)
    return watch


def test_a_breach_names_invariant_values_time_and_seed() -> None:
    """The words say which invariant, what was expected and was, when, and in which seed."""
    world: Any = Small()
    watch = watched(world)
    world.now_ns += 1_500_000_000
    with pytest.raises(InvariantViolated) as breach:
        watch.on_latch(TradingState.KILLED, Code.KILL)
    assert breach.value.invariant == "I00"
    words = "nothing is latched: KILL: expected no latch, was KILLED, at 1.500 s of seed 77"
    assert str(breach.value) == f"I00: {words}"


def test_records_reach_those_who_read_their_type() -> None:
    """A fact is handed to its reader, another record is not."""
    watch = watched(Small())
    for record_type in (RecordType.FACT, RecordType.EVENT):
        watch.on_journal(Record(1, record_type, 1, 0, memoryview(b""), Stream.ORDERS))
    assert watch.counts["killed"] == 1


def test_a_rare_state_must_be_declared() -> None:
    """A name that nobody declared is a bug of the caller."""
    with pytest.raises(KeyError):
        watched(Small()).sometimes("moon full")


def test_rare_states_each_have_a_sentence() -> None:
    """At least sixty, none declared twice."""
    assert len(RARE_STATES) == len(SEEN) + len(DONE) >= 60
    assert all(len(sentence.split()) >= 3 for sentence in RARE_STATES.values())
