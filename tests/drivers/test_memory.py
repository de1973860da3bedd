"""What a boot takes over of the life before, where the profile has changed in between."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hftd import wiring
from hftd.config.load import load_profile
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind as C
from hftd.domain.events import EventKind as E
from hftd.domain.order import Side
from hftd.drivers.account import Account, account_of
from hftd.drivers.memory import Memory, carry_over
from hftd.engine import known_trades, orders, position
from hftd.errors import ProfileError
from tests.engine.scene import an_event
from tests.playbook import BTC_USDT, ETH_USDT, Playbook

BALANCES = 'venue.opening_balances={BTC: "1", ETH: "10", USDT: "100000"}'


def remembered() -> Memory:
    """Return a life that traded ETH and BTC, in that order, under the same ids of the venue."""
    loaded = load_profile(
        "market-making", sets=["instruments=[ETH-USDT, BTC-USDT]", BALANCES], environ={}
    )
    instruments = [ETH_USDT, BTC_USDT]
    engine = wiring.build_engine(loaded.profile, instruments)
    state = engine.state
    for at, (instrument, venue_id) in enumerate([(0, 100), (1, 101), (0, 102)]):
        tombstone, seen = state.tombstones[at], state.trades_seen[at]
        tombstone["key"], tombstone["venue_order_id"] = 7 + at, venue_id
        tombstone["instrument"] = seen["instrument"] = instrument
        seen["trade_id"] = venue_id
    state.rings[:2] = 3
    return Memory(engine, instruments, False, 0)


def test_what_an_instrument_that_is_left_out_did_names_nothing_of_another() -> None:
    """Its orders and trades are not taken for those that BTC will have under the same ids."""
    memory = remembered()
    loaded = load_profile("market-making", environ={})
    engine = wiring.build_engine(loaded.profile, [BTC_USDT])
    carry_over(memory, engine, [BTC_USDT], loaded)
    state = engine.state
    found = [
        orders.find_reported_tombstone(state, an_event(venue_order_id=venue_id))
        for venue_id in (100, 101, 102)
    ]
    assert found == [-1, 0, -1]
    assert [known_trades.was_seen(state, 0, each, Side.BUY) for each in (100, 101, 102)] == [
        False, True, False,
    ]  # fmt: skip
    assert state.rings[:2].tolist() == [1, 1]


@pytest.mark.parametrize("ever_made", [500, -500])
def test_the_days_loss_stays_as_it_was_where_an_instrument_is_left_out(ever_made: int) -> None:
    """What ETH ever made is in no sum any more: neither a loss of the day, nor room for one."""
    memory = remembered()
    assert memory.engine is not None
    old = memory.engine.state
    old.instruments["realized_atoms"] = [ever_made, -30]  # Of which BTC's was lost today.
    old.instruments["fees_atoms"] = [7, 1]
    old.core[0]["total_atoms"] = ever_made - 7 - 31
    old.core[0]["day_open_equity_atoms"] = ever_made - 7
    old.core[0]["peak_equity_atoms"] = ever_made - 7 + 10
    loaded = load_profile("market-making", environ={})
    engine = wiring.build_engine(loaded.profile, [BTC_USDT])
    carry_over(memory, engine, [BTC_USDT], loaded)
    state = engine.state
    core = state.core[0]
    assert core["total_atoms"] == position.total_atoms(state) == -31
    assert core["day_open_equity_atoms"] - core["total_atoms"] == 31
    assert core["peak_equity_atoms"] - core["total_atoms"] == 41


def test_an_instrument_with_an_open_order_is_not_left_out() -> None:
    """It would be asked for, and canceled, under another instrument's symbol."""
    memory = remembered()
    assert memory.engine is not None
    memory.engine.state.orders[3]["key"] = 9
    loaded = load_profile("market-making", environ={})
    engine = wiring.build_engine(loaded.profile, [BTC_USDT])
    with pytest.raises(ProfileError, match=r"ETH-USDT.*open orders in it \(1\)"):
        carry_over(memory, engine, [BTC_USDT], loaded)


