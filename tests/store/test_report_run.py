"""A run's figures against naive computations: mids without our orders, markouts, times, money."""

from __future__ import annotations

from fractions import Fraction

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.domain.codes import Code, TradingState
from hftd.domain.events import EVENT, EventKind
from hftd.domain.facts import FactKind
from hftd.domain.order import FeeAsset, OrderEvent, Side
from hftd.journal.record import Record, RecordType, Stream, encode_json
from hftd.store.report_mids import InstrumentMids
from hftd.store.report_run import HORIZONS_NS, RunFigures, Worth
from tests.store.days_work import BEGIN_NS, SECOND_NS, facts, header

TICKS, LOTS = st.integers(100, 140), st.integers(0, 3)
NO_LEVELS = np.zeros((0, 3), np.int64)


def touch(ts_ns, bid, ask, lots=(5, 5), update_id=1):
    """Return a touch as the codec decodes it."""
    event = np.zeros(1, EVENT)[0]
    event["kind"], event["ts_ns"], event["last_update_id"] = EventKind.TOUCH, ts_ns, update_id
    event["bid_ticks"], event["ask_ticks"] = bid, ask
    event["bid_lots"], event["ask_lots"] = lots
    return event


def depth(ts_ns, kind, rows, update_id):
    """Return a depth event and its levels."""
    event = np.zeros(1, EVENT)[0]
    event["kind"], event["ts_ns"], event["last_update_id"] = kind, ts_ns, update_id
    event["levels_end"] = len(rows)
    return event, np.array(rows or np.zeros((0, 3)), np.int64)


def own(key, side, ticks, leaves):
    """Return what the mids read of the fact of an order."""
    return {"order_key": key, "side": side, "price_ticks": ticks, "leaves_lots": leaves,
            "venue_order_id": 7}  # fmt: skip


LADDER = st.dictionaries(st.integers(90, 119), st.integers(1, 5), min_size=1, max_size=8)


@given(
    LADDER,
    LADDER,
    st.lists(st.tuples(st.sampled_from(Side), st.integers(0, 40), st.integers(1, 5)), max_size=4),
)
def test_mid_is_that_of_the_book_without_our_orders(below, above, ours):
    """A naive book of others' orders, ours laid over it: the mid is that of the others."""
    bids = dict(below)
    asks = {240 - ticks: lots for ticks, lots in above.items()}
    mids = InstrumentMids()
    whole = (dict(bids), dict(asks))
    for key, (side, away, lots) in enumerate(ours, 1):
        # Ours stand inside the spread, at others' prices, or behind: never across.
        ticks = (80 + away) if side == Side.BUY else (160 - away)
        if (side == Side.BUY and ticks >= min(asks)) or (side == Side.SELL and ticks <= max(bids)):
            continue
        if (side == Side.BUY and ticks >= 120) or (side == Side.SELL and ticks <= 120):
            continue
        whole[side][ticks] = whole[side].get(ticks, 0) + lots
        mids.apply_order(own(key, side, ticks, lots))
    rows = [(side, ticks, lots) for side in Side for ticks, lots in whole[side].items()]
    mids.apply(*depth(BEGIN_NS, EventKind.SNAPSHOT, rows, 10))
    assert mids.at(BEGIN_NS) == max(bids) + min(asks)
    # The touch that the venue tells then has ours in it, and changes nothing.
    best = max(whole[0]), min(whole[1])
    told = touch(BEGIN_NS + 1, *best, (whole[0][best[0]], whole[1][best[1]]), update_id=11)
    mids.apply(told, NO_LEVELS)
    assert mids.at(BEGIN_NS + 1) == max(bids) + min(asks)


def test_of_touch_and_depth_the_newer_counts():
    """By update id, as in trading; an order of ours that ended is others' liquidity no more."""
    mids = InstrumentMids()
    rows = [(0, 100, 5), (0, 99, 5), (1, 110, 5)]
    mids.apply(*depth(1, EventKind.SNAPSHOT, rows, 10))
    mids.apply(touch(2, 104, 110, update_id=12), NO_LEVELS)
    mids.apply(*depth(3, EventKind.DEPTH, [(0, 102, 1)], 11))  # Older than the touch.
    assert [mids.at(ts_ns) for ts_ns in (0, 1, 2, 3, 4)] == [None, 210, 214, 214, None]
    mids.apply(*depth(5, EventKind.DEPTH, [(0, 102, 0), (0, 100, 0)], 13))
    assert mids.at(5) == 99 + 110


