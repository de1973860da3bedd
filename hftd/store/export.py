"""Rows of the ledger for other programs: CSV and JSON lines, in the order of the journal.

Owns the forms; reads one table at a time and keeps no more than a page of it in memory.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from typing import Any, Final, TextIO

from sqlalchemy import Connection, select

from hftd.store.tables import FILLS, ORDERS

# What can be exported, and the column that says when it was.
EXPORTS: Final = {"fills": (FILLS, "ts_ns"), "orders": (ORDERS, "created_ts_ns")}
FORMATS: Final = ("csv", "jsonl")
PAGE_ROWS = 1000


def export(connection: Connection, what: str, form: str, since_ns: int, out: TextIO) -> int:
    """Write the rows from a time on, oldest first; return how many there were.

    A CSV has its header also where there is no row. Exact integers stand beside the decimals
    that people read, as they do in the tables.
    """
    names = [column.name for column in EXPORTS[what][0].c]
    writer = csv.writer(out, lineterminator="\n")
    if form == "csv":
        writer.writerow(names)
    count = 0
    for row in _rows(connection, what, since_ns):
        count += 1
        if form == "csv":
            writer.writerow(["" if row[name] is None else row[name] for name in names])
        else:
            out.write(json.dumps(row) + "\n")
    return count


def _rows(connection: Connection, what: str, since_ns: int) -> Iterator[dict[str, Any]]:
    table, when = EXPORTS[what]
    order = [table.c[when], table.c.seq, *(key for key in table.primary_key)]
    query = select(table).where(table.c[when] >= since_ns).order_by(*order)
    found = connection.execution_options(yield_per=PAGE_ROWS).execute(query)
    for row in found:
        yield dict(row._mapping)
