"""Each checker fails on a world that is broken in one way, and passes on the one that is not.

A break is a deliberately wrong record, frame, command or number; what it contradicts is the rest
of a real run against the exchange.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from hftd.domain.codes import BookState, Code, TradingState
from hftd.domain.events import CommandKind, EventKind, Link
from hftd.domain.facts import FACT, FactKind
from hftd.domain.order import (
    OrderEvent,
    OrderState,
    Side,
    TimeInForce,
    client_order_id,
    order_key,
    to_base36,
)
from hftd.drivers.checkers_caps import MoneyCapped
from hftd.drivers.checkers_journal import LedgerTrue
from hftd.drivers.checkers_limits import WithinLimits
from hftd.drivers.checkers_money import DayGoesOn
from hftd.drivers.checkers_told import Fact, Told
from hftd.drivers.simulate import START_NS, TAG
from hftd.drivers.simulate_restarts import RestartingWorld
from hftd.drivers.watch import InvariantViolated
from hftd.journal.record import RecordType, encode_json
from hftd.simex.faults import Fault
from hftd.venues.port import new_event
from tests.drivers.watched import watched_world

SECOND_NS = 1_000_000_000
EPOCH = START_NS // SECOND_NS


def running(folder: Path, seed: int = 8, seconds: int = 40) -> RestartingWorld:
    """Return a world that quotes and has traded, with nothing broken."""
    world = watched_world(folder, seed)
    world.boot()
    world.run_until(START_NS + seconds * SECOND_NS)
    return world


class Forger:
    """Writes what a broken daemon would have written or sent."""

    def __init__(self, world: RestartingWorld) -> None:
        self.world = world
        self.ink: Any = world.daemon._ink
        self.seq = 5_000

    def fact(self, kind: FactKind, **fields: int) -> None:
        """Journal a fact."""
        fact = np.zeros(1, FACT)
        fact["kind"], fact["ts_ns"] = kind, self.world.now_ns
        for name, value in fields.items():
            fact[name] = value
        self.ink.append(RecordType.FACT, self.world.now_ns, fact.tobytes())

    def command(self, name: str, given: bool = True) -> None:
        """Journal an operator's command: its words, and that it was ``given`` to the engine."""
        self.ink.append(RecordType.COMMAND, self.world.now_ns, encode_json({"command": name}))
        if given:
            event = new_event(EventKind.COMMAND, self.world.now_ns, instrument=-1)
            self.ink.append(RecordType.EVENT, self.world.now_ns, event.tobytes())

    def step(self) -> None:
        """End a turn of the loop."""
        self.world.watch.on_step(self.world)

    def create(
        self,
        lots: int = 10,
        away_ticks: int = 20,
        side: Side = Side.BUY,
        seq: int = 0,
        staged: bool = True,
        journaled: bool = True,
        **more: int,
    ) -> None:
        """Stage, journal and send a create, ``away_ticks`` from the touch of its own side.

        ``more`` is of the fact by which it is staged.
        """
        self.seq += 1
        key = order_key(EPOCH, seq or self.seq)
        touch = self.world.venue.exchange.listings["BTCUSDT"].market.best()
        assert touch is not None
        ticks = touch.bid_ticks - away_ticks if side == Side.BUY else touch.ask_ticks + away_ticks
        instrument = self.world.instruments[0]
        if staged:
            self.fact(
                FactKind.ORDER, order_key=key, state_to=OrderState.PENDING_NEW, decision_seq=1,
                order_event=OrderEvent.SUBMITTED, price_ticks=ticks, qty_lots=lots, **more,
            )  # fmt: skip
        name = client_order_id(TAG, key)
        frame = encode_json(
            {
                "id": f"p0.{to_base36(EPOCH)}-{to_base36(seq or self.seq)}",
                "method": "order.place",
                "params": {
                    "symbol": "BTCUSDT",
                    "side": side.name,
                    "price": instrument.price_text(ticks),
                    "quantity": instrument.qty_text(lots),
                    "newClientOrderId": name,
                    "recvWindow": 5000,
                    "timestamp": self.world.now_ns // 1_000_000,
                },
            }
        )
        if journaled:
            self.ink.append(RecordType.FRAME_OUT, self.world.now_ns, frame)
        self.world.watch.on_sent(Link.ORDER, frame, self.world.now_ns)
        self.step()

    def heard(self, words: dict[str, Any]) -> None:
        """Journal a frame of the order link."""
        self.ink.append_frame(self.world.now_ns, Link.ORDER, encode_json(words))

    def power_lost(self, kept_seq: int) -> None:
        """Lose the power, and begin a run behind the record that the journal ends with then."""
        self.world.watch.on_crash("power")
        self.world.kept_seq = kept_seq
        header = encode_json({"config_hash": "as before", "epoch": EPOCH})
        self.ink.append(RecordType.HEADER, self.world.now_ns, header)
        self.fact(FactKind.NOTE, code=Code.RECONCILED)

    def quiescence(self) -> None:
        """End the run."""
        self.world.watch.at_quiescence(self.world)

    @property
    def state(self) -> Any:
        """Return the engine's state, to lie in it."""
        return self.world.engine.state


