"""What a changed profile comes to in the engine's units; tests/e2e/test_reload.py has the rest."""

from __future__ import annotations

import pytest

from hftd.domain.limits import FIRST_OF_INSTRUMENT, Limit
from hftd.drivers.reload import FIELDS, Proposal, proposals
from hftd.engine import limits
from tests.playbook import Playbook


@pytest.mark.parametrize("limit", list(Limit))
def test_each_limit_stands_where_the_engine_looks_for_it(limit: Limit) -> None:
    """A value written there is what the kernel reads for the limit."""
    state = Playbook().engine.state
    index = 0 if limit >= FIRST_OF_INSTRUMENT else -1
    records = state.instruments if limit >= FIRST_OF_INSTRUMENT else state.core
    records[FIELDS[limit]] = 77
    assert limits.in_force(state, int(limit), index) == 77


def test_what_differs_is_proposed_and_what_does_not_is_not() -> None:
    """A smaller position and a slower rate tighten, a larger loss loosens; the rest is left."""
    now = Playbook(sets=["risk.max_orders_per_second=5"])
    other = Playbook(
        sets=[
            "risk.max_orders_per_second=4",
            "risk.max_position_base=0.05",
            "risk.max_daily_loss_quote=300",
        ]
    )
    found = proposals(now.engine.state, other.engine.state)
    lots = int(other.engine.state.instruments[0]["max_position_lots"])
    assert found == [
        Proposal(Limit.DAILY_LOSS_ATOMS, -1, 300 * 10**8, True),
        Proposal(Limit.ORDER_INTERVAL_NS, -1, 250_000_000, False),
        Proposal(Limit.POSITION_LOTS, 0, lots, False),
    ]
    assert proposals(now.engine.state, now.engine.state) == []


def test_the_venues_rate_is_no_proposal() -> None:
    """Where either side counts by the venue's own limits there is no figure to take."""
    figure, venue = Playbook(sets=["risk.max_orders_per_second=5"]), Playbook()
    assert proposals(figure.engine.state, venue.engine.state) == []
    assert proposals(venue.engine.state, figure.engine.state) == []
