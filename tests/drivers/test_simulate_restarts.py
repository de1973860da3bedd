from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, select

from hftd.config.load import load_profile
from hftd.domain.codes import Code, TradingState
from hftd.domain.events import CommandKind
from hftd.domain.facts import FACT, FactKind
from hftd.drivers.memory import recall
from hftd.drivers.replay import replay
from hftd.drivers.simulate_process import ProcessDied
from hftd.drivers.simulate_restarts import SECOND_NS, STOPPED, RestartingWorld
from hftd.drivers.watch import Watch
from hftd.errors import JournalDamaged
from hftd.journal import segment
from hftd.journal.reader import JournalReader
from hftd.journal.record import SEGMENT_HEAD_BYTES, RecordType, Stream, read_record
from hftd.journal.repair import plan, repair
from hftd.simex.flow_noise import Noise
from hftd.store import tables
from hftd.store.projector import Projector
from tests.bench.hour import ACCOUNT, BUILD


def world_of(folder: Path, seed: int, *sets: str) -> RestartingWorld:
    """Return a market maker's world on a disk, with nobody watching."""
    loaded = load_profile("market-making", sets=[f"venue.market.seed={seed}", *sets], environ={})
    return RestartingWorld(loaded, BUILD, seed, folder, Watch(seed, lambda _world, _watch: ()))


def after(world: RestartingWorld, seconds: float) -> None:
    """Let so much time pass."""
    world.run_until(world.now_ns + int(seconds * SECOND_NS))


def end(world: RestartingWorld, how: str) -> None:
    """End the process by a stop, or by a death of that kind."""
    if how == "stop":
        world.command(CommandKind.STOP)
        after(world, 5)
        assert world.ended == (STOPPED, 0)
    else:
        world.on_death(how)


def truth_lots(world: RestartingWorld) -> int:
    """Return the position by the exchange's own trades."""
    trades = world.venue.exchange.bookkeeping(ACCOUNT).trades.get("BTCUSDT", [])
    return sum(trade.qty_lots if trade.is_buyer else -trade.qty_lots for trade in trades)


def state_of(world: RestartingWorld) -> tuple[TradingState, Code]:
    """Return trading state and reason."""
    core = world.engine.state.core[0]
    return TradingState(int(core["state"])), Code(int(core["state_code"]))


@pytest.mark.parametrize("kind", ["kill -9", "power"])
@pytest.mark.parametrize("seed", [1, 2])
def test_a_daemon_that_dies_in_mid_step_comes_back_with_the_exchanges_truth(
    kind: str, seed: int, tmp_path: Path
) -> None:
    """Five deaths at random effects, by process or by power: RUNNING, and position for position."""
    world, noise = world_of(tmp_path, seed), Noise(seed)
    world.boot()
    for _ in range(5):
        after(world, noise.between(5, 30))
        world.dies_how, world.dies_at = kind, world.boundaries + 1 + noise.below(40)
        after(world, 3)
        assert world.ended == ("dead", kind)
        after(world, noise.below(3))
        world.boot()
    after(world, 30)
    assert state_of(world) == (TradingState.RUNNING, Code.RECONCILED)
    assert int(world.engine.state.instruments[0]["position_lots"]) == truth_lots(world) != 0


def test_a_kill_outlives_the_power(tmp_path: Path) -> None:
    """Killed, then without power: the next boot is KILLED, places nothing, and reset leads on."""
    world = world_of(tmp_path, 3)
    world.boot()
    after(world, 20)
    assert world.command(CommandKind.KILL) == Code.NONE
    world.on_death("power")
    after(world, 5)
    world.boot()
    after(world, 20)
    assert state_of(world) == (TradingState.KILLED, Code.KILL)
    assert int(world.engine.state.core[0]["submitted"]) == 0
    assert not world.venue.exchange.bookkeeping(ACCOUNT).open
    assert world.command(CommandKind.ACK) == Code.NONE
    assert world.command(CommandKind.RESET) == Code.NONE
    after(world, 5)
    assert world.command(CommandKind.RESUME) == Code.NONE
    after(world, 10)
    assert state_of(world)[0] == TradingState.RUNNING
    assert world.venue.exchange.bookkeeping(ACCOUNT).open


@pytest.mark.parametrize("how", ["stop", "kill -9"])
def test_a_pause_outlives_the_process_until_resume(how: str, tmp_path: Path) -> None:
    """Who paused to trade by hand is not quoted beside, however the process ended."""
    world = world_of(tmp_path, 3)
    world.boot()
    after(world, 20)
    assert world.command(CommandKind.PAUSE) == Code.NONE
    after(world, 2)
    end(world, how)
    world.boot()
    after(world, 10)
    assert state_of(world) == (TradingState.PAUSED, Code.OPERATOR)
    assert int(world.engine.state.core[0]["submitted"]) == 0
    assert world.command(CommandKind.RESUME) == Code.NONE
    after(world, 10)
    assert world.venue.exchange.bookkeeping(ACCOUNT).open


