"""One short world in one line: what its engine ended in, and a hash of all that it wrote.

python -m tests.drivers.trace SEED SECONDS
"""

from __future__ import annotations

import hashlib
import sys
from typing import Any

from hftd.runtime import kernel_cache


class Hashed:
    """An ink that keeps nothing but the hash of every record: inputs, intents, frames, facts."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def append(self, record_type: int, ts_ns: int, payload: Any) -> int:
        """Take a record in."""
        self.digest.update(f"{int(record_type)} {ts_ns} {len(payload)} ".encode())
        self.digest.update(payload)
        return 0

    def append_frame(self, ts_ns: int, link: int, frame: Any) -> int:
        """Take a frame in."""
        return self.append(1000 + link, ts_ns, frame)

    append_market = append_frame


def trace(seed: int, seconds: int) -> str:
    """Run a world with jitter on all links; return state hash, trace hash and fills."""
    from hftd import wiring
    from hftd.config.load import load_profile
    from hftd.drivers.memory import Builders
    from hftd.drivers.simulate import START_NS, World
    from hftd.drivers.simulate_network import Delay, Latency

    loaded = load_profile("market-making", sets=[f"venue.market.seed={seed}"], environ={})
    jittery = Latency(*(Delay(1_000_000, 4_000_000) for _ in Latency._fields))
    ink = Hashed()
    build = Builders(wiring.build_engine, wiring.build_codec)
    world = World(loaded, build, seed, ink, jittery)
    world.boot()
    world.run_until(START_NS + seconds * 1_000_000_000)
    fills = int(world.engine.state.core[0]["fills"])
    return f"{world.engine.state_hash()} {ink.digest.hexdigest()} {fills}"


if __name__ == "__main__":
    kernel_cache.prepare()
    print(trace(int(sys.argv[1]), int(sys.argv[2])))
