"""Where the recorder's process begins: it leaves the core to the engine, then imports the rest.

    python -m hftd.runtime.recorder_start --name canary --parent PID --database URL --level info

Owns the order of these two and how much the recorder gives way. To import SQL and logs takes a
second of a core: at the usual weight that was a third of the other core while the engine began to
trade, and again with every recorder that is started anew.
"""

from __future__ import annotations

import gc
import os
import sys

from hftd.runtime.weight import weigh

# A tenth of the usual weight. With a seventieth (19) the recorder had no core for half a minute
# beside nine busy programs, and it is the one that tells a person of a halt.
NICENESS = 10


def give_way(niceness: int = NICENESS) -> None:
    """Leave the core to the engine wherever both want it, by at least this niceness.

    Its session is its own, and weighs as little (weight.py): else it had half of a core that the
    engine spins on, whatever its niceness.
    """
    weigh(max(niceness, os.getpriority(os.PRIO_PROCESS, 0)))


def main() -> int:
    """Run the recorder; return the exit code."""
    give_way()
    gc.disable()  # What is imported stays: nobody looks for cycles in it.
    # Imported only now: that is what this module is for.
    from hftd.runtime.recorder import main as record

    gc.freeze()
    gc.enable()
    return record()


if __name__ == "__main__":
    sys.exit(main())
