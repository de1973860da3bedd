"""How numbers become text: units, unknown numbers, layouts of other versions."""

import msgspec
import numpy as np
import pytest

from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.facts import FACT, FactKind
from hftd.domain.order import Side
from hftd.store.words import RunWords, layout_words, name_of, utc_text
from tests.store.days_work import BTC, header


def fact(**fields):
    """Return one fact by name, as a FACT record gives it."""
    return dict.fromkeys(FACT.names, 0) | fields


@pytest.mark.parametrize(
    ("code", "value", "bound", "text"),
    [
        (Code.OPEN_ORDERS, 9, 8, "OPEN_ORDERS: open=9, max=8"),
        (Code.ORDER_SIZE, 1500, 1000, "ORDER_SIZE: qty=0.015 BTC, max=0.01 BTC"),
        (Code.PRICE_COLLAR, 6031, 6030, "PRICE_COLLAR: price=60310, bound=60300"),
        (Code.ORDER_NOTIONAL, 250_50000000, 250_00000000,
         "ORDER_NOTIONAL: notional=250.5 USDT, max=250 USDT"),
        (Code.FEED_STALE, 2_500_400_000, 2_000_000_000, "FEED_STALE: age=2500.4 ms, max=2000 ms"),
        (Code.NO_EDGE, -12, 5, "NO_EDGE: edge=-0.12 bps, min=0.05 bps"),
        (Code.NO_SIGNAL, 120_000, 300_000, "NO_SIGNAL: imbalance=0.12, threshold=0.3"),
        (Code.GATE_CLOSED, TradingState.PAUSED, TradingState.RUNNING,
         "GATE_CLOSED: state=PAUSED, needed=RUNNING"),
        (Code.BOOK_NOT_SYNCED, BookState.STALE, BookState.SYNCED,
         "BOOK_NOT_SYNCED: book=STALE, needed=SYNCED"),
        (Code.KILL, 5, 6, "KILL"),
        (Code.NONE, 0, 0, None),
    ],
)  # fmt: skip
def test_reason_has_both_numbers_in_their_unit(code, value, bound, text):
    """Each unit is written as a trader would."""
    words = RunWords(header())
    assert words.reason(fact(code=code, value=value, bound=bound)) == text


def test_fact_of_no_instrument_has_none(tmp_path):
    """A fact of the profile as a whole has neither instrument nor price; lots are a number."""
    words = RunWords(header())
    whole = fact(instrument=-1, code=Code.POSITION_FULL, value=3, bound=2)
    assert words.instrument_name(whole) is None
    assert words.price(whole, 1) is None
    assert words.qty(whole, 1) is None
    assert words.mid(whole | {"mid_half_ticks": 3}) is None
    assert words.avg_price(whole | {"position_lots": 3}) is None
    assert words.reason(whole) == "POSITION_FULL: position=3, max=2"
    assert words.client_order_id(whole) is None


def test_number_of_a_newer_version_stays_a_number():
    """A state or code that this version does not know is shown as its number."""
    assert name_of(Side, 7) == "7"
    assert RunWords(header()).reason(fact(code=999)) == "999"


def test_header_may_name_its_assets():
    """Without names the assets are the quote and the bases in order; named ones hold."""
    assert RunWords(header()).asset(fact(asset=1)) == "BTC"
    named = RunWords(header() | {"assets": ["USDT", "BNB", "BTC"]})
    assert named.asset(fact(asset=1)) == "BNB"
    bare = RunWords({"run": "a-1"})
    assert bare.quote_asset == ""


def test_facts_of_an_older_layout_are_read_by_it():
    """Facts are read by the layout of the header; fields that it lacks are 0."""
    older = np.dtype([("kind", "<i4"), ("instrument", "<i4"), ("price_ticks", "<i8")], align=True)
    records = np.zeros(2, older)
    records["kind"], records["price_ticks"] = FactKind.FILL, [5, 6]
    written = msgspec.to_builtins(layout_words(older))
    words = RunWords(header() | {"fact_layout": written})
    facts = words.facts(memoryview(records.tobytes()))
    assert [found["price_ticks"] for found in facts] == [5, 6]
    assert {found["qty_lots"] for found in facts} == {0}


def test_facts_of_an_older_layout_are_the_same_one_by_one_and_as_columns():
    """A report reads many at once: a field that was not yet there is 0, one that went is gone."""
    names = [name for name in FACT.names if name not in ("fee_atoms", "mid_half_ticks")]
    older = np.dtype([("forgotten", "i8"), *((name, FACT[name]) for name in names)])
    written = np.zeros(3, older)
    written["order_key"], written["side"], written["forgotten"] = (5, 6, 7), Side.SELL, 9
    words = RunWords(header() | {"fact_layout": msgspec.to_builtins(layout_words(older))})
    found = words.fact_array(written.tobytes())
    assert found.dtype == FACT and words.fact_bytes == older.itemsize
    assert found["order_key"].tolist() == [5, 6, 7]
    assert not found["fee_atoms"].any() and not found["mid_half_ticks"].any()
    one_by_one = words.facts(memoryview(written.tobytes()))
    assert [{name: fact[name] for name in FACT.names} for fact in one_by_one] == [
        dict(zip(FACT.names, row, strict=True)) for row in found.tolist()
    ]


def test_facts_told_late_are_written_as_their_run_has_them():
    """By a version with other fields since: what the run lacks is left out, the rest is read."""
    facts = np.zeros(2, FACT)
    facts["kind"], facts["order_key"], facts["fee_atoms"] = FactKind.FILL, [7, 8], 3
    assert RunWords(header()).written(facts.tobytes()) == facts.tobytes()
    older = np.dtype([("forgotten", "i8"), ("order_key", "i8"), ("kind", FACT["kind"])])
    words = RunWords(header() | {"fact_layout": msgspec.to_builtins(layout_words(older))})
    found = words.fact_array(words.written(facts.tobytes()))
    assert (found["kind"].tolist(), found["order_key"].tolist()) == ([FactKind.FILL] * 2, [7, 8])
    assert not found["fee_atoms"].any()


def test_half_ticks_and_times_are_exact():
    """A mid between two ticks has its half; a time has its microseconds."""
    words = RunWords(header())
    assert words.mid(fact(mid_half_ticks=12001)) == "60005"
    assert BTC.price_text(6001) == "60010"
    assert words.avg_price(fact(position_lots=-3, cost_atoms=-18_00000001)) == "600000.00033333"
    assert utc_text(1_795_339_800_000_001_999) == "2026-11-22T09:30:00.000001Z"
