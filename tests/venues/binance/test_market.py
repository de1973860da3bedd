"""Market stream frames: what each becomes, and what a frame that cannot be read becomes."""

from __future__ import annotations

import json

import pytest

from hftd.domain.events import EventKind, Link
from tests.venues.binance.fixtures import Wire

DEPTH = {
    "e": "depthUpdate", "E": 1_700_000_000_123, "s": "BTCUSDT", "U": 157, "u": 160,
    "b": [["60000.01000000", "0.50000000"], ["59999.99", "0"]], "a": [["60000.02", "1.00001"]],
}  # fmt: skip
TRADE = {
    "e": "trade", "E": 1_700_000_000_124, "s": "ETHUSDT", "t": 12345, "p": "3000.05", "q": "0.5",
    "T": 1_700_000_000_120, "m": True, "M": True,
}  # fmt: skip
TOUCH = {"u": 400, "s": "BTCUSDT", "b": "60000.00", "B": "31.21", "a": "60000.01", "A": "4.00001"}


def test_depth_update_becomes_depth_with_levels_in_ticks_and_lots():
    """A depthUpdate gives its ids, its time and each level, a deletion with quantity 0."""
    wire = Wire()
    (event,) = wire.market(DEPTH)
    assert event == {
        "kind": EventKind.DEPTH, "exch_ts_ns": 1_700_000_000_123_000_000,
        "first_update_id": 157, "last_update_id": 160, "levels_end": 3,
    }  # fmt: skip
    assert wire.rows(event) == [(0, 6_000_001, 50_000), (0, 5_999_999, 0), (1, 6_000_002, 100_001)]


def test_trade_names_the_side_that_took_liquidity():
    """A trade whose buyer is the maker was a sale by the aggressor."""
    wire = Wire()
    expected = {
        "kind": EventKind.PUBLIC_TRADE, "instrument": 1, "trade_id": 12345,
        "exch_ts_ns": 1_700_000_000_120_000_000, "price_ticks": 60_001, "qty_lots": 5_000,
    }  # fmt: skip
    assert wire.market(TRADE) == [expected | {"aggressor_side": 1}]
    assert wire.market(TRADE | {"m": False}) == [expected]


def test_book_ticker_becomes_touch():
    """A bookTicker gives best bid and ask with its update id."""
    assert Wire().market(TOUCH) == [
        {
            "kind": EventKind.TOUCH, "last_update_id": 400, "bid_ticks": 6_000_000,
            "bid_lots": 3_121_000, "ask_ticks": 6_000_001, "ask_lots": 400_001,
        }
    ]  # fmt: skip


@pytest.mark.parametrize("zero", ["0", "0.00000000", "000.0"])
def test_an_empty_side_of_a_touch_is_no_price(zero):
    """The book has lost a side, and was read well: it is not broken, there is nothing to quote."""
    wire = Wire()
    (event,) = wire.market(TOUCH | {"b": zero, "B": zero})
    assert event == {
        "kind": EventKind.TOUCH, "last_update_id": 400, "ask_ticks": 6_000_001,
        "ask_lots": 400_001,
    }  # fmt: skip
    (event,) = wire.market(TOUCH | {"a": zero, "A": zero})
    assert event["bid_ticks"] == 6_000_000
    for half in ({"b": zero}, {"B": ".0", "b": zero}, {"a": zero, "A": "-0"}):
        assert wire.market(TOUCH | half) == [{"kind": EventKind.BOOK_BROKEN}]


@pytest.mark.parametrize("payload", [DEPTH, TRADE, TOUCH])
def test_fields_may_come_in_any_order_with_unknown_ones_between(payload):
    """JSON has no order of members: reversed and with members unknown to us it reads alike."""
    wire = Wire()
    plain = wire.market(payload), wire.levels[:3].tolist()
    turned = dict(reversed((payload | {"new": {"a": ["]"]}, "Q": None}).items()))
    spaced = json.dumps({"data": turned, "stream": "x"}, indent=2).encode()
    got = wire.decode(Link.MARKET, spaced)
    assert got == plain[0]
    assert sorted(wire.levels[: got[0].get("levels_end", 0)].tolist()) == sorted(
        plain[1][: got[0].get("levels_end", 0)]
    )


def test_odd_quantities_of_others_round_down_but_never_to_a_removal():
    """A resting quantity finer than the lot keeps whole lots, at least one."""
    wire = Wire()
    levels = [["60000.00", "25.42618900"], ["59999.00", "0.000001"], ["59998", "0.000000"]]
    (event,) = wire.market(DEPTH | {"b": levels, "a": []})
    assert [row[2] for row in wire.rows(event)] == [2_542_618, 1, 0]


