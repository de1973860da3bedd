"""exchangeInfo into instruments: steps, filters and status in the domain's integers.

Owns which filters we use: PRICE_FILTER, LOT_SIZE, NOTIONAL or MIN_NOTIONAL, MAX_NUM_ORDERS.
Others are ignored, known or not. Must not know profiles or sockets. A rule that the venue
switches off with "0" becomes the widest bound that fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from hftd.domain.instrument import Instrument, InstrumentStatus
from hftd.domain.units import parse_e8
from hftd.errors import ProfileError, VenueProtocolError
from hftd.venues.binance.messages import RateLimit

UNBOUNDED = 10**15  # Steps: a million times what any filter says, and far inside int64.
UNBOUNDED_ATOMS = 9 * 10**18
DEFAULT_MAX_ORDERS = 200

_STATUS = {
    "TRADING": InstrumentStatus.TRADING,
    "BREAK": InstrumentStatus.BREAK,
    "CANCEL_ONLY": InstrumentStatus.CANCEL_ONLY,
}


class _Filter(msgspec.Struct, rename="camel"):
    filter_type: str
    min_price: str = "0"
    max_price: str = "0"
    tick_size: str = "0"
    min_qty: str = "0"
    max_qty: str = "0"
    step_size: str = "0"
    min_notional: str = "0"
    max_notional: str = "0"
    max_num_orders: int = DEFAULT_MAX_ORDERS


class _Symbol(msgspec.Struct, rename="camel"):
    symbol: str
    status: str
    base_asset: str
    quote_asset: str
    # Raw until we know the filter is one of ours: others may use the same names otherwise.
    filters: list[msgspec.Raw]


class _FilterHead(msgspec.Struct, rename="camel"):
    filter_type: str


class _ExchangeInfo(msgspec.Struct, rename="camel"):
    symbols: list[_Symbol]
    rate_limits: list[RateLimit] = []


class Listing(NamedTuple):
    """The instruments asked for, in the order asked, and what may be done with each.

    ``weight_per_minute`` is what requests of one address may cost; 0 where it is not told.
    """

    instruments: tuple[Instrument, ...]
    statuses: tuple[InstrumentStatus, ...]
    weight_per_minute: int = 0


_USED = ("PRICE_FILTER", "LOT_SIZE", "NOTIONAL", "MIN_NOTIONAL", "MAX_NUM_ORDERS")
_decoder = msgspec.json.Decoder(_ExchangeInfo)
_filter_head = msgspec.json.Decoder(_FilterHead)
_filter = msgspec.json.Decoder(_Filter)


def symbol_of(name: str) -> str:
    """Return the venue's symbol for our instrument name: BTC-USDT is BTCUSDT."""
    return name.replace("-", "")


def parse_exchange_info(body: bytes, names: Sequence[str]) -> Listing:
    """Return the instruments of our names.

    Raises: VenueProtocolError where the body is not an exchangeInfo; ProfileError where it
    lists no such symbol, or its steps are finer than our units.
    """
    try:
        told = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as fault:
        raise VenueProtocolError(f"an exchangeInfo is needed: {fault}") from None
    symbols = {symbol.symbol: symbol for symbol in told.symbols}
    instruments, statuses = [], []
    for name in names:
        symbol = symbols.get(symbol_of(name))
        if symbol is None:
            raise ProfileError(
                "a symbol that the venue lists is needed", key="instruments", was=name
            )
        instruments.append(_instrument(name, symbol))
        statuses.append(_STATUS.get(symbol.status, InstrumentStatus.HALT))
    weights = [each.limit for each in told.rate_limits if _is_weight_of_a_minute(each)]
    return Listing(tuple(instruments), tuple(statuses), min(weights, default=0))


def _is_weight_of_a_minute(limit: RateLimit) -> bool:
    window = (limit.rate_limit_type, limit.interval, limit.interval_num)
    return window == ("REQUEST_WEIGHT", "MINUTE", 1)


def _instrument(name: str, symbol: _Symbol) -> Instrument:
    try:
        found = {}
        for raw in symbol.filters:
            if (kind := _filter_head.decode(bytes(raw)).filter_type) in _USED:
                found[kind] = _filter.decode(bytes(raw))
        return _from_filters(name, symbol, found)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError) as fault:
        raise VenueProtocolError(f"filters of {symbol.symbol} cannot be read: {fault}") from None
    except ValueError as fault:
        raise ProfileError(str(fault), key="instruments", was=name) from None


def _from_filters(name: str, symbol: _Symbol, found: dict[str, _Filter]) -> Instrument:
    price, lot = found["PRICE_FILTER"], found["LOT_SIZE"]
    tick_e8, lot_e8 = parse_e8(price.tick_size), parse_e8(lot.step_size)
    if tick_e8 <= 0 or lot_e8 <= 0:
        raise ValueError(
            f"a tick and a lot above 0 are needed, was {price.tick_size}, {lot.step_size}"
        )
    notional = found.get("NOTIONAL", found.get("MIN_NOTIONAL", _Filter("")))
    most_orders = found.get("MAX_NUM_ORDERS", _Filter("")).max_num_orders
    return Instrument(
        name=name,
        symbol=symbol.symbol,
        base=symbol.base_asset,
        quote=symbol.quote_asset,
        tick_e8=tick_e8,
        lot_e8=lot_e8,
        min_price_ticks=_at_least(price.min_price, tick_e8),
        max_price_ticks=_at_most(price.max_price, tick_e8),
        min_qty_lots=_at_least(lot.min_qty, lot_e8),
        max_qty_lots=_at_most(lot.max_qty, lot_e8),
        min_notional_atoms=parse_e8(notional.min_notional),
        max_notional_atoms=min(parse_e8(notional.max_notional), UNBOUNDED_ATOMS) or UNBOUNDED_ATOMS,
        max_open_orders=most_orders,
    )


def _at_least(text: str, step_e8: int) -> int:
    # The first whole step that is no less, and never none.
    return max(1, -(-parse_e8(text) // step_e8))


def _at_most(text: str, step_e8: int) -> int:
    return min(parse_e8(text) // step_e8, UNBOUNDED) or UNBOUNDED
