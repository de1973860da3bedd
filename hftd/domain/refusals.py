"""A refusal in words: ``CODE: key=value, key=value``, with the units of its code.

The one place that turns a code and its two integers into text, for the control socket, the
logs and the ledger alike. Names and units stand in `REFUSAL_FIELDS`; must not know why
anything was refused.
"""

from __future__ import annotations

from enum import IntEnum
from functools import lru_cache

from hftd.domain.codes import REFUSAL_FIELDS, BookState, Code, TradingState, Unit
from hftd.domain.instrument import Instrument, InstrumentStatus
from hftd.domain.order import Side
from hftd.domain.units import E8, from_scaled

# Whose states a code's numbers are.
_STATES: dict[int, type[IntEnum]] = {
    Code.GATE_CLOSED: TradingState,
    Code.NOT_RUNNING: TradingState,
    Code.BOOK_NOT_SYNCED: BookState,
    Code.NOT_TRADING: InstrumentStatus,
}
# A buy spends quote and a sell spends base: these codes judge what the side spends.
_SPENDS = (Code.FUNDS, Code.BALANCE_SHORT)


@lru_cache(maxsize=1_024)  # As many as the enums have members, and some of a newer version.
def name_of(kind: type[IntEnum], number: int) -> str:
    """Return the name of an enum's number, the number itself where a newer version made it."""
    try:
        return kind(number).name
    except ValueError:
        return str(number)


def half_ticks_text(instrument: Instrument, half_ticks: int) -> str:
    """Return a price in half ticks, as the mid is counted, as decimal text."""
    return from_scaled(half_ticks * instrument.tick_e8 * 5, E8 * 10)


def ms_text(ns: int) -> str:
    """Return a time in milliseconds, to the microsecond."""
    return f"{from_scaled(ns // 1000, 1000)} ms"


def measure_text(
    code: int,
    number: int,
    quote_asset: str,
    instrument: Instrument | None = None,
    side: int = Side.BUY,
) -> str:
    """Return one of a code's two numbers with its unit; a plain number where it has none."""
    if code in _STATES:
        return name_of(_STATES[code], number)
    unit = REFUSAL_FIELDS[Code(code)][2] if code in REFUSAL_FIELDS else Unit.COUNT
    if code in _SPENDS and side == Side.SELL:
        unit = Unit.BASE_ATOMS
    if instrument is not None and unit is Unit.LOTS:
        return f"{instrument.qty_text(number)} {instrument.base}"
    if instrument is not None and unit is Unit.TICKS:
        return instrument.price_text(number)
    if instrument is not None and unit is Unit.HALF_TICKS:
        return half_ticks_text(instrument, number)
    if unit is Unit.ATOMS:
        return f"{from_scaled(number, E8)} {quote_asset}".rstrip()
    if unit is Unit.BASE_ATOMS:
        return f"{from_scaled(number, E8)} {instrument.base if instrument else ''}".rstrip()
    if unit is Unit.NS:
        return ms_text(number)
    if unit is Unit.BPS_E2:
        return f"{from_scaled(number, 100)} bps"
    if unit is Unit.RATIO_E6:
        return from_scaled(number, 10**6)
    return str(number)


def reason_text(
    code: int,
    value: int,
    bound: int,
    quote_asset: str,
    instrument: Instrument | None = None,
    side: int = Side.BUY,
) -> str:
    """Return ``CODE: key=value, key=value``; the code alone where it judges no numbers."""
    name = name_of(Code, code)
    if code not in REFUSAL_FIELDS:
        return name
    value_name, bound_name, _ = REFUSAL_FIELDS[Code(code)]
    value_text = measure_text(code, value, quote_asset, instrument, side)
    bound_text = measure_text(code, bound, quote_asset, instrument, side)
    return f"{name}: {value_name}={value_text}, {bound_name}={bound_text}"
