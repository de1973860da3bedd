"""``hftd db``: the ledger's tables and the journal that they are made of.

Owns the verbs, what each locks, and the lines that are printed. Must not know how tables are
filled or journals mended: that is ``store`` and ``journal/repair.py``.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from hftd.config.shelf import DEFAULT_PROFILE
from hftd.errors import HftdError, UsageError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from hftd.runtime.paths import InstancePaths

app = typer.Typer(rich_markup_mode=None)

Profile = Annotated[str, typer.Option(help="Profile, by name or file.")]
Name = Annotated[str | None, typer.Option(help="Instance; by default the profile's name.")]
Sets = Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE over the profile.")]


@app.callback()
def db() -> None:
    """Upgrade, rebuild and export the ledger; repair a damaged journal."""


@app.command(short_help="Bring the ledger's tables to this version.")
def upgrade(profile: Profile = DEFAULT_PROFILE, name: Name = None, sets: Sets = None) -> None:
    """Bring the ledger's tables to this version; SQLite does so by itself at a start."""
    from hftd.store.database import is_current, migrate

    with _ledger(profile, name, sets) as (engine, _):
        if is_current(engine):
            print("the ledger's tables are of this version already")
            return
        migrate(engine)
        print(f"the ledger's tables are now of this version: {_shown(engine)}")


@app.command(short_help="Make the ledger anew from the journal.")
def rebuild(profile: Profile = DEFAULT_PROFILE, name: Name = None, sets: Sets = None) -> None:
    """Make the ledger anew from the journal; refused while a daemon runs.

    The journal is read to its end before a row is touched. One that was repaired, or whose
    first segments are elsewhere, no longer holds all that the ledger does, so that is kept.
    """
    from hftd.journal.reader import JournalReader
    from hftd.journal.record import RecordType, Stream
    from hftd.runtime.lock import InstanceLock
    from hftd.store.database import migrate, missing_grant
    from hftd.store.projector import Projector
    from hftd.store.projector import rebuild as rebuild_tables

    with _ledger(profile, name, sets) as (engine, paths):
        _require_journal(paths)
        with InstanceLock(paths.lock_path), InstanceLock(paths.journal_dir / "recorder.lock"):
            migrate(engine)
            grant = missing_grant(engine)
            if grant is not None:
                raise UsageError(f"the ledger may make no temporary table: {grant}")
            began = time.monotonic()
            journal = JournalReader(paths.journal_dir)
            first_seq, is_repaired = 0, False
            for record in journal.records(streams=(Stream.ORDERS,)):
                first_seq = first_seq or record.seq
                is_repaired = is_repaired or record.record_type == RecordType.REPAIR
            if (is_repaired or first_seq > 1) and Projector(engine).seq:
                gone = "was repaired, and what it lost"
                if not is_repaired:
                    gone = f"begins at seq {first_seq}, and what stood before it"
                raise UsageError(
                    f"the journal {gone} stands in {_shown(engine)} alone: "
                    "keep that one, and name a new, empty one by --set storage.url=…"
                )
            count = rebuild_tables(engine, journal.records(streams=(Stream.ORDERS,)))
        print(f"rebuilt from {count} records in {time.monotonic() - began:.1f} s: {_shown(engine)}")


@app.command(short_help="Write fills or orders as CSV or JSON lines.")
def export(
    what: Annotated[str, typer.Argument(help="fills or orders.")],
    form: Annotated[str, typer.Option("--format", help="csv or jsonl.")] = "csv",
    since: Annotated[
        str | None, typer.Option(help="From this time on, UTC: 2026-11-22 or 2026-11-22T09:30.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File; by default stdout.")] = None,
    profile: Profile = DEFAULT_PROFILE,
    name: Name = None,
    sets: Sets = None,
) -> None:
    """Write fills or orders as CSV or JSON lines, oldest first; a daemon may run meanwhile."""
    from hftd.store.database import is_current
    from hftd.store.export import EXPORTS, FORMATS
    from hftd.store.export import export as export_rows

    if what not in EXPORTS:
        raise UsageError(f"what to export must be {' or '.join(EXPORTS)}, was {what}")
    if form not in FORMATS:
        raise UsageError(f"--format must be {' or '.join(FORMATS)}, was {form}")
    since_ns = 0 if since is None else _time_ns(since)
    with _ledger(profile, name, sets) as (engine, _), engine.connect() as connection:
        if not is_current(engine):
            raise UsageError("the ledger has no tables of this version: hftd db upgrade")
        if out is None:
            export_rows(connection, what, form, since_ns, sys.stdout)
            return
        try:
            with _new_file(out) as file:
                count = export_rows(connection, what, form, since_ns, file)
        except FileExistsError:
            raise UsageError(f"--out {out}: it exists already, and is not overwritten") from None
        except OSError as error:
            raise UsageError(f"--out {out}: {error.strerror}") from None
        print(f"{count} {what} in {out}")


@contextmanager
def _new_file(path: Path) -> Iterator[TextIO]:
    """Open a file that was not there; half of one is not left."""
    with path.open("x", encoding="utf-8", newline="") as file:
        try:
            yield file
            file.flush()
        except BaseException:
            path.unlink()
            raise


