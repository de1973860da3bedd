"""Builds a venue from what the command line or a profile asks for.

Owns the choice of the market source and the default account. Knows no sockets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import msgspec
import yaml
from msgspec import Struct

from hftd.config.preset_shelf import load_preset
from hftd.errors import UsageError
from hftd.runtime.exchange_latency import LatencyWish, latencies
from hftd.simex.agents import agents
from hftd.simex.events import Fees
from hftd.simex.faults import Fault, read_script
from hftd.simex.late_venue import LateVenue
from hftd.simex.limits import Limits
from hftd.simex.live import LiveMarket
from hftd.simex.market import Market, SymbolSpec
from hftd.simex.matching import MatchingMarket
from hftd.simex.numbers import atoms_of
from hftd.simex.presets import SYMBOLS, Preset, preset_of
from hftd.simex.queue_model import FORMS, QueueModel, parse_queue_model
from hftd.simex.refusals import Refusal
from hftd.simex.tape import BTCUSDT_SPEC, TapeMarket
from hftd.simex.tape_lines import Unreadable, spec_on
from hftd.simex.venue import AccountConfig, VenueConfig

DEFAULT_KEY = "hftd-paper-key"
DEFAULT_SECRET = "hftd-paper-secret"  # noqa: S105 - documented; it guards simulated money.
DEFAULT_BALANCES = ("USDT=100000", "BTC=1")
MAX_SPEED = 1000
RECORDED_FEES_BPS = ("10", "10")
"""The entry tier of the venue that is recorded or followed."""

RATE_OF_A_BPS = 10_000
"""One basis point in 1e-8 of the amount, which is what fees are kept in."""


class ExchangeWish(Struct, frozen=True, forbid_unknown_fields=True):
    """What is asked for: a market source, its accounts, its fees.

    ``market`` is ``agents``, ``tape:FILE[,FILE...]`` or ``live:URL``; ``accounts`` are KEY:SECRET,
    ``balances`` ASSET=AMOUNT; a fee of None is the preset's own. ``preset`` is the name of a
    shipped one, or the path of a file. ``queue`` is the queue model of a tape (``FORMS``).
    ``withdrawing`` are keys of accounts that the venue lets withdraw, for who looks at that.
    """

    symbols: Sequence[str] = ("BTCUSDT",)
    market: str = "agents"
    preset: str = "calm"
    seed: int = 7
    speed: str = "1"
    queue: str = "pessimistic"
    accounts: Sequence[str] = ()
    withdrawing: Sequence[str] = ()
    balances: Sequence[str] = DEFAULT_BALANCES
    maker_bps: str | None = None
    taker_bps: str | None = None
    limits: Limits = Limits()
    faults: Sequence[Fault] = ()
    latency: LatencyWish = LatencyWish()


class MarketSource(NamedTuple):
    """Where prices come from: what names it, what it charges, and how its markets are made."""

    identity: str
    fees_bps: tuple[str, str]
    make_markets: Callable[[], list[Market]]


def build_venue(wish: ExchangeWish, source: MarketSource | None = None) -> LateVenue:
    """Return the venue; raises UsageError that names what does not exist.

    ``source`` is given where another server is followed: ``live_source`` makes it.
    """
    source = source or market_source(wish)
    config = VenueConfig(
        accounts=_accounts(wish),
        fees=Fees(
            _rate("--maker-bps", wish.maker_bps, source.fees_bps[0]),
            _rate("--taker-bps", wish.taker_bps, source.fees_bps[1]),
        ),
        limits=wish.limits,
        identity=source.identity,
    )
    keys = [account.key for account in config.accounts]
    late = latencies(wish.latency, keys, wish.seed)
    return LateVenue(config, source.make_markets, wish.seed, wish.faults, late)


def market_source(wish: ExchangeWish) -> MarketSource:
    """Return the agents or the tape that a wish names; raises UsageError."""
    kind, _, path = wish.market.partition(":")
    model = _queue_model(wish)
    if kind == "agents" and not path:
        preset = _preset(wish)
        identity = f"agents {wish.preset} {wish.seed} {' '.join(wish.symbols)}"
        return MarketSource(
            identity,
            (preset.maker_fee_bps, preset.taker_fee_bps),
            lambda: [
                MatchingMarket(SYMBOLS[symbol].spec, agents(preset, symbol, wish.seed))
                for symbol in wish.symbols
            ],
        )
    if kind != "tape" or not path:
        raise UsageError(f"--market must be agents, tape:FILE or live:URL, was {wish.market}")
    paths = _tape_paths(wish, path)
    specs = [_tape_spec(paths, symbol) for symbol in wish.symbols]
    return MarketSource(
        f"tape {path} speed {wish.speed}",
        RECORDED_FEES_BPS,
        lambda: [TapeMarket(spec, paths, wish.speed, model=model) for spec in specs],
    )


def live_source(wish: ExchangeWish, specs: Sequence[SymbolSpec]) -> MarketSource:
    """Return the market of another server's symbols, whose steps are known by now."""
    model = _queue_model(wish)
    if wish.speed != "1":
        raise UsageError(f"--speed is for a tape; a live market has its own, was {wish.speed}")
    return MarketSource(
        f"{wish.market} {' '.join(wish.symbols)}",
        RECORDED_FEES_BPS,
        lambda: [LiveMarket(spec, model) for spec in specs],
    )


