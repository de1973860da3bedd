"""How much of a core a process asks for beside others; must not know who is worth what."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def weigh(niceness: int, pid: int = 0) -> None:
    """Give a process (0: this one) a niceness, and its session's group too where that is its own.

    A kernel that groups processes by session (sched_autogroup) weighs a process by its niceness
    within its own session alone. Where somebody began it within a session of theirs, a shell or a
    test, that session's weight is not its to set.

    Raises: OSError where it may not, or there is no such process.
    """
    os.setpriority(os.PRIO_PROCESS, pid, niceness)
    if os.getsid(pid) != (pid or os.getpid()):
        return
    with contextlib.suppress(OSError):  # No such groups, or no right to set them.
        Path(f"/proc/{pid or 'self'}/autogroup").write_text(str(niceness))
