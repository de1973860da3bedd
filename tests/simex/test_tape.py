"""The tape market: the recorded book rebuilt, served at its pace, and our orders on it."""

from __future__ import annotations

import gzip
import json
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hftd.errors import ProfileError
from hftd.simex.market import CUT_NS, ID_GAP, SymbolSpec
from hftd.simex.requests import (
    TAPE_ACCOUNT,
    Accepted,
    Amended,
    Canceled,
    CancelRejected,
    DepthChanged,
    Expired,
    ExpiryReason,
    Kind,
    Place,
    Rejected,
    Report,
    Side,
    TimeInForce,
    TouchChanged,
    Trade,
)
from hftd.simex.tape import BTCUSDT_SPEC, TapeMarket
from tests.simex.hand_tape import SPEC, Tape

ROOT = Path(__file__).parents[2]
RECORDED = ROOT.parent / "shared" / "data" / "binance-spot"
SYNTHETIC = ROOT / "hftd" / "data" / "synthetic-btcusdt.gz"
SECOND_NS = 1_000_000_000
START_NS = 1_800_000_000 * SECOND_NS


def short_tape() -> Tape:
    """Return a tape of 400 ms: a book of 99/101, a touch, a sell and a fall."""
    tape = Tape()
    tape.depth(-10, 5, 12, [(99, 10), (97, 5)], [])
    tape.snapshot(0, 10, [(99, 9), (98, 4)], [(101, 8), (102, 6)])
    tape.depth(100, 13, 15, [(98, 3)], [(101, 7)])
    tape.touch(150, 16, (99, 6), (101, 7))
    tape.trade(150, 70, 99, 4, Side.SELL)
    tape.depth(200, 16, 17, [(99, 6)], [(103, 2)])
    tape.trade(300, 71, 99, 6, Side.SELL)
    tape.depth(300, 18, 20, [(99, 0)], [(100, 5)])
    tape.depth(400, 21, 21, [(97, 0)], [])
    return tape


def started(path: Path, spec: SymbolSpec = SPEC, **how: object) -> TapeMarket:
    """Return a market that began at START_NS."""
    market = TapeMarket(spec, [path], **how)  # type: ignore[arg-type]
    market.start(START_NS)
    return market


def at(ms: int) -> int:
    """Return a time of the venue's clock."""
    return START_NS + ms * 1_000_000


def of_kind(reports: Sequence[Report], kind: type) -> list[Any]:
    """Return the reports of one kind."""
    return [report for report in reports if isinstance(report, kind)]


def play_to_the_end(market: TapeMarket) -> list[Report]:
    """Return all that the tape still says."""
    reports: list[Report] = []
    while (due_ns := market.next_ns()) is not None:
        reports += market.advance(due_ns)
        assert len(reports) < 100_000, "a tape that should end goes on"
    return reports


# --- the recording ------------------------------------------------------------------------


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded session in ../shared is missing")
def test_the_rebuilt_book_agrees_with_every_book_ticker_it_can() -> None:
    """Over both files best prices and quantities equal the bookTicker's after 6,490 events."""
    paths = [RECORDED / f"btcusdt_202408{day}.gz" for day in ("08", "09")]
    market = TapeMarket(BTCUSDT_SPEC, paths)
    market.start(START_NS)
    oracle = list(book_tickers(paths))
    ids = [ticker[0] for ticker in oracle]
    last_id, trade_ids, agree, events = 0, [], 0, 0
    while (due_ns := market.next_ns()) is not None:
        for report in market.advance(due_ns):
            if isinstance(report, DepthChanged):
                assert last_id in (0, report.first_update_id - 1)
                last_id = report.last_update_id
                book = market.snapshot(1)
                assert book.update_id == last_id
                events += 1
                newest = oracle[bisect_right(ids, last_id) - 1]
                agree += newest[1:] == (*book.bids[0], *book.asks[0])
            elif isinstance(report, Trade):
                trade_ids.append(report.trade_id)
    assert market.ended_by == "the tape is at its end"
    assert (events, agree) == (6_492, 6_490)
    assert trade_ids == list(range(trade_ids[0], trade_ids[0] + 19_903))


def book_tickers(paths: Sequence[Path]) -> Iterator[tuple[int, int, int, int, int]]:
    """Yield id, bid and ask of each recorded bookTicker, read apart from the market."""
    for path in paths:
        with gzip.open(path) as file:
            for line in file:
                if b"@bookTicker" in line:
                    data = json.loads(line.partition(b" ")[2])["data"]
                    b, big_b, a, big_a = (
                        int(data[key].replace(".", "")) for key in ("b", "B", "a", "A")
                    )
                    tick, lot = 1_000_000, 1_000
                    yield data["u"], b // tick, -(-big_b // lot), a // tick, -(-big_a // lot)


