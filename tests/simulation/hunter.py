"""The hunter: seeds through whatever package stands first in PYTHONPATH, until one is broken.

python -m tests.simulation.hunter FIRST END MINUTES FAULT,… CPU: runs the seeds from FIRST on and
before END, and prints one JSON object. The faults are those that are on ("": each seed draws its
own). A bug that makes the daemon turn for ever ends by the seconds of processor time.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from hftd.runtime import kernel_cache


def hunt(first: int, end: int, minutes: float, faults: list[str] | None) -> dict[str, object]:
    """Run the seeds of a range; return how many lie before the end, and what the last one says.

    A market that falls apart pauses the soundest daemon, so that this says nothing of a bug.
    """
    from hftd import wiring
    from hftd.drivers.checkers import all_checkers
    from hftd.drivers.memory import Builders
    from hftd.drivers.simulate_seed import draw, run_seed

    build = Builders(wiring.build_engine, wiring.build_codec)
    found = False
    began, simulated_s = time.monotonic(), 0.0
    for seed in range(first, end):
        outcome = run_seed(draw(seed, minutes, "market-making", faults), build, all_checkers)
        simulated_s += outcome.seconds
        found = bool(outcome.violation) and "REFERENCE_DISAGREES" not in outcome.violation
        if found:
            break
    return {
        "found": found,
        "seeds": seed + 1,
        "invariant": outcome.invariant,
        "words": outcome.violation[:400],
        "simulated_s": simulated_s,
        "seconds": round(time.monotonic() - began, 1),
    }


if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[5]), int(sys.argv[5])))
    kernel_cache.prepare()
    names = [name for name in sys.argv[4].split(",") if name]
    seeds = int(sys.argv[1]), int(sys.argv[2])
    print(json.dumps(hunt(*seeds, float(sys.argv[3]), names or None)))
