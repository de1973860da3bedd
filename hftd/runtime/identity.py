"""Who this instance is for good: its tag, its boot epoch, its latch; each durable before use.

The tag and the epoch make client order ids unique for life, without a random number. The
latch keeps HALTED and KILLED over restarts; it stands in a file of its own, so that nothing
but the file system is needed to read it before a start.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import NamedTuple

from hftd.domain.codes import TradingState
from hftd.domain.order import to_base36
from hftd.errors import JournalDamaged

MACHINE_ID = Path("/etc/machine-id")
TAG_LENGTH = 6
MAX_EPOCH = (1 << 32) - 1  # A client order id has no room for more.


class Latch(NamedTuple):
    """A latched state with why and since when; state 0 where nothing is latched."""

    state: int
    code: int
    ts_ns: int


NO_LATCH = Latch(0, 0, 0)


def tag(name: str, machine_id_path: Path = MACHINE_ID) -> str:
    """Return six base-36 characters of a hash of machine id and instance name."""
    known = machine_id_path.exists()
    machine = machine_id_path.read_text().strip() if known else os.uname().nodename
    digest = hashlib.sha256(f"{machine}/{name}".encode()).digest()
    return to_base36(int.from_bytes(digest[:8]))[-TAG_LENGTH:].rjust(TAG_LENGTH, "0")


def write_durably(path: Path, text: str) -> None:
    """Replace a small file so that it holds the old or the new text, also after power loss.

    The draft is this process's own, for the engine and `hftd kill-offline` may write at once, and
    neither may wait for the other. One that a process died over goes with the next write.
    """
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    with open(fresh, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(fresh, path)
    _drop_drafts_of_the_dead(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _drop_drafts_of_the_dead(path: Path) -> None:
    for draft in path.parent.glob(f"{path.name}.*.new"):
        if not Path("/proc", draft.suffixes[-2][1:]).exists():
            with contextlib.suppress(OSError):  # It is only untidy.
                draft.unlink()


def next_epoch(path: Path, unix_s: int) -> int:
    """Return this boot's epoch, stored before it is used.

    The larger of the stored one plus one and unix seconds: it grows even where the clock
    went back, and where the file was lost.

    Raises: JournalDamaged where the file holds no number, or cannot be read: an id must not come
        twice.
    """
    mend = "; where the clock is right, remove it: the clock then gives a later one"
    try:
        found = path.read_bytes().strip() if path.exists() else b"0"
    except OSError as error:
        words = f"{path}: a boot epoch is needed, was unreadable ({error})"
        raise JournalDamaged(words + mend) from None
    # A number without end is damage too, and Python would refuse to read it.
    if not found.isdigit() or len(found) > len(str(MAX_EPOCH)) or int(found) >= MAX_EPOCH:
        raise JournalDamaged(f"{path}: a boot epoch is needed, was {found[:40]!r}{mend}")
    stored = int(found)
    epoch = max(stored + 1, unix_s)
    write_durably(path, f"{epoch}\n")
    return epoch


def read_latch(path: Path) -> Latch:
    """Return the latch of an instance.

    Raises: JournalDamaged where the file cannot be read as one: an unreadable latch is no
    reason to trade.
    """
    try:
        if not path.exists():
            return NO_LATCH
        words = json.loads(path.read_text())
        return Latch(TradingState[words["state"]], int(words["code"]), int(words["ts_ns"]))
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError) as error:
        words = f"{path}: a latch file is needed, was unreadable ({error})"
        raise JournalDamaged(f"{words}; hftd kill-offline NAME writes one") from None


def write_latch(path: Path, latch: Latch) -> None:
    """Keep the latch, or remove it where its state is 0."""
    if latch.state == 0:
        path.unlink(missing_ok=True)
        return
    words = {
        "state": TradingState(latch.state).name,
        "code": latch.code,
        "ts_ns": latch.ts_ns,
    }
    write_durably(path, json.dumps(words) + "\n")
