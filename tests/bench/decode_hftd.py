"""Our own way from a depth message to the book with its signals: codec and engine, no socket.

It is what the daemon runs on a market frame before the strategy: decode, book, touch, spread,
mid, imbalance without our own orders, loss limits and pauses.
"""

from __future__ import annotations

from hftd.runtime import kernel_cache

kernel_cache.prepare()

import msgspec  # noqa: E402 - Numba may only be imported after that.

from hftd import wiring  # noqa: E402
from hftd.config.load import load_profile  # noqa: E402
from hftd.domain.codes import BookState  # noqa: E402
from hftd.domain.entry import entry  # noqa: E402
from hftd.domain.events import EventKind, Link  # noqa: E402
from hftd.domain.instrument import Instrument  # noqa: E402
from hftd.domain.units import from_steps  # noqa: E402
from hftd.engine import step  # noqa: E402
from hftd.venues.binance.rest_frames import RestKind, rest_frame  # noqa: E402
from hftd.venues.port import new_event  # noqa: E402
from tests.bench.decode_frames import SYMBOL, Touch, snapshot, take_part  # noqa: E402

BTC = Instrument(
    "BTC-USDT", SYMBOL, "BTC", "USDT", 1_000_000, 1_000, 1, 10**8, 1, 10**12, 0, 0, 200
)
BEGIN_NS = 1_700_000_000_000_000_000
NS_PER_UPDATE = 100_000_000
NO_TOUCH_NS = 10_000_000_000_000


def main() -> None:
    """Bring a book in sequence and take part."""
    profile = load_profile("market-making", environ={}).profile
    engine = wiring.build_engine(profile, [BTC])
    codec = wiring.build_codec(profile, [BTC], "bench0")
    outs, world = engine.arrays()
    events, levels = engine.events, engine.levels
    now_ns = BEGIN_NS

    def take(link: Link, data: bytes) -> None:
        nonlocal now_ns
        now_ns += NS_PER_UPDATE
        for at in range(codec.decode(link, data, now_ns, events, levels)):
            observe(world, events, at, levels, outs)

    observe = entry(step.observe, world, events, 0, levels, outs)
    events[0] = new_event(EventKind.LINK, now_ns, link=Link.MARKET, up=1)[0]
    observe(world, events, 0, levels, outs)
    body = msgspec.json.encode(snapshot())
    take(Link.REST, rest_frame(RestKind.DEPTH, 0, 200, 0, body))
    instrument = engine.state.instruments
    bid, ask = instrument["market_bid_ticks"], instrument["market_ask_ticks"]
    imbalance, book = instrument["imbalance_e6"], engine.state.books["state"]

    def apply(frame: str) -> Touch:
        take(Link.MARKET, frame.encode())
        return Touch(bid[0], ask[0], imbalance[0] / 1e6)

    take_part(apply, lambda ticks: from_steps(int(ticks), BTC.tick_e8))
    assert book[0] == BookState.SYNCED, "a book out of sequence would have been timed"


if __name__ == "__main__":
    main()
