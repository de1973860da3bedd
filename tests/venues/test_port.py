"""The port's own helpers."""

from __future__ import annotations

import re
from pathlib import Path

from hftd.domain.events import EVENT, EventKind, Link
from hftd.venues.binance.codec import CAPABILITIES
from hftd.venues.port import MAX_EVENTS, MAX_LEVELS, DeadMan, new_event, new_event_buffers


def test_buffers_have_the_shapes_that_the_port_names():
    """Events and levels of the limits, all zero."""
    events, levels = new_event_buffers()
    assert (events.shape, events.dtype) == ((MAX_EVENTS,), EVENT)
    assert levels.shape == (MAX_LEVELS, 3)
    assert not levels.any()


def test_a_new_event_holds_what_it_was_given_and_zeros():
    """One record, ready for the loop."""
    event = new_event(EventKind.LINK, 5, link=Link.REST, up=1)
    assert event.shape == (1,)
    given = {name: int(event[name][0]) for name in EVENT.names or () if event[name][0]}
    assert given == {"kind": EventKind.LINK, "ts_ns": 5, "link": Link.REST, "up": 1}


def test_c36_binance_spot_declares_that_it_has_no_dead_man_switch() -> None:
    """Nothing is canceled when we fall silent: the guard is the offline kill of the unit."""
    assert CAPABILITIES.dead_man is DeadMan.NONE
    unit = (Path(__file__).parents[2] / "systemd" / "hftd@.service").read_text()
    assert re.search(r"^ExecStopPost=.*kill-offline", unit, re.MULTILINE)
