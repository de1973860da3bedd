"""exchangeInfo into instruments."""

from __future__ import annotations

import copy
import json

import pytest

from hftd.domain.instrument import InstrumentStatus
from hftd.errors import ProfileError, VenueProtocolError
from hftd.venues.binance.exchange_info import UNBOUNDED, UNBOUNDED_ATOMS, parse_exchange_info

SYMBOL = {
    "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01500000", "maxPrice": "1000000.00000000",
         "tickSize": "0.01000000"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000",
         "stepSize": "0.00001000"},
        {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True,
         "maxNotional": "9000000.00000000", "applyMaxToMarket": False, "avgPriceMins": 5},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 150},
        {"filterType": "T_PLUS_SELL", "minPrice": 7, "maxNumOrders": "many"},
    ],
}  # fmt: skip


def parse(*symbols, names=("BTC-USDT",)):
    """Return the listing of an exchangeInfo of these symbols."""
    return parse_exchange_info(json.dumps({"symbols": symbols}).encode(), names)


def without(kind: str) -> dict:
    """Return the symbol without one of its filters."""
    symbol = copy.deepcopy(SYMBOL)
    symbol["filters"] = [found for found in symbol["filters"] if found["filterType"] != kind]
    return symbol


def test_filters_become_ticks_lots_and_atoms():
    """Bounds that are no whole step are drawn inwards; unknown filters are no fault."""
    (btc,), (status,), _ = parse(SYMBOL)
    assert (btc.name, btc.symbol, btc.base, btc.quote) == ("BTC-USDT", "BTCUSDT", "BTC", "USDT")
    assert (btc.tick_size, btc.lot_size) == ("0.01", "0.00001")
    assert (btc.min_price_ticks, btc.max_price_ticks) == (2, 100_000_000)
    assert (btc.min_qty_lots, btc.max_qty_lots) == (1, 900_000_000)
    assert (btc.min_notional_atoms, btc.max_notional_atoms) == (5 * 10**8, 9_000_000 * 10**8)
    assert btc.max_open_orders == 150
    assert status is InstrumentStatus.TRADING


def test_rules_that_are_absent_or_off_are_wide_open():
    """No NOTIONAL, no MAX_NUM_ORDERS and a maximum of 0 bind nothing."""
    symbol = without("NOTIONAL")
    symbol["filters"] = [found for found in symbol["filters"] if "maxNumOrders" not in found]
    symbol["filters"][0]["maxPrice"] = "0.00000000"
    (btc,), *_ = parse(symbol)
    assert (btc.max_price_ticks, btc.max_notional_atoms) == (UNBOUNDED, UNBOUNDED_ATOMS)
    assert (btc.min_notional_atoms, btc.max_open_orders) == (0, 200)


def test_the_legacy_minimum_notional_counts():
    """MIN_NOTIONAL stands where NOTIONAL does not."""
    symbol = without("NOTIONAL")
    symbol["filters"].append({"filterType": "MIN_NOTIONAL", "minNotional": "10.0"})
    (btc,), *_ = parse(symbol)
    assert (btc.min_notional_atoms, btc.max_notional_atoms) == (10**9, UNBOUNDED_ATOMS)


@pytest.mark.parametrize(
    ("word", "status"),
    [("BREAK", 2), ("HALT", 1), ("CANCEL_ONLY", 3), ("END_OF_DAY", 1), ("", 1)],
)
def test_a_status_that_we_do_not_know_is_a_halt(word, status):
    """Only the venue's own word TRADING lets us trade."""
    assert parse(SYMBOL | {"status": word}).statuses == (status,)


def test_instruments_come_in_the_order_asked():
    """The order of names, not the venue's, gives each its index."""
    eth = SYMBOL | {"symbol": "ETHUSDT", "baseAsset": "ETH"}
    listing = parse(SYMBOL, eth, names=("ETH-USDT", "BTC-USDT"))
    assert [found.name for found in listing.instruments] == ["ETH-USDT", "BTC-USDT"]


def test_the_weight_of_a_minute_is_told():
    """Of the limits the one that all requests of an address share; 0 where none is told."""
    limits = [
        {"rateLimitType": "ORDERS", "interval": "SECOND", "intervalNum": 10, "limit": 100},
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000},
    ]
    body = json.dumps({"symbols": [SYMBOL], "rateLimits": limits}).encode()
    assert parse_exchange_info(body, ["BTC-USDT"]).weight_per_minute == 6000
    assert parse(SYMBOL).weight_per_minute == 0


def test_a_symbol_that_is_not_listed_is_the_profiles_fault():
    """The error names the instrument."""
    with pytest.raises(ProfileError, match=r"instruments.*was DOGE-USDT"):
        parse(SYMBOL, names=("DOGE-USDT",))


@pytest.mark.parametrize("kind", ["PRICE_FILTER", "LOT_SIZE"])
def test_a_symbol_without_steps_is_the_venues_fault(kind):
    """Tick and lot cannot be guessed."""
    with pytest.raises(VenueProtocolError, match="BTCUSDT"):
        parse(without(kind))


@pytest.mark.parametrize("body", [b"", b"[]", b'{"symbols":{}}', b'{"code":-1121,"msg":"x"}'])
def test_what_is_no_exchange_info_is_the_venues_fault(body):
    """Not an instrument, not a profile error."""
    with pytest.raises(VenueProtocolError):
        parse_exchange_info(body, ["BTC-USDT"])


def test_a_zero_step_is_refused():
    """A tick of 0 would divide by zero later."""
    symbol = copy.deepcopy(SYMBOL)
    symbol["filters"][0]["tickSize"] = "0.00000000"
    with pytest.raises(ProfileError, match="above 0"):
        parse(symbol)
