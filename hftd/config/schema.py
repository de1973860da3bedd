"""The profile: every key with its type, unit, bounds and default, as frozen models.

Owns what a profile may say. Must not know files, the environment or YAML (``load`` brings
those), nor act on anything it says. Units stand in the key; decimals are text at the edge and
``Decimal`` here. Pure.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from hftd.config.real_venue import BinanceVenue, check_mode
from hftd.config.risk_limits import InstrumentLimits, RiskLimits, limits_of, scale
from hftd.config.strategy_parameters import MarketMaking, Strategy
from hftd.config.values import (
    AssetName,
    Flag,
    InstrumentName,
    Integer,
    NonNegativeBps,
    NonNegativeDecimal,
    OpeningOrSize,
    PositiveDecimal,
    PositiveFraction,
    PositiveMs,
    QueueModelName,
    SecretReference,
    Section,
    ServerAddress,
    misplaced,
    plain,
)
from hftd.config.watching import Alerts, Metrics

MAX_INSTRUMENTS: Final = 50

# As SQLAlchemy reads a URL: up to the first @, whatever stands between; or among its options.
_PASSWORD: Final = re.compile(r"://[^:/]*:[^@]*@|[?&](?:ssl)?password=")

# Controls that must stand before production hosts are allowed; the safety work brings them.
CONTROLS_MISSING_FOR_LIVE: Final = "C43"


class Canary(Section):
    """Trade a fraction of every size and money limit."""

    enabled: Flag = True
    """Whether the factor applies."""
    size_factor: PositiveFraction = Decimal("0.10")
    """What sizes and size or money limits are multiplied by."""


class AgentsMarket(Section):
    """A market made by seeded agents that react to our orders."""

    source: Literal["agents"]
    """Where the market comes from."""
    preset: str = Field(default="calm", min_length=1, max_length=4096)
    """Which population of agents: a shipped preset, or a file relative to the one naming it."""
    seed: Annotated[Integer, Field(ge=0, le=2**63 - 1)] = 7
    """The same seed gives the same agents."""


class TapeMarket(Section):
    """A market replayed from recorded messages; our orders join it in a queue model."""

    source: Literal["tape"]
    """Where the market comes from."""
    path: str = Field(default="synthetic", min_length=1, max_length=4096)
    """The recording, relative to the file that names it; ``synthetic`` is the shipped one."""
    speed: Annotated[PositiveDecimal, Field(le=1_000)] = Decimal(1)
    """How many times its own pace it is played at."""
    queue: QueueModelName = "pessimistic"
    """How our orders' places in the queues are estimated; hftd/simex/queue_model.py has them."""


class LiveMarket(Section):
    """A market that follows another server's public streams; our orders join it like a tape."""

    source: Literal["live"]
    """Where the market comes from."""
    url: ServerAddress
    """REST address of the server; another address of its streams stands behind a comma."""
    queue: QueueModelName = "pessimistic"
    """How our orders' places in the queues are estimated; the optimist is always asked as well."""


class Fees(Section):
    """Fee rates of the simulated account."""

    maker_bps: Annotated[NonNegativeBps, Field(le=1_000)] = Decimal(0)
    """Fee of an order that rested."""
    taker_bps: Annotated[NonNegativeBps, Field(le=1_000)] = Decimal(5)
    """Fee of an order that crossed."""


def _opening_balances() -> dict[str, Decimal]:
    return {"BTC": Decimal(1), "USDT": Decimal(100_000)}


class SimexVenue(Section):
    """The simulated exchange, started by the daemon on a free loopback port."""

    kind: Literal["simex"]
    """Which venue this is."""
    market: Annotated[AgentsMarket | TapeMarket | LiveMarket, Field(discriminator="source")] = (
        AgentsMarket(source="agents")
    )
    """Where its prices come from."""
    fees: Fees = Fees()
    """What it charges."""
    opening_balances: dict[AssetName, NonNegativeDecimal] = Field(default_factory=_opening_balances)
    """What a new account holds, by asset; default: 1 BTC and 100000 USDT."""
    recv_window_ms: Annotated[PositiveMs, Field(ge=100, le=5_000)] = 2_000
    """How late a request may reach the matching engine; bounds every unknown outcome."""
    account: Literal["shared", "dedicated"] = "shared"
    """Whether others trade on this account; kill sweeps whole symbols only if dedicated."""
    api_key: SecretReference | None = None
    """Key by reference; default: the documented paper key."""
    api_secret: SecretReference | None = None
    """Secret by reference; default: the documented paper secret."""

    @model_validator(mode="after")
    def _key_pair(self) -> Self:
        if (self.api_key is None) != (self.api_secret is None):
            absent = "api_key" if self.api_key is None else "api_secret"
            raise misplaced(absent, "is required when the other half of the pair is given")
        return self


class Inventory(Section):
    """What the strategy steers towards and what it may never touch."""

    target_base: OpeningOrSize = "opening"
    """Holding that counts as position 0: what was there at the ledger's start, or a figure."""
    reserve_base: NonNegativeDecimal = Decimal(0)
    """Never sell below this holding, not in flatten or kill either."""
    reserve_quote: NonNegativeDecimal = Decimal(0)
    """Never spend below this balance."""