def test_every_run_of_a_world_with_deaths_replays(tmp_path: Path) -> None:
    """A clean end, a kill -9, a loss of power: each run gives its outputs again."""
    world = world_of(tmp_path, 4)
    for kind in ("kill -9", "power", "stop"):
        world.boot()
        after(world, 25)
        end(world, kind)
    runs = JournalReader(world.journal_folder).runs()
    assert len(runs) == 3
    for run in runs:
        assert replay(world.journal_folder, run.name, BUILD).outputs > 50


@pytest.mark.parametrize("stream", [Stream.MARKET, Stream.ORDERS])
def test_a_tail_that_lacks_records_of_one_stream_is_used_up_to_there(
    stream: Stream, tmp_path: Path
) -> None:
    """What a loss of power may leave: decisions without their inputs, or inputs without the rest.

    The boot goes on from the first gap, what traded behind it comes from the venue, and a replay
    of the life before ends at the gap too.
    """
    world = world_of(tmp_path, 4, "venue.market.preset=busy")
    world.boot()
    after(world, 40)
    world.on_death("kill -9")
    before = truth_lots(world)
    gap_seq = tear(world.journal_folder, stream)
    remembered = recall(JournalReader(world.journal_folder), BUILD)
    assert remembered.seq == gap_seq - 1 and remembered.engine is not None
    assert int(remembered.engine.state.instruments[0]["position_lots"]) != before
    run = JournalReader(world.journal_folder).runs()[0].name
    assert replay(world.journal_folder, run, BUILD).gap_after_seq == gap_seq - 1
    world.boot()
    after(world, 30)
    assert state_of(world) == (TradingState.RUNNING, Code.RECONCILED)
    assert int(world.engine.state.instruments[0]["position_lots"]) == truth_lots(world)


@pytest.mark.parametrize("is_first", [True, False])
def test_a_state_whose_header_is_lost_is_not_read_by_another_runs(
    is_first: bool, tmp_path: Path
) -> None:
    """As a repair leaves it: the run before may have had other instruments under these numbers."""
    world = world_of(tmp_path / "state", 3)
    world.boot()
    after(world, 5)
    world.on_death("kill -9")
    world.boot()
    after(world, 5)
    assert world._run is not None
    if not is_first:
        world._run.keep_short(world.process.ts_ns(), 1)
    world.on_death("kill -9")
    folder = world.journal_folder
    last = JournalReader(folder).runs()[-1].seq
    recall(JournalReader(folder), BUILD)
    for record in JournalReader(folder).records():
        if record.seq == last:
            words = bytes(record.payload)
    (path,) = (each for each in folder.glob("orders-*") if words in each.read_bytes())
    with path.open("r+b") as file:
        file.seek(path.read_bytes().find(words) + 20)
        file.write(b"spoiled")

    def judge(fresh: Path) -> None:
        assert [run.seq for run in JournalReader(fresh).runs()][-1] < last
        recall(JournalReader(fresh), BUILD)

    with pytest.raises(JournalDamaged, match="of a run whose HEADER is lost"):
        repair(folder, tmp_path / "aside", plan(folder), 0, judge)


