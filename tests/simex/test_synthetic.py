"""The synthetic tape that travels with hftd."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import pytest

from hftd.runtime.synthetic_tape import SECONDS, shipped_lines, write_tape
from hftd.simex.requests import DepthChanged, Report, TouchChanged, Trade
from hftd.simex.synthetic import tape_lines
from hftd.simex.tape import BTCUSDT_SPEC, TapeMarket
from tests.simex.shipped import PRESETS

SHIPPED = Path(__file__).parents[2] / "hftd" / "data" / "synthetic-btcusdt.gz"
START_NS = 1_800_000_000_000_000_000


def test_the_shipped_tape_is_what_the_command_writes(tmp_path: Path) -> None:
    """The committed file has the lines that its seed gives, and stays small."""
    again = tmp_path / "again.gz"
    write_tape(again, shipped_lines())
    # Not the compressed bytes: they depend on the zlib that Python was built with.
    same = gzip.decompress(again.read_bytes()) == gzip.decompress(SHIPPED.read_bytes())
    assert same, (
        "write it anew: python -m hftd.runtime.synthetic_tape hftd/data/synthetic-btcusdt.gz"
    )
    assert SHIPPED.stat().st_size < 200_000


@pytest.fixture(scope="module")
def played() -> list[tuple[Report, tuple[int, ...]]]:
    """Each report of the shipped tape, with the book's best levels after it."""
    market = TapeMarket(BTCUSDT_SPEC, [SHIPPED])
    market.start(START_NS)
    told: list[tuple[Report, tuple[int, ...]]] = []
    while (due_ns := market.next_ns()) is not None:
        for report in market.advance(due_ns):
            book = market.snapshot(1)
            told.append((report, (*book.bids[0], *book.asks[0])))
    assert market.ended_by == "the tape is at its end"
    return told


def test_it_plays_ten_minutes_without_a_gap(played: list[tuple[Report, tuple[int, ...]]]) -> None:
    """Update ids join, trade ids grow by one, and all three kinds come often."""
    depths = [report for report, _ in played if isinstance(report, DepthChanged)]
    trades = [report for report, _ in played if isinstance(report, Trade)]
    for before, after in pairwise(depths):
        assert after.first_update_id == before.last_update_id + 1
    trade_ids = [trade.trade_id for trade in trades]
    assert trade_ids == list(range(trade_ids[0], trade_ids[0] + len(trade_ids)))
    assert len(depths) > 1_000
    assert len(trades) > 200
    assert depths[-1].ts_ns - START_NS > (SECONDS - 2) * 1_000_000_000


def test_every_book_agrees_with_its_book_ticker(
    played: list[tuple[Report, tuple[int, ...]]],
) -> None:
    """After each depth event the best levels are those of the last touch up to its id."""
    touches: list[TouchChanged] = []
    for report, book in played:
        if isinstance(report, TouchChanged):
            assert not touches or report.update_id > touches[-1].update_id
            touches.append(report)
        elif isinstance(report, DepthChanged):
            upto = [t for t in touches[-100:] if t.update_id <= report.last_update_id]
            if upto:
                last = upto[-1]
                shown = (last.bid_ticks, last.bid_lots, last.ask_ticks, last.ask_lots)
                assert shown == book
    assert len(touches) > 500


def test_presets_and_seeds_make_other_tapes() -> None:
    """The writer serves any preset, symbol and seed."""
    calm = list(tape_lines(PRESETS["calm"], "BTCUSDT", 1, 5))
    assert calm == list(tape_lines(PRESETS["calm"], "BTCUSDT", 1, 5))
    assert calm != list(tape_lines(PRESETS["calm"], "BTCUSDT", 2, 5))
    assert b'"ETHUSDT"' in b"".join(tape_lines(PRESETS["crash"], "ETHUSDT", 1, 5))
