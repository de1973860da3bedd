"""One run in the journal: how it begins, is kept quick to restore, and is sealed.

Knows the journal and the engine's bytes; must not know what trades.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hftd.engine.engine import Engine
from hftd.journal.record import RecordType, encode_json
from hftd.journal.writer import JournalWriter

SNAPSHOT_RECORDS = 20_000  # A restart replays at most about this many records, in about a second.


class Run:
    """A run that has begun: header, then the state that it begins with.

    Before both stand the facts that the run before it died over. Until the state is written
    the old run's is what a boot finds, and counts them; from then on they are in the new one.
    """

    def __init__(
        self,
        journal: JournalWriter,
        engine: Engine,
        header: dict[str, Any],
        ts_ns: int,
        untold: Sequence[bytes] = (),
    ) -> None:
        self._journal = journal
        self._engine = engine
        self._snapshot_seq = 0
        self.seq = journal.open(header, ts_ns, untold)  # Of the HEADER.
        self._snapshot(ts_ns)

    def _snapshot(self, ts_ns: int) -> None:
        self._journal.append_snapshot(ts_ns, self._engine.snapshot())
        self._snapshot_seq = self._journal.seq

    def keep_short(self, ts_ns: int, most_records: int = SNAPSHOT_RECORDS) -> None:
        """Write a snapshot where the tail behind the last one has grown long."""
        if self._journal.seq - self._snapshot_seq > most_records:
            self._snapshot(ts_ns)

    def seal(self, ts_ns: int) -> None:
        """Write that the run ended as it should, and by which hash a replay may be judged."""
        seal(self._journal, self._engine, ts_ns)


def seal(journal: JournalWriter, engine: Engine, ts_ns: int) -> None:
    """Write the state's hash, the state, and that the run is over."""
    words = {"state_hash": engine.state_hash()}
    journal.append(RecordType.STATE_HASH, ts_ns, encode_json(words))
    journal.append_snapshot(ts_ns, engine.snapshot())
    journal.append(RecordType.RUN_END, ts_ns, encode_json({"code": 0}))
