"""What outlives a boot: the journal's header, the state of the last run, and its way back.

A run's records begin with a HEADER that holds everything a replay needs, then a SNAPSHOT.
Restoring builds the engine of the last run from its own header, loads its newest snapshot,
turns the crank over the tail, and carries the books over to the engine of the profile of
today: limits and parameters may have changed, books may not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple, Protocol

import msgspec
import numpy as np

from hftd.config import own_strategy
from hftd.config.load import LoadedProfile
from hftd.config.schema import Profile
from hftd.config.strategy_parameters import OwnStrategy
from hftd.domain.actions import Action
from hftd.domain.events import EVENT, Link
from hftd.domain.facts import FACT
from hftd.domain.instrument import Instrument
from hftd.drivers.account import Account, account_of, require_account
from hftd.drivers.carried import carry_ring, leave_out, take_steps
from hftd.drivers.loop import Loop
from hftd.drivers.stamps import NoStamps
from hftd.engine.engine import Engine
from hftd.engine.state import State, layout_hash
from hftd.errors import InvariantBroken, JournalDamaged, ProfileError
from hftd.journal.reader import JournalReader, Run, Snapshot
from hftd.journal.record import Record, RecordType, frame_waited, split_frame
from hftd.store.words import RunWords, layout_words
from hftd.venues.port import Codec


class BuildEngine(Protocol):
    """Make an engine; ``source`` is the text of the user's own strategy, where a header has it."""

    def __call__(
        self, profile: Profile, instruments: Sequence[Instrument], source: str | None = None, /
    ) -> Engine:
        """Return the engine of a profile."""
        ...


BuildCodec = Callable[[Profile, Sequence[Instrument], str], Codec]

CARRIED_CORE = (
    "now_ns",
    "decision_seq",
    "pause_mask",
    "day",
    "day_open_equity_atoms",
    "day_start_equity_atoms",
    "peak_equity_atoms",
    "day_loss_atoms",
    "drawdown_atoms",
    "turnover_atoms",
    "total_atoms",
    "rate_limited_until_ns",
    "banned_until_ns",
    "next_alert",
    "orders_end",
    "latched",
    "latch_code",
)
CARRIED_INSTRUMENT = (
    "position_lots",
    "cost_atoms",
    "realized_atoms",
    "unrealized_atoms",
    "base_fee_atoms",
    "quote_fee_atoms",
    "other_fee_atoms",
    "fees_atoms",
    "own_trade_id",
    "missing_trade_id",
    "forgotten_trade_id",
    "checked_trade_id",
    "foreign_seen_id",
    "one_sided_fills",
    "mark_bid_ticks",
    "mark_ask_ticks",
    "opening_mid_half_ticks",
    "fills",
    "flatten",
)
IN_TICKS = ("mark_bid_ticks", "mark_ask_ticks", "opening_mid_half_ticks")
CARRIED_BALANCE = ("opening_known", "opening_atoms", "traded_atoms", "flow_atoms")


class Builders(NamedTuple):
    """How the composition root makes an engine and a codec."""

    engine: BuildEngine
    codec: BuildCodec


class Memory(NamedTuple):
    """What the journal knows of the last run; ``engine`` is None where there was none."""

    engine: Engine | None
    instruments: list[Instrument]
    crashed: bool
    records: int
    untold: tuple[bytes, ...] = ()
    """Facts of the last input that the process died before it could write."""
    seq: int = 0
    """The last record that was used: what is behind it, behind a gap, counts for nothing."""
    account: Account | None = None

    @property
    def latched(self) -> tuple[int, int]:
        """Return the TradingState that the latch is to hold and why, zeros where none."""
        if self.engine is None:
            return 0, 0
        core = self.engine.state.core[0]
        return int(core["latched"]), int(core["latch_code"])

    @property
    def last_ns(self) -> int:
        """Return the time of the last input, before which no clock may begin."""
        return 0 if self.engine is None else int(self.engine.state.core[0]["now_ns"])


class Silence:
    """An ink that keeps nothing: the tail is in the journal already."""

    def append(self, record_type: RecordType, ts_ns: int, payload: Any) -> int:
        """Keep nothing."""
        return 0

    def append_frame(self, ts_ns: int, link: int, frame: Any) -> int:
        """Keep nothing."""
        return 0

    def append_market(self, ts_ns: int, link: int, frame: Any) -> int:
        """Keep nothing."""
        return 0


class Facts(Silence):
    """An ink that keeps the facts of one input."""

    def __init__(self) -> None:
        self.made: list[bytes] = []

    def append(self, record_type: RecordType, ts_ns: int, payload: Any) -> int:
        """Keep a fact."""
        if record_type == RecordType.FACT:
            self.made.append(payload)
        return 0


