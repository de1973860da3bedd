"""What exchange-ctl shows of a running exchange, on a terminal of 80 columns."""

from __future__ import annotations

import pytest

from hftd.cli.exchange_screen import (
    all_kinds,
    armed_as_text,
    books_as_text,
    kinds_as_json,
    one_kind,
    truth_as_text,
)
from hftd.errors import UsageError
from hftd.simex.fault_kinds import CATALOGUE, KINDS
from hftd.simex.faults import read_script
from hftd.simex.truth import books, truth
from tests.simex.fault_stage import Stage


def _fits(text: str) -> str:
    assert max(len(line) for line in text.splitlines()) <= 80
    return text


def test_books_side_by_side() -> None:
    """The touch stands in the first line, an empty side leaves room, the status is named."""
    stage = Stage("agents")
    text = _fits(books_as_text(books(stage.faulty)))
    bid, ask = stage.touch()
    first = text.splitlines()[2].split()
    assert first[1:3] == [f"{bid:.2f}", f"{ask:.2f}"]
    stage.arm("flash_move", value="up", size=100)
    assert "0 levels" in _fits(books_as_text(books(stage.faulty)))


def test_truth_of_an_account() -> None:
    """Balances, how many orders in which state, those that live, and the newest trades."""
    stage = Stage("agents")
    order = stage.place(qty="0.002")
    stage.arm("foreign_trade")
    lines = _fits(truth_as_text(truth(stage.faulty))).splitlines()
    assert lines[0] == stage.key
    assert "  orders 1 NEW, 1 FILLED" in lines
    assert any(line.split()[:3] == [str(order["orderId"]), "BUY", "0.002"] for line in lines)
    assert any("fee" in line and line.endswith("BTC") for line in lines)


def test_what_is_armed() -> None:
    """One line each: what was said, not what goes without saying; and how often it fired."""
    stage = Stage("agents")
    assert "no fault" in armed_as_text(stage.faulty.script.armed())
    drops = {"fault": "drop", "times": 0, "match": {"event": "depthUpdate"}}
    for fault in read_script([drops, {"fault": "halt", "from_s": 100, "for_ms": 5}]):
        stage.faulty.arm(fault, stage.ts_ns)
    drop, halt = _fits(armed_as_text(stage.faulty.script.armed())).splitlines()
    assert drop == "drop  times: 0, match: {event: depthUpdate}, fired 0 of 0 times"
    assert halt == "halt  from_s: 100.0, for_ms: 5, fired 0 of 0 times"


@pytest.mark.parametrize("name", KINDS)
def test_each_kind_has_a_page(name: str) -> None:
    """What it does, its numbers, its defaults, and an example that reads as a script."""
    *page, _, example = one_kind(name).splitlines()
    _fits("\n".join(page))
    assert example.startswith("  hftd exchange-ctl arm '{fault: " + name)


def test_the_catalogue() -> None:
    """Every fault and every kind stand in it; what is no kind is refused."""
    text = _fits(all_kinds())
    assert all(f"\n{fault}  " in f"\n{text}" for fault in CATALOGUE)
    assert all(f"\n{kind}" in text for kind in KINDS)
    assert set(kinds_as_json()["kinds"]) == set(KINDS)
    with pytest.raises(UsageError):
        one_kind("nap")
