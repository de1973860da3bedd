"""How the trading loop uses the machine: its core, its turn on it, polling, collecting cycles.

Owns these knobs and nothing of trading. The cyclic collector is off while the daemon
trades; it is run where a pause costs nothing, or before memory would not be flat any more.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import os
import platform
import resource
import struct
from collections.abc import Callable

from hftd.runtime.weight import weigh

# Containers made since the last collection; frozen ones do not count.
COLLECT_OBJECTS = 20_000
TURN_NS = 500_000  # Longer than a frame takes, shorter than anybody's usual turn.
NICENESS = -20

# sched_setattr(2): size, policy, flags, nice, priority, runtime, deadline, period. Python has
# no function of its own for it.
_SCHED_ATTR = struct.Struct("=IIQiIQQQ")
_SCHED_SETATTR = {"x86_64": 314, "aarch64": 274}
_RESET_ON_FORK = 0x01
_CURRENT, _FUTURE, _ON_FAULT = 1, 2, 4  # mlockall(2)
COLLECT_ANYWAY_OBJECTS = 500_000  # Some 100 MB: a pause of tens of milliseconds is the lesser evil.


def switch_collector_off() -> None:
    """Collect what warm-up left, keep what is there out of later collections, then only `tidy`.

    A start has it off while it imports, too (`cli.start`): to look through all that stays, time
    and again, took a tenth of the way to RUNNING, and a last time another tenth.
    """
    gc.collect()
    gc.freeze()
    gc.disable()


def tidy(is_idle: bool) -> None:
    """Collect cycles where that disturbs nothing, or where there are too many of them."""
    made = gc.get_count()[0]
    if made > COLLECT_ANYWAY_OBJECTS or (is_idle and made > COLLECT_OBJECTS):
        gc.collect()


def pin(cpu: int, say: Callable[[str], None]) -> None:
    """Keep this thread on one core; children have the others (see `children.on_other_cores`).

    A core that is not there, or not allowed to us, is told and costs only speed.
    """
    try:
        os.sched_setaffinity(0, {cpu})
    except OSError as error:
        say(f"runtime.cpu: {cpu} cannot be used, not pinned: {error.strerror}")


def go_first() -> None:
    """Have the core before everybody of the usual weight, kernel threads among them, where we may.

    A kernel thread that looks for cold memory held a core on which a loop spun for 4 to 8 ms, twice
    a second; at this niceness for over 1 ms once in half a minute (Linux 6.18, by a program that
    read the clock and nothing else). Real time is no remedy: the kernel takes 50 ms of each second
    from who spins in it. It needs the right to (the unit gives the niceness itself); without it the
    loop is only later. A niceness that somebody chose stays, and so does the weight of a session
    that is not ours alone. Threads and children have 0 again.
    """
    if os.getpriority(os.PRIO_PROCESS, 0) != 0:
        return
    with contextlib.suppress(OSError):
        weigh(NICENESS)


def stay_in_memory() -> None:
    """Have no page that is there taken from us; where we may have only so many, ask for none.

    A page of our code or of a library that was taken back is read from the disk when it is needed
    next: some milliseconds in the middle of an order. It needs LimitMEMLOCK=infinity, as in the
    unit, or the privilege: with a limit, memory that is asked for later would be refused.
    """
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if limit == resource.RLIM_INFINITY or os.geteuid() == 0:
        ctypes.CDLL(None).mlockall(_CURRENT | _FUTURE | _ON_FAULT)


def wake_at_once() -> None:
    """Take the core from whoever runs there as soon as there is something to do.

    A process that wakes up waits until the one that runs has used up its turn, however nice that
    one is, unless its own turns are shorter: with turns of 0.1 ms 95 of 100 wake-ups beside a
    recorder busy on the same core came within 0.1 ms, without within 2.0. But who works for longer
    than its turn waits for everybody else's: on a core with many others, 0.25 ms of work were done
    within 10 ms in 95 of 100 cases by turns of 0.5 ms, within 15 by the usual 1.4, within 22 by
    0.1 (Linux 6.18). Children have turns of the usual length. A kernel that does not know this,
    or refuses it, is only slower.
    """
    policy = os.sched_getscheduler(0) & ~os.SCHED_RESET_ON_FORK
    nice = os.getpriority(os.PRIO_PROCESS, 0)
    if policy not in (os.SCHED_OTHER, os.SCHED_BATCH, os.SCHED_IDLE):
        return  # Somebody has given us real time: that is better still.
    attributes = _SCHED_ATTR.pack(_SCHED_ATTR.size, policy, _RESET_ON_FORK, nice, 0, TURN_NS, 0, 0)
    ctypes.CDLL(None).syscall(_SCHED_SETATTR.get(platform.machine(), -1), 0, attributes, 0)


def spin(until: asyncio.Event, between: Callable[[], None]) -> None:
    """Make the event loop poll instead of sleep, until the event is set.

    ``between`` is called at each turn.
    """
    if not until.is_set():
        between()
        asyncio.get_running_loop().call_soon(spin, until, between)
