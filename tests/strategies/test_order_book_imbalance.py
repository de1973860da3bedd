"""In and out by the imbalance: dwell, edge, holding, stop, target, rest; at their boundaries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from hftd.config.strategy_parameters import OrderBookImbalance
from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.instrument import Instrument
from hftd.domain.order import OrderState
from hftd.engine import signals
from hftd.strategies import order_book_imbalance
from tests.engine.scene import BUY, MS, SECOND, SELL, Scene, a_scene, put_order, show_market

INSTRUMENT = Instrument(
    name="BTC-USDT",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_e8=1_000_000,
    lot_e8=1_000,
    min_price_ticks=1,
    max_price_ticks=10**9,
    min_qty_lots=1,
    max_qty_lots=10**9,
    min_notional_atoms=0,
    max_notional_atoms=10**18,
    max_open_orders=200,
)
LEANS_UP, LEANS_DOWN, LEVEL = (80, 20), (20, 80), (50, 50)


class Taker:
    """A taker with a dwell of 300 ms and a threshold of 0.6; bid 9,999, ask 10,001."""

    def __init__(self, **keys: Any) -> None:
        defaults = {"kind": "order_book_imbalance", "order_size_base": "0.001"}
        strategy = OrderBookImbalance.model_validate(defaults | keys)
        self.scene: Scene = a_scene()
        self.params = order_book_imbalance.build_params(strategy, [INSTRUMENT, INSTRUMENT])
        self.memory = np.zeros(2, order_book_imbalance.MEMORY)
        order_book_imbalance.fit_instruments(strategy, self.scene.state.instruments)
        self.scene.instrument["unit_atoms"] = INSTRUMENT.unit_atoms
        self.scene.instrument["lot_atoms"] = INSTRUMENT.lot_e8
        self.scene.instrument["max_order_lots_reduce"] = 1_000
        self.scene.instrument["max_order_notional_atoms_reduce"] = 10**15

    def at(
        self, ms: int, lots: tuple[int, int] = LEVEL, *, mid: int = 10_000, half: int = 1
    ) -> tuple[Any, Any]:
        """Decide at a time on a market; return both targets."""
        self.scene.begin(SECOND + ms * MS)
        show_market(self.scene, {mid - half: lots[0]}, {mid + half: lots[1]})
        return self.decide()

    def decide(self) -> tuple[Any, Any]:
        """Decide on what stands."""
        self.scene.instrument["dirty"] = 1
        signals.update(self.scene.state, 0)
        order_book_imbalance.quotes(self.scene.world, self.params, self.memory, self.scene.outs)
        return self.scene.state.targets[0, BUY], self.scene.state.targets[0, SELL]

    def hold(self, lots: int) -> None:
        """Set the position."""
        self.scene.instrument["position_lots"] = lots


def order_of(target: Any) -> tuple[int, int, int]:
    """Return price, size and whether it reduces, of a target that takes."""
    assert (target["wanted"], target["take"]) == (1, 1)
    return int(target["price_ticks"]), int(target["qty_lots"]), int(target["reduce_only"])


def reason(target: Any) -> tuple[int, int, int]:
    """Return code, value and bound of a target that is not wanted."""
    assert target["wanted"] == 0
    return int(target["code"]), int(target["value"]), int(target["bound"])


@pytest.mark.parametrize(
    ("lots", "side", "price"), [(LEANS_UP, BUY, 10_001), (LEANS_DOWN, SELL, 9_999)]
)
def test_it_takes_the_touch_after_the_dwell(lots: tuple[int, int], side: int, price: int) -> None:
    """At the threshold itself, and at the dwell's last millisecond; the other side never."""
    taker = Taker()
    for ms in (0, 299):
        targets = taker.at(ms, lots)
        assert targets[side]["code"] == Code.DWELL
        assert reason(targets[1 - side]) == (Code.NO_SIGNAL, -600_000, 600_000)
    targets = taker.at(300, lots)
    assert order_of(targets[side]) == (price, 100, 0)
    assert targets[1 - side]["wanted"] == 0


