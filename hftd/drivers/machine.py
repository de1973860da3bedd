"""How the trading loop uses the machine: one core of its own, polling, collecting cycles.

Owns the three knobs and nothing of trading. The cyclic collector is off while the daemon
trades; it is run where a pause costs nothing, or before memory would not be flat any more.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable

# Containers made since the last collection; frozen ones do not count.
COLLECT_OBJECTS = 20_000
COLLECT_ANYWAY_OBJECTS = 500_000  # Some 100 MB: a pause of tens of milliseconds is the lesser evil.


def switch_collector_off() -> None:
    """Collect what warm-up left, keep what is there out of later collections, then only `tidy`."""
    gc.collect()
    gc.freeze()
    gc.disable()


def tidy(is_idle: bool) -> None:
    """Collect cycles where that disturbs nothing, or where there are too many of them."""
    made = gc.get_count()[0]
    if made > COLLECT_ANYWAY_OBJECTS or (is_idle and made > COLLECT_OBJECTS):
        gc.collect()


def pin(cpu: int, say: Callable[[str], None]) -> None:
    """Keep this thread on one core; children get all cores back (see `children.on_all_cores`).

    A core that is not there, or not allowed to us, is told and costs only speed.
    """
    try:
        os.sched_setaffinity(0, {cpu})
    except OSError as error:
        say(f"runtime.cpu: {cpu} cannot be used, not pinned: {error.strerror}")


def spin(until: asyncio.Event) -> None:
    """Make the event loop poll instead of sleep, until the event is set."""
    if not until.is_set():
        asyncio.get_running_loop().call_soon(spin, until)
