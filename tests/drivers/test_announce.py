"""When a start is over: what systemd is told as READY."""

from __future__ import annotations

import pytest

from hftd.domain.codes import TradingState
from hftd.drivers.announce import LATCHED_WAIT_NS, has_started
from hftd.engine.recovery import Phase
from tests.engine.scene import SECOND, a_scene


@pytest.mark.parametrize(
    ("state", "phase", "waited_ns", "started"),
    [
        ("RECOVERING", Phase.BALANCES, 0, False),
        ("RECOVERING", Phase.SETTLE, LATCHED_WAIT_NS + 1, False),
        ("RUNNING", Phase.IDLE, 0, True),
        ("HALTED", Phase.IDLE, 0, True),
        ("HALTED", Phase.SETTLE, LATCHED_WAIT_NS, False),
        ("HALTED", Phase.SETTLE, LATCHED_WAIT_NS + 1, True),
        ("KILLED", Phase.LINKS, LATCHED_WAIT_NS + 1, True),
        ("PAUSED", Phase.SETTLE, LATCHED_WAIT_NS + 1, False),
    ],
)
def test_a_start_ends_with_its_recovery_or_waits_for_a_person(
    state: str, phase: Phase, waited_ns: int, started: bool
) -> None:
    """A latched one that stands in a phase is READY after a minute: no start is ended for it."""
    scene = a_scene()
    core = scene.core
    core["state"], core["recovery_phase"] = TradingState[state], phase
    core["recovery_since_ns"], core["now_ns"] = 5 * SECOND, 5 * SECOND + waited_ns
    assert has_started(core) is started
