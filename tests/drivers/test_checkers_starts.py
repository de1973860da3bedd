"""What the profile leaves to a person: a daemon that does it by itself is found, a sound one not.

The daemon is broken by its own records: a real boot goes on from there as if the profile had said
something else, or as if no reserve stood in it.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hftd.domain.codes import Code, OnStart, TradingState
from hftd.drivers.checkers_caps import ReserveKept
from hftd.drivers.simulate import START_NS
from hftd.drivers.simulate_restarts import RestartingWorld
from hftd.drivers.watch import InvariantViolated
from tests.drivers.watched import watched_world

SECOND_NS = 1_000_000_000
RESERVE = "inventory.reserve_base=0.9999"


def restarted(folder: Path, *sets: str) -> RestartingWorld:
    """Return a world whose daemon has died with quotes at the exchange, and boots."""
    world = watched_world(folder, 8, *sets)
    world.boot()
    world.run_until(START_NS + 20 * SECOND_NS)
    assert world.venue.exchange.bookkeeping(1).open
    world.on_death("kill -9")
    world.boot()
    return world


def go_on(world: RestartingWorld) -> tuple[TradingState, Code]:
    """Let twenty seconds pass; return the state and its reason."""
    world.run_until(world.now_ns + 20 * SECOND_NS)
    core = world.engine.state.core[0]
    return TradingState(int(core["state"])), Code(int(core["state_code"]))


@pytest.mark.parametrize(
    ("sets", "state", "code", "rare"),
    [
        ("on_crash=halt", TradingState.HALTED, Code.RECONCILED, "halted after a crash"),
        ("on_start=refuse", TradingState.HALTED, Code.ORDERS_FOUND, "halted for orders found"),
        ("on_start=adopt", TradingState.RUNNING, Code.RECONCILED, "start kept an order"),
    ],
)
def test_a_start_does_as_the_profile_says(
    tmp_path: Path, sets: str, state: TradingState, code: Code, rare: str
) -> None:
    """Halted for a person, or on with what it found; no checker says a word."""
    world = restarted(tmp_path, sets)
    assert go_on(world) == (state, code)
    assert world.watch.counts[rare] == 1


@pytest.mark.parametrize(
    ("invariant", "sets", "field", "value"),
    [
        ("I20", "on_crash=halt", "on_crash", 1), ("I20", "on_crash=resume", "on_crash", 0),
        ("I19", "on_start=refuse", "on_start", OnStart.CANCEL),
        ("I19", "on_start=refuse", "on_start", OnStart.ADOPT),
        ("I19", "on_start=adopt", "on_start", OnStart.CANCEL),
        ("I19", "on_start=cancel", "on_start", OnStart.REFUSE),
    ],
)  # fmt: skip
def test_a_start_that_does_otherwise_is_found(
    tmp_path: Path, invariant: str, sets: str, field: str, value: int
) -> None:
    """Trading on where a person was to look, or halted where nobody was to."""
    world = restarted(tmp_path, sets)
    world.engine.state.core[0][field] = int(value)
    with pytest.raises(InvariantViolated) as breach:
        go_on(world)
    assert breach.value.invariant == invariant, str(breach.value)


def test_an_order_below_the_reserve_is_found(tmp_path: Path) -> None:
    """The daemon keeps all but a ten-thousandth of a coin, until it forgets its reserve."""
    world = watched_world(tmp_path, 8, RESERVE)
    world.boot()
    assert go_on(world)[0] == TradingState.RUNNING
    world.engine.state.balances["reserve_atoms"] = 0
    with pytest.raises(InvariantViolated) as breach:
        go_on(world)
    assert breach.value.invariant == "I03", str(breach.value)


def test_an_order_that_stands_below_the_reserve_is_found(tmp_path: Path) -> None:
    """Made so by a trade by hand, it is pulled within a minute; here the reserve is made larger."""
    stays = ("strategy.price_tolerance_ticks=500", "strategy.min_spread_exit_bps=0")
    world = watched_world(tmp_path, 8, "inventory.reserve_base=0.5", *stays)
    world.boot()
    assert go_on(world)[0] == TradingState.RUNNING
    hooks = world.watch._hooks["on_look"]
    (checker,) = (each for hook in hooks if isinstance(each := hook.__self__, ReserveKept))  # type: ignore[attr-defined]
    checker._reserve_atoms[1] = 2 * 10**8
    checker._by_hand_ns = world.now_ns + 600 * SECOND_NS
    assert go_on(world)[0] == TradingState.RUNNING
    with pytest.raises(InvariantViolated) as breach:
        world.run_until(world.now_ns + 100 * SECOND_NS)
    assert breach.value.invariant == "I03" and "pulled" in str(breach.value)