def test_the_tape_begins_at_its_snapshot(tmp_path: Path) -> None:
    """Events before the snapshot that end after it are applied, and nothing is due before it."""
    market = started(short_tape().save(tmp_path))
    book = market.snapshot(10)
    assert book.update_id == 12
    assert book.bids == [(99, 10), (98, 4), (97, 5)]
    assert book.asks == [(101, 8), (102, 6)]
    assert market.best() == TouchChanged(12, START_NS, 99, 10, 101, 8)
    assert market.next_ns() == at(100)
    assert market.last_price_ticks() == 100
    assert market.snapshot(1).bids == [(99, 10)]


def test_the_tape_keeps_its_pace_and_its_ids(tmp_path: Path) -> None:
    """Times are the venue's, spacing and ids are the recorded ones."""
    market = started(short_tape().save(tmp_path))
    assert market.advance(at(99)) == []
    assert market.advance(at(100)) == [
        DepthChanged(13, 15, at(100), [(98, 3)], [(101, 7)]),
        TouchChanged(15, at(100), 99, 10, 101, 7),
    ]
    touch, trade, depth = market.advance(at(200))
    assert touch == TouchChanged(16, at(150), 99, 6, 101, 7)
    crowd = (0, 0, TAPE_ACCOUNT, TAPE_ACCOUNT)
    assert trade == Trade(70, at(150), 99, 4, Side.SELL, *crowd)
    assert depth == DepthChanged(16, 17, at(200), [(99, 6)], [(103, 2)])
    assert market.last_price_ticks() == 99


@pytest.mark.parametrize(("speed", "first_ms"), [("2", 50), ("0.5", 200), ("1000", 0)])
def test_speed_scales_the_pace(tmp_path: Path, speed: str, first_ms: int) -> None:
    """At twice the speed the first event is due after half the time."""
    market = started(short_tape().save(tmp_path), speed=speed)
    next_ns = market.next_ns()
    assert next_ns is not None
    assert next_ns // 1_000_000 == at(first_ms) // 1_000_000


def test_a_newer_touch_hides_the_levels_it_contradicts(tmp_path: Path) -> None:
    """Between two depth events orders match against the bookTicker."""
    tape = short_tape()
    tape.lines = tape.lines[:3]
    tape.touch(110, 16, (98, 2), (102, 5))
    market = started(tape.save(tmp_path))
    market.advance(at(110))
    assert list(market.levels(Side.BUY)) == [(98, 2), (97, 5)]
    assert list(market.levels(Side.SELL)) == [(102, 5)]
    assert market.snapshot(1).bids == [(99, 10)]  # The snapshot is as of the depth event.


# --- our orders ---------------------------------------------------------------------------


def test_a_taker_takes_what_is_displayed(tmp_path: Path) -> None:
    """Market, IOC and FOK take the displayed lots at the book's prices; the rest expires."""
    market = started(short_tape().save(tmp_path))
    market_order = Place(1, 1, Side.BUY, 0, 20, Kind.MARKET)
    reports = market.place(market_order, at(50))
    assert reports[0] == Accepted(1, 1, at(50))
    trades = of_kind(reports, Trade)
    assert [(trade.price_ticks, trade.qty_lots) for trade in trades] == [(101, 8), (102, 6)]
    assert not any(trade.public for trade in trades)
    assert {trade.maker_account for trade in trades} == {TAPE_ACCOUNT}
    assert [trade.trade_id for trade in trades] == [1, 2]
    assert reports[-1] == Expired(1, 1, 6, ExpiryReason.NO_LIQUIDITY, at(50))

    ioc = market.place(Place(2, 1, Side.SELL, 98, 30, tif=TimeInForce.IOC), at(50))
    assert [trade.qty_lots for trade in of_kind(ioc, Trade)] == [10, 4]
    assert ioc[-1] == Expired(2, 1, 16, ExpiryReason.IOC, at(50))

    fok = market.place(Place(3, 1, Side.SELL, 98, 15, tif=TimeInForce.FOK), at(50))
    assert fok == [Accepted(3, 1, at(50)), Expired(3, 1, 15, ExpiryReason.FOK, at(50))]
    whole = market.place(Place(4, 1, Side.SELL, 98, 14, tif=TimeInForce.FOK), at(50))
    assert sum(trade.qty_lots for trade in of_kind(whole, Trade)) == 14