def perform_nothing(_action: Action, _frame: bytes | None) -> None:
    """Send nothing: what a past decision wanted was done in its own time."""


def header(
    run: str, epoch: int, tag: str, loaded: LoadedProfile, instruments: Sequence[Instrument]
) -> dict[str, Any]:
    """Return the words that open a run: everything a replay needs, and no secret."""
    from hftd import __version__

    strategy = loaded.profile.strategy
    source = own_strategy.source_of(strategy) if isinstance(strategy, OwnStrategy) else None
    return {
        "run": run,
        "epoch": epoch,
        "tag": tag,
        "version": __version__,
        "layout": layout_hash(),
        "profile_name": loaded.name,
        "mode": loaded.profile.mode,
        "config_hash": loaded.config_hash,
        "profile": loaded.profile.model_dump(mode="json"),
        "fact_layout": msgspec.to_builtins(layout_words(FACT)),
        "instruments": [asdict(instrument) for instrument in instruments],
        "strategy_source": source,
    }


def build_from_header(
    words: dict[str, Any], build: Builders, source: str | None = None
) -> tuple[Engine, Codec]:
    """Return engine and codec exactly as the run had them.

    A boot hands in the ``source`` of the user's own strategy that the header keeps: the file may
    have been edited since, and what the run did with the old one has to be found again. Without
    it the file must be the same.
    Raises: JournalDamaged where the run was written under another record layout; ProfileError
    where the strategy's file is another than the run's.
    """
    if words["layout"] != layout_hash():
        raise JournalDamaged(
            f"run {words['run']}: a state of layout {layout_hash()} is needed, was "
            f"{words['layout']} (written by hftd {words['version']}); start once with --fresh"
        )
    profile = Profile.model_validate(words["profile"])
    instruments = instruments_of(words)
    codec = build.codec(profile, instruments, words["tag"])
    return build.engine(profile, instruments, source), codec


def instruments_of(words: dict[str, Any]) -> list[Instrument]:
    """Return the instruments that a header names."""
    return [Instrument(**fields) for fields in words["instruments"]]


def feed(loop: Loop, record: Record) -> bool:
    """Hand one input record to the loop; False where the record is no input."""
    if record.record_type == RecordType.FRAME_IN:
        link, frame = split_frame(record.payload)
        more = frame_waited(record.payload)
        loop.on_frame(Link(link), bytes(frame), record.ts_ns, more)
        return True
    if record.record_type == RecordType.EVENT:
        loop.on_event(np.frombuffer(bytes(record.payload), EVENT))
        return True
    return False


def recall(reader: JournalReader, build: Builders) -> Memory:
    """Return the engine as the last run left it: newest snapshot, then the tail.

    An input is in the journal before its facts: a process that died between them has left a
    fill, say, that the engine comes back with and no ledger was told of. It is told late, as the
    end of its own run: under the next header an instrument's index may mean another one.

    The tail ends at the first gap in seq. A loss of power takes the newest records of one stream
    and may leave those of the other; without an input between them the engine would decide
    otherwise than the daemon did, and have orders that never were. What stood behind the gap is
    fetched from the venue, as after any gap in our reports.
    """
    snapshot = reader.last_snapshot()
    if snapshot is None:
        return Memory(None, [], False, 0)
    run = reader.run_at(snapshot.seq)
    engine, codec = build_from_header(run.header, build, run.header.get("strategy_source"))
    restore(engine, run, snapshot)
    ink = Facts()
    loop = Loop(engine, codec, ink, perform_nothing, NoStamps())
    crashed, count, told, seq = True, 0, 0, snapshot.seq
    for record in reader.records(snapshot.seq + 1):
        if record.seq != seq + 1:
            break
        seq = record.seq
        if record.record_type in (RecordType.FRAME_IN, RecordType.EVENT):
            ink.made.clear()
            told = 0
        count += feed(loop, record)
        told += record.record_type == RecordType.FACT
        if record.record_type == RecordType.RUN_END:
            crashed = False
    untold = tuple(map(RunWords(run.header).written, ink.made[told:]))
    account = account_of(run.header["profile"])
    return Memory(engine, instruments_of(run.header), crashed, count, untold, seq, account)


