"""Compile every kernel before a market waits for it, with progress.

One scratch engine of the profile's shape handles one event, so that each compiled entry is
built for exactly the arrays that the daemon will hand to it, and then lies in the cache.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from hftd.domain.actions import Action, ActionKind
from hftd.domain.events import EventKind, Link
from hftd.domain.instrument import Instrument
from hftd.engine import step
from hftd.engine.engine import Engine
from hftd.venues.binance.rest_frames import RestKind, rest_frame
from hftd.venues.port import Codec, new_event

SLOW_SECONDS = 0.5  # A kernel out of the cache loads faster than this.
TICKS = 1_000

Say = Callable[[str], None]


def scratch_instruments(names: Sequence[str]) -> list[Instrument]:
    """Return instruments of the profile's number and names; their numbers do not matter."""
    found = []
    for name in names:
        base, quote = name.split("-")
        found.append(
            Instrument(
                name,
                base + quote,
                base,
                quote,
                10**6,
                10**3,
                1,
                10**8,
                1,
                10**9,
                0,
                0,
                200,
            )
        )
    return found


def warm_up(engine: Engine, codec: Codec, symbol: str, say: Say) -> float:
    """Call each compiled entry once; return the seconds it took.

    Args: engine and codec of `scratch_instruments`, thrown away afterwards.
    """
    began = time.monotonic()
    outs, world = engine.arrays()
    strategy = engine.strategy
    parts: list[tuple[str, Callable[[], object]]] = [
        ("codec", lambda: use(engine, codec, symbol)),
        ("book, orders, positions, breakers", lambda: observe(engine)),
        (
            f"strategy {strategy.name}",
            lambda: strategy.quotes(world, strategy.params, strategy.memory, outs),
        ),
        ("quoter and risk", lambda: step.decide(world, outs)),
    ]
    for number, (name, part) in enumerate(parts, 1):
        started = time.monotonic()
        say(f"kernels {number}/{len(parts)}: {name} …")
        part()
        took = time.monotonic() - started
        if took > SLOW_SECONDS:
            say(f"kernels {number}/{len(parts)}: {name}: compiled in {took:.1f} s")
    return time.monotonic() - began


def observe(engine: Engine) -> None:
    """Let the scratch engine observe a boot."""
    outs, world = engine.arrays()
    engine.events[0] = new_event(EventKind.BOOT, 1, epoch=1, on_crash=1)[0]
    step.observe(world, engine.events, 0, engine.levels, outs)


def use(engine: Engine, codec: Codec, symbol: str) -> None:
    """Let the codec decode one frame of each kind that a kernel reads, and encode an order."""
    touch = (
        f'{{"stream":"{symbol.lower()}@bookTicker","data":{{"u":1,"s":"{symbol}",'
        f'"b":"100.00","B":"1.00000","a":"101.00","A":"1.00000"}}}}'
    )
    depth = '{"lastUpdateId":1,"bids":[["100.00","1.00000"]],"asks":[["101.00","1.00000"]]}'
    snapshot = rest_frame(RestKind.DEPTH, 0, 200, 0, depth.encode())
    codec.decode(Link.MARKET, touch.encode(), 1, engine.events, engine.levels)
    codec.decode(Link.REST, snapshot, 1, engine.events, engine.levels)
    codec.encode(Action(ActionKind.SUBMIT, order_key=1, price_ticks=1, qty_lots=1), 0)