def test_a_budget_bounds_a_market_order(tmp_path: Path) -> None:
    """A market buy spends no more than its budget of ticks times lots."""
    market = started(short_tape().save(tmp_path))
    reports = market.place(Place(1, 1, Side.BUY, 0, 20, Kind.MARKET, budget=950), at(50))
    spent = [(trade.price_ticks, trade.qty_lots) for trade in of_kind(reports, Trade)]
    assert spent == [(101, 8), (102, 1)]


def test_a_post_only_order_that_would_take_is_refused(tmp_path: Path) -> None:
    """LIMIT_MAKER at the opposite touch is rejected and rests nowhere."""
    market = started(short_tape().save(tmp_path))
    (refused,) = market.place(Place(1, 1, Side.BUY, 101, 1, Kind.LIMIT_MAKER), at(50))
    assert isinstance(refused, Rejected)
    assert refused.code == -2010
    assert market.cancel(1, at(50)) == [CancelRejected(1, at(50))]


def test_a_resting_order_fills_behind_the_queue(tmp_path: Path) -> None:
    """Behind 10 lots at 99: 4 trade, 6 trade, then the ask comes down: filled at our price."""
    market = started(short_tape().save(tmp_path))
    assert market.place(Place(1, 1, Side.BUY, 99, 3, Kind.LIMIT_MAKER), at(50)) == [
        Accepted(1, 1, at(50))
    ]
    later = market.place(Place(2, 1, Side.SELL, 100, 2, Kind.LIMIT_MAKER), at(50))
    assert of_kind(later, Trade) == []
    reports = market.advance(at(400))
    ours = [trade for trade in of_kind(reports, Trade) if not trade.public]
    assert ours == []
    assert market.cancel(1, at(401)) == [Canceled(1, 1, 3, at(401))]


def test_a_trade_past_the_queue_fills_us_unprinted(tmp_path: Path) -> None:
    """What a trade has left after the queue fills us: settled, not printed, ids of their own."""
    tape = short_tape()
    tape.trade(410, 72, 100, 9, Side.BUY)
    tape.trade(420, 73, 104, 1, Side.BUY)
    market = started(tape.save(tmp_path))
    market.place(Place(1, 1, Side.SELL, 100, 6, Kind.LIMIT_MAKER), at(50))
    market.place(Place(2, 1, Side.SELL, 102, 6, Kind.LIMIT_MAKER), at(50))
    reports = market.advance(at(420))
    ours = [trade for trade in of_kind(reports, Trade) if not trade.public]
    assert ours == [
        Trade(1, at(410), 100, 6, Side.BUY, 1, 0, 1, TAPE_ACCOUNT, public=False),
        Trade(2, at(420), 102, 6, Side.BUY, 2, 0, 1, TAPE_ACCOUNT, public=False),
    ]


def test_an_order_made_smaller_keeps_its_place(tmp_path: Path) -> None:
    """What stands ahead of it on the tape stays as it was; what is left of it is less."""
    market = started(short_tape().save(tmp_path))
    market.place(Place(1, 1, Side.BUY, 99, 3, Kind.LIMIT_MAKER), at(50))
    place = market.dump()["queues"][0][5:]
    assert market.amend(1, 2, 0, at(60)) == [Amended(1, 1, 2, at(60))]
    assert market.dump()["queues"][0][4:] == [2, *place]
    assert market.cancel(1, at(70)) == [Canceled(1, 1, 2, at(70))]


def test_a_halted_tape_plays_on_from_where_it_was(tmp_path: Path) -> None:
    """While it is halted nothing is due; then everything comes as much later."""
    plain = started(short_tape().save(tmp_path))
    halted = started(short_tape().save(tmp_path))
    for market in (plain, halted):
        market.advance(at(120))
    halted.halt(at(120))
    halted.halt(at(125))
    assert halted.next_ns() is None
    assert halted.advance(at(500)) == []
    halted.resume(at(520))
    halted.resume(at(530))
    assert halted.next_ns() == at(550)
    late = [type(report) for report in halted.advance(at(800))]
    assert late == [type(report) for report in plain.advance(at(400))]