def _position_lies(forger: Forger) -> None:
    forger.state.instruments[0]["position_lots"] += 1
    forger.quiescence()


def _fill_twice(forger: Forger) -> None:
    fact = fill_of(forger)
    forger.fact(FactKind.FILL, **fact)
    forger.step()


def _fill_of_nobody(forger: Forger) -> None:
    forger.fact(FactKind.FILL, **{**fill_of(forger), "trade_id": 77})
    forger.step()


def fill_of(forger: Forger) -> dict[str, int]:
    """Return the fields of a fill that the exchange really made."""
    (trade, *_) = forger.world.venue.exchange.bookkeeping(1).trades["BTCUSDT"]
    return {
        "trade_id": trade.trade_id, "side": int(not trade.is_buyer), "qty_lots": trade.qty_lots,
        "price_ticks": trade.price_ticks, "fee_atoms": trade.fee_atoms,
        "fee_asset": int(not trade.is_buyer),
    }  # fmt: skip


def _fill_lost(forger: Forger) -> None:
    world = forger.world
    order = next(iter(world.venue.exchange.bookkeeping(1).open.values()))
    world.script.arm(Fault("partial_fill", size=order.leaves_lots), world.now_ns)
    world.venue.advance(world.now_ns)
    forger.step()
    forger.quiescence()


def _too_many_in_flight(forger: Forger) -> None:
    for _ in range(30):
        forger.create(lots=2_000)


def _storm_of_creates(forger: Forger) -> None:
    for number in range(30):
        forger.create(lots=1, away_ticks=20 + number)
        forger.heard({"id": f"p0.{to_base36(EPOCH)}-{to_base36(forger.seq)}", "status": 400})


def _checker(forger: Forger, kind: type[Any]) -> Any:
    """Return the world's checker of a kind, one of those who look at each step."""
    hooks = forger.world.watch._hooks["on_step"]
    (checker,) = (each for hook in hooks if isinstance(each := hook.__self__, kind))  # type: ignore[attr-defined]
    return checker


def _caps(forger: Forger) -> MoneyCapped:
    """Return the checker of caps, to tighten one below what this world has done."""
    caps: MoneyCapped = _checker(forger, MoneyCapped)
    return caps


def _open_notional_over_its_limit(forger: Forger, **staged: int) -> None:
    (bounds,) = _checker(forger, WithinLimits)._bounds
    bounds.open_atoms = 0
    forger.create(**staged)


def _exposure_over_its_cap(forger: Forger) -> None:
    _caps(forger)._gross_atoms = 10**8
    forger.create(lots=2_000)  # Beyond what stands on the other side: a way back is no breach.
    forger.step()


