"""`scripts/bench fuzz`: random and mutated requests and frames against the exchange, in process.

Prints how many a second, and at the end how many in all; Ctrl-C ends it at any time. A third of
the venues commits faults of every kind besides. What must hold is checked after every message;
where it does not, the seed and the number of the message stand before the traceback.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time

from tests.simex.fuzz_traffic import Fuzzer

PER_VENUE = 100_000


class _Stopped(Exception):
    """Somebody has seen enough."""


def _stop(*_: object) -> None:
    raise _Stopped


def _run(seed: int, count: int, faulty_too: bool) -> int:
    fuzzer = Fuzzer(seed, faulty=faulty_too and seed % 3 == 0)
    try:
        for _ in range(count):
            fuzzer.step()
    except _Stopped:
        pass
    except BaseException:
        print(f"broken: seed {seed}, message {fuzzer.count}", flush=True)
        raise
    return fuzzer.count


def main() -> int:
    """Send messages until there were enough of them."""
    parser = argparse.ArgumentParser(prog="scripts/bench fuzz", description=__doc__)
    parser.add_argument("count", nargs="?", type=int, default=10_000_000, help="10,000,000")
    parser.add_argument("--seed", type=int, default=1, help="of the first venue")
    parser.add_argument("--no-faults", action="store_true", help="on sound venues alone")
    words = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    begun_s, sent, seed = time.monotonic(), 0, words.seed
    while sent < words.count:
        asked = min(PER_VENUE, words.count - sent)
        done = _run(seed, asked, not words.no_faults)
        sent, seed = sent + done, seed + 1
        elapsed_s = time.monotonic() - begun_s
        print(f"{sent:,} messages, {sent / elapsed_s:,.0f} a second", flush=True)
        if done < asked:
            break
    print(f"seeds {words.seed} to {seed - 1}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
