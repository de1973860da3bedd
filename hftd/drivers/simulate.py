"""The simulate driver: a seed makes a world of engine, network and exchange in virtual time.

The very same loop body as live trading, real Binance bytes between it and the pure exchange,
and one calendar in place of sockets and clocks: the same seed gives the same bytes and the
same state, whatever the machine. Nothing here reads a clock or draws from any randomness but
the seeded generator.
"""

from __future__ import annotations

from msgspec.structs import replace

from hftd.config.load import LoadedProfile, tape_path
from hftd.config.schema import AgentsMarket, Profile
from hftd.domain.actions import Action, ActionKind
from hftd.domain.codes import Code
from hftd.domain.events import CommandKind, EventKind, Link, Timer
from hftd.domain.facts import FactKind
from hftd.domain.instrument import Instrument
from hftd.domain.layout import Records
from hftd.drivers import memory
from hftd.drivers.loop import Ink, Loop
from hftd.drivers.simulate_network import Calendar, Exchange, Latency
from hftd.drivers.simulate_roads import Roads, listing_target
from hftd.drivers.stamps import NoStamps
from hftd.journal.record import RecordType, encode_json, run_id
from hftd.journal.writer import JournalWriter
from hftd.runtime.exchange_markets import (
    DEFAULT_KEY,
    DEFAULT_SECRET,
    ExchangeWish,
    build_venue,
)
from hftd.simex.flow_noise import Noise
from hftd.simex.venue import Venue
from hftd.venues.binance.exchange_info import parse_exchange_info
from hftd.venues.binance.signing import signer_of
from hftd.venues.port import new_event

START_NS = 1_700_000_000_000_000_000  # 22:13:20 UTC: an hour and a half before a new day.
PULSE_NS = 100_000_000
PULSES_PER_SECOND = 10
TAG = "simula"


def venue_of(profile: Profile) -> Venue:
    """Return the exchange that a profile asks for; its account is the paper account."""
    venue, market = profile.venue, profile.venue.market
    wish = ExchangeWish(
        symbols=[name.replace("-", "") for name in profile.instruments],
        balances=[f"{name}={held}" for name, held in sorted(venue.opening_balances.items())],
        maker_bps=str(venue.fees.maker_bps),
        taker_bps=str(venue.fees.taker_bps),
    )
    if isinstance(market, AgentsMarket):
        return build_venue(replace(wish, preset=market.preset, seed=market.seed))
    return build_venue(replace(wish, market=f"tape:{tape_path(profile)}", speed=str(market.speed)))


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
    ) -> None:
        """Make the world's parts; nothing happens yet. ``seed`` draws the network's jitter."""
        profile = loaded.profile
        self.loaded = loaded
        self.calendar = Calendar(START_NS)
        self.venue = venue_of(profile)
        self._exchange = Exchange(self.calendar, self.venue, latency or Latency(), Noise(seed))
        self._exchange.start()
        self.instruments = self._list_instruments()
        self.engine = build.engine(profile, self.instruments)
        self._ink = ink or memory.Silence()
        codec = build.codec(profile, self.instruments, TAG)
        self._loop = Loop(self.engine, codec, self._ink, self._perform, NoStamps())
        self.roads = Roads(
            self._exchange, signer_of(DEFAULT_KEY, DEFAULT_SECRET), self.instruments, codec,
            self._on_frame, self._on_event, profile.venue.recv_window_ms,
        )  # fmt: skip
        self._pulses = 0
        self.exited = False
        self.latched = (0, 0)  # TradingState and Code as the latch file would hold them.

    @property
    def now_ns(self) -> int:
        """Return the world's time."""
        return self.calendar.now_ns

    def _list_instruments(self) -> list[Instrument]:
        names = self.loaded.profile.instruments
        target = listing_target(names)
        status, _, body = self.venue.http("GET", target, {}, b"", self.calendar.now_ns)
        assert status == 200, f"the exchange must list its symbols, was {status}"
        return list(parse_exchange_info(body, names).instruments)

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
        words = {"state_hash": self.engine.state_hash()}
        journal.append(RecordType.STATE_HASH, self.now_ns, encode_json(words))
        journal.append(RecordType.RUN_END, self.now_ns, encode_json({"code": 0}))
        journal.close()

    def boot(self) -> None:
        """Start the daemon."""
        now_ns = self.now_ns
        epoch = now_ns // 1_000_000_000
        self._on_event(new_event(EventKind.BOOT, now_ns, epoch=epoch, on_crash=1))
        self.roads.connect()
        self.calendar.at(now_ns + PULSE_NS, self._pulse)

    def run_until(self, ts_ns: int) -> None:
        """Let everything happen up to and including a time, unless the daemon exits before."""
        while not self.exited and self.calendar.next_ns() <= ts_ns:
            self.calendar.turn()
        if not self.exited:
            self.calendar.now_ns = max(self.calendar.now_ns, ts_ns)

    def command(self, kind: CommandKind) -> Code:
        """Hand an operator's command in; return why the engine refused it, or NONE."""
        words = encode_json({"command": kind.name.lower()})
        self._ink.append(RecordType.COMMAND, self.now_ns, words)
        self._on_event(new_event(EventKind.COMMAND, self.now_ns, command=kind, instrument=-1))
        for fact in self.engine.facts:
            if fact["kind"] == FactKind.COMMAND:
                return Code(int(fact["code"]))
        return Code.NONE

    # --- the loop's hands -----------------------------------------------------------------

    def _on_frame(self, link: Link, data: bytes, ts_ns: int) -> None:
        self._loop.on_frame(link, data, ts_ns)

    def _on_event(self, event: Records) -> None:
        self._loop.on_event(event)

    def _perform(self, action: Action, frame: bytes | None) -> None:
        kind = action.kind
        if kind == ActionKind.EXIT:
            self.exited = True
        elif kind == ActionKind.LATCH:
            self.latched = (action.state, action.code)
        else:
            self.roads.perform(action, frame)

    def _pulse(self) -> None:
        now_ns = self.now_ns
        self._on_event(new_event(EventKind.TIMER, now_ns, timer=Timer.PULSE))
        self._pulses += 1
        if self._pulses % PULSES_PER_SECOND == 0:
            self._on_event(new_event(EventKind.TIMER, now_ns, timer=Timer.SECOND))
        self.calendar.at(now_ns + PULSE_NS, self._pulse)