def _turnover_over_its_cap(forger: Forger) -> None:
    _caps(forger)._turnover_atoms = 10**8
    forger.create()
    forger.step()


def _open_beyond_the_turnover(forger: Forger) -> None:
    caps = _caps(forger)
    caps._turnover_atoms = sum(trade.quote_atoms for trade in caps._truth.trades.values())
    forger.create()
    forger.step()


def _loss_over_its_cap(forger: Forger) -> None:
    _caps(forger)._loss_atoms = -(10**15)
    forger.world.run_until(forger.world.now_ns + 60 * SECOND_NS)


def _create_after_kill(forger: Forger) -> None:
    forger.command("kill")
    forger.create()


def _create_after_halt(forger: Forger) -> None:
    forger.fact(FactKind.STATE, state_from=2, state_to=TradingState.HALTED, code=Code.DRAWDOWN)
    forger.world.watch.on_latch(TradingState.HALTED, Code.DRAWDOWN)
    forger.create()


def _halt_lost_with_the_power(forger: Forger) -> None:
    kept_seq = forger.world._ordered_seq
    forger.fact(FactKind.STATE, state_from=2, state_to=TradingState.HALTED, code=Code.DRAWDOWN)
    forger.power_lost(kept_seq)
    forger.create()


def _orders_left(forger: Forger) -> None:
    forger.fact(FactKind.STATE, state_from=2, state_to=TradingState.KILLED, code=Code.KILL)
    forger.quiescence()


def _unjournaled(forger: Forger) -> None:
    forger.create(journaled=False)


def _id_twice(forger: Forger) -> None:
    forger.create(seq=9_000)
    forger.create(seq=9_000)


def _dead_order_moves(forger: Forger) -> None:
    for before, after in ((1, 2), (2, 6), (6, 2)):
        forger.fact(FactKind.ORDER, order_key=5, state_from=before, state_to=after, qty_lots=1)
    forger.step()


def _fills_shrink(forger: Forger) -> None:
    for cum in (5, 4):
        forger.fact(
            FactKind.ORDER, order_key=5, state_from=3, state_to=3, qty_lots=9, cum_qty_lots=cum
        )
    forger.step()


def _cash_made_up(forger: Forger) -> None:
    forger.state.balances[0]["traded_atoms"] += 1
    forger.quiescence()


def _pnl_made_up(forger: Forger) -> None:
    forger.state.instruments[0]["realized_atoms"] += 1
    forger.quiescence()


def _level_wrong(forger: Forger) -> None:
    book = forger.state.books[0]
    book["lots"][0, book["count"][0] - 1] += 1
    forger.quiescence()


def _level_doubled(forger: Forger) -> None:
    book = forger.state.books[0]
    book["ticks"][1, book["count"][1] - 2] = book["ticks"][1, book["count"][1] - 1]
    forger.quiescence()


def _book_not_synced(forger: Forger) -> None:
    forger.state.books[0]["state"] = BookState.STALE
    forger.create()


def _book_too_old(forger: Forger) -> None:
    forger.state.core[0]["now_ns"] += 10 * SECOND_NS
    forger.create()


def _depth_dead(forger: Forger) -> None:
    # Five seconds of touches, newer than any frame of depth, and none of those.
    frame = encode_json({"stream": "btcusdt@bookTicker", "data": {"u": 10**12, "s": "BTCUSDT"}})
    core = forger.state.core[0]
    for _ in range(80):
        core["now_ns"] += SECOND_NS // 16
        forger.ink.append_market(int(core["now_ns"]), Link.MARKET, frame)
        forger.step()
    forger.create()


def _flattens_unasked(forger: Forger) -> None:
    forger.create(reduce_only=1, time_in_force=TimeInForce.IOC)


def _crosses_itself(forger: Forger) -> None:
    forger.create(away_ticks=-500)


