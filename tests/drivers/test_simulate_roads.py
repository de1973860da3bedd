from __future__ import annotations

from typing import Any

import numpy as np

from hftd.config.load import load_profile
from hftd.domain.actions import ACTION, ActionKind, actions_of
from hftd.domain.events import EVENT, EventKind, Link
from hftd.drivers.memory import Silence
from hftd.drivers.simulate import START_NS, World
from hftd.journal.record import RecordType
from hftd.simex.faults import Fault
from tests.bench.hour import BUILD, SECOND_NS


class Heard(Silence):
    """An ink that keeps what the loop heard besides frames, and which actions it took."""

    def __init__(self) -> None:
        self.events: list[tuple[str, int, int]] = []
        self.actions: list[int] = []

    def append(self, record_type: RecordType, ts_ns: int, payload: Any) -> int:
        """Keep events but timers, as (kind, link, up), and the kinds of actions."""
        if record_type == RecordType.EVENT:
            (event,) = np.frombuffer(payload, EVENT)
            if event["kind"] != EventKind.TIMER:
                name = EventKind(event["kind"]).name
                self.events.append((name, int(event["link"]), int(event["up"])))
        elif record_type == RecordType.INTENT:
            self.actions += [int(kind) for kind in np.frombuffer(payload, ACTION)["kind"]]
        return 0


def world_of(seed: int) -> tuple[World, Heard]:
    """Return a market maker's world and what its loop hears."""
    heard = Heard()
    loaded = load_profile("market-making", sets=[f"venue.market.seed={seed}"], environ={})
    return World(loaded, BUILD, seed, heard), heard


def until_submitted(world: World, heard: Heard) -> None:
    """Turn the world until a new order has just been sent."""
    heard.actions.clear()
    while ActionKind.SUBMIT not in heard.actions:
        world.calendar.turn()


def test_the_roads_open_in_the_connectors_order() -> None:
    """Clock and listing over REST, then order link and user stream, then market data."""
    world, heard = world_of(1)
    world.boot()
    world.run_until(START_NS + SECOND_NS)
    assert heard.events == [
        ("BOOT", 0, 0),
        ("LINK", Link.REST, 1),
        ("CLOCK", 0, 0),
        ("INSTRUMENT_STATUS", 0, 0),
        ("LINK", Link.ORDER, 1),
        ("LINK", Link.USER, 1),
        ("LINK", Link.MARKET, 1),
    ]


def test_the_clock_is_sampled_and_the_user_stream_is_alive() -> None:
    """A pong each second, and a clock sample each ten."""
    world, heard = world_of(1)
    world.boot()
    world.run_until(START_NS + SECOND_NS)
    heard.events.clear()
    world.run_until(START_NS + 21 * SECOND_NS)
    assert 19 <= heard.events.count(("LINK", Link.USER, 1)) <= 20
    assert heard.events.count(("CLOCK", 0, 0)) == 2


def test_a_cut_order_link_is_told_with_all_that_was_in_flight() -> None:
    """User stream and order link go down, each open request is in doubt; then both come up."""
    world, heard = world_of(2)
    world.boot()
    world.run_until(START_NS + SECOND_NS)
    until_submitted(world, heard)
    heard.events.clear()
    world.roads.orders.link.drop("cut")
    world.run_until(world.now_ns + 1)
    assert heard.events[:3] == [
        ("LINK", Link.USER, 0),
        ("LINK", Link.ORDER, 0),
        ("OUTCOME_UNKNOWN", 0, 0),
    ]
    world.run_until(world.now_ns + SECOND_NS)
    ups = [event for event in heard.events if event[2] == 1]
    assert ups[:2] == [("LINK", Link.ORDER, 1), ("LINK", Link.USER, 1)]


def test_a_logon_whose_question_for_the_time_is_lost_is_given_up() -> None:
    """Refused for its timestamp it asks for the time; without an answer it connects anew."""
    world, heard = world_of(3)
    world.boot()
    world.run_until(START_NS + SECOND_NS)
    world.script.arm(Fault("clock_skew", for_ms=2_000, skew_ms=20_000), world.now_ns)
    lost = Fault("half_open", match={"event": "reply", "request": "time"})
    world.script.arm(lost, world.now_ns)
    world.roads.orders.link.drop("cut")
    world.run_until(world.now_ns + 5 * SECOND_NS)
    assert heard.events[-1] != ("LINK", Link.USER, 1), "the time was asked, in vain"
    heard.events.clear()
    world.run_until(world.now_ns + 10 * SECOND_NS)
    assert ("LINK", Link.ORDER, 1) in heard.events
    assert ("LINK", Link.USER, 1) in heard.events


def test_what_cannot_be_sent_is_refused_not_in_doubt() -> None:
    """A request into a closed link is told as never sent, after the step and not within it."""
    world, heard = world_of(2)
    world.boot()
    world.run_until(START_NS + SECOND_NS)
    until_submitted(world, heard)
    actions = actions_of(world.engine.action_bytes())
    sent = next(each for each in actions if each.kind == ActionKind.SUBMIT)
    frame = BUILD.codec(world.loaded.profile, world.instruments, "simula").encode(sent, 0)
    world.roads.orders.link.drop("cut")
    world.run_until(world.now_ns + 1)
    heard.events.clear()
    world.roads.perform(sent, frame)
    assert heard.events == []
    world.run_until(world.now_ns + 1)
    assert heard.events == [("REJECTED", 0, 0)]
