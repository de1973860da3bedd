"""The journal's gate: what leaves when, and what a disk that refuses keeps from leaving."""

from __future__ import annotations

import errno
from pathlib import Path

import numpy as np
import pytest

from hftd.domain.actions import ACTION, Action, ActionKind, actions_of
from hftd.domain.codes import Code, TradingState
from hftd.drivers.latch_file import LatchFile
from hftd.drivers.performer import CREATES, Performer
from hftd.journal.writer import JournalFull
from hftd.runtime.identity import read_latch


class Road:
    """Keeps what was done, in order."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def perform(self, action: Action, frame: bytes | None) -> None:
        """Keep what would be sent."""
        self.done.append(f"sent {frame!r}")

    def refuse(self, frame: bytes) -> None:
        """Keep what would not."""
        self.done.append(f"refused {frame!r}")


def _action(kind: ActionKind, **fields: int) -> Action:
    row = np.zeros(1, ACTION)
    for name, value in {"kind": kind, **fields}.items():
        row[name] = value
    return actions_of(row.tobytes())[0]


def _performer(folder: Path, road: Road, *, full: JournalFull | None = None) -> Performer:
    def sync() -> None:
        road.done.append("synced")
        if full is not None:
            raise full

    latch = LatchFile(folder / "latch.json", road.done.append)
    performer = Performer(lambda: road.done.append("exit"), latch, lambda: 5, sync, sync)
    performer.roads = road
    return performer


def test_the_first_order_of_a_boot_waits_for_the_whole_journal(tmp_path: Path) -> None:
    """Whatever the gate is; where the disk refuses, the next order waits for it again."""
    road, full = Road(), [JournalFull("io", "a disk", errno.EIO)]

    def begin() -> None:
        road.done.append("all synced")
        if full:
            raise full.pop()

    latch = LatchFile(tmp_path / "latch.json", road.done.append)
    performer = Performer(lambda: None, latch, lambda: 5, begin, None)
    performer.roads = road
    for frame in (b"1", b"2", b"3"):
        performer.perform(_action(ActionKind.SUBMIT), frame)
    assert road.done == ["all synced", "refused b'1'", "all synced", "sent b'2'", "sent b'3'"]


@pytest.mark.parametrize("kind", CREATES)
def test_an_order_leaves_once_it_is_on_the_disk(tmp_path: Path, kind: ActionKind) -> None:
    """The sync comes before the send; where it fails, the order is told as never sent."""
    road = Road()
    _performer(tmp_path, road).perform(_action(kind), b"new")
    assert road.done == ["synced", "sent b'new'"]
    road = Road()
    full = JournalFull("io", "a disk", errno.EIO)
    _performer(tmp_path, road, full=full).perform(_action(kind), b"new")
    assert road.done == ["synced", "refused b'new'"]


def test_cancels_and_questions_wait_for_no_disk(tmp_path: Path) -> None:
    """What takes risk away, or asks, leaves whatever the disk says."""
    road = Road()
    performer = _performer(tmp_path, road, full=JournalFull("io", "a disk", errno.EIO))
    performer.perform(_action(ActionKind.CANCEL), b"cancel")
    performer.perform(_action(ActionKind.ASK_OPEN_ORDERS), b"ask")
    performer.perform(_action(ActionKind.RECONNECT), None)
    performer.perform(_action(ActionKind.EXIT), None)
    assert road.done == ["sent b'cancel'", "sent b'ask'", "sent None", "exit"]


def test_a_latch_is_written_with_its_time(tmp_path: Path) -> None:
    """State and code as the engine said, the time by the driver's clock."""
    latched = _action(ActionKind.LATCH, state=TradingState.KILLED, code=Code.KILL)
    _performer(tmp_path, Road()).perform(latched, None)
    assert read_latch(tmp_path / "latch.json") == (TradingState.KILLED, Code.KILL, 5)