class LatencyTargets(Section):
    """Targets in milliseconds per stage; the latency table marks what is over."""

    market_data: PositiveDecimal = Decimal(5)
    """Frame received to book applied."""
    strategy: PositiveDecimal = Decimal(10)
    """Book applied to quotes decided."""
    risk: PositiveDecimal = Decimal(1)
    """The gate over one order."""
    execution: PositiveDecimal = Decimal(30)
    """Approved to handed to the socket: journal, encode, send."""
    end_to_end: PositiveDecimal = Decimal(40)
    """Frame received to the venue's acknowledgement."""


class Storage(Section):
    """The ledger's database."""

    url: str = Field(default="sqlite:///{state}/hftd.db", max_length=1024)
    """SQLAlchemy URL, without a password; {state} is the instance's state folder."""
    password: SecretReference | None = None
    """Password of a server database, by reference."""

    @model_validator(mode="after")
    def _known_database(self) -> Self:
        if _PASSWORD.search(self.url):
            expected = "no password in it; storage.password: env:NAME brings it"
            raise misplaced("url", expected, withheld=True)
        if not self.url.startswith(("sqlite:///", "postgresql+psycopg://")):
            raise misplaced("url", "a URL sqlite:///… or postgresql+psycopg://…")
        file = self.url.removeprefix("sqlite:///")
        if file != self.url and not file.startswith(("/", "{state}/")):
            # Each command would look for it in the folder that it was called in.
            raise misplaced("url", "a whole path behind sqlite:///, or one that begins {state}/")
        try:
            _ = urlsplit(self.url).port
        except ValueError:
            raise misplaced("url", "a port from 0 to 65535") from None
        return self


class Journal(Section):
    """The journal's room on disk."""

    max_gb: Annotated[Integer, Field(gt=0, le=10_000)] = 5
    """Market data kept; the oldest goes first."""
    gate: Literal["written", "synced"] = "written"
    """When an order may leave: its intent in the page cache, or on the disk (some 0.2 ms more)."""
    disk_floor_mb: Annotated[Integer, Field(gt=0, le=1_000_000)] = 500
    """Free disk below which trading HALTs (C26)."""
    segment_mb: Annotated[Integer, Field(gt=0, le=1_024)] = 64
    """Size of one preallocated segment."""


class Runtime(Section):
    """How the loop uses the machine."""

    spin: Flag = False
    """Poll instead of sleep: faster, at the price of a whole core."""
    cpu: Annotated[Integer, Field(ge=0, le=4_095)] | None = None
    """Core to pin the loop to, which recorder and exchange keep off; default: not pinned."""


class Log(Section):
    """The JSON log."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    """Least level written."""
    max_lines_per_second: Annotated[Integer, Field(gt=0, le=100_000)] = 200
    """Lines beyond this are counted and dropped."""
    rotate_mb: Annotated[Integer, Field(gt=0, le=10_000)] = 50
    """Size at which the file is rotated."""
    rotate_count: Annotated[Integer, Field(gt=0, le=100)] = 5
    """Rotated files kept."""


class Profile(Section):
    """One trading daemon's whole configuration."""

    schema_version: Annotated[Integer, Field(ge=1, le=1)]
    """Version of this schema: 1."""
    description: str = Field(min_length=1, max_length=200)
    """What the profile is for, in a sentence."""
    mode: Literal["paper", "testnet", "live"]
    """Simulated fills, the venue's test hosts, or money."""
    canary: Canary = Canary()
    """Trade a fraction of every size first; on unless switched off."""
    venue: Annotated[SimexVenue | BinanceVenue, Field(discriminator="kind")]
    """Where to trade."""
    instruments: tuple[InstrumentName, ...] = Field(min_length=1, max_length=MAX_INSTRUMENTS)
    """What to trade; all share one quote asset."""
    instrument_limits: dict[InstrumentName, InstrumentLimits] = Field(default_factory=dict)
    """Limits of single instruments in place of those under risk."""
    strategy: Strategy
    """What decides the quotes."""
    instrument_strategy: dict[InstrumentName, Strategy] = Field(default_factory=dict)
    """Parameters of single instruments in place of those under strategy."""
    inventory: Inventory = Inventory()
    """What the strategy steers towards and may not touch."""
    risk: RiskLimits
    """The limits; those without a default must be said."""
    latency_targets_ms: LatencyTargets = LatencyTargets()
    """Targets of the latency table."""
    storage: Storage = Storage()
    """The ledger's database."""
    journal: Journal = Journal()
    """The journal's room on disk."""
    runtime: Runtime = Runtime()
    """How the loop uses the machine."""
    log: Log = Log()
    """The JSON log."""
    alerts: Alerts = Alerts()
    """Who is told when something happens, by a command or a webhook a level."""
    heartbeat_url: SecretReference | None = None
    """URL by reference, fetched every 30 s while all health checks hold; silence is the alarm."""
    metrics: Metrics = Metrics()
    """Figures for Prometheus."""
    on_start: Literal["adopt", "cancel", "refuse"] = "cancel"
    """What a start does with orders of our own found open: keeps them, cancels them, or HALTs."""
    foreign_orders: Literal["refuse", "report"] = "refuse"
    """Orders of others on the account: HALT at a start and PAUSE while running, or only tell."""
    on_crash: Literal["resume", "halt"] = "resume"
    """What a restart after a crash comes back as; live profiles must say halt."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        _check_mode(self)
        _check_instruments(self)
        _check_order_sizes(self)
        return self

    @property
    def quote_asset(self) -> str:
        """The one quote asset of all instruments."""
        return self.instruments[0].split("-")[1]

    @property
    def size_factor(self) -> Decimal:
        """What the canary multiplies by: 1 when it is off."""
        return self.canary.size_factor if self.canary.enabled else Decimal(1)

    def strategy_of(self, instrument: str) -> Strategy:
        """Return the strategy's parameters for one instrument, its own in place."""
        return self.instrument_strategy.get(instrument, self.strategy)

    def strategy_key(self, instrument: str) -> str:
        """Return the section of the profile that they stand in."""
        own = instrument in self.instrument_strategy
        return f"instrument_strategy.{instrument}" if own else "strategy"

    def limits(self, instrument: str) -> RiskLimits:
        """Return the unscaled limits of one instrument, its own overrides applied."""
        return limits_of(self.risk, self.instrument_limits.get(instrument))


