"""The live driver's end before it trades; tests/e2e has all that it does with a market."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hftd import wiring
from hftd.config.load import LoadedProfile, load_profile
from hftd.drivers.live import Live, Parts
from hftd.drivers.memory import Builders
from hftd.runtime.notify import Notifier
from hftd.runtime.paths import InstancePaths
from hftd.venues.binance.endpoints import Endpoints
from hftd.venues.binance.signing import signer_of


class SlowVenue:
    """A venue that does not come up, and whose end is disturbed by more signals."""

    attached = False

    def __init__(self) -> None:
        self.ended = False

    async def open(self) -> Endpoints:
        """Be told to end while it is waited for, by an operator who presses Ctrl-C twice more."""
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            await asyncio.Event().wait()
        finally:
            for number in (signal.SIGINT, signal.SIGTERM):
                # The signal behind it is handled after it.
                heard = asyncio.Event()
                asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, heard.set)
                os.kill(os.getpid(), number)
                os.kill(os.getpid(), signal.SIGUSR1)
                await heard.wait()
            self.ended = True
        raise AssertionError("nobody sets it")

    async def supervise(self) -> None:
        """Never called."""

    async def stop(self) -> None:
        """Never came up."""

    def doubt_atoms(self, quote_asset: str) -> int | None:
        """Return None: it has no fills."""
        return None


def live_on(venue: SlowVenue, folder: Path, told: list[str]) -> Live:
    """Return a daemon on a venue, with folders of its own."""
    loaded: LoadedProfile = load_profile("canary", environ={})
    folders = {"STATE_DIRECTORY": str(folder / "state"), "RUNTIME_DIRECTORY": str(folder / "run")}
    paths = InstancePaths.locate(loaded.name, folders)
    paths.create()
    parts = Parts(
        build=Builders(wiring.build_engine, wiring.build_codec),
        signer=signer_of("key", "secret"),
        recorder=lambda _: ([sys.executable, "-c", ""], {}),
        read=lambda _: loaded,
        venue_host=venue,
    )
    return Live(loaded, paths, parts, Notifier(), told.append)


@pytest.fixture
def signals() -> Iterator[None]:
    """Give the process its signals back, which a daemon that ends does not hear any more."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.fixture
def weight() -> Iterator[None]:
    """Give back what a daemon takes of the machine (machine.py).

    All tests that follow would go before those of other lanes, and lock what they use.
    """
    niceness = os.getpriority(os.PRIO_PROCESS, 0)
    yield
    with contextlib.suppress(PermissionError):  # Without the right its children begin as usual.
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # Turns of the usual length.
    os.setpriority(os.PRIO_PROCESS, 0, niceness)
    ctypes.CDLL(None).munlockall()


@pytest.mark.usefixtures("signals", "weight")
def test_more_signals_do_not_cut_the_end_of_a_set_up_off(tmp_path: Path) -> None:
    """One ends it; those behind change nothing, and what was started comes to its end."""
    told: list[str] = []
    venue = SlowVenue()
    assert asyncio.run(live_on(venue, tmp_path, told).run()) == 0
    assert told == ["stopped before it traded"]
    assert venue.ended