def _asked_for_silence(forger: Forger) -> None:
    now_ms = forger.world.now_ns // 1_000_000
    data = {"serverTime": now_ms, "retryAfter": now_ms + 5_000}
    forger.heard({"id": "q0.x", "status": 429, "error": {"code": -1003, "msg": "", "data": data}})


def _create_before_retry_after(forger: Forger) -> None:
    _asked_for_silence(forger)
    forger.create()


def _silence_kept_by_the_journal(forger: Forger) -> None:
    _asked_for_silence(forger)
    forger.power_lost(forger.world._ordered_seq)
    forger.create()


def _silence_lost_with_the_power(forger: Forger) -> None:
    kept_seq = forger.world._ordered_seq
    _asked_for_silence(forger)
    forger.power_lost(kept_seq)
    forger.create()


def _cancels_starve(forger: Forger) -> None:
    forger.fact(FactKind.STATE, state_from=2, state_to=TradingState.PAUSED, code=Code.OPERATOR)
    for _ in range(1_000):
        forger.state.core[0]["now_ns"] += 100_000_000
        forger.step()


def _create_before_reconciliation(forger: Forger) -> None:
    forger.world.watch.on_boot(EPOCH)
    forger.create()


def _latch_forgotten(forger: Forger) -> None:
    forger.world.watch.on_latch(TradingState.KILLED, Code.KILL)
    forger.step()


def _latch_removed(forger: Forger) -> None:
    forger.world.watch.on_latch(TradingState(0), Code.RESET)


def _larger_than_the_canary(forger: Forger) -> None:
    forger.create(lots=2_001)


def _of_no_decision(forger: Forger) -> None:
    forger.create(staged=False)


def _container_grows(forger: Forger) -> None:
    forger.world.roads.kept = list(range(6_000))  # type: ignore[attr-defined]
    forger.quiescence()


def _step_without_end(forger: Forger) -> None:
    forger.ink.append(RecordType.INTENT, 0, bytes(1 << 20))


def _secret_journaled(forger: Forger) -> None:
    forger.ink.append(RecordType.FRAME_OUT, 0, b'{"signature":"hftd-paper-secret"}')


def _day_forgotten(forger: Forger) -> None:
    forger.world.watch.on_crash("kill -9")
    forger.state.core[0]["turnover_atoms"] -= 1
    forger.step()


def _day_grown_beyond_what_was_told(forger: Forger) -> None:
    _day_grown_by_a_boot(forger, told_lots=10, turned_lots=11)


def _day_grown_with_nothing_told(forger: Forger) -> None:
    _day_grown_by_a_boot(forger, told_lots=0, turned_lots=0)


def _day_grown_as_was_told(forger: Forger) -> None:
    _day_grown_by_a_boot(forger, told_lots=10, turned_lots=10)


def _day_grown_by_a_boot(forger: Forger, told_lots: int, turned_lots: int) -> None:
    unit_atoms = forger.world.instruments[0].unit_atoms
    core = forger.state.core[0]
    forger.fact(FactKind.FILL, trade_id=1 << 39, price_ticks=6_000, qty_lots=5)
    forger.world.watch.on_crash("kill -9")
    forger.fact(FactKind.FILL, trade_id=1 << 40, price_ticks=6_000, qty_lots=told_lots)
    core["turnover_atoms"] += 6_000 * turned_lots * unit_atoms
    core["peak_equity_atoms"] += 1
    forger.world.watch.on_crash("kill -9")  # Twice, the second time before its first step.
    _checker(forger, DayGoesOn).on_step(forger.world)


def _doubt_stays(forger: Forger) -> None:
    forger.fact(
        FactKind.ORDER, order_key=5, state_from=OrderState.PENDING_NEW, qty_lots=1,
        state_to=OrderState.UNKNOWN, ts_ns=forger.world.now_ns - 60 * SECOND_NS,
    )  # fmt: skip
    forger.world.run_until(forger.world.now_ns + 4 * SECOND_NS)