def test_a_lean_that_lapses_begins_anew() -> None:
    """The dwell is of one unbroken lean; a turn to the other side is a new one."""
    taker = Taker()
    taker.at(0, LEANS_UP)
    taker.at(200, (79, 21))
    taker.at(250, LEANS_UP)
    assert taker.at(500, LEANS_UP)[BUY]["wanted"] == 0
    assert taker.at(550, LEANS_UP)[BUY]["wanted"] == 1
    taker.at(560, LEANS_DOWN)
    assert taker.at(859, LEANS_DOWN)[SELL]["wanted"] == 0
    assert taker.at(860, LEANS_DOWN)[SELL]["wanted"] == 1


def test_a_book_in_doubt_ends_the_lean() -> None:
    """What was not seen did not last."""
    taker = Taker()
    taker.at(0, LEANS_UP)
    taker.scene.book["state"] = BookState.STALE
    buy, _ = taker.decide()
    assert reason(buy) == (Code.BOOK_NOT_SYNCED, BookState.STALE, BookState.SYNCED)
    taker.at(200, LEANS_UP)
    assert taker.at(300, LEANS_UP)[BUY]["wanted"] == 0


def test_an_attempt_under_way_begins_the_dwell_anew() -> None:
    """So an order that found nothing is not repeated at once."""
    taker = Taker()
    taker.at(0, LEANS_UP)
    put_order(taker.scene, 0, BUY, 10_001, 100, state=int(OrderState.PENDING_NEW))
    assert taker.at(300, LEANS_UP)[BUY]["wanted"] == 0
    taker.scene.state.orders[0]["key"] = 0
    assert taker.at(599, LEANS_UP)[BUY]["wanted"] == 0
    assert taker.at(600, LEANS_UP)[BUY]["wanted"] == 1


@pytest.mark.parametrize(("fee_e2", "wanted"), [(1_050, 1), (1_051, 0)])
def test_crossing_and_both_fees_stand_in_the_edge(fee_e2: int, wanted: int) -> None:
    """Target 25 bps, spread 2 bps: twice 10.5 bps of fees leave the 2 bps asked for."""
    taker = Taker(min_edge_bps="2")
    taker.scene.core["taker_fee_bps_e2"] = fee_e2
    taker.at(0, LEANS_UP)
    buy, _ = taker.at(300, LEANS_UP)
    assert buy["wanted"] == wanted
    if not wanted:
        assert reason(buy) == (Code.NO_EDGE, 198, 200)


def test_the_entry_keeps_size_limit_and_balance() -> None:
    """The room to the position limit caps it; too small or unpaid for is not tried."""
    taker = Taker()
    instrument = taker.scene.instrument
    instrument["max_position_lots"] = 60
    taker.at(0, LEANS_UP)
    assert order_of(taker.at(300, LEANS_UP)[BUY]) == (10_001, 60, 0)
    instrument["min_qty_lots"] = 61
    assert reason(taker.decide()[BUY]) == (Code.SIZE_ZERO, 60, 61)
    instrument["min_qty_lots"] = 60
    needed = 10_001 * 10 * 60
    taker.scene.state.balances[0]["opening_atoms"] = needed - 1
    assert reason(taker.decide()[BUY]) == (Code.BALANCE_SHORT, needed - 1, needed)


def a_holder(lots: int) -> Taker:
    """Return a taker whose position was first seen at 0 ms, at mid 10,000."""
    taker = Taker(stop_bps="15", target_bps="25", holding_ms=10_000)
    taker.hold(lots)
    taker.at(0)
    return taker


@pytest.mark.parametrize(("lots", "side"), [(70, SELL), (-70, BUY)])
def test_one_position_at_a_time_and_out_when_its_time_is_over(lots: int, side: int) -> None:
    """Neither side trades before; then the whole position goes, reduce-only, at the touch."""
    taker = a_holder(lots)
    lean = LEANS_UP if lots > 0 else LEANS_DOWN
    for target in taker.at(9_999, lean):
        assert reason(target) == (Code.HOLDING, 9_999 * MS, 10_000 * MS)
    targets = taker.at(10_000, lean)
    assert order_of(targets[side]) == (9_999 if side == SELL else 10_001, 70, 1)
    assert reason(targets[1 - side])[0] == Code.HOLDING


