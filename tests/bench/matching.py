"""A million random requests: the matching market beside the naive reference, then its own pace.

Owns the verb ``scripts/bench matching [REQUESTS]``. Times orient; agreement is asserted.
"""

from __future__ import annotations

import sys
import time

from hftd.simex.flow_noise import Noise
from hftd.simex.matching import MatchingMarket
from tests.simex.quiet import SPEC
from tests.simex.random_orders import T0, compare, random_place


def main() -> None:
    """Compare, then measure the market alone."""
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print("requests", requests, compare(requests, seed=21))
    noise, market = Noise(22), MatchingMarket(SPEC)
    places = [random_place(noise, market.next_order_id()) for _ in range(100_000)]
    begun_ns = time.perf_counter_ns()
    for place in places:
        market.place(place, T0)
    took_ns = time.perf_counter_ns() - begun_ns
    print(f"the market alone: {100_000 * 10**9 // took_ns} orders a second")


if __name__ == "__main__":
    main()
