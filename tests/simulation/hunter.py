"""The hunter: seeds through whatever package stands first in PYTHONPATH, until one is broken.

python -m tests.simulation.hunter SEEDS MINUTES FAULT,… SEED,… CPU: prints one JSON object. The
faults are those that are on ("": each seed draws its own), the seeds behind them are passed over.
A bug that makes the daemon turn for ever ends by the seconds of processor time.
"""

from __future__ import annotations

import json
import resource
import sys
import time

from hftd.runtime import kernel_cache


def hunt(
    seeds: int, minutes: float, faults: list[str] | None, unsound: list[int]
) -> dict[str, object]:
    """Run seeds from 0 on; return how many it took, and what the first broken one says.

    A market that falls apart pauses the soundest daemon, so that this says nothing of a bug.
    ``unsound`` are seeds that break without a bug: they are passed over and prove nothing.
    """
    from hftd import wiring
    from hftd.drivers.checkers import all_checkers
    from hftd.drivers.memory import Builders
    from hftd.drivers.simulate_seed import draw, run_seed

    build = Builders(wiring.build_engine, wiring.build_codec)
    found = False
    began, simulated_s = time.monotonic(), 0.0
    for seed in range(seeds):
        if seed in unsound:
            continue
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
    names = [name for name in sys.argv[3].split(",") if name]
    passed = [int(seed) for seed in sys.argv[4].split(",") if seed]
    print(json.dumps(hunt(int(sys.argv[1]), float(sys.argv[2]), names or None, passed)))
