"""The simulate driver: a seed makes a world of engine, network and exchange in virtual time.

The very same loop body as live trading, real Binance bytes between it and the pure exchange,
and one calendar in place of sockets and clocks: the same seed gives the same bytes and the
same state, whatever the machine. Nothing here reads a clock or draws from any randomness but
the seeded generator. This world is without faults, and its daemon has one life;
`simulate_restarts` adds a disk and more lives, `simulate_seed` all that may go wrong.
"""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from hftd.config.load import LoadedProfile, tape_path
from hftd.config.schema import AgentsMarket, LiveMarket, Profile, SimexVenue
from hftd.domain.codes import Code
from hftd.domain.events import CommandKind, Link
from hftd.domain.instrument import Instrument
from hftd.domain.layout import Records
from hftd.drivers import memory
from hftd.drivers.loop import Ink
from hftd.drivers.run import seal
from hftd.drivers.simulate_clocks import MachineClocks
from hftd.drivers.simulate_daemon import Daemon
from hftd.drivers.simulate_network import Calendar, Exchange, Latency
from hftd.drivers.simulate_process import Process
from hftd.drivers.simulate_roads import Roads, Skies
from hftd.engine.engine import Engine
from hftd.errors import HftdError, UsageError
from hftd.journal.record import run_id
from hftd.journal.writer import JournalFull, JournalWriter
from hftd.runtime.connector_orders import OnFrame
from hftd.runtime.exchange_markets import (
    DEFAULT_KEY,
    DEFAULT_SECRET,
    ExchangeWish,
    build_venue,
)
from hftd.runtime.rest import listing_target
from hftd.simex.faulty_venue import FaultyVenue
from hftd.simex.flow_noise import Noise
from hftd.simex.venue import Venue
from hftd.venues.binance.exchange_info import parse_exchange_info
from hftd.venues.binance.signing import signer_of
from hftd.venues.port import Codec

START_NS = 1_700_000_000_000_000_000  # 22:13:20 UTC: an hour and a half before a new day.
TAG = "simula"


def venue_of(profile: Profile) -> FaultyVenue:
    """Return the exchange that a profile asks for; its account is the paper account."""
    venue = profile.venue
    assert isinstance(venue, SimexVenue), "worlds have the simulated exchange alone"
    market = venue.market
    wish = ExchangeWish(
        symbols=[name.replace("-", "") for name in profile.instruments],
        balances=[f"{name}={held}" for name, held in sorted(venue.opening_balances.items())],
        maker_bps=str(venue.fees.maker_bps),
        taker_bps=str(venue.fees.taker_bps),
    )
    if isinstance(market, AgentsMarket):
        return build_venue(replace(wish, preset=market.preset, seed=market.seed))
    if isinstance(market, LiveMarket):
        raise UsageError("a simulated world has no live market; record one and play its tape")
    tape = f"tape:{tape_path(profile)}"
    return build_venue(replace(wish, market=tape, speed=str(market.speed), queue=market.queue))