@pytest.mark.parametrize(
    ("names", "kept", "equity"),
    [(["BTC-USDT", "ETH-USDT"], [0, 1], 9), (["ETH-USDT"], [1], 0), (["BTC-USDT"], [0], 0)],
)
def test_what_a_strategy_remembers_stays_with_its_instrument(
    names: list[str], kept: list[int], equity: int
) -> None:
    """In another order, or alone: it leaves by its own entry. The day's equity is of all."""
    memory = remembered()
    assert memory.engine is not None
    memory.engine.state.core[0]["day_start_equity_atoms"] = 9
    memory.engine.strategy.memory["spread_open"] = [1, 0]  # ETH, BTC.
    sets = [f"instruments=[{', '.join(names)}]", BALANCES]
    loaded = load_profile("market-making", sets=sets, environ={})
    instruments = [{"BTC-USDT": BTC_USDT, "ETH-USDT": ETH_USDT}[name] for name in names]
    engine = wiring.build_engine(loaded.profile, instruments)
    carry_over(memory, engine, instruments, loaded)
    assert engine.strategy.memory["spread_open"].tolist() == kept
    assert engine.state.core[0]["day_start_equity_atoms"] == equity


HALTED = (TradingState.HALTED, Code.BANNED)
KILLED = (TradingState.KILLED, Code.KILL)


@pytest.mark.parametrize(
    ("commands", "latched"),
    [((C.STOP,), HALTED), ((C.KILL, C.STOP), KILLED), ((C.STOP, C.KILL), KILLED)],
)
def test_a_latch_that_its_file_lacks_is_remembered(
    commands: tuple[C, ...], latched: tuple[int, int]
) -> None:
    """By whom dies while it stops, and by whom has only begun its run; until a reset ends it."""
    play = Playbook()
    play.resting()
    for command in commands:
        play.command(command)
    play.feed(E.RATE_LIMITED, code=418)
    memory = Memory(play.engine, [BTC_USDT], False, 0)
    assert memory.latched == latched
    loaded = load_profile("market-making", environ={})
    engine = wiring.build_engine(loaded.profile, [BTC_USDT])
    carry_over(memory, engine, [BTC_USDT], loaded)
    assert Memory(engine, [BTC_USDT], True, 0).latched == latched


def test_a_latch_that_a_reset_ended_is_not_remembered() -> None:
    """Nor one that a boot finds nowhere."""
    play = Playbook().start().command(C.KILL).open_orders_end().after(seconds=5)
    assert Memory(play.engine, [BTC_USDT], True, 0).latched == KILLED
    play.command(C.RESET).reconcile()
    assert play.state == TradingState.PAUSED
    assert Memory(play.engine, [BTC_USDT], True, 0).latched[0] == 0
    play.command(C.KILL).boot()
    assert Memory(play.engine, [BTC_USDT], True, 0).latched == (0, 0)


def a_holder() -> Memory:
    """Return a life that holds BTC, has fees in it, and an open order at 60,010."""
    engine = wiring.build_engine(load_profile("market-making", environ={}).profile, [BTC_USDT])
    record, order = engine.state.instruments[0], engine.state.orders[0]
    record["position_lots"], record["cost_atoms"], record["base_fee_atoms"] = 500, 9, 7
    record["mark_bid_ticks"], record["mark_ask_ticks"] = 6_000, 6_001
    record["opening_mid_half_ticks"] = 12_000
    order["key"], order["price_ticks"], order["qty_lots"] = 7, 6_001, 500
    engine.state.core[0]["orders_end"] = 1
    engine.strategy.memory["spread_open"] = 1
    return Memory(engine, [BTC_USDT], True, 0)


