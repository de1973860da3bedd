"""One seed in one line: the hash of all that its daemon wrote and sent, and how it ended.

python -m tests.simulation.trace SEED MINUTES
"""

from __future__ import annotations

import sys

from hftd.cli.simulate import runner


def trace(seed: int, minutes: float) -> str:
    """Run a seed; return its trace hash, its boots and its end."""
    run = runner()
    from hftd.drivers.simulate_seed import draw

    out = run(draw(seed, minutes, "market-making", None))
    return f"{out.trace} {out.boots} {out.end}"


if __name__ == "__main__":
    print(trace(int(sys.argv[1]), float(sys.argv[2])))