class World:
    """One daemon, one exchange, the network between them, and their time.

    ``boot`` it, then ``turn`` it or ``run_until`` a time; between two turns everything may be
    looked at: ``engine`` on this side, ``venue`` on the other, ``roads`` between them.
    """

    def __init__(
        self,
        loaded: LoadedProfile,
        build: memory.Builders,
        seed: int,
        ink: Ink | None = None,
        latency: Latency | None = None,
        drift_ppm: int = 0,
    ) -> None:
        """Make the world's parts; nothing happens yet. ``seed`` draws the network's jitter."""
        self.loaded = loaded
        self.build = build
        self.calendar = Calendar(START_NS)
        self.clocks = MachineClocks(START_NS, drift_ppm)
        self.skies = Skies()
        venue = venue_of(loaded.profile)
        self.venue: Venue = venue
        self.script = venue.script
        self.network = Exchange(self.calendar, self.venue, latency or Latency(), Noise(seed))
        self.network.start()
        self.instruments = self._list_instruments()
        self.exited = False
        self.latched = (0, 0)  # TradingState and Code as the latch file would hold them.
        engine = build.engine(loaded.profile, self.instruments)
        self._adopt(self._new_daemon(self._new_process(), engine, ink or memory.Silence()))

    @property
    def now_ns(self) -> int:
        """Return the world's time."""
        return self.calendar.now_ns

    def _list_instruments(self) -> list[Instrument]:
        names = self.loaded.profile.instruments
        target = listing_target(names)
        status, _, body = self.venue.http("GET", target, {}, b"", self.calendar.now_ns)
        if status != 200:
            raise HftdError(f"the venue did not list its instruments: status {status}")
        return list(parse_exchange_info(body, names).instruments)

    def _new_process(self) -> Process:
        return Process(self.calendar, self.clocks, self.on_death)

    def _new_daemon(
        self,
        process: Process,
        engine: Engine,
        ink: Ink,
        keep_house: Callable[[int], JournalFull | None] = lambda _ts_ns: None,
    ) -> Daemon:
        profile = self.loaded.profile

        def make_roads(
            codec: Codec,
            on_frame: OnFrame,
            on_event: Callable[[Records], None],
        ) -> Roads:
            return Roads(
                self.network, process, signer_of(DEFAULT_KEY, DEFAULT_SECRET), self.instruments,
                codec, on_frame, on_event, profile.venue.recv_window_ms, self.skies, self.on_sent,
            )  # fmt: skip

        codec = self.build.codec(profile, self.instruments, TAG)
        return Daemon(self.loaded, process, engine, codec, ink, make_roads, self, keep_house)

    def _adopt(self, daemon: Daemon) -> None:
        self.daemon, self.engine, self.roads = daemon, daemon.engine, daemon.roads

    # --- the run --------------------------------------------------------------------------

    def begin_run(self, journal: JournalWriter) -> None:
        """Open a run in the journal that was handed in as ink: its header and first snapshot."""
        epoch = self.now_ns // 1_000_000_000
        run = run_id(self.now_ns, epoch, "paper")
        words = memory.header(run, epoch, TAG, self.loaded, self.instruments)
        journal.open(words, self.now_ns)
        journal.append_snapshot(self.now_ns, self.engine.snapshot())

    def end_run(self, journal: JournalWriter) -> None:
        """Seal the run."""
        seal(journal, self.engine, self.now_ns)
        journal.close()

    def boot(self) -> None:
        """Start the daemon."""
        self.daemon.boot(epoch=self.now_ns // 1_000_000_000, on_crash=1)

    def run_until(self, ts_ns: int) -> None:
        """Let everything happen up to and including a time, unless the daemon exits before."""
        while not self.exited and self.calendar.next_ns() <= ts_ns:
            self.calendar.turn()
        if not self.exited:
            self.calendar.now_ns = max(self.calendar.now_ns, ts_ns)

    def command(self, kind: CommandKind) -> Code:
        """Hand an operator's command in; return why the engine refused it, or NONE."""
        return self.daemon.command(kind)

    # --- what the daemon tells ------------------------------------------------------------

    def on_turn(self) -> None:
        """Hear that the loop has taken an input whole."""

    def on_sent(self, link: Link, frame: bytes) -> None:
        """Hear of a frame that leaves the daemon."""

    def on_first_order(self) -> bool:
        """Let it leave: there is no disk here."""
        return True

    def on_latch(self, state: int, code: int) -> None:
        """Keep the latch."""
        self.latched = state, code

    def on_exit(self, _code: int) -> None:
        """Hear that the daemon ends by itself."""
        self.exited = True

    def on_death(self, kind: str) -> None:
        """Hear that the process died; here nothing kills it."""
        raise AssertionError(f"a world without faults kills nobody, was {kind}")