@pytest.mark.parametrize(
    ("lots", "mid", "out"),
    [
        (70, 9_985, True),
        (70, 9_986, False),
        (70, 10_025, True),
        (70, 10_024, False),
        (-70, 10_015, True),
        (-70, 10_014, False),
        (-70, 9_975, True),
        (-70, 9_976, False),
    ],
)
def test_stop_and_target_are_of_the_mid(lots: int, mid: int, out: bool) -> None:
    """Fifteen bps against, twenty-five for the entry, each inclusive."""
    taker = a_holder(lots)
    side = SELL if lots > 0 else BUY
    assert taker.at(100, mid=mid)[side]["wanted"] == out


def test_an_exit_is_tried_again_until_flat() -> None:
    """A part that is left goes next; its time and stop still count from the entry."""
    taker = a_holder(70)
    assert order_of(taker.at(10_000)[SELL])[1] == 70
    taker.hold(20)
    assert order_of(taker.at(10_001)[SELL])[1] == 20


def test_at_the_canarys_scale_the_whole_position_goes() -> None:
    """The size asked for is the one that the factor makes exactly the position of."""
    taker = a_holder(7)
    taker.scene.core["canary_size_e6"] = 300_000
    qty = int(taker.at(10_000)[SELL]["qty_lots"])
    assert qty * 300_000 // 1_000_000 == 7
    assert (qty - 1) * 300_000 // 1_000_000 == 6


def test_an_exit_sells_no_more_than_there_is() -> None:
    """Commissions taken in base make the balance smaller than the position."""
    taker = a_holder(70)
    taker.scene.state.balances[1]["opening_atoms"] = 69_999
    assert order_of(taker.at(10_000)[SELL])[1] == 69


def test_an_exit_that_is_too_large_for_one_order_goes_in_slices() -> None:
    """A stop that the order limits refuse is no stop: dust was held beside, or the price rose."""
    taker = a_holder(-70)
    taker.scene.instrument["max_order_lots_reduce"] = 60
    assert order_of(taker.at(100, mid=10_015)[BUY]) == (10_016, 60, 1)
    taker.scene.instrument["max_order_notional_atoms_reduce"] = 10_016 * 10 * 50 + 1
    assert order_of(taker.at(100, mid=10_015)[BUY]) == (10_016, 50, 1)


def test_after_leaving_it_rests() -> None:
    """The cooldown's last millisecond still rests; the dwell may pass meanwhile."""
    taker = a_holder(70)
    taker.hold(0)
    assert reason(taker.at(1_000, LEANS_UP)[BUY]) == (Code.COOLDOWN, 0, 2_000 * MS)
    assert reason(taker.at(2_999, LEANS_UP)[BUY])[0] == Code.COOLDOWN
    assert order_of(taker.at(3_000, LEANS_UP)[BUY]) == (10_001, 100, 0)


def test_dust_counts_as_flat() -> None:
    """What the venue would not take is neither held nor left."""
    taker = Taker()
    taker.scene.instrument["min_notional_atoms"] = 10_000 * 10 * 5
    taker.hold(4)
    taker.at(0, LEANS_UP)
    assert taker.at(300, LEANS_UP)[BUY]["wanted"] == 1
    taker.hold(5)
    assert reason(taker.at(301, LEANS_UP)[BUY])[0] == Code.HOLDING


@pytest.mark.parametrize("trading", [s for s in TradingState if s != TradingState.RUNNING])
def test_it_trades_only_while_running(trading: TradingState) -> None:
    """No entry in any other state; an exit still in REDUCE_ONLY."""
    taker = Taker()
    taker.scene.core["state"] = trading
    taker.at(0, LEANS_UP)
    assert reason(taker.at(300, LEANS_UP)[BUY])[0] == Code.NOT_RUNNING
    taker = a_holder(70)
    taker.scene.core["state"] = trading
    sell = taker.at(10_000)[SELL]
    assert sell["wanted"] == (trading == TradingState.REDUCE_ONLY)
