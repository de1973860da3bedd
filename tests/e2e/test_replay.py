"""A journal again: the same facts after a stop and after a crash, and a forged one is found."""

from __future__ import annotations

import re
from decimal import Decimal
from pathlib import Path

import numpy as np

from hftd.domain.facts import FACT, FactKind
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

    segment, offset = _middle_fact(instance.state / "journal")
    _flip(segment, offset)
    done = instance.run("hftd", "replay", "last")
    assert done.returncode == 65, done.stdout + done.stderr
    assert segment.name in done.stderr and re.search(r"offset \d+", done.stderr)
    started = instance.run("hftd", "start")
    assert started.returncode == 65, started.stdout + started.stderr
    assert "hftd db repair canary" in started.stderr
    assert instance.exchange_pid() is None and not instance.control.exists()
    _flip(segment, offset)


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
    # Before the opening balances were fixed: nobody may guess a position.
    early, late = _facts_of_last_run(instance.state / "journal")
    _flip(*early)
    refused = instance.run("hftd", "db", "repair", "canary")
    assert refused.returncode == 65 and "opening balances" in refused.stderr, refused.stderr
    _flip(*early)
    # Behind the snapshot that the run began with, and before all its fills.
    _flip(*late)
    assert instance.run("hftd", "start").returncode == 65
    _repaired(instance)

    instance.start(*SOON).await_line("HALTED")
    venue = instance.venue()
    # A latched HALTED is told before the recovery has come to its end.
    until(lambda: instance.truly_open() == [], "no open order")

    # The fills of orders that the lost part placed are flows: nobody else knows whose they were.
    def held_and_flown() -> Decimal:
        held = Decimal(instance.ask("positions")["positions"][0]["position_base"])
        flows = instance.sql("SELECT delta FROM flows WHERE asset = 'BTC'")
        return held + sum((Decimal(row[0]) for row in flows), Decimal(0))

    until(lambda: held_and_flown() == venue.position(), "position and flows are the venue's")
    assert instance.hftctl("ack").returncode == 0
    reset = instance.hftctl("reset", "--reason", "looked")
    assert reset.returncode == 0, reset.stdout + reset.stderr
    assert instance.hftctl("resume").returncode == 0
    instance.await_state("RUNNING")
    assert instance.sql("SELECT count(*) FROM differences WHERE ours <> venues") == [(0,)]
    assert instance.daemon is not None and instance.daemon.stop() == 0
    done = instance.run("hftd", "replay", "last")
    assert done.returncode == 0, done.stdout + done.stderr


def _facts_of_last_run(folder: Path) -> tuple[tuple[Path, int], tuple[Path, int]]:
    """Return where a fact stands of before the first order, and where the first order's does."""
    records = list(JournalReader(folder).records(1))
    snapshot = max(r.seq for r in records if r.record_type == RecordType.SNAPSHOT)
    facts = [
        bytes(r.payload) for r in records if r.seq > snapshot and r.record_type == RecordType.FACT
    ]
    orders = [fact for fact in facts if np.frombuffer(fact, FACT)[0]["kind"] == FactKind.ORDER]
    return _place_of(folder, facts[0]), _place_of(folder, orders[0])


def _middle_fact(folder: Path) -> tuple[Path, int]:
    facts = [
        bytes(record.payload)
        for record in JournalReader(folder).records(1)
        if record.record_type == RecordType.FACT
    ]
    # A fact in the middle: the journal goes on behind it, so that it is no torn tail.
    return _place_of(folder, facts[len(facts) // 2])


def _place_of(folder: Path, payload: bytes) -> tuple[Path, int]:
    for segment in sorted(folder.glob("orders-*.hj")):
        at = segment.read_bytes().find(payload)
        if at >= 0:
            return segment, at
    raise AssertionError("the fact stands in no segment")


def _flip(segment: Path, offset: int) -> None:
    data = bytearray(segment.read_bytes())
    data[offset + 8] ^= 1
    segment.write_bytes(data)
