"""An exchange whose clock runs fast, and which writes down its own book after every depth event.

``python -m tests.bench.client_market FILE PACE [CERT KEY]`` prints one line when it listens and
serves until SIGTERM. ``FILE`` gets the lines of ``client_book``, made from the ladders that
orders match against; no stream, snapshot or rendering has a part in them. With ``PACE`` 20 a
second is twenty of the venue's: two hundred depth events.
"""

from __future__ import annotations

import asyncio
import signal
import ssl
import sys
import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path

import uvloop

from hftd.config.preset_shelf import load_preset
from hftd.runtime.exchange_markets import ExchangeWish, build_venue
from hftd.runtime.exchange_roads import Roads
from hftd.runtime.exchange_server import ExchangeServer
from hftd.simex.agents import agents
from hftd.simex.late_venue import LateVenue
from hftd.simex.market import Reports
from hftd.simex.matching import MatchingMarket
from hftd.simex.presets import SYMBOLS, preset_of
from hftd.simex.requests import DepthChanged, Side
from tests.bench.client_book import Notes

SYMBOL, PRESET, SEED = "BTCUSDT", "busy", 7


class Witnessed(MatchingMarket):
    """A market that notes its book at each cut, and is otherwise as it is."""

    def __init__(self, notes: Notes) -> None:
        house = SYMBOLS[SYMBOL]
        super().__init__(house.spec, agents(preset_of(load_preset(PRESET)), SYMBOL, SEED))
        self._notes = notes

    def advance(self, ts_ns: int) -> Reports:
        """Go from due time to due time, so that the book can be looked at after each cut."""
        reports: Reports = []
        while (due_ns := self.next_ns()) is not None and due_ns <= ts_ns:
            # A cut is due before the acts of its time, and only the cut is to be seen.
            cut_ns = self._feed.cut_ns
            if cut_ns == due_ns:
                reports.append(self._feed.cut())
                self._note(reports[-1])
            else:
                reports += super().advance(due_ns)
        return reports

    def _note(self, report: object) -> None:
        assert isinstance(report, DepthChanged), "a cut is a depth event"
        self._notes.note(report.last_update_id, *(self._texts(side) for side in Side))

    def _texts(self, side: Side) -> Iterable[tuple[str, str]]:
        house = SYMBOLS[SYMBOL].spec
        tick, lot = Decimal(house.tick_size), Decimal(house.lot_size)
        return [(str(price * tick), str(qty * lot)) for price, qty in self.levels(side)]


def fast_clock(pace: int) -> Callable[[], int]:
    """Return a clock that runs several times as fast as the real one."""
    wall_ns, started_ns = time.time_ns(), time.monotonic_ns()
    return lambda: wall_ns + (time.monotonic_ns() - started_ns) * pace


async def _serve(notes: Notes, pace: int, tls: ssl.SSLContext | None) -> None:
    config = build_venue(ExchangeWish(preset=PRESET, seed=SEED)).config
    server = ExchangeServer(LateVenue(config, lambda: [Witnessed(notes)]), None, fast_clock(pace))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, server.stop)
    scheme = "http" if tls is None else "https"

    def listening(port: int) -> None:
        print(f"exchange listens on {scheme}://127.0.0.1:{port}", flush=True)

    await server.run("127.0.0.1", 0, listening, Roads(tls))


def main() -> None:
    """Serve."""
    file, pace, *pem = sys.argv[1:]
    tls = None
    if pem:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*pem)
    with Notes(Path(file)) as notes, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(notes, int(pace), tls))


if __name__ == "__main__":
    main()
