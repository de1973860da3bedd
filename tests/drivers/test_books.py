"""What no profile may trade: products that could leave int64, limits that come to nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hftd.errors import ProfileError
from tests.playbook import BTC_USDT, Playbook


@pytest.mark.parametrize(
    ("lot_e8", "max_price_ticks", "said"),
    [
        (10**9, 10**6, ""),
        (3 * 10**9, 10**6, "whose lot squared fits int64 atoms is needed, was a lot of 30 BTC"),
        (10**9, 10**17, "a position limit whose value at the venue's highest price fits int64"),
    ],
)
def test_a_product_that_could_leave_int64_is_refused(
    lot_e8: int, max_price_ticks: int, said: str
) -> None:
    """The largest of them are proven before the first order: a position's worth, a fee's rest."""
    coarse = replace(BTC_USDT, tick_e8=1_000, lot_e8=lot_e8, max_price_ticks=max_price_ticks)
    sets = [f"risk.{key}=100" for key in ("max_position_base", "max_order_size_base")]
    if not said:
        Playbook(sets=sets, instruments=(coarse,))
        return
    with pytest.raises(ProfileError, match=said):
        Playbook(sets=sets, instruments=(coarse,))


def test_a_limit_that_comes_to_nothing_names_its_key() -> None:
    """A canary so small that no lot is left of the largest order."""
    with pytest.raises(ProfileError) as caught:
        Playbook(profile="canary", sets=["canary.size_factor=0.000001"])
    assert caught.value.key == "risk.max_order_size_base"
