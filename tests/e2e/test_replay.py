"""A journal again: the same facts after a stop and after a crash, and a forged one is found."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from hftd.journal.reader import JournalReader
from hftd.journal.record import RecordType
from tests.e2e.daemon import Instance


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
    assert instance.exchange_pid() is None and not instance.control.exists()
    shutil.rmtree(instance.state / "journal")


def _last_fact(folder: Path) -> tuple[Path, bytes]:
    facts = [
        bytes(record.payload)
        for record in JournalReader(folder).records(1)
        if record.record_type == RecordType.FACT
    ]
    # A fact in the middle: the journal goes on behind it, so that it is no torn tail.
    payload = facts[len(facts) // 2]
    for segment in sorted(folder.glob("orders-*.hj")):
        if payload in segment.read_bytes():
            return segment, payload
    raise AssertionError("the fact stands in no segment")


def _flip(segment: Path, payload: bytes) -> None:
    data = bytearray(segment.read_bytes())
    data[data.index(payload) + 8] ^= 1
    segment.write_bytes(data)