def test_the_rest_of_a_limit_order_queues(tmp_path: Path) -> None:
    """A GTC order that crosses takes first and rests with what is left."""
    market = started(short_tape().save(tmp_path))
    reports = market.place(Place(1, 1, Side.BUY, 101, 11), at(50))
    assert [trade.qty_lots for trade in of_kind(reports, Trade)] == [8]
    assert market.cancel(1, at(60)) == [Canceled(1, 1, 3, at(60))]


# --- the end ------------------------------------------------------------------------------


def test_the_market_closes_at_the_end(tmp_path: Path) -> None:
    """After the last line nothing is due, orders are refused and what rests can be canceled."""
    market = started(short_tape().save(tmp_path))
    market.place(Place(1, 1, Side.BUY, 90, 1), at(50))
    play_to_the_end(market)
    assert market.ended_by == "the tape is at its end"
    (refused,) = market.place(Place(2, 1, Side.BUY, 90, 1), at(500))
    assert isinstance(refused, Rejected)
    assert (refused.code, refused.msg) == (-2010, "Market is closed.")
    assert market.cancel(1, at(500)) == [Canceled(1, 1, 1, at(500))]


def test_a_loop_leads_back_to_the_first_book(tmp_path: Path) -> None:
    """One event joins the last book to the first; ids of updates and trades go on."""
    market = started(short_tape().save(tmp_path), loop=True)
    public = {side: dict[int, int]() for side in Side}
    for side in Side:
        public[side].update(market.levels(side))
    last_id, trade_ids, touches = 12, [], []
    for report in market.advance(at(1_700)):
        if isinstance(report, DepthChanged):
            assert report.first_update_id == last_id + 1
            last_id = report.last_update_id
            for side, levels in ((Side.BUY, report.bids), (Side.SELL, report.asks)):
                for price_ticks, qty_lots in levels:
                    public[side][price_ticks] = qty_lots
        elif isinstance(report, Trade):
            trade_ids.append(report.trade_id)
        elif isinstance(report, TouchChanged):
            touches.append(report.update_id)
    assert trade_ids == list(range(70, 70 + 2 * 3 + 1))
    assert touches == sorted(touches)
    assert market.ended_by == ""
    book = market.snapshot(10)
    assert book.update_id == last_id
    for side, levels in ((Side.BUY, book.bids), (Side.SELL, book.asks)):
        assert dict(levels) == {price: qty for price, qty in public[side].items() if qty}


def test_a_gap_ends_the_tape(tmp_path: Path) -> None:
    """Missing events end even a loop: the book is not known any more."""
    tape = short_tape()
    tape.depth(500, 25, 26, [(90, 1)], [])
    tape.trade(600, 72, 99, 4, Side.SELL)
    market = started(tape.save(tmp_path), loop=True)
    assert len(of_kind(play_to_the_end(market), DepthChanged)) == 4
    assert market.ended_by == "updates 22 to 24 are missing"


@pytest.mark.parametrize(
    "line",
    [
        b"no stamp\n",
        b"1 {\n",
        b'1 {"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT","p":"x","q":"1"}}\n',
        b'1 {"stream":"btcusdt@trade","data":{"e":"trade","s":"BTCUSDT","p":"1.5","q":"1"}}\n',
        b'1 {"stream":"x","data":{"e":"depthUpdate","s":"BTCUSDT","b":"1","a":"1"}}\n',
        b'1 {"stream":"x","data":{"s":"BTCUSDT","u":3,"b":[],"a":[]}}\n',
    ],
)
def test_an_unreadable_line_ends_the_tape(tmp_path: Path, line: bytes) -> None:
    """Junk in the middle closes the market; junk before the snapshot refuses the tape."""
    tape = short_tape()
    tape.lines.append(line)
    market = started(tape.save(tmp_path))
    play_to_the_end(market)
    assert market.ended_by
    assert "end" not in market.ended_by
    tape.lines.insert(0, line)
    with pytest.raises(ProfileError, match=r"venue\.market\.path"):
        started(tape.save(tmp_path))


def test_a_file_cut_short_ends_the_tape(tmp_path: Path) -> None:
    """A truncated gzip file plays as far as it goes."""
    path = tmp_path / "cut.gz"
    path.write_bytes(SYNTHETIC.read_bytes()[:20_000])
    market = started(path, BTCUSDT_SPEC)
    assert len(play_to_the_end(market)) > 100
    assert "end-of-stream" in market.ended_by


