"""The recorded session: every frame decodes, and every level equals a naive reading of it."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from hftd.domain.events import EventKind, Link
from hftd.errors import ProfileError
from hftd.venues.binance.codec import BinanceCodec
from hftd.venues.binance.exchange_info import parse_exchange_info
from hftd.venues.binance.rest_frames import RestKind, rest_frame
from hftd.venues.port import new_event_buffers
from tests.venues.binance.fixtures import BTC

RECORDED = Path(__file__).parents[4] / "shared" / "data" / "binance-spot"
pytestmark = pytest.mark.skipif(not RECORDED.is_dir(), reason="no recorded data beside the tree")


def frames(name: str) -> Iterator[bytes]:
    """Yield the JSON of each line of a recording."""
    with gzip.open(RECORDED / name) as lines:
        for line in lines:
            yield line.split(b" ", 1)[1].strip()


def naive_levels(message: dict, bids: str, asks: str) -> list[list[int]]:
    """Return the levels as Decimal reads them, quantities rounded down to the lot."""
    rows = []
    for side, name in ((0, bids), (1, asks)):
        for price, qty in message[name]:
            ticks = Decimal(price) / Decimal("0.01")
            assert ticks == int(ticks)
            lots = int(Decimal(qty) / Decimal("0.00001"))
            rows.append([side, int(ticks), lots or int(Decimal(qty) > 0)])
    return rows


@pytest.mark.parametrize("name", ["btcusdt_20240808.gz", "btcusdt_20240809.gz"])
def test_every_recorded_frame_decodes_and_levels_equal_a_naive_reading(name):
    """Two files of a real session: no frame breaks a book, each level is as Decimal reads it."""
    codec = BinanceCodec([BTC], ["BTC", "USDT"], "abc123")
    events, levels = new_event_buffers()
    counts = dict.fromkeys(EventKind, 0)
    for frame in frames(name):
        if frame.startswith(b'{"lastUpdateId"'):
            link, data = Link.REST, rest_frame(RestKind.DEPTH, 0, 200, 0, frame)
        else:
            link, data = Link.MARKET, frame
        assert codec.decode(link, data, 1, events, levels) == 1
        event = events[0]
        counts[EventKind(event["kind"])] += 1
        if event["kind"] == EventKind.DEPTH:
            message = json.loads(frame)["data"]
            assert (event["first_update_id"], event["last_update_id"]) == (
                message["U"],
                message["u"],
            )
            assert levels[: event["levels_end"]].tolist() == naive_levels(message, "b", "a")
        elif event["kind"] == EventKind.SNAPSHOT:
            message = json.loads(frame)
            assert levels[: event["levels_end"]].tolist() == naive_levels(message, "bids", "asks")
    assert codec.broken == 0
    assert counts[EventKind.DEPTH] > 3_000
    assert counts[EventKind.TOUCH] > 28_000
    assert counts[EventKind.PUBLIC_TRADE] > 9_000
    assert sum(counts.values()) == {"08": 41_249, "09": 58_325}[name[-5:-3]]


def test_a_real_exchange_info_is_read_and_steps_finer_than_our_units_are_refused():
    """Of 1,695 real symbols BTCUSDT has its recording's steps; ETHBTC has none we can count."""
    text = gzip.decompress((RECORDED / "BINANCE.0.gz").read_bytes()).splitlines()[0]
    body = text.split(b": ", 1)[1]
    listing = parse_exchange_info(body, ["BTC-USDT"])
    assert [found.symbol for found in listing.instruments] == ["BTCUSDT"]
    assert listing.instruments[0].tick_size == "0.01"
    with pytest.raises(ProfileError, match=r"ETHBTC: tick size times lot size .*ETH-BTC"):
        parse_exchange_info(body, ["ETH-BTC"])