@app.command(short_help="Keep what is good of a damaged journal.")
def repair(name: Annotated[str, typer.Argument(help="Instance.")]) -> None:
    """Keep what is good of a damaged journal, put the rest aside, and say what is lost.

    The next start restores from it and compares with the venue before it trades: our trades
    since are fetched by id, our open orders canceled, balances compared to the last unit.
    """
    from hftd.journal.repair import plan
    from hftd.journal.repair import repair as repair_journal
    from hftd.runtime.lock import InstanceLock
    from hftd.runtime.paths import InstancePaths

    paths = InstancePaths.of_existing(name)
    _require_journal(paths)
    with InstanceLock(paths.lock_path), InstanceLock(paths.journal_dir / "recorder.lock"):
        found = plan(paths.journal_dir)
        if not found.holes:
            print("nothing is damaged: every record of the journal verifies")
            return
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        aside = paths.state_dir / f"damaged-{stamp}" / "journal"

        def judge(fresh: Path) -> None:
            _require_opening(fresh)
            if found.cut_seq:
                _halt(paths)

        repair_journal(paths.journal_dir, aside, found, time.time_ns(), judge)
    for hole in found.holes:
        print(f"lost: {hole.told()}")
    if found.cut_seq:
        print(
            f"not used: {found.unused} good records behind seq {found.cut_seq}, since no whole "
            "snapshot of the state follows the damage"
        )
        print(
            "HALTED until a person has looked: a fill of an order that was placed in the lost part "
            "counts as a trade by hand (a flow), not as position; then hftctl reset --reason …"
        )
    if found.market_from:
        print(f"not used: market data before segment {found.market_from}; it serves replay alone")
    print(f"kept: {found.kept} records of orders; the state is that of seq {found.snapshot_seq} on")
    print(f"the damaged journal: {aside}")
    print(f"next: hftd start --name {name}, which asks the venue for what is missing")


def _halt(paths: InstancePaths) -> None:
    """Latch HALTED, unless it is latched already: what was lost may have been orders."""
    from hftd.domain.codes import Code, TradingState
    from hftd.runtime.identity import NO_LATCH, Latch, read_latch, write_latch

    if read_latch(paths.latch_path) == NO_LATCH:
        write_latch(paths.latch_path, Latch(TradingState.HALTED, Code.JOURNAL, time.time_ns()))


def _require_opening(journal: Path) -> None:
    """Refuse a journal whose state has no opening balances: a position would be forgotten.

    What a ledger opens with is fixed at its first start. Without it the next start would take
    the account as it finds it, and our own trades for somebody's history.
    """
    from hftd.errors import JournalDamaged
    from hftd.runtime import kernel_cache

    kernel_cache.prepare()
    from hftd import wiring
    from hftd.drivers.memory import Builders, recall
    from hftd.journal.reader import JournalReader

    build = Builders(wiring.build_engine, wiring.build_codec)
    remembered = recall(JournalReader(journal), build)
    engine = remembered.engine
    if engine is None or not engine.state.balances["opening_known"].all():
        raise JournalDamaged(
            "the damage reaches back to before the opening balances were fixed: no position can "
            "be restored, and nothing was changed. Look at positions in the ledger and at the "
            "venue; hftd start --fresh begins a new ledger and keeps this one aside"
        )
    for instrument, row in zip(remembered.instruments, engine.state.instruments, strict=True):
        position = instrument.qty_text(int(row["position_lots"]))
        trade_id = int(row["own_trade_id"])
        print(f"restored: {instrument.name}: position {position}, own trades up to id {trade_id}")


@contextmanager
def _ledger(
    profile: str, name: str | None, sets: list[str] | None
) -> Iterator[tuple[Engine, InstancePaths]]:
    """Open an instance's ledger; a database that is not there is one line."""
    from sqlalchemy import make_url
    from sqlalchemy.exc import DBAPIError

    from hftd.config.load import load_profile
    from hftd.config.secrets import resolve
    from hftd.runtime.paths import InstancePaths
    from hftd.store.database import open_database

    loaded = load_profile(profile, sets=sets or (), environ=os.environ)
    paths = InstancePaths.of_existing(name or loaded.name)
    if not paths.state_dir.is_dir():
        raise UsageError(f"instance {paths.name} has no ledger: there is no {paths.state_dir}")
    storage = loaded.profile.storage
    url = make_url(storage.url.replace("{state}", str(paths.state_dir)))
    if storage.password is not None:
        url = url.set(password=resolve(storage.password, os.environ).reveal())
    engine = open_database(url)
    try:
        yield engine, paths
    except DBAPIError as error:
        text = " ".join(str(error.orig).split())
        raise HftdError(f"the ledger {_shown(engine)} cannot be used: {text}") from None
    finally:
        engine.dispose()


def _shown(engine: Any) -> str:
    return str(engine.url.render_as_string(hide_password=True))


def _require_journal(paths: InstancePaths) -> None:
    if not paths.journal_dir.is_dir():
        raise UsageError(f"instance {paths.name} has no journal: there is no {paths.journal_dir}")


def _time_ns(text: str) -> int:
    try:
        when = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"--since must be like 2026-11-22 or 2026-11-22T09:30, was {text}"
        ) from None
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    if not 1971 <= when.year <= 2261:  # What an int64 of ns has room for, whatever the zone.
        raise UsageError(f"--since must be a year from 1971 to 2261, was {text}")
    return int(when.timestamp()) * 1_000_000_000 + when.microsecond * 1000
