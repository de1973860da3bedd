"""How many facts a second the recorder brings into the ledger, on SQLite and on a real Postgres.

A journal of whole trades (orders, fills, positions, balances, stage times) is projected as the
recorder does it: read, decoded, in batches of one transaction. Beside it one bare insert of as
many rows of an order's event in the same batches by the same driver, with nothing decoded.
"""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import Engine, func, insert, select

from hftd.domain.facts import FACT
from hftd.journal.reader import JournalReader
from hftd.journal.record import RecordType
from hftd.store import tables
from hftd.store.database import migrate, open_database
from hftd.store.projector import Projector
from tests.bench import rows
from tests.postgres import Postgres
from tests.store.days_work import DaysWork

QUOTES, BATCH = 6_000, 5_000
AIM = 20_000


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


def project(engine: Engine, folder: Path) -> float:
    """Project the whole journal; return the seconds."""
    projector = Projector(engine)
    began = time.perf_counter()
    batch = []
    for record in JournalReader(folder).records():
        batch.append(record)
        if len(batch) == BATCH:
            projector.project(batch)
            batch.clear()
    projector.project(batch)
    took = time.perf_counter() - began
    with engine.connect() as connection:
        fills = connection.scalar(select(func.count()).select_from(tables.FILLS))
    assert fills == 2 * QUOTES, f"{2 * QUOTES} fills are needed, were {fills}"
    return took


def bare(engine: Engine, facts: int) -> float:
    """Insert as many rows without a journal; return the seconds."""
    with engine.connect() as connection:
        row = dict(connection.execute(select(tables.ORDER_EVENTS).limit(1)).mappings().one())
    began = time.perf_counter()
    for begin in range(0, facts, BATCH):
        with engine.begin() as connection:
            many = [row | {"seq": 10**9 + at} for at in range(begin, min(begin + BATCH, facts))]
            connection.execute(insert(tables.ORDER_EVENTS), many)
    return time.perf_counter() - began


def run() -> rows.Parts:
    """Return the rows of this part."""
    found = []
    with tempfile.TemporaryDirectory() as place, closing(Postgres()) as postgres:
        folder = Path(place) / "journal"
        facts = write(folder)
        urls = {"SQLite": f"sqlite:///{place}/hftd.db", "Postgres": postgres.database()}
        for name, url in urls.items():
            engine = open_database(url)
            migrate(engine)
            rate, floor = facts / project(engine, folder), facts / bare(engine, facts)
            engine.dispose()
            what = f"facts a second into {name}"
            found += [
                rows.Row(what, rate, "1/s", "bare insert", floor, floor / rate),
                rows.Row(what, rate, "1/s", "aim", AIM, rate / AIM, "higher", 1.0),
            ]
    return {"ledger": found}


if __name__ == "__main__":
    rows.main("ledger", run)
