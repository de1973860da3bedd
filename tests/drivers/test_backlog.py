"""Market frames that come faster than they are decided on: read together, decided on once."""

from __future__ import annotations

from pathlib import Path

from hftd.domain.actions import Action, ActionKind, actions_of
from hftd.domain.units import from_steps
from hftd.drivers.loop import cancels_first
from hftd.drivers.replay import replay
from hftd.drivers.simulate import World
from hftd.journal.writer import JournalWriter
from tests.bench.hour import BUILD
from tests.drivers.test_simulate import SEGMENT_BYTES, after, world_of

RISE_TICKS = (3, 1, 2)  # What three touches that were read together say, in this order.


def touch(world: World, number: int, rise_ticks: int) -> bytes:
    """Return a bookTicker frame whose prices stand above the touch of now."""
    instrument, listed = world.engine.state.instruments[0], world.instruments[0]
    book = world.engine.state.books[0]
    newest = max(int(instrument["touch_update_id"]), int(book["last_update_id"]))
    prices = [
        from_steps(int(instrument[name]) + rise_ticks, listed.tick_e8)
        for name in ("bid_ticks", "ask_ticks")
    ]
    return (
        f'{{"stream":"btcusdt@bookTicker","data":{{"u":{newest + number},"s":"BTCUSDT",'
        f'"b":"{prices[0]}","B":"1.00000","a":"{prices[1]}","A":"1.00000"}}}}'
    ).encode()


def decided(world: World) -> list[tuple[int, int]]:
    """Return side and price of what the last step sent."""
    return [(each.side, each.price_ticks) for each in actions_of(world.engine.action_bytes())]


def twins(folder: Path) -> tuple[World, World, JournalWriter]:
    """Return two worlds after the same ten seconds; the first writes the journal."""
    journal = JournalWriter(folder, segment_bytes=SEGMENT_BYTES, disk_floor_bytes=0)
    world, other = world_of(4, journal), world_of(4)
    world.begin_run(journal)
    for each in (world, other):
        each.boot()
        after(each, 10)
    return world, other, journal


def test_of_frames_read_together_the_last_is_decided_on(tmp_path: Path) -> None:
    """Nothing is sent on the first two; what is sent then, a world that saw the last alone sends.

    The run replays: that the decision waited stands in the journal.
    """
    world, other, journal = twins(tmp_path)
    frames = [touch(world, number, rise) for number, rise in enumerate(RISE_TICKS, 1)]
    for frame in frames[:-1]:
        world.roads.market.on_frame(frame, world.now_ns, True)
        assert decided(world) == []
    world.roads.market.on_frame(frames[-1], world.now_ns)
    other.roads.market.on_frame(frames[-1], other.now_ns)
    assert decided(world) == decided(other) != []
    after(world, 10)
    world.end_run(journal)
    done = replay(tmp_path, "last", BUILD)
    assert done.hash_compared and done.state_hash == world.engine.state_hash()


def test_a_decision_that_nothing_follows_is_made_by_the_next_pulse() -> None:
    """Had the frame that was to follow been none for the engine, a tenth of a second is lost."""
    world = world_of(4)
    world.boot()
    after(world, 10)
    open_before = {int(key) for key in world.engine.state.orders["key"] if key}
    world.roads.market.on_frame(touch(world, 1, 3), world.now_ns, True)
    assert decided(world) == []
    after(world, 0.1)
    assert {int(key) for key in world.engine.state.orders["key"] if key} != open_before


def test_the_cancels_of_a_decision_leave_before_its_orders() -> None:
    """What protects goes first; among themselves both keep the order of the decision."""
    kinds = [ActionKind.SUBMIT, ActionKind.CANCEL, ActionKind.CANCEL_REPLACE, ActionKind.CANCEL]
    actions = [Action(kind, order_key=at) for at, kind in enumerate(kinds)]
    assert [action.order_key for action in cancels_first(actions)] == [1, 3, 0, 2]