def _order_forgotten(forger: Forger) -> None:
    forger.state.orders["key"] = 0
    forger.quiescence()


def _never_mends(forger: Forger) -> None:
    forger.state.core[0]["state"] = TradingState.RECOVERING
    forger.quiescence()


BREAKS: list[tuple[str, Callable[[Forger], None]]] = [
    ("I01", _position_lies), ("I02", _fill_twice), ("I02", _fill_of_nobody), ("I02", _fill_lost),
    ("I03", _too_many_in_flight), ("I03", _storm_of_creates), ("I03", _exposure_over_its_cap),
    ("I03", _open_notional_over_its_limit),
    ("I03", _turnover_over_its_cap), ("I03", _open_beyond_the_turnover),
    ("I03", _loss_over_its_cap), ("I04", _create_after_kill), ("I04", _create_after_halt),
    ("I04", _flattens_unasked),
    ("I05", _orders_left), ("I06", _unjournaled), ("I07", _id_twice),
    ("I08", _dead_order_moves), ("I09", _fills_shrink), ("I10", _cash_made_up),
    ("I11", _pnl_made_up), ("I14", _level_wrong), ("I14", _level_doubled),
    ("I15", _book_not_synced), ("I15", _book_too_old), ("I15", _depth_dead),
    ("I16", _crosses_itself),
    ("I17", _create_before_retry_after), ("I17", _silence_kept_by_the_journal),
    ("I18", _cancels_starve),
    ("I19", _create_before_reconciliation), ("I20", _latch_forgotten), ("I20", _latch_removed),
    ("I21", _larger_than_the_canary), ("I22", _of_no_decision), ("I23", _container_grows),
    ("I24", _step_without_end), ("I25", _secret_journaled), ("I27", _day_forgotten),
    ("I27", _day_grown_beyond_what_was_told), ("I27", _day_grown_with_nothing_told),
    ("I28", _doubt_stays), ("I28", _order_forgotten), ("I30", _never_mends),
]  # fmt: skip


@pytest.mark.parametrize(("invariant", "break_it"), BREAKS)
def test_a_broken_world_is_found_by_its_checker(
    tmp_path: Path, invariant: str, break_it: Callable[[Forger], None]
) -> None:
    """The wrong record, frame or number is found, and by the checker that owns it."""
    world = running(tmp_path)
    with pytest.raises(InvariantViolated) as breach:
        break_it(Forger(world))
    assert breach.value.invariant == invariant, str(breach.value)


@pytest.mark.parametrize("lose", [_silence_lost_with_the_power, _halt_lost_with_the_power])
def test_what_the_journal_lost_with_the_power_binds_nobody(
    tmp_path: Path, lose: Callable[[Forger], None]
) -> None:
    """A daemon knows only of what its journal kept."""
    lose(Forger(running(tmp_path)))


def test_a_day_goes_on_with_the_fills_that_a_boot_tells_late(tmp_path: Path) -> None:
    """Who died between two fills of one message goes on behind the second."""
    _day_grown_as_was_told(Forger(running(tmp_path)))


def test_what_only_reduces_is_not_held_against_the_open_notional(tmp_path: Path) -> None:
    """The gate always allows it: a flatten may be larger than what orders that add are left."""
    _open_notional_over_its_limit(Forger(running(tmp_path)), reduce_only=1)


def test_a_sound_world_breaks_nothing(tmp_path: Path) -> None:
    """Links cut, paused, flattened, killed, reset and resumed: no checker says a word."""
    world = running(tmp_path)

    def after(seconds: float) -> None:
        world.run_until(world.now_ns + int(seconds * SECOND_NS))

    for command in (CommandKind.PAUSE, CommandKind.FLATTEN, CommandKind.RESUME):
        assert world.command(command) == Code.NONE
        after(10)
    for road in (world.roads.orders, world.roads.market):
        road.link.drop("cut")
        after(15)
    for command in (CommandKind.KILL, CommandKind.RESET, CommandKind.RESUME):
        assert world.command(command) == Code.NONE
        after(10)
    world.watch.at_heal(world)
    after(60)
    world.watch.at_quiescence(world)
    seen = {name for name, count in world.watch.counts.items() if count}
    assert {"killed", "reset led on", "paused for lost reports", "flatten traded"} <= seen


