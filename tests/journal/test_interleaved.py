"""What a writer does between two looks of a reader: each moment by itself, not by chance."""

from pathlib import Path

from hftd.journal.reader import JournalReader
from hftd.journal.record import RecordType, Stream
from tests.journal.small import FACT, HEADER, small_writer, written_bytes


class Watched(type(Path())):
    """A folder in which something happens the moment a reader names one of its files."""

    def happen(self, name):
        """Let happen what is to, once."""
        happens = getattr(self, "happens", {}).pop(name, None)
        if happens is not None:
            happens()

    def __truediv__(self, name):
        """Name a segment."""
        self.happen(name)
        return super().__truediv__(name)

    def __format__(self, spec):
        """Name the recorder's cursor, as its own file does."""
        self.happen("cursor")
        return super().__format__(spec)


def begun(tmp_path):
    """Return a watched folder, its writer, and a tail that has read the header."""
    folder = Watched(tmp_path)
    writer = small_writer(tmp_path)
    writer.open(HEADER, 0)
    writer.append_market(0, 0, b"depth")
    tail = JournalReader(folder).tail()
    assert [record.seq for record in tail.read(10)] == [1, 2]
    return folder, writer, tail


def test_a_record_that_is_finished_while_the_next_segment_is_looked_for_is_read(tmp_path):
    """Half of it at the first look, all of it at the second: it is given at once."""
    folder, writer, tail = begun(tmp_path)
    path = tmp_path / "orders-00000001.hj"
    at = written_bytes(path) + 7 & -8
    writer.append(FACT, 0, b"slowly")
    whole = path.read_bytes()
    half = at + 20

    def put(content):
        with path.open("r+b") as file:
            file.write(content)

    put(whole[:half] + bytes(len(whole) - half))
    folder.happens = {"orders-00000002.hj": lambda: put(whole)}
    assert [bytes(record.payload) for record in tail.read(10)] == [b"slowly"]


def test_a_record_that_is_mended_while_the_tail_is_judged_is_no_damage(tmp_path):
    """The reader saw it half written and its successor whole: it looks once more."""
    folder, writer, tail = begun(tmp_path)
    path = tmp_path / "orders-00000001.hj"
    at = written_bytes(path) + 7 & -8
    writer.append(FACT, 0, b"first")
    writer.append(FACT, 0, b"second")
    whole = path.read_bytes()
    with path.open("r+b") as file:
        file.seek(at + 33)
        file.write(b"?")
    folder.happens = {"cursor": lambda: path.write_bytes(whole)}
    assert tail.read(10) == []
    assert [bytes(record.payload) for record in tail.read(10)] == [b"first", b"second"]


def test_a_record_written_after_its_stream_was_asked_is_given_in_its_order(tmp_path):
    """The market's newer record is seen first; the older one of the orders comes before it."""
    folder, writer, tail = begun(tmp_path)
    writer.append_market(0, 0, b"seen")
    assert [record.seq for record in tail.read(10)] == [3]

    def both():
        writer.append(RecordType.INTENT, 0, b"older")
        writer.append_market(0, 0, b"newer")
        writer.append_market(0, 0, b"newest")

    # The market's stream gave the last record and is asked first, the orders' next.
    folder.happens = {"orders-00000002.hj": both}
    found = tail.read(10) + tail.read(10)
    assert [(record.seq, record.stream) for record in found] == [
        (4, Stream.ORDERS), (5, Stream.MARKET), (6, Stream.MARKET),
    ]  # fmt: skip
    writer.append(RecordType.INTENT, 0, b"turns the order of asking")
    assert [record.seq for record in tail.read(10)] == [7]

    def again():
        writer.append_market(0, 0, b"older")
        writer.append(RecordType.INTENT, 0, b"newer")

    # Now the orders' stream is asked first and the market's next: what it shows is older.
    folder.happens = {"market-00000002.hj": again}
    assert [record.seq for record in tail.read(1)] == [8]
    assert [record.seq for record in tail.read(10)] == [9]
