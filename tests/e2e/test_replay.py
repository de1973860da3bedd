"""A journal again: the same facts after a stop and after a crash, and a forged one is found."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

from hftd.journal.reader import JournalReader
from hftd.journal.record import RecordType
from tests.e2e.daemon import Instance, until

SOON = ("--set", "venue.market.seed=2")  # A market in which a side is soon taken.


def test_a_run_is_replayed_and_a_forged_one_is_found(instance: Instance) -> None:
    """No difference after kill -9 and after a stop; one flipped byte of a fact is named."""
    crashed = instance.start().running()
    instance.await_quotes()
    crashed.crash()
    done = instance.run("hftd", "replay", "last")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no difference" in done.stdout and "did not end" in done.stdout

    stopped = instance.start().running()
    instance.await_quotes()
    assert stopped.stop() == 0
    done = instance.run("hftd", "replay", "last")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "equal to the run's" in done.stdout

    segment, payload = _last_fact(instance.state / "journal")
    _flip(segment, payload)
    done = instance.run("hftd", "replay", "last")
    assert done.returncode == 65, done.stdout + done.stderr
    assert segment.name in done.stderr and re.search(r"offset \d+", done.stderr)
    started = instance.run("hftd", "start")
    assert started.returncode == 65, started.stdout + started.stderr
    assert "hftd db repair canary" in started.stderr
    assert instance.exchange_pid() is None and not instance.control.exists()


def _repaired(instance: Instance) -> None:
    repaired = instance.run("hftd", "db", "repair", "canary")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert "lost: orders-" in repaired.stdout and "records after seq" in repaired.stdout
    assert list(instance.state.glob("damaged-*/journal/orders-*.hj")), "kept aside"
    again = instance.run("hftd", "db", "repair", "canary")
    assert again.returncode == 0 and "nothing is damaged" in again.stdout


def test_a_damaged_journal_is_repaired_and_the_venue_fills_the_gap(instance: Instance) -> None:
    """Damage behind the newest snapshot: fills that the journal lost come back from the venue."""
    crashed = instance.start(*SOON).running()
    instance.await_quotes()
    until(lambda: instance.sides_filled() != set(), "a fill", 120.0)
    crashed.crash()
    # Behind the snapshot that the run began with, and before all its fills.
    segment, payload = _fact_after_snapshot(instance.state / "journal")
    _flip(segment, payload)
    assert instance.run("hftd", "start").returncode == 65
    _repaired(instance)

    instance.start(*SOON).running()
    assert instance.hftctl("pause").returncode == 0
    venue = instance.venue()
    assert instance.truly_open() == []
    held = Decimal(instance.ask("positions")["positions"][0]["position_base"])
    assert held == venue.position() and venue.trades()
    instance.recorded()
    rows = instance.sql("SELECT trade_id FROM fills ORDER BY trade_id")
    assert [row[0] for row in rows] == [trade["id"] for trade in venue.trades()]
    assert instance.daemon is not None and instance.daemon.stop() == 0
    done = instance.run("hftd", "replay", "last")
    assert done.returncode == 0, done.stdout + done.stderr


def _fact_after_snapshot(folder: Path) -> tuple[Path, bytes]:
    records = list(JournalReader(folder).records(1))
    snapshot = max(r.seq for r in records if r.record_type == RecordType.SNAPSHOT)
    facts = [
        bytes(r.payload) for r in records if r.seq > snapshot and r.record_type == RecordType.FACT
    ]
    return _place_of(folder, facts[3])


def _last_fact(folder: Path) -> tuple[Path, bytes]:
    facts = [
        bytes(record.payload)
        for record in JournalReader(folder).records(1)
        if record.record_type == RecordType.FACT
    ]
    # A fact in the middle: the journal goes on behind it, so that it is no torn tail.
    return _place_of(folder, facts[len(facts) // 2])


def _place_of(folder: Path, payload: bytes) -> tuple[Path, bytes]:
    for segment in sorted(folder.glob("orders-*.hj")):
        if payload in segment.read_bytes():
            return segment, payload
    raise AssertionError("the fact stands in no segment")


def _flip(segment: Path, payload: bytes) -> None:
    data = bytearray(segment.read_bytes())
    data[data.index(payload) + 8] ^= 1
    segment.write_bytes(data)
