"""One scripted session, and a death at each of its effects: what the next boot makes of it.

An effect is a record appended, a frame sent, a file brought to the disk, a step of the latch;
answers received are records too. The session runs once. At each place a copy of the whole
process is forked, which dies right there, boots again from a copy of the state folder, trades
on, and is judged: nothing may differ from the exchange's truth. Dying is by kill -9, or with
``--kind power`` by a loss of power, which takes what was not synced.

A loss of power may take the newest records of one stream and leave the other's: the boot goes on
from the first gap, and what stood behind it comes from the exchange.

    python -m tests.simulation.crash_matrix [--stride N] [--offset K] [--jobs N] [--kind KIND]
"""

from __future__ import annotations

import argparse
import gc
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from hftd.journal.record import written_end
from hftd.runtime import kernel_cache

SEED = 21
SECONDS = 90
KINDS = ("kill -9", "power")
DOWN_S = (0, 1, 3)
# At most: an order that never arrived is given up after recvWindow and ten seconds.
RECOVERED_S = 25
TRADES_ON_S = 2
QUIET_S = 4
FEWEST = 2_000


def main() -> int:
    """Run the matrix; return 1 where a death was not recovered from."""
    parser = argparse.ArgumentParser(description="A death at every effect of one session.")
    parser.add_argument("--stride", type=int, default=1)
    parser.add_argument("--offset", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--kind", choices=KINDS, default=KINDS[0])
    wish = parser.parse_args()
    kernel_cache.prepare()
    from tests.simulation.crash_world import CrashWorld, session

    began = time.monotonic()
    # A copy that looks for cycles touches all that it shares with the original: a page each.
    gc.freeze()
    gc.disable()
    memory_folder = Path("/dev/shm")
    where = memory_folder if memory_folder.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="hftd-crashes-", dir=where) as folder:
        forks = Forks(Path(folder), wish.stride, wish.offset % wish.stride, wish.jobs, wish.kind)
        world = CrashWorld(Path(folder) / "state", forks)
        session(world)
        forks.wait_all()
        effects = sum(forks.effects.values())
    kinds = ", ".join(f"{name} {count}" for name, count in sorted(forks.effects.items()))
    print(f"{effects} effects in {SECONDS} simulated seconds: {kinds}")
    for failure in forks.failures[:10]:
        print(failure)
    print(
        f"{forks.deaths} deaths, {len(forks.failures)} not recovered from, "
        f"{time.monotonic() - began:.0f} s"
    )
    enough = effects >= FEWEST and forks.deaths >= effects // wish.stride
    return 0 if enough and not forks.failures else 1


class Forks:
    """The copies of the process that die: how many there are, and what became of each."""

    def __init__(self, folder: Path, stride: int, offset: int, jobs: int, kind: str) -> None:
        self.folder, self.kind = folder, kind
        self.effects: Counter[str] = Counter()
        self.deaths = 0
        self.failures: list[str] = []
        self._stride, self._offset, self._jobs = stride, offset, jobs
        self._running: dict[int, Path] = {}

    def is_due(self, effect: int) -> bool:
        """Return whether a copy dies at this effect."""
        return effect % self._stride == self._offset

    def fork(self, state: Path) -> Path | None:
        """Fork; return the copy's own state folder in the copy, and None in the original."""
        while len(self._running) >= self._jobs:
            self._wait()
        self.deaths += 1
        own = self.folder / f"copy-{self.deaths}"
        # Before the fork: the original goes on at once.
        shutil.copytree(state, own, copy_function=copy_written)
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            return own
        self._running[pid] = own
        return None

    def wait_all(self) -> None:
        """Wait for every copy."""
        while self._running:
            self._wait()

    def _wait(self) -> None:
        pid, status = os.wait()
        own = self._running.pop(pid)
        if status != 0:
            told = own / "failure"
            self.failures.append(told.read_text() if told.exists() else f"status {status}")
        shutil.rmtree(own, ignore_errors=True)


def copy_written(source: str, copy: str) -> None:
    """Copy a file; the zeros that it ends with, most of a journal's segment, become a hole."""
    content = Path(source).read_bytes()
    with open(copy, "wb") as file:
        file.write(memoryview(content)[: written_end(memoryview(content), 0)])
        file.truncate(len(content))


def end_copy(own: Path, words: str) -> None:
    """End a forked copy, with what it has to say where it failed."""
    if words:
        (own / "failure").write_text(words)
    os._exit(1 if words else 0)


def words_of(error: BaseException) -> str:
    """Return what went wrong and where."""
    return "".join(traceback.format_exception(error)[-3:])


if __name__ == "__main__":
    sys.exit(main())
