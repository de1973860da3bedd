"""Where the recorder's process begins: it leaves the core to the engine, then imports the rest.

    python -m hftd.runtime.recorder_start --name canary --parent PID --database URL --level info

Owns the order of these two and how much the recorder gives way. To import SQL and logs takes a
second of a core: at the usual weight that was a third of the other core while the engine began to
trade, and again with every recorder that is started anew.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

NICENESS = 19


def give_way() -> None:
    """Leave the core to the engine wherever both want it.

    A kernel that groups processes by session (sched_autogroup) weighs a process by its niceness
    within its own session alone, and the recorder has one of its own: without the second line it
    had half of a core that the engine spins on, whatever its niceness. Where somebody began it
    within a session of theirs, a shell or a test, that session's weight is not its to set.
    """
    os.setpriority(os.PRIO_PROCESS, 0, NICENESS)
    if os.getsid(0) != os.getpid():
        return
    with contextlib.suppress(OSError):  # No such groups, or no right to set them.
        Path("/proc/self/autogroup").write_text(str(NICENESS))


def main() -> int:
    """Run the recorder; return the exit code."""
    give_way()
    # Imported only now: that is what this module is for.
    from hftd.runtime.recorder import main as record

    return record()


if __name__ == "__main__":
    sys.exit(main())