def figures_of(*records):
    """Return the figures of records given as (type, ts_ns, payload) or events."""
    run = RunFigures(header() | {"assets": ["USDT", "BTC"]})
    for seq, (kind, ts_ns, payload) in enumerate(records, 1):
        run.add(Record(seq, kind, 1, ts_ns, memoryview(payload), Stream.ORDERS))
    return run


def fact(ts_ns, kind, **fields):
    """Return a record of one fact."""
    payload = facts({"kind": kind, "ts_ns": ts_ns, **fields})
    return RecordType.FACT, ts_ns, payload


FILLS = st.lists(
    st.tuples(
        st.integers(0, 60_000), st.sampled_from(Side), TICKS, st.integers(1, 9),
        st.integers(200, 280),
    ),
    max_size=12,
)  # fmt: skip
MOVES = st.lists(st.tuples(st.integers(0, 90_000), TICKS, st.integers(1, 20)), max_size=30)


@given(FILLS, MOVES)
def test_markouts_are_a_naive_computation(fills, moves):
    """Each fill by itself, each mid searched for in the list of all, in exact fractions."""
    run = figures_of(
        *(
            fact(BEGIN_NS + at_ms * 10**6, FactKind.FILL, side=side, price_ticks=ticks,
                 qty_lots=lots, mid_half_ticks=mid)
            for at_ms, side, ticks, lots, mid in fills
        )
    )  # fmt: skip
    moves = sorted(moves)
    for at_ms, bid, spread in moves:
        run.add_market(touch(BEGIN_NS + at_ms * 10**6, bid, bid + spread), NO_LEVELS)
    for side in (Side.BUY, Side.SELL, None):
        chosen = [one for one in fills if side in (None, one[1])]
        value = sum(Fraction(mid, 2) * lots for *_, lots, mid in chosen)
        gain = sum(
            (1 if buys == Side.BUY else -1) * (Fraction(mid, 2) - ticks) * lots
            for _, buys, ticks, lots, mid in chosen
        )
        earned = run.spread_earned(0, side)
        assert earned.fills == len(chosen)
        assert earned.bps == (pytest.approx(float(10_000 * gain / value)) if chosen else None)
        for horizon_ns in HORIZONS_NS:
            value = gain = Fraction(0)
            count = 0
            for at_ms, buys, _, lots, mid in chosen:
                then_ms = at_ms + horizon_ns // 10**6
                before = [bid + Fraction(spread, 2) for at, bid, spread in moves if at <= then_ms]
                if not before or then_ms > moves[-1][0]:
                    continue  # The market of then is not known.
                count += 1
                value += Fraction(mid, 2) * lots
                gain += (1 if buys == Side.BUY else -1) * (before[-1] - Fraction(mid, 2)) * lots
            found = run.markout(horizon_ns, 0, side)
            assert found.fills == count
            assert found.bps == (pytest.approx(float(10_000 * gain / value)) if value else None)


