"""Recordings of our own exchange, played back to the very book that was recorded."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from hftd.errors import UsageError
from hftd.runtime.exchange_markets import ExchangeWish, build_venue
from hftd.runtime.market_follower import MarketFollower, fetch_listing, source_of
from hftd.runtime.tape_recorder import Recording, TapeFiles
from hftd.simex.faults import Fault
from hftd.simex.requests import DepthChanged
from hftd.simex.tape import TapeMarket
from tests.bench.oracle import Touch
from tests.runtime.followed import PACE, Served, agents, run, serving, until, watching

START_NS = 1_800_000_000_000_000_000


@asynccontextmanager
async def recording(
    served: Served, files: TapeFiles, symbols: Sequence[str] = ("BTCUSDT",)
) -> AsyncIterator[MarketFollower]:
    """Record an exchange into files, which are closed afterwards."""
    source = source_of(served.url)
    files.open(await asyncio.to_thread(fetch_listing, source, symbols), 0)
    sink = Recording(files, symbols)
    follower = MarketFollower(source, symbols, sink, lambda _: None)
    sink.begin_file = follower.begin_file
    task = asyncio.create_task(follower.run())
    try:
        await until(lambda: follower.is_whole(symbols[0]))
        yield follower
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        files.close()


def played(paths: Sequence[Path]) -> dict[int, Touch]:
    """Return the touch after each depth event of a tape, by its update id."""
    venue = build_venue(ExchangeWish(market="tape:" + ",".join(map(str, paths)), speed="1000"))
    venue.start(START_NS)
    market = venue.exchange.listings["BTCUSDT"].market
    assert isinstance(market, TapeMarket)
    assert market.spec.tick_size == "10.00000000"
    touches: dict[int, Touch] = {}
    while (due_ns := market.next_ns()) is not None:
        for report in market.advance(due_ns):
            if isinstance(report, DepthChanged):
                book = market.snapshot(1)
                (bid, bid_lots), (ask, ask_lots) = book.bids[0], book.asks[0]
                # Ticks of ten and lots of 1e-5, as whole numbers of 1e-8.
                touches[report.last_update_id] = (
                    bid * 10**9,
                    bid_lots * 1_000,
                    ask * 10**9,
                    ask_lots * 1_000,
                )
    assert market.ended_by == "the tape is at its end"
    return touches


@pytest.mark.parametrize("name", ["tape.gz", "tape"])
def test_a_recording_plays_the_book_that_was_recorded(tmp_path: Path, name: str) -> None:
    """Event by event the touch on the tape is the touch that a client saw."""
    path = tmp_path / name

    async def scenario() -> None:
        async with agents() as served, watching(served.url) as theirs:
            async with recording(served, TapeFiles(path, 0)) as follower:
                await theirs.saw(len(theirs.touches) + 60)
            assert follower.gaps == 0
        assert [each.name for each in tmp_path.iterdir()] == [name]
        found = played([path])
        both = found.keys() & theirs.touches.keys()
        assert len(both) > 50
        assert all(found[each] == theirs.touches[each] for each in both)

    run(scenario)


def test_a_gap_stands_on_the_tape_with_its_snapshot(tmp_path: Path) -> None:
    """What was lost is missing, what follows is right: the follower asked for a snapshot."""
    path = tmp_path / "tape"

    async def scenario() -> None:
        files = TapeFiles(path, 0)
        async with agents() as served, recording(served, files) as follower:
            served.venue.script.arm(Fault("drop", match={"event": "depthUpdate"}), 0)
            await until(lambda: follower.gaps == 1)
            assert not follower.is_whole("BTCUSDT")
            await until(lambda: follower.is_whole("BTCUSDT"))
            async with watching(served.url) as theirs:
                await theirs.saw(30)
        assert path.read_bytes().count(b"lastUpdateId") == 2
        found = played([path])
        both = found.keys() & theirs.touches.keys()
        assert len(both) > 20
        assert all(found[each] == theirs.touches[each] for each in both)

    run(scenario)


def test_a_line_that_was_lost_stands_on_the_tape(tmp_path: Path) -> None:
    """The exchange goes and comes back with another market: the tape plays through both."""
    path = tmp_path / "tape"

    async def scenario() -> None:
        files = TapeFiles(path, 0)
        async with agents() as served:
            port = served.server.port
            context = recording(served, files)
            follower = await context.__aenter__()
        await until(lambda: follower.gaps == 1)
        async with agents(port=port, seed=8) as served:
            await until(lambda: follower.is_whole("BTCUSDT"))
            before = files.lines
            await until(lambda: files.lines > before + 100)
            await context.__aexit__(None, None, None)
        assert path.read_bytes().count(b'"lost"') == 1
        assert len(played([path])) > 10

    run(scenario)


def test_several_files_play_alone_and_together(tmp_path: Path) -> None:
    """Each rotated file has the listing and a snapshot of its own; together there is no gap."""

    async def scenario() -> None:
        files = TapeFiles(tmp_path / "tape", 40_000)
        async with agents() as served, watching(served.url) as theirs, recording(served, files):
            await until(lambda: len(files.paths) == 3)
            await theirs.saw(len(theirs.touches) + 40)
        names = [path.name for path in files.paths]
        assert names[:3] == ["tape.0001", "tape.0002", "tape.0003"]
        whole = played(files.paths[:3])
        assert all(
            touch == theirs.touches[each] for each, touch in whole.items() if each in theirs.touches
        )
        second = played(files.paths[1:2])
        assert second
        assert all(whole[each] == touch for each, touch in second.items())

    run(scenario)


def test_two_symbols_share_a_tape(tmp_path: Path) -> None:
    """Each is played from its own snapshot, with its own steps."""
    path = tmp_path / "tape.gz"

    async def scenario() -> None:
        wish = ExchangeWish(preset="busy", symbols=("BTCUSDT", "ETHUSDT"))
        async with serving(build_venue(wish), PACE) as served:
            files = TapeFiles(path, 0)
            async with recording(served, files, ("BTCUSDT", "ETHUSDT")) as follower:
                await until(lambda: follower.is_whole("ETHUSDT"))
                await until(lambda: files.lines > 200)

    run(scenario)
    wish = ExchangeWish(market=f"tape:{path}", symbols=("BTCUSDT", "ETHUSDT"), speed="1000")
    venue = build_venue(wish)
    venue.start(START_NS)
    venue.advance(START_NS + 10**9)
    mids = {name: each.market.last_price_ticks() for name, each in venue.exchange.listings.items()}
    assert {name: round(mid, -2) for name, mid in mids.items()} == {
        "BTCUSDT": 6_000,
        "ETHUSDT": 6_000,
    }
    ticks = [each.spec.tick_size for each in venue.exchange.listings.values()]
    assert ticks == ["10.00000000", "0.50000000"]


def test_a_file_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    """Neither a tape nor what a crash left of one."""
    for taken in ("tape", "tape.part"):
        (tmp_path / taken).write_text("mine")
        with pytest.raises(UsageError, match=f"{taken} is there already"):
            TapeFiles(tmp_path / "tape", 0).open(b"{}", 0)
        (tmp_path / taken).unlink()
    with pytest.raises(UsageError, match="cannot be written: No such file"):
        TapeFiles(tmp_path / "none" / "tape", 0).open(b"{}", 0)


def test_what_a_crash_leaves_can_be_read(tmp_path: Path) -> None:
    """Lines that were flushed are in the unfinished file, compressed or not."""
    files = TapeFiles(tmp_path / "tape.gz", 0)
    files.open(b"{}", 1)
    files.write(b"2 {}\n", 2)
    files.flush()
    with gzip.open(tmp_path / "tape.gz.part") as file:
        assert [file.readline() for _ in range(2)] == [b"1 {}\n", b"2 {}\n"]
    assert not (tmp_path / "tape.gz").exists()
    files.close()
    assert gzip.decompress((tmp_path / "tape.gz").read_bytes()) == b"1 {}\n2 {}\n"
