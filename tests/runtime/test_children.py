"""What the files of the processes beside the engine say, where anything may stand in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from hftd.errors import JournalDamaged
from hftd.journal.cursor import RecorderCursor, published
from hftd.runtime.children import read_pid
from hftd.runtime.exchange_state import StateFolder, read_listening

GARBAGE = (b"", b"\0\xff{]", b"[]", b'{"host": 1}', b"9" * 5000, b"-1", b"[" * 100_000)


@pytest.mark.parametrize("content", GARBAGE)
def test_what_cannot_be_read_says_nothing(content: bytes, tmp_path: Path) -> None:
    """No pid, no address, no port and nothing read: never a bug of ours."""
    for name in ("exchange.json", "recorder.lock", "port", "recorder.json"):
        (tmp_path / name).write_bytes(content)
    assert read_listening(tmp_path) is None
    assert read_pid(tmp_path / "recorder.lock") is None
    assert StateFolder(tmp_path).last_port() == 0
    assert published(tmp_path) == RecorderCursor()


def test_a_folder_in_the_place_of_the_cursor_is_nothing_read(tmp_path: Path) -> None:
    """A start refuses it by its path; who only looks sees that nothing is known."""
    (tmp_path / "recorder.json").mkdir()
    assert published(tmp_path) == RecorderCursor()


@pytest.mark.parametrize("name", ["accounts.json", "port", "exchange.lock", "accounts.1.log"])
def test_an_exchange_refuses_a_folder_in_the_place_of_its_file(name: str, tmp_path: Path) -> None:
    """One line with its path, before anything is locked or read."""
    (tmp_path / name).mkdir()
    with pytest.raises(JournalDamaged, match=f"{name}: a file is needed, was a folder"):
        StateFolder(tmp_path).__enter__()


def test_what_is_written_there_is_read(tmp_path: Path) -> None:
    """A port is one of 65,535."""
    (tmp_path / "recorder.lock").write_bytes(b" 4194304\n")
    assert read_pid(tmp_path / "recorder.lock") == 4194304
    for port, read in ((b"65535", 65535), (b"65536", 0), (b"1", 1)):
        (tmp_path / "port").write_bytes(port)
        assert StateFolder(tmp_path).last_port() == read