def test_times_of_states_and_reasons_fill_the_run():
    """From one change to the next and to the last record; nothing is counted twice."""
    at = [BEGIN_NS + second * SECOND_NS for second in range(11)]
    run = figures_of(
        fact(at[0], FactKind.STATE, instrument=-1, state_to=TradingState.RECOVERING),
        fact(at[0], FactKind.QUOTING, side=Side.BUY, code=Code.NOT_RUNNING),
        fact(at[2], FactKind.STATE, instrument=-1, state_to=TradingState.RUNNING),
        fact(at[2], FactKind.QUOTING, side=Side.BUY, code=Code.NONE),
        fact(at[5], FactKind.QUOTING, side=Side.BUY, code=Code.NO_EDGE),
        fact(at[6], FactKind.QUOTING, side=Side.BUY, code=Code.NONE),
        (RecordType.RUN_END, at[10], encode_json({"code": 0})),
    )
    run.finish()
    seconds = {reason: ns // SECOND_NS for (_, _, reason), ns in run.side_ns.items()}
    assert seconds == {"NOT_RUNNING": 2, "quoted": 7, "NO_EDGE": 1}
    assert {state: ns // SECOND_NS for state, ns in run.state_ns.items() if ns} == {
        "RECOVERING": 2, "RUNNING": 8,
    }  # fmt: skip
    assert run.end_reason == "ended in order, exit 0"


@given(st.integers(-(10**14), 10**14), st.integers(-(10**14), 10**14), st.integers(0, 10**12))
def test_holdings_gain_is_what_trading_and_flows_do_not_explain(gain, traded, deposit):
    """Equity = before + traded + deposited + what the holdings gained by price."""
    opening = 10**16
    names = ("equity_atoms", "total_atoms")
    equity = (opening, 0), (opening + gain + traded + deposit, traded)
    run = figures_of(
        fact(BEGIN_NS, FactKind.EQUITY, **dict(zip(names, equity[0], strict=True))),
        fact(BEGIN_NS + 1, FactKind.EXTERNAL_FLOW, instrument=-1, asset=0, delta_atoms=deposit),
        fact(BEGIN_NS + 2, FactKind.EQUITY, **dict(zip(names, equity[1], strict=True))),
    )
    assert run.holdings_gain_atoms() == gain


def test_equity_that_was_not_known_is_no_gain_of_the_holdings():
    """Before the opening or a mark is known it is told as 0: no worth that came or went."""
    run = figures_of(
        fact(BEGIN_NS, FactKind.EQUITY, equity_atoms=0),
        fact(BEGIN_NS + 1, FactKind.EQUITY, equity_atoms=900, total_atoms=5),
        fact(BEGIN_NS + 2, FactKind.EQUITY, equity_atoms=907, total_atoms=6),
        fact(BEGIN_NS + 3, FactKind.EQUITY, equity_atoms=0, total_atoms=6),
    )
    assert run.holdings_gain_atoms() == 6
    assert figures_of(fact(BEGIN_NS, FactKind.EQUITY)).holdings_gain_atoms() is None


@pytest.mark.parametrize(("told", "gain"), [(True, 25), (False, None)])
def test_a_flow_is_valued_though_the_market_of_its_moment_is_gone(told, gain):
    """By the mid that a fact of ours told last; without any the gain is not known, and not 0."""
    e8 = 10**8
    mid = (fact(BEGIN_NS, FactKind.POSITION, mid_half_ticks=12001),) if told else ()
    run = figures_of(
        fact(BEGIN_NS, FactKind.EQUITY, equity_atoms=500 * e8),
        *mid,
        fact(BEGIN_NS + 1, FactKind.EXTERNAL_FLOW, instrument=-1, asset=1, delta_atoms=2 * e8),
        fact(BEGIN_NS + 2, FactKind.EQUITY, equity_atoms=(500 + 2 * 60_005 + 25) * e8),
    )
    assert run.holdings_gain_atoms() == (None if gain is None else gain * e8)


def test_fees_and_refusals_are_counted_by_kind():
    """Fees by the asset that was taken, orders by what befell them, refusals by code."""
    run = figures_of(
        fact(BEGIN_NS, FactKind.FILL, fee_asset=FeeAsset.BASE, fee_atoms=3, qty_lots=1),
        fact(BEGIN_NS, FactKind.FILL, fee_asset=FeeAsset.BASE, fee_atoms=4, qty_lots=1),
        fact(BEGIN_NS, FactKind.FILL, fee_asset=FeeAsset.QUOTE, fee_atoms=5, qty_lots=1),
        fact(BEGIN_NS, FactKind.REFUSAL, code=Code.ORDER_SIZE),
        fact(BEGIN_NS, FactKind.REJECT, post_only=1),
        fact(BEGIN_NS, FactKind.ORDER, order_event=OrderEvent.SUBMITTED, leaves_lots=5),
    )
    assert dict(run.fee_atoms) == {"BTC": 7, "USDT": 5}
    assert dict(run.refusals) == {"ORDER_SIZE": 1}
    assert dict(run.rejections) == {"post-only missed": 1}
    assert dict(run.orders) == {"SUBMITTED": 1}
    assert run.spread_earned(0) == Worth(0, 0, 0)  # No mid is known of these fills.
    assert msgspec.json.encode(run.words.header)
