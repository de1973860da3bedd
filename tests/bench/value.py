"""What speed buys: the same tape and the same strategy at five latencies.

The real engine in simulated time against the exchange on a tape, whose queue model fills our
orders pessimistically. Latency is from the market's change at the exchange to our order there, half
of it on each way. The tape is the recorded BTCUSDT session's first file where ``../shared/data``
is at hand, else the shipped synthetic one. Quotes stand half a basis point from mid (the shipped
`tape` profile stands at 2, where a session of minutes fills too seldom to tell), and may move as
often as they like, so that nothing but latency keeps them from following. A missed cancel is a
fill of an order whose cancel was under way; the markout is of mid ten seconds after a fill.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from hftd.runtime import kernel_cache
from tests.bench import load
from tests.bench.rows import Row, save, text

if TYPE_CHECKING:
    from tests.bench.hour import Outcome

LATENCIES_MS = (0.1, 1.0, 5.0, 28.0, 100.0)
MINUTES = 4.0
SETS = (
    "canary.enabled=false",
    "strategy.half_spread_bps=0.5",
    "strategy.min_quote_life_ms=0",
    "risk.max_orders_per_second=1000",
    "risk.max_orders_without_fill=1000000",
)


def run_one(latency_ms: float, minutes: float) -> Outcome:
    """Run the tape once."""
    kernel_cache.prepare()
    from hftd.config.load import load_profile
    from hftd.drivers.simulate_network import Delay, Latency
    from tests.bench.hour import Hour

    path = load.RECORDED[0] if load.RECORDED[0].is_file() else load.SHIPPED
    loaded = load_profile("tape", sets=[*SETS, f"venue.market.path={path}"], environ={})
    one_way = Delay(int(latency_ms * 500_000))
    return Hour(loaded, 1, Latency(one_way, one_way, one_way)).run(minutes)


def rows_of(found: dict[float, Outcome]) -> list[Row]:
    """Return a row a latency."""
    made = []
    for latency_ms, out in found.items():
        fills = out.fills_buy + out.fills_sell
        note = (
            f"{fills} fills, {out.missed_cancels} of them missed cancels, markout "
            f"{out.markout_10s_bps:+.2f} bps, half-spread {out.half_spread_bps:.2f} bps, "
            f"{out.submitted:,} orders"
        )
        made.append(Row(f"PnL of the tape at {latency_ms:g} ms", out.pnl_quote, "USDT", note=note))
    return made


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="scripts/bench value", description=__doc__)
    parser.add_argument("--minutes", type=float, default=MINUTES, help="of the tape")
    parser.add_argument("--no-save", dest="save", action="store_false")
    options = parser.parse_args()
    found = {}
    for latency_ms in LATENCIES_MS:
        found[latency_ms] = run_one(latency_ms, options.minutes)
        print(text(rows_of({latency_ms: found[latency_ms]})), flush=True)
    rows = rows_of(found)
    if options.save:
        save("value", rows, tape="recorded" if load.RECORDED[0].is_file() else "synthetic")


if __name__ == "__main__":
    main()
