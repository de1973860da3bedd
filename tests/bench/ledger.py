"""How many facts a second the recorder brings into the ledger, on SQLite and on a real Postgres.

A journal of whole trades (orders, fills, positions, balances, stage times) is projected as the
recorder does it: read, decoded, in its batches of one transaction. Beside it one bare insert of as
many rows of an order's event in the same batches by the same driver, with nothing decoded. Then
the recorder itself, the process with its log lines, catches up with the same journal. Each is the
best of some rounds, in turns: whoever else computes takes from both.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine, func, insert, select

from hftd.domain.facts import FACT
from hftd.journal.cursor import published
from hftd.journal.reader import JournalReader
from hftd.journal.record import RecordType, Stream
from hftd.runtime.recorder_ledger import BATCH_RECORDS
from hftd.store import tables
from hftd.store.database import migrate, open_database
from hftd.store.projector import Projector
from tests.bench import rows
from tests.postgres import Postgres
from tests.store.days_work import DaysWork

QUOTES, ROUNDS = 6_000, 3
AIM = 20_000
ORDERS = (Stream.ORDERS,)
LOOK_S, WITHIN_S = 0.005, 60.0


def write(folder: Path) -> int:
    """Write the journal; return how many facts it holds."""
    day = DaysWork(folder, segment_bytes=16 << 20)
    day.begin()
    for _ in range(QUOTES):
        day.quote()
    day.end()
    facts = 0
    for record in JournalReader(folder).records():
        if record.record_type == RecordType.FACT:
            facts += len(record.payload) // FACT.itemsize
    return facts


def project(url: str, folder: Path) -> float:
    """Project the whole journal into an empty ledger; return the seconds."""
    engine = open_database(url)
    migrate(engine)
    projector = Projector(engine)
    began = time.perf_counter()
    tail = JournalReader(folder).tail(1, ORDERS)
    while records := tail.read(BATCH_RECORDS):
        projector.project(records)
    took = time.perf_counter() - began
    with engine.connect() as connection:
        fills = connection.scalar(select(func.count()).select_from(tables.FILLS))
    engine.dispose()
    assert fills == 2 * QUOTES, f"{2 * QUOTES} fills are needed, were {fills}"
    return took


def bare(url: str, facts: int) -> float:
    """Insert as many rows into that ledger without a journal; return the seconds."""
    engine = open_database(url)
    with engine.connect() as connection:
        row = dict(connection.execute(select(tables.ORDER_EVENTS).limit(1)).mappings().one())
    began = time.perf_counter()
    for begin in range(0, facts, BATCH_RECORDS):
        with engine.begin() as connection:
            numbers = range(begin, min(begin + BATCH_RECORDS, facts))
            many = [row | {"seq": 10**9 + at} for at in numbers]
            connection.execute(insert(tables.ORDER_EVENTS), many)
    took = time.perf_counter() - began
    engine.dispose()
    return took


def catch_up(url: str, folder: Path, place: Path) -> float:
    """Have a recorder, the process, read the journal; return the share of it in a second.

    Timed from the first batch that it has brought into the ledger: its start-up is no rate. 0
    where it took too long: it is nice, and on a loaded machine everybody else comes first.
    """
    engine: Engine = open_database(url)
    migrate(engine)
    engine.dispose()
    last_seq = max(record.seq for record in JournalReader(folder).records(streams=ORDERS))
    (folder / "recorder.json").unlink(missing_ok=True)
    command = [sys.executable, "-m", "hftd.runtime.recorder_start", "--name", "bench"]
    command += ["--parent", str(os.getpid()), "--state", str(folder.parent)]
    command += ["--runtime", str(place), "--database", url]
    environ = {**os.environ, "PYTHONPATH": str(rows.ROOT)}
    pause, deadline, seen = threading.Event(), time.monotonic() + WITHIN_S, (0.0, 0)
    with subprocess.Popen(command, env=environ, start_new_session=True) as recorder:
        try:
            while (seq := published(folder).seq) < last_seq:
                if seq and not seen[1]:
                    seen = (time.perf_counter(), seq)
                assert recorder.poll() is None, f"the recorder ended with {recorder.returncode}"
                if time.monotonic() > deadline:
                    return 0.0
                pause.wait(LOOK_S)
            took = time.perf_counter() - seen[0]
        finally:
            recorder.kill()
    return (last_seq - seen[1]) / last_seq / took


def rows_of(name: str, facts: int, rates: dict[str, float]) -> list[rows.Row]:
    """Return the rows of one database."""
    what, process = f"facts a second into {name}", f"the recorder catches up, {name}"
    ours, floor, whole = rates["projected"], rates["bare"], rates["process"]
    return [
        rows.Row(what, ours, "1/s", "bare insert", floor, floor / ours),
        rows.Row(what, ours, "1/s", "aim", 2 * AIM, ours / AIM / 2, "higher", 1.0),
        rows.Row(process, whole, "1/s", "aim", 2 * AIM, whole / AIM / 2, "higher", 1.0,
                 note="the process, with its log lines and syncs")
        if whole else
        rows.Row(process, note=f"nice as it is, not done in {WITHIN_S:g} s beside other work"),
    ]  # fmt: skip


def run() -> rows.Parts:
    """Return the rows of this part."""
    found: dict[str, dict[str, float]] = {"SQLite": {}, "Postgres": {}}
    with tempfile.TemporaryDirectory() as place, closing(Postgres()) as postgres:
        folder = Path(place) / "journal"
        facts = write(folder)
        for number in range(ROUNDS):
            for name, best in found.items():
                urls = [
                    f"sqlite:///{place}/{number}{way}.db" if name == "SQLite"
                    else postgres.database()
                    for way in ("once", "process")
                ]  # fmt: skip
                taken = {
                    "projected": facts / project(urls[0], folder),
                    "bare": facts / bare(urls[0], facts),
                    "process": facts * catch_up(urls[1], folder, Path(place)),
                }
                best.update({way: max(rate, best.get(way, 0)) for way, rate in taken.items()})
    return {"ledger": [row for name in found for row in rows_of(name, facts, found[name])]}


if __name__ == "__main__":
    rows.main("ledger", run)