@pytest.mark.parametrize("text", [b"", b"\x1f\x8b", b"hello\n"])
def test_what_is_no_tape_is_refused(tmp_path: Path, text: bytes) -> None:
    """An empty file, a broken archive and prose are refused with exit code 78."""
    path = tmp_path / "tape"
    path.write_bytes(text)
    with pytest.raises(ProfileError) as refused:
        TapeMarket(SPEC, [path])
    assert refused.value.exit_code == 78
    assert str(path) in str(refused.value)


def test_quantities_finer_than_a_lot_are_rounded_up(tmp_path: Path) -> None:
    """A recorded level never vanishes because the filter became coarser."""
    tape = Tape()
    tape.snapshot(0, 10, [(99, 9)], [(101, 8)])
    tape.lines[0] = tape.lines[0].replace(b'"9.00"', b'"0.00400001"')
    market = started(tape.save(tmp_path))
    assert market.snapshot(1).bids == [(99, 1)]


# --- memory -------------------------------------------------------------------------------


@pytest.mark.parametrize("break_ms", [0, 100, 170, 350])
def test_a_restored_tape_goes_on(tmp_path: Path, break_ms: int) -> None:
    """Dump, JSON and load: the same prices later by the shift, with ids skipped ahead."""
    tape = short_tape()
    tape.trade(410, 72, 100, 9, Side.BUY)
    path = tape.save(tmp_path)
    market = started(path)
    market.place(Place(market.next_order_id(), 1, Side.SELL, 100, 2, Kind.LIMIT_MAKER), at(0))
    market.advance(at(break_ms))
    state = msgspec.json.decode(msgspec.json.encode(market.dump()))
    restored = TapeMarket(SPEC, [path])
    restored.load(state, 5 * SECOND_NS)
    assert restored.next_order_id() == 2 + ID_GAP
    assert list(restored.levels(Side.BUY)) == list(market.levels(Side.BUY))
    best, shown = market.best(), restored.best()
    assert best is not None
    assert shown is not None
    assert shown.update_id > best.update_id
    assert told(play_to_the_end(restored), 5 * SECOND_NS) == told(play_to_the_end(market), 0)


def told(reports: Sequence[Report], shift_ns: int) -> list[tuple[Any, ...]]:
    """Return what reports say, without ids."""
    lines: list[tuple[Any, ...]] = []
    for report in reports:
        if isinstance(report, Trade):
            lines.append(
                (report.ts_ns - shift_ns, report.price_ticks, report.qty_lots, report.public)
            )
        elif isinstance(report, DepthChanged):
            lines.append((report.ts_ns - shift_ns, report.bids, report.asks))
    return lines


def test_the_state_of_another_tape_gives_its_ids_alone(tmp_path: Path) -> None:
    """A market that is given another recording plays it from its start, with ids beyond."""
    market = started(short_tape().save(tmp_path))
    market.advance(at(200))
    other = TapeMarket(BTCUSDT_SPEC, [SYNTHETIC])
    state = market.dump()
    other.load(state, 0)
    due_ns = other.next_ns()
    assert due_ns is not None
    assert at(200) <= due_ns < at(200) + 10 * CUT_NS
    assert other.snapshot(1).update_id > ID_GAP


def test_adopted_orders_are_exactly_the_venues(tmp_path: Path) -> None:
    """Known orders keep their place, unknown ones queue, others go."""
    market = started(short_tape().save(tmp_path))
    for order_id in (1, 2):
        market.place(Place(order_id, 1, Side.BUY, 99, 5, Kind.LIMIT_MAKER), at(10))
    market.adopt([Place(2, 1, Side.BUY, 99, 4), Place(3, 1, Side.SELL, 102, 1)], at(20))
    assert market.cancel(1, at(30)) == [CancelRejected(1, at(30))]
    assert market.cancel(2, at(30)) == [Canceled(2, 1, 4, at(30))]
    assert market.cancel(3, at(30)) == [Canceled(3, 1, 1, at(30))]


def test_gzip_is_told_by_its_bytes(tmp_path: Path) -> None:
    """A compressed and a plain file may follow one another."""
    lines = gzip.decompress(SYNTHETIC.read_bytes()).splitlines(keepends=True)
    first, second = tmp_path / "one", tmp_path / "two"
    first.write_bytes(gzip.compress(b"".join(lines[:500])))
    second.write_bytes(b"".join(lines[500:]))
    market = TapeMarket(BTCUSDT_SPEC, [first, second])
    market.start(START_NS)
    played = play_to_the_end(market)
    assert told(played, 0) == told(play_to_the_end(started(SYNTHETIC, BTCUSDT_SPEC)), 0)