def restore(engine: Engine, run: Run, snapshot: Snapshot) -> None:
    """Take the state of a snapshot, if it is of this run.

    A repair may leave a state whose HEADER was lost under the run before, which may have had other
    instruments, in another order. A run's first state stands right behind its HEADER, and says no
    epoch yet; all others say their run's.

    Raises: JournalDamaged where it is of another run.
    """
    try:
        engine.restore(snapshot.state)
    except InvariantBroken:  # Of another number of instruments.
        is_own = False
    else:
        epoch = engine.state.core[0]["epoch"]
        is_first = epoch == 0 and snapshot.first_seq == run.seq + 1
        is_own = is_first or epoch == run.header["epoch"]
    if not is_own:
        raise JournalDamaged(
            f"the state of seq {snapshot.seq} is of a run whose HEADER is lost, so nobody knows of "
            "which instruments: the venue knows balances and trades; hftd start --fresh begins a "
            "new ledger and keeps this one aside"
        )


def carry_over(
    memory: Memory, engine: Engine, instruments: Sequence[Instrument], loaded: LoadedProfile
) -> None:
    """Bring the books of the last run into a fresh engine.

    Prices do not come along where the venue has changed the tick since; nor does what the strategy
    remembers of an instrument whose tick or lot has changed. Open orders do, in the new ones.

    Raises: ProfileError where the profile of today names another account, leaves out an instrument
    with a position or an open order, or has a position in one whose lot has changed since.
    """
    if memory.engine is None:
        return
    count = int((memory.engine.state.orders["key"] != 0).sum())
    require_account(memory.account, count, loaded)
    old, new = memory.engine.state, engine.state
    for name in CARRIED_CORE:
        new.core[0][name] = old.core[0][name]
    places = place_instruments(memory, instruments, loaded)
    leave_out(old, new, places)
    if not len(places) == len(old.instruments) == len(new.instruments):
        new.core[0]["day_start_equity_atoms"] = 0  # It was of other holdings: kept anew.
    new.orders[:] = old.orders
    new.orders["instrument"] = [places.get(int(i), 0) for i in old.orders["instrument"]]
    old_opinion, opinion = memory.engine.strategy.memory, engine.strategy.memory
    for old_index, index in places.items():
        before, after = memory.instruments[old_index], instruments[index]
        same_tick, same_lot = before.tick_e8 == after.tick_e8, before.lot_e8 == after.lot_e8
        for name in CARRIED_INSTRUMENT:
            if same_tick or name not in IN_TICKS:
                new.instruments[index][name] = old.instruments[old_index][name]
        if not (same_tick and same_lot):
            take_steps(new.orders, index, before, after)
        elif old_opinion.dtype == opinion.dtype:
            opinion[index] = old_opinion[old_index]
        carry_balance(old, new, old_index, index)
    carry_one_balance(old, new, 0, 0)
    new.alerts[:] = old.alerts
    rings = ((old.tombstones, new.tombstones), (old.trades_seen, new.trades_seen))
    for place, (ring, new_ring) in enumerate(rings):
        new.rings[place] = carry_ring(ring, new_ring, int(old.rings[place]), places)


def place_instruments(
    memory: Memory, instruments: Sequence[Instrument], loaded: LoadedProfile
) -> dict[int, int]:
    """Return old index to new index of the instruments that both runs trade."""
    assert memory.engine is not None
    names = [instrument.name for instrument in instruments]
    places: dict[int, int] = {}
    for old_index, before in enumerate(memory.instruments):
        position = int(memory.engine.state.instruments[old_index]["position_lots"])
        if before.name not in names:
            orders = memory.engine.state.orders
            count = int(((orders["key"] != 0) & (orders["instrument"] == old_index)).sum())
            if count > 0:
                raise ProfileError(
                    f"{before.name}, since the ledger holds open orders in it ({count}): start "
                    "with it once more, and stop",
                    path=str(loaded.path),
                    key="instruments",
                    was=", ".join(names),
                )
            if position != 0:
                raise ProfileError(
                    f"{before.name}, since the ledger holds a position of "
                    f"{before.qty_text(position)} in it",
                    path=str(loaded.path),
                    key="instruments",
                    was=", ".join(names),
                )
            continue
        after = instruments[names.index(before.name)]
        if before.lot_e8 != after.lot_e8 and position != 0:
            raise ProfileError(
                f"{before.name}: the lot of the ledger's position, {before.lot_size} (or start "
                "--fresh)",
                path=str(loaded.path),
                key="venue",
                was=after.lot_size,
            )
        places[old_index] = names.index(before.name)
    return places


def carry_balance(old: State, new: State, old_index: int, index: int) -> None:
    """Carry the balance of an instrument's base asset over."""
    before = int(old.instruments[old_index]["base_asset"])
    carry_one_balance(old, new, before, int(new.instruments[index]["base_asset"]))


def carry_one_balance(old: State, new: State, before: int, after: int) -> None:
    """Carry one balance over."""
    for name in CARRIED_BALANCE:
        new.balances[after][name] = old.balances[before][name]
