"""A refusal in words."""

from __future__ import annotations

import pytest

from hftd.domain.codes import REFUSAL_FIELDS, Code, TradingState
from hftd.domain.instrument import Instrument
from hftd.domain.order import Side
from hftd.domain.refusals import half_ticks_text, measure_text, name_of, reason_text

BTC = Instrument(
    name="BTC-USDT",
    symbol="BTCUSDT",
    base="BTC",
    quote="USDT",
    tick_e8=1_000_000,
    lot_e8=1_000,
    min_price_ticks=1,
    max_price_ticks=100_000_000,
    min_qty_lots=1,
    max_qty_lots=900_000_000,
    min_notional_atoms=5 * 10**8,
    max_notional_atoms=0,
    max_open_orders=200,
)


@pytest.mark.parametrize(
    ("code", "value", "bound", "text"),
    [
        (Code.POSITION_LIMIT, 2_100, 2_000, "worst=0.021 BTC, max=0.02 BTC"),
        (Code.PRICE_COLLAR, 6_012_340, 6_010_000, "price=60123.4, bound=60100"),
        (Code.GROSS_EXPOSURE, 10**12 + 1, 10**12, "exposure=10000.00000001 USDT, max=10000 USDT"),
        (Code.REFERENCE_STALE, 2_500_000_999, 2 * 10**9, "age=2500 ms, max=2000 ms"),
        (Code.REFERENCE_DISAGREES, 5_050, 5_000, "distance=50.5 bps, max=50 bps"),
        (Code.GATE_CLOSED, TradingState.KILLED, 2, "state=KILLED, needed=RUNNING"),
        (Code.BOOK_NOT_SYNCED, 2, 1, "book=STALE, needed=SYNCED"),
        (Code.NOT_TRADING, 1, 0, "status=HALT, needed=TRADING"),
        (Code.NO_SIGNAL, -333_333, 600_000, "imbalance=-0.333333, threshold=0.6"),
        (Code.OPEN_ORDERS, 9, 8, "open=9, max=8"),
    ],
)
def test_a_reason_names_both_numbers_with_their_units(
    code: Code, value: int, bound: int, text: str
) -> None:
    """``CODE: key=value, key=value``, by the fields of the code."""
    assert reason_text(code, value, bound, "USDT", BTC) == f"{code.name}: {text}"


def test_a_side_is_short_of_what_it_spends() -> None:
    """Funds of a buy are quote, of a sell base."""
    for code in (Code.FUNDS, Code.BALANCE_SHORT):
        assert measure_text(code, 10**7, "USDT", BTC, Side.BUY) == "0.1 USDT"
        assert measure_text(code, 10**7, "USDT", BTC, Side.SELL) == "0.1 BTC"


def test_a_code_without_fields_is_its_name() -> None:
    """Also one of a version that is newer than this."""
    assert reason_text(Code.KILL, 1, 2, "USDT") == "KILL"
    assert reason_text(9_999, 1, 2, "USDT") == "9999"
    assert name_of(Code, 9_999) == "9999"


@pytest.mark.parametrize("code", REFUSAL_FIELDS)
def test_every_code_has_words_with_and_without_an_instrument(code: Code) -> None:
    """No combination fails: a number that cannot be converted is shown as it is."""
    for instrument in (None, BTC):
        for side in Side:
            assert reason_text(code, 1, 0, "USDT", instrument, side).startswith(f"{code.name}: ")


def test_half_ticks_are_a_price() -> None:
    """The mid is counted in half ticks."""
    assert half_ticks_text(BTC, 12_000_001) == "60000.005"