def test_retry_after_outlives_the_process(tmp_path: Path) -> None:
    """The exchange says 429 and the daemon dies: its next life creates nothing before the time."""
    world = running(tmp_path)
    fault = Fault("too_many_requests", match={"request": "order.place"}, for_ms=30_000)
    world.script.arm(fault, world.now_ns)
    while not int(world.engine.state.core[0]["rate_limited_until_ns"]):
        world.run_until(world.now_ns + SECOND_NS)
    until_ns = int(world.engine.state.core[0]["rate_limited_until_ns"])
    world.on_death("kill -9")
    world.boot()
    world.run_until(world.now_ns + 5 * SECOND_NS)
    core = world.engine.state.core[0]
    assert core["state"] != TradingState.RUNNING and core["submitted"] == 0
    world.run_until(until_ns + 20 * SECOND_NS)
    assert core["state"] == TradingState.RUNNING and core["submitted"] > 0


def test_a_journal_that_does_not_replay_is_found(tmp_path: Path) -> None:
    """I12: a fact that no decision made stands in the journal."""
    world = running(tmp_path, seed=9)
    Forger(world).fact(FactKind.NOTE, code=Code.RECONCILED)
    with pytest.raises(InvariantViolated) as breach:
        world.watch.at_quiescence(world)
    assert breach.value.invariant == "I12", str(breach.value)


def test_a_ledger_that_lacks_a_fill_is_found(tmp_path: Path) -> None:
    """I13: the judge was told of a fill that the ledger has no row of."""
    world = running(tmp_path, seed=16)
    told = Told(world, world.watch)
    fill = fill_of(Forger(world))
    told.fills[0, fill["trade_id"]] = Fact(*range(len(Fact._fields)))
    told.fills[0, 1 << 40] = told.fills[0, fill["trade_id"]]
    with pytest.raises(InvariantViolated) as breach:
        LedgerTrue(world, world.watch, told).at_quiescence(world)
    assert breach.value.invariant == "I13", str(breach.value)


def test_a_journal_that_does_not_read_is_found_unless_the_disk_refused_a_sync(
    tmp_path: Path,
) -> None:
    """I13: what a refused sync has lost, the next loss of power shows; else it is damage."""
    world = running(tmp_path, seed=16)
    (path,) = (each for each in world.journal_folder.glob("orders-*") if any(each.read_bytes()))
    written = path.read_bytes()
    last = written.rfind(b"hjr1")
    with path.open("r+b") as file:
        file.seek(written.rfind(b"hjr1", 0, last) + 40)
        file.write(b"spoiled")
    judge = LedgerTrue(world, world.watch, Told(world, world.watch))
    with pytest.raises(InvariantViolated) as breach:
        judge.at_quiescence(world)
    assert breach.value.invariant == "I13" and "offset" in str(breach.value), str(breach.value)
    world.watch.counts["fsync failed"] = 1
    judge.at_quiescence(world)


def test_a_pause_that_the_engine_never_had_is_none_after_the_boot(tmp_path: Path) -> None:
    """Its words are journaled, then the process dies: nobody was told that the gate is closed."""
    world = running(tmp_path)
    Forger(world).command("pause", given=False)
    world.on_death("kill -9")
    created = len(world.venue.exchange.bookkeeping(1).open)
    world.boot()
    world.run_until(world.now_ns + 30 * SECOND_NS)
    assert world.engine.state.core[0]["state"] == TradingState.RUNNING
    assert created and world.venue.exchange.bookkeeping(1).open
