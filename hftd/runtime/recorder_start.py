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

# A tenth of the usual weight. With a seventieth (19) the recorder had no core for half a minute
# beside nine busy programs, and it is the one that tells a person of a halt.
NICENESS = 10


def give_way(niceness: int = NICENESS) -> None:
    """Leave the core to the engine wherever both want it, by at least this niceness.

    A kernel that groups processes by session (sched_autogroup) weighs a process by its niceness
    within its own session alone, and the recorder has one of its own: without the second line it
    had half of a core that the engine spins on, whatever its niceness. Where somebody began it
    within a session of theirs, a shell or a test, that session's weight is not its to set.
    """
    niceness = max(niceness, os.getpriority(os.PRIO_PROCESS, 0))
    os.setpriority(os.PRIO_PROCESS, 0, niceness)
    if os.getsid(0) != os.getpid():
        return
    with contextlib.suppress(OSError):  # No such groups, or no right to set them.
        Path("/proc/self/autogroup").write_text(str(niceness))


def main() -> int:
    """Run the recorder; return the exit code."""
    give_way()
    # Imported only now: that is what this module is for.
    from hftd.runtime.recorder import main as record

    return record()


if __name__ == "__main__":
    sys.exit(main())
