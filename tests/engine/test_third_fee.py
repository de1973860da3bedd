"""A commission in an asset that another instrument of the profile trades (BNB, say)."""

from __future__ import annotations

from hftd.domain.events import EventKind as E
from hftd.domain.facts import FactKind as F
from hftd.domain.order import FeeAsset, Side
from tests.playbook import BTC, BTC_USDT, ETH_USDT, USDT, Playbook

ETH = 2
BALANCES = 'venue.opening_balances={BTC: "1", ETH: "10", USDT: "100000"}'
FEE = 3_000


def trading_two() -> Playbook:
    """Return a daemon that quotes two instruments; playbook's accounts follow each fee."""
    sets = ["instruments=[BTC-USDT, ETH-USDT]", BALANCES]
    play = Playbook(sets=sets, instruments=[BTC_USDT, ETH_USDT]).start().market().market(index=1)
    return play.accept(*(order["key"] for order in play.orders()))


def test_a_fee_in_another_instruments_base_leaves_its_balance() -> None:
    """The books expect what the venue holds, and the fee counts as estimated where it arose."""
    play = trading_two()
    (buy,) = play.orders(instrument=0, side=Side.BUY)
    play.fill(buy["key"], 40, fee_asset=FeeAsset.OTHER, fee_atoms=FEE, asset=ETH)
    assert play.held[ETH] == 10 * 10**8 - FEE
    told = {row["asset"]: row["expected_atoms"] for row in play.balances().all_facts
            if row["kind"] == F.BALANCE}  # fmt: skip
    assert told == play.held
    record = play.engine.state.instruments
    assert (int(record[0]["other_fee_atoms"]) > 0, int(record[1]["base_fee_atoms"])) == (True, 0)


def test_a_foreign_trades_fee_in_another_instruments_base_is_a_flow() -> None:
    """A trade by hand paid the same way moves the baseline of that asset too."""
    play = trading_two()
    play.feed(
        E.FILL, venue_order_id=1, trade_id=8, side=Side.SELL, price_ticks=6000, qty_lots=100,
        cum_qty_lots=100, fee_asset=FeeAsset.OTHER, fee_atoms=FEE, asset=ETH,
    )  # fmt: skip
    flows = {row["asset"]: row["delta_atoms"] for row in play.told(F.EXTERNAL_FLOW)}
    assert flows == {BTC: -100 * 1000, USDT: 100 * 6000 * 10_000, ETH: -FEE}
    assert not play.engine.state.instruments["position_lots"].any()
