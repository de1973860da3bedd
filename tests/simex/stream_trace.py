"""A hash of every byte that an exchange says to a random program, in one line a scene.

python -m tests.simex.stream_trace MESSAGES
"""

from __future__ import annotations

import hashlib
import sys

from hftd.runtime.exchange_latency import LatencyWish, LogNormalWish
from hftd.runtime.exchange_markets import ExchangeWish, build_venue
from hftd.simex.faulty_venue import FaultyVenue
from tests.simex.desk_client import KEY, SECRET
from tests.simex.fault_stage import MARKETS
from tests.simex.fuzz_traffic import NO_LIMITS, Fuzzer

SCENES = (("agents", False), ("tape", False), ("agents", True), ("tape", True))


class Trace(Fuzzer):
    """Traffic, and the hash of what came of it, logs and late answers included."""

    def __init__(self, venue: FaultyVenue, *, faulty: bool) -> None:
        self.digest = hashlib.sha256()
        super().__init__(5, faulty=faulty, venue=venue)

    def heard(self, said: bytes) -> None:
        """Put what the venue says into the hash."""
        self.digest.update(said + b"\n")


def trace(market: str, messages: int, *, faulty: bool) -> str:
    """Return the hash, the executions, and the faults that fired."""
    late = LogNormalWish("3", "0.8")
    wish = ExchangeWish(
        market=MARKETS[market],
        preset="busy" if market == "agents" else "calm",
        accounts=(f"{KEY}:{SECRET}",),
        balances=("USDT=100000", "BTC=10"),
        limits=NO_LIMITS,
        latency=LatencyWish(late, late, late) if faulty else LatencyWish(),
    )
    found = Trace(build_venue(wish), faulty=faulty)
    for _ in range(messages):
        found.step()
    fired = sum(each["fired"] for each in found.venue.script.armed())
    return f"{found.digest.hexdigest()} {found.venue.exchange.exec_id} {fired}"


if __name__ == "__main__":
    for name, is_faulty in SCENES:
        print(trace(name, int(sys.argv[1]), faulty=is_faulty))