@pytest.mark.parametrize(
    "change",
    [
        {"b": [["60000.001", "1"]]},
        {"b": [["-60000.00", "1"]]},
        {"b": [["60000.00", "-1"]]},
        {"b": [["6e4", "1"]]},
        {"b": [["", "1"]]},
        {"b": [["0.00", "1"]]},
        {"b": [["99999999999999999999", "1"]]},
        {"b": [["60000.00", "99999999999999999999"]]},
        {"b": [["60000.00"]]},
        {"b": [[60000.00, "1"]]},
        {"b": {}},
        {"b": "60000"},
        {"b": None},
        {"U": 161},
        {"U": -1},
        {"u": 10**19},
        {"E": 10**15},
        {"u": "160"},
        {"e": "depthUpdatf"},
        {"e": 1},
    ],
)
def test_a_bad_field_breaks_its_own_book_alone(change):
    """What is no price, quantity, id or time leaves BOOK_BROKEN of that instrument only."""
    wire = Wire()
    payload = DEPTH | {"s": "ETHUSDT"} | change
    assert wire.market(payload) == [{"kind": EventKind.BOOK_BROKEN, "instrument": 1}]
    assert wire.codec.broken == 1


@pytest.mark.parametrize("change", [{"p": "0.00"}, {"q": "0"}, {"m": 1}, {"t": None}, {"T": ""}])
def test_a_bad_field_of_a_trade_breaks_its_book(change):
    """A trade without price, quantity, side, id or time is no trade."""
    broken = {"kind": EventKind.BOOK_BROKEN, "instrument": 1}
    assert Wire().market(TRADE | change) == [broken]


@pytest.mark.parametrize("change", [{"b": "1.001"}, {"A": 5}, {"u": -1}, {"a": []}])
def test_a_bad_field_of_a_touch_breaks_its_book(change):
    """Half a touch is none."""
    assert Wire().market(TOUCH | change) == [{"kind": EventKind.BOOK_BROKEN}]


def test_a_bad_level_breaks_the_book_even_where_levels_come_before_the_symbol():
    """Levels that are read afterwards are read as strictly."""
    for side in ("b", "a"):
        payload = {side: [["60000.001", "1"]]} | {k: v for k, v in DEPTH.items() if k != side}
        assert Wire().market(payload) == [{"kind": EventKind.BOOK_BROKEN}]


@pytest.mark.parametrize("missing", ["U", "u", "b", "a", "E"])
def test_a_missing_field_breaks_the_book(missing):
    """A depthUpdate without one of its fields is not half a depthUpdate."""
    payload = {name: value for name, value in DEPTH.items() if name != missing}
    assert Wire().market(payload) == [{"kind": EventKind.BOOK_BROKEN}]


@pytest.mark.parametrize("payload", [DEPTH | {"s": "BTCUSD"}, DEPTH | {"s": None}, {}, [], "x"])
def test_what_names_no_instrument_breaks_every_book(payload):
    """A frame that may have been of any instrument leaves no book to be believed."""
    both = [{"kind": EventKind.BOOK_BROKEN}, {"kind": EventKind.BOOK_BROKEN, "instrument": 1}]
    assert Wire().market(payload) == both


@pytest.mark.parametrize("payload", [DEPTH, TRADE, TOUCH])
def test_every_truncation_is_broken_and_delivers_nothing(payload):
    """Cut anywhere, a frame gives BOOK_BROKEN and nothing else; whole, it gives its event."""
    wire = Wire()
    whole = json.dumps({"stream": "x", "data": payload}, separators=(",", ":")).encode()
    for length in range(len(whole)):
        events = wire.decode(Link.MARKET, whole[:length])
        assert events, length
        assert {event["kind"] for event in events} == {EventKind.BOOK_BROKEN}, length
    assert wire.decode(Link.MARKET, whole)[0]["kind"] != EventKind.BOOK_BROKEN
    assert wire.decode(Link.MARKET, whole + b"x")[0]["kind"] == EventKind.BOOK_BROKEN


def test_more_levels_than_rows_break_the_book():
    """A depthUpdate that does not fit the levels array is not applied in part."""
    wire = Wire()
    payload = DEPTH | {"b": [["1.00", "1"]] * (len(wire.levels) + 1)}
    assert wire.market(payload) == [{"kind": EventKind.BOOK_BROKEN}]


@pytest.mark.parametrize("frame", [b'{"result":null,"id":1}', b'{"e":"serverShutdown","E":1}'])
def test_frames_without_market_data_give_nothing(frame):
    """Answers to subscriptions and the shutdown notice are no market data and no fault."""
    wire = Wire()
    assert wire.decode(Link.MARKET, frame) == []
    assert wire.codec.broken == 0
