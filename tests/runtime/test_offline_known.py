"""Which words the offline kill goes by, and how little of a long journal it reads for them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hftd.errors import JournalDamaged
from hftd.journal import segment
from hftd.journal.record import SEGMENT_HEAD_BYTES, RecordType, Stream, encode_record
from hftd.journal.writer import JournalWriter
from hftd.runtime.offline_known import last_header
from hftd.runtime.paths import InstancePaths

FORGED = b'{"run":"forged","tag":"t"}'


@pytest.fixture
def paths(tmp_path: Path) -> InstancePaths:
    """Return the paths of an instance whose newest run fills many segments."""
    found = InstancePaths.locate("long", {"STATE_DIRECTORY": str(tmp_path)})
    for run, records in (("first", 2), ("second", 60)):
        writer = JournalWriter(found.journal_dir, segment_bytes=8192, disk_floor_bytes=0)
        writer.open({"run": run, "tag": "t"}, 0)
        for _ in range(records):
            writer.append(RecordType.FACT, 0, bytes(800))
        writer.close()
    return found


def test_the_words_of_the_last_run_are_found_without_reading_all_of_it(
    paths: InstancePaths,
) -> None:
    """In a segment that a later one says to be in the midst of a run, nothing is looked for."""
    (_, *middle, _) = segment.segments(paths.journal_dir, Stream.ORDERS)
    assert len(middle) > 3
    for path, head in middle:
        forged, _ = encode_record(RecordType.HEADER, 50, 0, FORGED, head.chain)
        with path.open("r+b") as file:
            file.seek(SEGMENT_HEAD_BYTES)
            file.write(forged)
    assert last_header(paths)["run"] == "second"


def test_segments_without_a_valid_head_are_all_looked_at(paths: InstancePaths) -> None:
    """Nothing that is damaged may keep orders on the market; where no run is, that is said."""
    parts = segment.segments(paths.journal_dir, Stream.ORDERS)
    for path, _ in parts[1:]:
        with path.open("r+b") as file:
            file.write(b"spoiled")
    assert last_header(paths)["run"] == "second"
    parts[0].path.unlink()
    with pytest.raises(JournalDamaged, match="no run is in it"):
        last_header(paths)
