"""The rehearsal: the way of an order is walked on scratch, and nothing of it is left anywhere."""

from __future__ import annotations

import json
from pathlib import Path

from hftd.domain.actions import ActionKind, actions_of
from hftd.domain.events import EventKind, Link
from hftd.drivers.rehearsal import Rehearsal
from hftd.drivers.replay import replay
from hftd.drivers.simulate import TAG
from hftd.venues.binance.session import Session
from hftd.venues.binance.signing import HmacSigner
from hftd.venues.port import new_event
from tests.bench.hour import BUILD
from tests.drivers.test_backlog import decided, touch, twins
from tests.drivers.test_simulate import after, world_of


def test_a_rehearsal_walks_to_the_socket_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Orders are sealed again and again; state, journal and what comes next are as without it."""
    world, other, journal = twins(tmp_path)
    sealed: list[bytes] = []

    def seal(frame: bytes) -> bytes:
        sealed.append(frame)
        return frame

    codec = BUILD.codec(world.loaded.profile, world.instruments, TAG)
    rehearsal = Rehearsal(world.daemon.loop, codec, lambda: world.now_ns, seal, print)
    for each in (world, other):
        each.roads.market.on_frame(touch(each, 1, 2), each.now_ns)
    assert decided(world) == decided(other) != []
    before, seq, wanted = world.engine.state_hash(), journal.seq, len(decided(world))
    for _ in range(50):
        rehearsal.renew()
        rehearsal.walk()
    assert len(sealed) >= 50 * wanted
    assert all(json.loads(frame)["method"].startswith("order.") for frame in sealed)
    assert (world.engine.state_hash(), journal.seq) == (before, seq)
    for each in (world, other):
        after(each, 10)
    world.end_run(journal)
    done = replay(tmp_path, "last", BUILD)
    assert done.hash_compared and done.state_hash == world.engine.state_hash()
    assert world.engine.state_hash() == other.engine.state_hash()


def test_a_question_by_rest_is_not_sealed_as_an_order() -> None:
    """What was wanted last is a snapshot, and no logon speaks for the key: nothing is signed."""
    world = world_of(4)
    world.boot()
    after(world, 10)
    world.daemon.on_event(new_event(EventKind.LINK, world.now_ns, link=Link.MARKET, up=0))
    after(world, 1)
    world.roads.market.on_frame(b'{"stream":"btcusdt@depth@100ms","data":{', world.now_ns)
    assert ActionKind.RESYNC in [each.kind for each in actions_of(world.daemon.loop.newest.actions)]
    session = Session(HmacSigner("key", "secret"), 2_000, logs_on=False)
    codec = BUILD.codec(world.loaded.profile, world.instruments, TAG)
    said: list[str] = []
    rehearsal = Rehearsal(
        world.daemon.loop, codec, lambda: world.now_ns, session.sealed, said.append
    )
    for _ in range(100):  # Not the first, see below.
        rehearsal()
    assert said == []


def test_a_fault_ends_the_rehearsals_and_nothing_else() -> None:
    """Whoever seals has a bug: it is told once, and no frame is rehearsed any more."""
    world = world_of(4)
    world.boot()
    after(world, 10)
    world.roads.market.on_frame(touch(world, 1, 2), world.now_ns)
    sealed: list[bytes] = []
    said: list[str] = []

    def seal(frame: bytes) -> bytes:
        sealed.append(frame)
        raise ValueError("a bug")

    codec = BUILD.codec(world.loaded.profile, world.instruments, TAG)
    rehearsal = Rehearsal(world.daemon.loop, codec, lambda: world.now_ns, seal, said.append)
    rehearsal()
    assert sealed == [], "who was away for longer than a turn looks at what came meanwhile first"
    for _ in range(100):
        rehearsal()
    assert (len(sealed), len(said)) == (1, 1)
    assert "a bug" in said[0]
