"""Recordings by hand: every rule by which our orders fill, gaps, and the market that follows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import pytest

from hftd.simex.doubt import Doubt
from hftd.simex.live import NOT_YET, LiveMarket
from hftd.simex.market import ID_GAP
from hftd.simex.queue_model import parse_queue_model
from hftd.simex.requests import (
    Accepted,
    Canceled,
    DepthChanged,
    Kind,
    Place,
    Rejected,
    Report,
    Side,
    TouchChanged,
    Trade,
)
from hftd.simex.tape import TapeMarket
from hftd.simex.tape_lines import Unreadable, spec_in
from tests.simex.hand_tape import SPEC, Tape

START_NS = 1_800_000_000_000_000_000


def at(ms: int) -> int:
    """Return a time of the venue's clock."""
    return START_NS + ms * 1_000_000


def started(tape: Tape, tmp_path: Path, model: str = "pessimistic") -> TapeMarket:
    """Return a market on a tape that began at START_NS."""
    chosen = parse_queue_model(model)
    assert chosen is not None
    market = TapeMarket(SPEC, [tape.save(tmp_path)], model=chosen)
    market.start(START_NS)
    return market


def fills(reports: Sequence[Report]) -> list[tuple[int, int, int]]:
    """Return (milliseconds, price, lots) of our fills."""
    return [
        ((report.ts_ns - START_NS) // 1_000_000, report.price_ticks, report.qty_lots)
        for report in reports
        if isinstance(report, Trade) and not report.public
    ]


def book_of_99_to_101() -> Tape:
    """Return a tape that begins with 10 lots at 99 and 10 at 101."""
    tape = Tape()
    tape.snapshot(0, 10, [(99, 10), (98, 20)], [(101, 10), (102, 20)])
    return tape


BID = Place(1, 1, Side.BUY, 99, 6, Kind.LIMIT_MAKER)
ASK = Place(2, 1, Side.SELL, 101, 6, Kind.LIMIT_MAKER)


# --- how our orders fill ------------------------------------------------------------------


def test_trades_at_our_price_eat_the_queue_then_us(tmp_path: Path) -> None:
    """Behind 10: 8 trade, then 4: two of ours; 3 more: three; the last one stays."""
    tape = book_of_99_to_101()
    for ms, lots in ((10, 8), (20, 4), (30, 3)):
        tape.trade(ms, ms, 99, lots, Side.SELL)
    market = started(tape, tmp_path)
    market.place(BID, at(5))
    assert fills(market.advance(at(50))) == [(20, 99, 2), (30, 99, 3)]
    assert market.cancel(1, at(60)) == [Canceled(1, 1, 1, at(60))]


def test_trades_of_the_other_side_do_not_fill_us(tmp_path: Path) -> None:
    """A buyer who takes at 101 has not met a bid of ours at 101 (it rests behind the touch)."""
    tape = book_of_99_to_101()
    tape.trade(10, 1, 99, 50, Side.BUY)
    market = started(tape, tmp_path)
    market.place(BID, at(5))
    assert fills(market.advance(at(50))) == []


def test_our_own_orders_queue_behind_each_other(tmp_path: Path) -> None:
    """Of 20 lots at 99 the crowd takes 10, our first order 6, our second 4."""
    tape = book_of_99_to_101()
    tape.trade(10, 1, 99, 20, Side.SELL)
    market = started(tape, tmp_path)
    market.place(BID, at(5))
    market.place(Place(3, 1, Side.BUY, 99, 6, Kind.LIMIT_MAKER), at(6))
    assert fills(market.advance(at(50))) == [(10, 99, 6), (10, 99, 4)]


def test_a_trade_through_our_price_fills_us_whole(tmp_path: Path) -> None:
    """One lot at 98 means that every bid at 99 is gone; we get our own price."""
    tape = book_of_99_to_101()
    tape.trade(10, 1, 98, 1, Side.SELL)
    market = started(tape, tmp_path)
    market.place(BID, at(5))
    assert fills(market.advance(at(50))) == [(10, 99, 6)]


@pytest.mark.parametrize("by_touch", [True, False])
def test_a_touch_that_reaches_us_fills_us_whole(tmp_path: Path, by_touch: bool) -> None:
    """Who bids our ask would have traded with us, whether bookTicker or depth tells of it."""
    tape = book_of_99_to_101()
    if by_touch:
        tape.touch(10, 11, (101, 1), (102, 20))
    else:
        tape.depth(10, 11, 12, [(101, 1)], [(101, 0)])
    market = started(tape, tmp_path)
    market.place(ASK, at(5))
    assert fills(market.advance(at(50))) == [(10, 101, 6)]


@pytest.mark.parametrize(
    ("model", "filled"),
    [
        ("pessimistic", []),  # Five of the nine were behind us: six are ahead still.
        ("proportional", [(30, 99, 2)]),  # A third was behind: four are ahead.
        ("optimistic", [(30, 99, 5)]),  # None was: one is ahead.
    ],
)
def test_who_canceled_is_the_models_word(
    tmp_path: Path, model: str, filled: list[tuple[int, int, int]]
) -> None:
    """Ten ahead; five join behind us; then nine of the 15 cancel, and six are traded."""
    tape = book_of_99_to_101()
    tape.depth(10, 11, 11, [(99, 15)], [])
    tape.depth(20, 12, 12, [(99, 6)], [])
    tape.trade(30, 1, 99, 6, Side.SELL)
    market = started(tape, tmp_path, model)
    market.place(BID, at(5))
    assert fills(market.advance(at(50))) == filled


# --- gaps ---------------------------------------------------------------------------------


def test_a_gap_closes_the_market_until_a_snapshot_opens_it(tmp_path: Path) -> None:
    """Nothing is shown, filled or taken in between; one event leads over, ids go on."""
    tape = book_of_99_to_101()
    tape.trade(10, 70, 99, 1, Side.SELL)
    tape.depth(20, 11, 12, [(99, 9)], [])
    tape.depth(30, 20, 21, [(97, 5)], [])  # 13 to 19 are missing.
    tape.trade(40, 90, 99, 50, Side.SELL)
    tape.snapshot(50, 15, [(90, 1)], [(110, 1)])  # Too old: 16 to 19 are missing still.
    tape.snapshot(60, 22, [(98, 7)], [(100, 4)])
    tape.depth(70, 20, 23, [(98, 8)], [])
    tape.trade(80, 95, 98, 2, Side.SELL)
    market = started(tape, tmp_path)
    market.place(Place(1, 1, Side.BUY, 97, 6), at(5))
    market.advance(at(45))
    (refused,) = market.place(Place(2, 1, Side.BUY, 98, 1), at(45))
    assert isinstance(refused, Rejected)
    assert refused.msg == "Market is closed."
    reports = market.advance(at(65))
    assert reports == [
        DepthChanged(13, 22, at(60), [(99, 0), (98, 7)], [(101, 0), (102, 0), (100, 4)]),
        TouchChanged(22, at(60), 98, 7, 100, 4),
    ]
    assert isinstance(market.place(Place(3, 1, Side.BUY, 98, 1), at(66))[0], Accepted)
    depth, _, trade = market.advance(at(90))
    assert isinstance(depth, DepthChanged)
    assert (depth.first_update_id, depth.last_update_id) == (23, 23)
    assert isinstance(trade, Trade)
    assert trade.trade_id == 71  # The public axis has no hole, whatever was missed.


def test_a_server_that_begins_anew_is_followed(tmp_path: Path) -> None:
    """After a lost line a snapshot with lower ids counts, and is moved behind what was shown."""
    tape = book_of_99_to_101()
    tape.depth(10, 11, 15, [(99, 9)], [])
    tape.write(15, {"lost": "the server went away"})
    tape.snapshot(20, 3, [(98, 7)], [(100, 4)])
    tape.depth(30, 4, 5, [(98, 6)], [])
    market = started(tape, tmp_path)
    events = [r for r in market.advance(at(50)) if isinstance(r, DepthChanged)]
    assert [(each.first_update_id, each.last_update_id) for each in events] == [
        (11, 15),
        (16, 17),
        (18, 19),
    ]
    assert market.snapshot(1).bids == [(98, 6)]


def test_a_gap_at_the_end_is_why_it_ended(tmp_path: Path) -> None:
    """No snapshot came any more: the updates that are missing are named."""
    tape = book_of_99_to_101()
    tape.depth(10, 15, 15, [(99, 9)], [])
    market = started(tape, tmp_path)
    market.advance(at(50))
    assert market.next_ns() is None
    assert market.ended_by == "updates 11 to 14 are missing"


# --- the market that follows --------------------------------------------------------------


def pushed(market: LiveMarket, tape: Tape, first_ms: int = 0) -> list[Report]:
    """Push the lines of a tape, a millisecond apart, and return what came of it."""
    reports: list[Report] = []
    for ms, line in enumerate(tape.lines, first_ms):
        assert market.push(line, at(ms)) == ""
        assert market.next_ns() == at(ms)
        reports += market.advance(at(ms))
    assert market.next_ns() is None
    return reports


def test_a_followed_market_opens_with_its_first_snapshot() -> None:
    """Closed before, then the whole book in one event, then message by message."""
    market = LiveMarket(SPEC)
    market.start(START_NS)
    assert market.missing == NOT_YET
    assert isinstance(market.place(BID, at(0))[0], Rejected)
    tape = Tape()
    tape.depth(0, 9, 11, [(98, 3)], [])
    tape.snapshot(0, 10, [(99, 10), (98, 20)], [(101, 10)])
    tape.trade(0, 500, 99, 1, Side.SELL)
    reports = pushed(market, tape)
    assert reports[0] == DepthChanged(1, 11, at(1), [(99, 10), (98, 3)], [(101, 10)])
    assert market.missing == ""
    (trade,) = (report for report in reports if isinstance(report, Trade))
    assert (trade.trade_id, trade.ts_ns) == (1, at(2))
    assert market.snapshot(5).update_id == 11


def test_a_line_that_is_down_closes_the_market() -> None:
    """Resting orders wait; the next snapshot opens it, and what went through us has filled us."""
    market = LiveMarket(SPEC)
    pushed(market, book_of_99_to_101())
    market.place(BID, at(10))
    lost = Tape()
    lost.write(0, {"lost": "the line is down"})
    assert pushed(market, lost, 20) == []
    assert market.missing == "the line is down"
    assert isinstance(market.place(ASK, at(21))[0], Rejected)
    again = Tape()
    again.snapshot(0, 900, [(95, 1)], [(97, 1)])
    reports = pushed(market, again, 30)
    assert fills(reports) == [(30, 99, 6)]


def test_junk_closes_the_market_and_says_why() -> None:
    """A line that cannot be read is told to whoever pushes."""
    market = LiveMarket(SPEC)
    pushed(market, book_of_99_to_101())
    assert "decimals" in market.push(
        b'1 {"stream":"x","data":{"e":"trade","s":"BTCUSDT","p":"x","q":"1"}}', at(10)
    )
    assert "decimals" in market.missing


def test_ids_and_orders_outlive_the_process() -> None:
    """Dump, JSON and load: closed until the snapshot, ids beyond all that were shown."""
    market = LiveMarket(SPEC)
    pushed(market, book_of_99_to_101())
    market.place(Place(market.next_order_id(), 1, Side.BUY, 99, 6), at(10))
    state = msgspec.json.decode(msgspec.json.encode(market.dump()))
    restored = LiveMarket(SPEC)
    restored.load(state, 0)
    restored.adopt([Place(1, 1, Side.BUY, 99, 6)], at(20))
    assert restored.missing == NOT_YET
    assert restored.next_order_id() == 2 + ID_GAP
    reports = pushed(restored, book_of_99_to_101(), 30)
    (event,) = (report for report in reports if isinstance(report, DepthChanged))
    assert event.first_update_id == 10 + ID_GAP + 1
    assert event.last_update_id > event.first_update_id
    tape = Tape()
    tape.trade(0, 1, 99, 12, Side.SELL)
    assert fills(pushed(restored, tape, 50)) == [(50, 99, 2)]
    again = LiveMarket(SPEC)
    again.load(msgspec.json.decode(msgspec.json.encode(restored.dump())), 0)
    last = pushed(again, book_of_99_to_101(), 60)[0]
    assert isinstance(last, DepthChanged)
    assert last.last_update_id < 4 * ID_GAP


# --- doubt --------------------------------------------------------------------------------


def test_what_the_optimist_alone_filled_is_doubt() -> None:
    """He fills 5 when the pessimist is still behind; what the truth fills later is none."""
    market = LiveMarket(SPEC)
    tape = book_of_99_to_101()
    pushed(market, tape)
    market.place(BID, at(10))
    assert market.doubts is not None
    tape = Tape()
    tape.depth(1, 11, 11, [(99, 15)], [])
    tape.depth(2, 12, 12, [(99, 6)], [])
    tape.trade(3, 1, 99, 6, Side.SELL)
    assert fills(pushed(market, tape, 20)) == []
    assert market.doubts.by_account == {1: Doubt(5, 5 * 99)}
    tape = Tape()
    tape.trade(4, 2, 99, 2, Side.SELL)
    assert fills(pushed(market, tape, 30)) == [(30, 99, 2)]
    assert market.doubts.by_account == {1: Doubt(4, 4 * 99)}
    market.cancel(1, at(40))
    tape = Tape()
    tape.trade(5, 3, 90, 50, Side.SELL)
    assert fills(pushed(market, tape, 50)) == []
    assert market.doubts.by_account == {1: Doubt(4, 4 * 99)}


def test_sellers_are_judged_alike_and_outlive_the_process() -> None:
    """An ask in doubt is sold lots, and a dump keeps sums and places."""
    market = LiveMarket(SPEC)
    pushed(market, book_of_99_to_101())
    market.place(ASK, at(10))
    tape = Tape()
    tape.depth(1, 11, 11, [], [(101, 14)])
    tape.depth(2, 12, 12, [], [(101, 4)])
    tape.trade(3, 1, 101, 3, Side.BUY)
    pushed(market, tape, 20)
    restored = LiveMarket(SPEC)
    restored.load(msgspec.json.decode(msgspec.json.encode(market.dump())), 0)
    assert market.doubts is not None
    assert restored.doubts is not None
    assert market.doubts.by_account == {1: Doubt(0, 0, 3, 3 * 101)}
    assert restored.doubts.dump() == market.doubts.dump()


# --- what a tape says of its symbols ------------------------------------------------------


def listing(tick: str, lot: str) -> bytes:
    """Return the line of an exchangeInfo reply."""
    filters = [
        {"filterType": "PRICE_FILTER", "tickSize": tick, "maxPrice": "5000"},
        {"filterType": "LOT_SIZE", "stepSize": lot, "maxQty": "70"},
        {"filterType": "NOTIONAL", "minNotional": "10", "maxNotional": "999"},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 17},
    ]
    symbol = {"symbol": "ETHBTC", "baseAsset": "ETH", "quoteAsset": "BTC", "filters": filters}
    return b"1 " + msgspec.json.encode({"timezone": "UTC", "symbols": [symbol]})


def test_a_listing_gives_the_steps_and_filters() -> None:
    """Steps and bounds are the venue's; another symbol's line says nothing."""
    spec = spec_in(listing("0.001", "0.01"), "ETHBTC")
    assert spec is not None
    assert (spec.base, spec.quote, spec.tick_size, spec.lot_size) == ("ETH", "BTC", "0.001", "0.01")
    assert (spec.min_notional, spec.max_num_orders, spec.max_market_qty) == ("10", 17, "70")
    assert spec_in(listing("0.01", "0.01"), "BTCUSDT") is None
    assert spec_in(b"1 {}", "BTCUSDT") is None


@pytest.mark.parametrize(("tick", "lot"), [("0.00001", "0.00001"), ("0", "1"), ("", "1")])
def test_steps_that_money_cannot_count_are_refused(tick: str, lot: str) -> None:
    """A tick times a lot must be whole in the quote's eighth decimal."""
    with pytest.raises(Unreadable, match="ETHBTC"):
        spec_in(listing(tick, lot), "ETHBTC")
