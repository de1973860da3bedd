"""The rehearsal: the way of an order is walked on scratch, and nothing of it is left anywhere."""

from __future__ import annotations

import json
from pathlib import Path

from hftd.drivers.rehearsal import Rehearsal
from hftd.drivers.replay import replay
from hftd.drivers.simulate import TAG
from hftd.journal.writer import JournalWriter
from tests.bench.hour import BUILD
from tests.drivers.test_backlog import decided, touch
from tests.drivers.test_simulate import SEGMENT_BYTES, after, world_of


def test_a_rehearsal_walks_to_the_socket_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """Orders are sealed again and again; state, journal and what comes next are as without it."""
    journal = JournalWriter(tmp_path, segment_bytes=SEGMENT_BYTES, disk_floor_bytes=0)
    world, other = world_of(4, journal), world_of(4)
    world.begin_run(journal)
    for each in (world, other):
        each.boot()
        after(each, 10)
    sealed: list[bytes] = []

    def seal(frame: bytes) -> bytes:
        sealed.append(frame)
        return frame

    codec = BUILD.codec(world.loaded.profile, world.instruments, TAG)
    rehearsal = Rehearsal(world.daemon.loop, codec, lambda: world.now_ns, seal)
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