def test_a_position_outlives_a_change_of_the_tick() -> None:
    """Lots and money come along; of prices only an open order's, and no memory in old ticks."""
    memory, loaded = a_holder(), load_profile("market-making", environ={})
    coarser = replace(BTC_USDT, tick_e8=4_000_000_000)
    engine = wiring.build_engine(loaded.profile, [coarser])
    carry_over(memory, engine, [coarser], loaded)
    record, order = engine.state.instruments[0], engine.state.orders[0]
    assert (record["position_lots"], record["cost_atoms"], record["base_fee_atoms"]) == (500, 9, 7)
    assert (record["mark_bid_ticks"], record["mark_ask_ticks"]) == (0, 0)
    assert record["opening_mid_half_ticks"] == 0
    assert (order["price_ticks"], order["qty_lots"]) == (1_501, 500)
    assert engine.strategy.memory["spread_open"] == 0


def test_a_position_in_other_lots_is_not_taken_over() -> None:
    """So many lots would be another quantity; with the same steps all of it is."""
    memory, loaded = a_holder(), load_profile("market-making", environ={})
    other = replace(BTC_USDT, lot_e8=10_000)
    engine = wiring.build_engine(loaded.profile, [other])
    says = r"the lot of the ledger's position, 0\.00001 .*was 0\.0001"
    with pytest.raises(ProfileError, match=says):
        carry_over(memory, engine, [other], loaded)
    engine = wiring.build_engine(loaded.profile, [BTC_USDT])
    carry_over(memory, engine, [BTC_USDT], loaded)
    assert engine.state.instruments[0]["mark_bid_ticks"] == 6_000
    assert engine.strategy.memory["spread_open"] == 1


@pytest.mark.parametrize(("lot_e8", "qty", "cum"), [(10_000, 51, 2), (100, 5_050, 250)])
def test_an_open_order_is_told_in_the_lots_of_today(lot_e8: int, qty: int, cum: int) -> None:
    """Where it stays (``on_start: adopt``) it counts as much as it may fill, and no memory does."""
    memory, loaded = a_holder(), load_profile("market-making", environ={})
    assert memory.engine is not None
    memory.engine.state.instruments["position_lots"] = 0  # As much was sold as this one has bought.
    orders = memory.engine.state.orders
    orders[0]["qty_lots"], orders[0]["cum_lots"], orders[0]["leaves_lots"] = 505, 25, 480
    orders[0]["venue_cum_lots"] = orders[0]["listed_cum_lots"] = 25
    other = replace(BTC_USDT, lot_e8=lot_e8)
    engine = wiring.build_engine(loaded.profile, [other])
    carry_over(memory, engine, [other], loaded)
    order = engine.state.orders[0]
    told = [int(order[f"{name}_lots"]) for name in ("qty", "cum", "venue_cum", "listed_cum")]
    assert told == [qty, cum, cum, cum]
    assert (order["leaves_lots"], order["price_ticks"]) == (qty - cum, 6_001)
    assert engine.strategy.memory["spread_open"] == 0


HERE = Account("paper simex", "")


@pytest.mark.parametrize(
    ("account", "orders_open", "says"),
    [
        (Account("testnet binance", ""), 0, r"venue: testnet binance, whose .*, was paper simex"),
        (Account("testnet binance", ""), 2, "2 orders may be open there: hftd kill-offline first"),
        (Account("paper simex", "env:OLD"), 2, "venue.api_key: env:OLD, .*, was none"),
        (Account("paper simex", "env:OLD"), 0, ""),
        (HERE, 2, ""),
    ],
)
def test_a_ledger_is_of_one_account(account: Account, orders_open: int, says: str) -> None:
    """Elsewhere its orders would be denied, and trades taken for known ones by their ids."""
    loaded = load_profile("market-making", environ={})
    assert account_of(loaded.profile.model_dump(mode="json")) == HERE
    old, new = (wiring.build_engine(loaded.profile, [BTC_USDT]) for _ in range(2))
    old.state.orders["key"][:orders_open] = 9
    memory = Memory(old, [BTC_USDT], True, 0, account=account)
    if not says:
        carry_over(memory, new, [BTC_USDT], loaded)
        return
    with pytest.raises(ProfileError, match=says):
        carry_over(memory, new, [BTC_USDT], loaded)
