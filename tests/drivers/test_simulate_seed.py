"""What a seed's end is judged by: whether a side that is not quoted says a reason that holds."""

from __future__ import annotations

import pytest

from hftd.domain.codes import Code
from hftd.drivers.simulate_seed import unexplained
from tests.engine.scene import BUY, SELL, a_scene


@pytest.mark.parametrize(
    ("code", "denied", "fault"),
    [
        (Code.SPREAD_TOO_NARROW, Code.NONE, ""),
        (Code.SPREAD_TOO_NARROW, Code.OPEN_ORDERS, ""),
        (Code.DENIED_RECENTLY, Code.TURNOVER, ""),
        (Code.NONE, Code.TURNOVER, "no quote and no reason for SELL"),
        (Code.DENIED_RECENTLY, Code.OPEN_ORDERS, "no order of ours, and SELL is refused by"),
        (Code.DENIED_RECENTLY, Code.SIDE_IN_DOUBT, "no order of ours, and SELL is refused by"),
    ],
)
def test_a_side_without_a_quote_has_a_reason_that_holds(
    code: Code, denied: Code, fault: str
) -> None:
    """None at all is none, nor is one that only an order of ours would give."""
    targets = a_scene().state.targets[0]
    targets[BUY]["quoted_code"] = Code.NO_EDGE
    targets[SELL]["quoted_code"], targets[SELL]["denied_code"] = code, denied
    said = unexplained(targets)
    assert said.startswith(fault) and bool(said) == bool(fault)
