"""The latch of a running daemon, on a disk that takes none for a while."""

from __future__ import annotations

from pathlib import Path

from hftd.domain.codes import Code, TradingState
from hftd.drivers.latch_file import LatchFile
from hftd.runtime.identity import NO_LATCH, Latch, read_latch

KILLED = Latch(TradingState.KILLED, Code.KILL, 1)


def test_a_latch_is_kept_once_the_disk_takes_it(tmp_path: Path) -> None:
    """A failure is no exception but a fault with its reason, said once, and tried again."""
    folder, told = tmp_path / "state", list[str]()
    latch = LatchFile(folder / "latch.json", told.append)
    latch.write(*KILLED)
    latch.retry()
    assert latch.fault == "no such file or directory" and len(told) == 1
    folder.mkdir()
    latch.retry()
    assert latch.fault == "" and read_latch(folder / "latch.json") == KILLED
    assert told[1:] == ["the latch is written"]
    (folder / "latch.json").unlink()
    latch.retry()  # What did not fail is not tried again.
    assert not (folder / "latch.json").exists() and len(told) == 2
    latch.write(*NO_LATCH)
    assert read_latch(folder / "latch.json") == NO_LATCH


def test_a_boot_is_latched_by_the_journal_where_the_file_was_not_reached(tmp_path: Path) -> None:
    """A kill that is journaled holds, though the process died before its latch; a file wins."""
    path = tmp_path / "latch.json"
    latch = LatchFile(path, lambda _words: None)
    assert latch.at_boot((0, 0), 7) == NO_LATCH
    assert latch.at_boot((TradingState.KILLED, Code.KILL), 7) == KILLED._replace(ts_ns=7)
    assert read_latch(path) == KILLED._replace(ts_ns=7)
    assert latch.at_boot((TradingState.HALTED, Code.CLOCK), 8) == KILLED._replace(ts_ns=7)


def test_a_kill_of_what_had_halted_holds_where_the_file_still_says_halted(tmp_path: Path) -> None:
    """A boot that came back HALTED for a loss would go on trading to reduce it."""
    path = tmp_path / "latch.json"
    latch = LatchFile(path, lambda _words: None)
    latch.write(TradingState.HALTED, Code.DAILY_LOSS, 6)
    assert latch.at_boot((TradingState.HALTED, Code.DAILY_LOSS), 7).state == TradingState.HALTED
    assert latch.at_boot((TradingState.KILLED, Code.KILL), 7) == KILLED._replace(ts_ns=7)
    assert read_latch(path) == KILLED._replace(ts_ns=7)
