"""A tape as a client meets it: the venue's bytes against the recording's own oracle."""

from __future__ import annotations

import json
from itertools import takewhile
from pathlib import Path

import pytest

from hftd.runtime.exchange_markets import ExchangeWish, build_venue
from tests.bench.oracle import STREAMS, Client, book_tickers

RECORDED = Path(__file__).parents[3] / "shared" / "data" / "binance-spot"
START_NS = 1_800_000_000_000_000_000
SECOND_NS = 1_000_000_000
RECORDED_S = 90
LAST_ID = 50_093_400_000


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded session in ../shared is missing")
def test_a_client_of_the_streams_has_the_recorded_book() -> None:
    """Ninety recorded seconds at speed 50: after each event the book is the bookTicker's.

    ``scripts/bench tape`` does it over sockets with the whole of both files.
    """
    path = RECORDED / "btcusdt_20240808.gz"
    venue = build_venue(ExchangeWish(market=f"tape:{path}", speed="50"))
    venue.start(START_NS)
    client = Client(list(takewhile(lambda each: each[0] < LAST_ID, book_tickers([path]))))
    venue.open(f"/stream?streams={STREAMS}", START_NS)
    target = "/api/v3/depth?symbol=BTCUSDT&limit=5000"
    client.snapshot(json.loads(venue.http("GET", target, {}, b"", START_NS)[2]))
    until_ns = START_NS + RECORDED_S * SECOND_NS // 50
    while (due_ns := venue.next_ns()) is not None and due_ns <= until_ns:
        venue.advance(due_ns)
        for _, frame in venue.take():
            client.hear(frame)
    counts = client.counts
    assert counts.events > 800
    assert counts.agree == counts.events
    assert counts.tickers > 2_000
    assert counts.tickers_agree == counts.tickers
    assert counts.trades > 500