def tear(folder: Path, stream: Stream) -> int:
    """Zero the last third of a stream, whose seqs the other has behind it; return the first."""
    path = segment.segment_path(folder, stream, 1)
    view = segment.map_file(path, writable=True)
    with memoryview(view) as bytes_:
        pos, chain, places = SEGMENT_HEAD_BYTES, 0, []
        while found := read_record(bytes_, pos, chain, stream):
            places.append((found.record.seq, pos))
            pos, chain = found.end, found.chain
            found.record.payload.release()
        seq, begin = places[2 * len(places) // 3]
        bytes_[begin:pos] = bytes(pos - begin)
    view.close()
    (folder / "recorder.json").unlink()  # Which says how far the disk had it.
    return seq


def test_a_full_disk_halts_and_a_disk_that_refuses_a_sync_halts(tmp_path: Path) -> None:
    """Both are JOURNAL, latched, and no order stays; after a restart with room, reset leads on."""
    for number, fault in enumerate(("full", "failing")):
        world = world_of(tmp_path / fault, 5 + number)
        world.boot()
        after(world, 10)
        setattr(world.disk, fault, True)
        after(world, 5)
        assert state_of(world) == (TradingState.HALTED, Code.JOURNAL)
        assert not world.venue.exchange.bookkeeping(ACCOUNT).open
        setattr(world.disk, fault, False)
        world.on_death("kill -9")
        world.boot()
        after(world, 10)
        assert state_of(world) == (TradingState.HALTED, Code.JOURNAL)
        world.command(CommandKind.ACK)
        world.command(CommandKind.ACK)
        world.command(CommandKind.RESET)
        after(world, 5)
        world.command(CommandKind.RESUME)
        after(world, 5)
        assert state_of(world)[0] == TradingState.RUNNING


def test_the_same_seed_gives_the_same_trace(tmp_path: Path) -> None:
    """Two worlds of one seed write the same records and frames; another seed does not."""

    def trace(folder: Path, seed: int) -> str:
        world = world_of(folder, seed)
        world.boot()
        after(world, 20)
        world.on_death("power")
        world.boot()
        after(world, 20)
        return world.digest.hexdigest()

    assert trace(tmp_path / "a", 7) == trace(tmp_path / "b", 7) != trace(tmp_path / "c", 8)


class DiesOverAFill(RestartingWorld):
    """A world whose process dies between a fill's report and the fact of it, once."""

    died = False

    def boundary(self, what: str) -> None:
        """Die where the next record would tell of a fill."""
        super().boundary(what)
        if not self.died and self.boots and (self.engine.facts["kind"] == FactKind.FILL).any():
            self.died = True
            raise ProcessDied("kill -9")


def test_a_fill_that_the_process_died_over_is_told_to_the_ledger_late(tmp_path: Path) -> None:
    """The report is journaled, the fact is not: the next run tells it once, and replays."""
    loaded = load_profile("market-making", sets=["venue.market.seed=2"], environ={})
    world = DiesOverAFill(loaded, BUILD, 2, tmp_path, Watch(2, lambda _world, _watch: ()))
    world.boot()
    while world.alive:
        after(world, 1)
    world.boot()
    after(world, 30)
    world.on_death("kill -9")
    reader = JournalReader(world.journal_folder)
    told = [
        int(fact["trade_id"])
        for record in reader.records()
        if record.record_type == RecordType.FACT
        for fact in np.frombuffer(record.payload, FACT)
        if fact["kind"] == FactKind.FILL
    ]
    trades = world.venue.exchange.bookkeeping(ACCOUNT).trades["BTCUSDT"]
    assert sorted(told) == [trade.trade_id for trade in trades] != []
    assert [replay(world.journal_folder, run.name, BUILD).inputs > 0 for run in reader.runs()]


def test_a_fact_that_is_told_late_is_of_the_run_that_decided_it(tmp_path: Path) -> None:
    """The profile names its instruments in another order by then: the ledger names the right one.

    A life that traded has to be found whole by a replay too.
    """
    both = 'venue.opening_balances={BTC: "1", ETH: "10", USDT: "100000"}'
    sets = ["venue.market.seed=2", "venue.market.preset=busy", both]
    loaded, turned = [
        load_profile("market-making", sets=[f"instruments={names}", *sets], environ={})
        for names in ("[BTC-USDT, ETH-USDT]", "[ETH-USDT, BTC-USDT]")
    ]
    world = DiesOverAFill(loaded, BUILD, 2, tmp_path, Watch(2, lambda _world, _watch: ()))
    world.boot()
    while world.alive:
        after(world, 1)
    world.loaded = turned
    world.boot()
    after(world, 30)
    world.on_death("kill -9")
    reader = JournalReader(world.journal_folder)
    ledger = create_engine("sqlite://")
    tables.METADATA.create_all(ledger)
    Projector(ledger).project(list(reader.records(streams=(Stream.ORDERS,))))
    fills = tables.FILLS.c
    with ledger.connect() as connection:
        rows = connection.execute(select(fills.instrument, fills.trade_id)).all()
    truth = world.venue.exchange.bookkeeping(ACCOUNT).trades
    wanted = [(f"{symbol[:3]}-USDT", trade.trade_id) for symbol in truth for trade in truth[symbol]]
    assert sorted(rows) == sorted(wanted) != []
    for run in reader.runs():
        replay(world.journal_folder, run.name, BUILD)


@pytest.mark.parametrize("back_s", [2, 3600])
def test_a_wall_clock_that_was_set_back_between_two_boots_stops_nobody(
    back_s: int, tmp_path: Path
) -> None:
    """Time goes on from the journal's last record; the wrong clock halts, the right one trades."""
    world = world_of(tmp_path, 3)
    world.boot()
    after(world, 20)
    last_ns = int(world.engine.state.core[0]["now_ns"])
    world.clocks.step(-back_s * SECOND_NS)
    world.on_death("kill -9")
    after(world, 1)
    world.boot()
    after(world, 20)
    assert state_of(world) == (TradingState.HALTED, Code.CLOCK)
    assert int(world.engine.state.core[0]["now_ns"]) > last_ns
    world.clocks.set_right()
    after(world, 25)
    assert world.command(CommandKind.ACK) == Code.NONE
    assert world.command(CommandKind.RESET) == Code.NONE
    after(world, 5)
    assert world.command(CommandKind.RESUME) == Code.NONE
    after(world, 10)
    assert state_of(world)[0] == TradingState.RUNNING
    assert world.venue.exchange.bookkeeping(ACCOUNT).open


def test_who_stood_still_sends_nothing_new_on_what_waited_for_it(tmp_path: Path) -> None:
    """C25: a process that wakes after seconds pauses before it quotes, and quotes again in time."""
    world = world_of(tmp_path, 8)
    world.boot()
    core = world.engine.state.core[0]
    for seconds in (10, 3, 17):
        after(world, 30)
        assert core["state"] == TradingState.RUNNING
        submitted = core["submitted"]
        world.process.freeze(seconds * SECOND_NS)
        after(world, seconds + 1)
        assert (core["state"], core["state_code"]) == (TradingState.PAUSED, Code.LOOP_LAG)
        assert core["submitted"] == submitted > 0