def scaled_limits(profile: Profile) -> dict[str, RiskLimits]:
    """Return the limits the gate holds, by instrument: overrides applied, canary scaled.

    Units: exact decimals; whoever turns them into lots, ticks and atoms rounds down.
    """
    return {
        instrument: scale(profile.limits(instrument), profile.size_factor)
        for instrument in profile.instruments
    }


def _check_mode(profile: Profile) -> None:
    if profile.mode == "live" and profile.on_crash != "halt":
        raise misplaced("on_crash", "halt, as mode live demands")
    if isinstance(profile.venue, BinanceVenue):
        check_mode(profile.mode, profile.venue)
    elif profile.mode != "paper":
        raise misplaced("mode", "paper, as venue.kind simex simulates its fills")


def _check_instruments(profile: Profile) -> None:
    venue, seen = profile.venue, list[str]()
    if profile.inventory.target_base not in ("opening", 0) and len(profile.instruments) > 1:
        expected = "opening or 0: so much of one coin is another quantity of the next"
        raise misplaced("inventory.target_base", expected)
    for index, instrument in enumerate(profile.instruments):
        base, quote = instrument.split("-")
        if instrument in seen:
            raise misplaced(f"instruments.{index}", "each instrument once")
        if quote != profile.quote_asset:
            expected = f"an instrument quoted in {profile.quote_asset}: a profile has one quote"
            raise misplaced(f"instruments.{index}", expected)
        for asset in (base, quote):
            if isinstance(venue, SimexVenue) and asset not in venue.opening_balances:
                expected = f"a balance of {asset}, which {instrument} needs"
                raise misplaced("venue.opening_balances", expected)
        seen.append(instrument)
    for instrument in profile.instrument_limits:
        if instrument not in seen:
            raise misplaced(f"instrument_limits.{instrument}", "one of instruments")
    for instrument, strategy in profile.instrument_strategy.items():
        key = f"instrument_strategy.{instrument}"
        if instrument not in seen:
            raise misplaced(key, "one of instruments")
        if strategy.kind != profile.strategy.kind:
            expected = f"{profile.strategy.kind}, as strategy.kind says for all instruments"
            raise misplaced(f"{key}.kind", expected)


def _check_order_sizes(profile: Profile) -> None:
    """Refuse sizes and distances that the gate would refuse each time (C03, C05, C12)."""
    for instrument in profile.instruments:
        strategy, limits = profile.strategy_of(instrument), profile.limits(instrument)
        key = f"{profile.strategy_key(instrument)}.order_size_base"
        if strategy.largest_order_base > limits.max_order_size_base:
            largest, limit = plain(strategy.largest_order_base), plain(limits.max_order_size_base)
            raise misplaced(
                key,
                f"small enough that its largest order, {largest}, is at most"
                f" max_order_size_base of {instrument}, {limit}",
            )
        if strategy.order_size_base > limits.max_position_base:
            limit = plain(limits.max_position_base)
            raise misplaced(key, f"at most max_position_base of {instrument}, {limit}")
        if not isinstance(strategy, MarketMaking) or strategy.quote != "offset":
            continue
        farthest = limits.max_quote_distance_bps
        if strategy.half_spread_bps is not None and strategy.half_spread_bps >= farthest:
            key = f"{profile.strategy_key(instrument)}.half_spread_bps"
            expected = f"below max_quote_distance_bps of {instrument}, {plain(farthest)}"
            raise misplaced(key, expected)