def read_wish(path: Path) -> ExchangeWish:
    """Return what a YAML file asks for: the fields of ``ExchangeWish`` by their names."""
    try:
        return msgspec.convert(_read_yaml(path) or {}, ExchangeWish)
    except msgspec.ValidationError as error:
        raise UsageError(f"--config {path}: {error}") from error


def read_faults(path: Path) -> list[Fault]:
    """Return the faults of a YAML script; raises UsageError that names it."""
    entries = _read_yaml(path)
    try:
        return read_script(entries)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from error


def parse_yaml(text: str, what: str) -> object:
    """Return what a text in YAML says; raises UsageError of one line that names the place."""
    try:
        return yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        raise UsageError(f"{what} does not read{where}: {error.problem}") from error
    except yaml.YAMLError as error:
        raise UsageError(f"{what} does not read: {' '.join(str(error).split())}") from error


def _read_yaml(path: Path) -> object:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} does not read: {error}") from error
    return parse_yaml(text, str(path))


def _preset(wish: ExchangeWish) -> Preset:
    if wish.speed != "1":
        raise UsageError(
            f"--speed is for a tape; agents trade at the pace of the clock, was {wish.speed}"
        )
    for symbol in wish.symbols:
        if symbol not in SYMBOLS:
            raise UsageError(f"--symbols must be of {', '.join(SYMBOLS)}, was {symbol}")
    return preset_of(load_preset(wish.preset))


def _queue_model(wish: ExchangeWish) -> QueueModel:
    model = parse_queue_model(wish.queue)
    if model is None:
        raise UsageError(f"--queue must be {FORMS}, was {wish.queue}")
    return model


def _tape_spec(paths: Sequence[Path], symbol: str) -> SymbolSpec:
    try:
        spec = spec_on(paths, symbol)
    except Unreadable as error:
        raise UsageError(str(error)) from None
    if spec is None and symbol != BTCUSDT_SPEC.symbol:
        raise UsageError(
            f"a tape without a listing is of {BTCUSDT_SPEC.symbol}, was {symbol}: "
            "hftd record writes the listing of its symbols first"
        )
    return spec or BTCUSDT_SPEC


def _tape_paths(wish: ExchangeWish, path: str) -> list[Path]:
    try:
        speed = Fraction(wish.speed)
    except (ValueError, ZeroDivisionError):
        speed = Fraction(0)
    if not 0 < speed <= MAX_SPEED:
        raise UsageError(f"--speed must be above 0 and at most {MAX_SPEED}, was {wish.speed}")
    paths = [Path(each) for each in path.split(",")]
    for each in paths:
        if not each.is_file():
            raise UsageError(f"--market: there is no tape {each}")
    return paths


def _accounts(wish: ExchangeWish) -> list[AccountConfig]:
    balances = dict(_balance(text) for text in wish.balances)
    pairs = [_pair(text) for text in wish.accounts] or [(DEFAULT_KEY, DEFAULT_SECRET)]
    return [AccountConfig(key, secret, balances, key in wish.withdrawing) for key, secret in pairs]


def _pair(text: str) -> tuple[str, str]:
    key, colon, secret = text.partition(":")
    if not colon or not key or not secret:
        raise UsageError("--account must be KEY:SECRET, or KEY:@FILE of an Ed25519 public key")
    if secret.startswith("@"):
        try:
            secret = Path(secret[1:]).read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"--account {key}: the public key does not read: {error}") from error
    return key, secret


def _balance(text: str) -> tuple[str, str]:
    asset, equals, amount = text.partition("=")
    if not equals or not asset.isalnum() or isinstance(atoms_of("amount", amount), Refusal):
        raise UsageError(f"--balance must be ASSET=AMOUNT with at most 8 decimals, was {text}")
    return asset.upper(), amount


def _rate(name: str, given: str | None, default: str) -> int:
    atoms = atoms_of(name, default if given is None else given)
    # Atoms are 1e-8 of a bps, rates 1e-8 of the amount: finer than four decimals is lost.
    if isinstance(atoms, Refusal) or atoms % RATE_OF_A_BPS != 0:
        raise UsageError(f"{name} must be a number with at most 4 decimals, was {given}")
    return atoms // RATE_OF_A_BPS
