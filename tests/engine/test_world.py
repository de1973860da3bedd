"""The room that a world has, and what of it is in use."""

from __future__ import annotations

import re
from pathlib import Path

import numba
import numpy as np
import pytest

from hftd.engine.engine import Engine
from hftd.engine.state import in_use, new_world
from hftd.errors import InvariantBroken
from tests.playbook import Playbook


@pytest.mark.parametrize(
    ("instruments", "room"), [(1, 2), (2, 2), (3, 4), (4, 4), (5, 8), (8, 8), (9, 16), (50, 64)]
)
def test_there_is_room_for_a_power_of_two(instruments: int, room: int) -> None:
    """Of instruments, their books and targets; and for as many assets and the quote."""
    state = new_world(instruments, instruments + 1)[0]
    assert len(state.instruments) == len(state.books) == len(state.targets) == room
    assert len(state.balances) == room + 1
    assert (state.core[0]["instruments"], state.core[0]["assets"]) == (instruments, instruments + 1)


def test_a_second_instrument_finds_the_kernels_compiled() -> None:
    """One and two are of one type, of which kernels are compiled once; three are of another."""
    one, two, three = (numba.typeof(new_world(count, count + 1)) for count in (1, 2, 3))
    assert one == two != three


def test_who_reads_it_whole_sees_what_is_in_use() -> None:
    """The same memory, without the records that stay blank."""
    world = new_world(3, 4)
    used = in_use(world)
    shapes = (used.instruments.shape, used.books.shape, used.targets.shape, used.balances.shape)
    assert shapes == ((3,), (3,), (3, 2), (4,))
    used.instruments["position_lots"] = [5, 6, 7]
    used.targets["qty_lots"] = [[1, 2], [3, 4], [5, 6]]
    used.balances["free_atoms"] = 9
    used.orders[256]["key"] = used.rings[1] = 8
    state = world[0]
    assert state.instruments["position_lots"].tolist() == [5, 6, 7, 0]
    assert state.targets["qty_lots"].tolist() == [[1, 2], [3, 4], [5, 6], [0, 0]]
    assert state.balances["free_atoms"].tolist() == [9, 9, 9, 9, 0]
    assert state.orders[256]["key"] == state.rings[1] == 8


def test_a_snapshot_of_fewer_instruments_is_refused_and_changes_nothing() -> None:
    """Though the room is the same: it holds what is in use, and is shorter."""
    strategy = Playbook().engine.strategy
    one, two = Engine(new_world(1, 2), strategy), Engine(new_world(2, 3), strategy)
    one.state.core[0]["epoch"] = 7
    before = two.state_hash()
    with pytest.raises(InvariantBroken, match="another number of instruments or assets"):
        two.restore(one.snapshot())
    assert two.state_hash() == before
    assert len(one.snapshot()) < len(two.snapshot())


def test_what_is_not_in_use_stays_blank() -> None:
    """After a session of one instrument: no kernel has touched the place of the second."""
    play = Playbook()
    buy, _sell = play.resting()
    play.second().fill(buy, 300).print(6000).after(ms=700).market(5980, 6010).pulse(3)
    _outs, world = play.engine.arrays()
    state = world[0]
    used = int(state.core[0]["instruments"])
    assert used == 1
    for behind in (state.instruments[used:], state.books[used:], state.targets[used:]):
        assert len(behind) == 1 and not np.frombuffer(behind.tobytes(), np.int8).any()
    assert not np.frombuffer(state.balances[used + 1 :].tobytes(), np.int8).any()


def test_no_kernel_asks_for_the_room() -> None:
    """It asks for what is in use: blank records are no instruments."""
    package = Path(__file__).parents[2] / "hftd"
    arrays = r"state\.(?:instruments|books|targets|balances)"
    asked = re.compile(rf"len\({arrays}\)|{arrays}\.shape")
    for room in ("engine", "strategies"):
        for path in sorted((package / room).glob("*.py")):
            assert asked.findall(path.read_text()) == [], path.name
