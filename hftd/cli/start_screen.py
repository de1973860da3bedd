"""The one screen that ``hftd start`` prints before it trades.

Owns its words and its layout: 80 columns and, for one instrument, 24 lines; long paths aside.
Opens no socket.
"""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import hftd
from hftd.cli.check_report import Report
from hftd.config.risk_limits import CANARY_SCALED, RiskLimits
from hftd.config.schema import (
    AgentsMarket,
    LiveMarket,
    Profile,
    SimexVenue,
    TapeMarket,
    scaled_limits,
)
from hftd.config.values import plain
from hftd.runtime.paths import InstancePaths
from hftd.runtime.venue_host import venue_endpoints

_WIDTH: Final = 80
_INDENT: Final = " " * 10

# Key, words and unit of each limit; {base} and {quote} are the instrument's assets.
OF_AN_INSTRUMENT: Final = (
    ("max_order_size_base", "order size", "{base}"),
    ("max_order_notional_quote", "order value", "{quote}"),
    ("max_position_base", "position", "{base}"),
    ("max_open_orders", "open orders", ""),
    ("price_collar_bps", "price collar", "bps"),
    ("max_quote_distance_bps", "quote distance", "bps"),
)
OF_THE_PROFILE: Final = (
    ("max_gross_exposure_quote", "gross exposure", "{quote}"),
    ("max_open_notional_quote", "open order value", "{quote}"),
    ("max_daily_loss_quote", "daily loss", "{quote}"),
    ("max_drawdown_quote", "drawdown", "{quote}"),
    ("max_daily_turnover_quote", "daily turnover", "{quote}"),
    ("max_orders_per_second", "orders a second", ""),
    ("max_book_age_ms", "book age", "ms"),
    ("user_stream_timeout_ms", "silent account", "ms"),
    ("reject_storm_count", "rejects", "in {reject_storm_window_ms} ms"),
    ("max_unknown_orders", "unknown orders", ""),
    ("collar_breach_count", "collar breaches", "in {collar_breach_window_ms} ms"),
    ("unknown_timeout_ms", "unknown for", "ms"),
    ("max_clock_offset_ms", "clock offset", "ms"),
    ("clock_halt_after_ms", "wrong clock for", "ms"),
    ("max_clock_step_ms", "clock step", "ms"),
)


def screen(report: Report, paths: InstancePaths) -> str:
    """Return the screen: what will be traded, inside which limits, how to watch and stop it."""
    loaded, profile = report.loaded, report.loaded.profile
    url = profile.storage.url.replace("{state}", str(paths.state_dir))
    ctl = f"{hftctl_command()} --name {paths.name}"
    lines = [
        f"hftd {paths.name}: {profile.mode.upper()} trading, {money_words(profile)}",
        *_wrapped("profile", f"{loaded.name}: {profile.description}"),
        *_wrapped("venue", f"{venue_words(profile)}; {fee_words(profile)}"),
        *order_lines(report),
        *limit_lines(profile),
        f"socket    {paths.control_socket}",
        f"log       {paths.log_path}",
        f"ledger    {url.removeprefix('sqlite:///')}",
        f"watch     {ctl} status | book | explain | logs -f",
        f"stop      Ctrl-C, or {ctl} stop",
        f"at once   {ctl} kill",
    ]
    return "\n".join(lines)


def hftctl_command() -> str:
    """Return what to type for hftctl: the checkout's script where it is not in PATH."""
    script = Path(hftd.__file__).parents[1] / "scripts" / "hftctl"
    if shutil.which("hftctl") or not script.exists():
        return "hftctl"
    here = Path.cwd()
    return os.path.relpath(script, here) if script.is_relative_to(here) else f'"{script}"'


def money_words(profile: Profile) -> str:
    """Return whose money is at stake."""
    if isinstance(profile.venue, SimexVenue):
        return "simulated money"
    return "play money of the venue's test hosts" if profile.mode == "testnet" else "a rehearsal"


def venue_words(profile: Profile) -> str:
    """Return where orders go, and for the simulated exchange where its prices come from."""
    venue = profile.venue
    if not isinstance(venue, SimexVenue):
        return f"Binance Spot at {venue_endpoints(profile).name}"
    market = venue.market
    return f"simulated exchange, {_market_words(market)}"


def _market_words(market: AgentsMarket | TapeMarket | LiveMarket) -> str:
    if isinstance(market, AgentsMarket):
        return f"agents {market.preset}, seed {market.seed}"
    if isinstance(market, LiveMarket):
        return f"live from {market.url}, fills by the {market.queue} queue"
    return f"tape {market.path} at speed {plain(market.speed)}"


def fee_words(profile: Profile) -> str:
    """Return what the venue charges."""
    fees = profile.venue.fees
    return f"fees maker {plain(fees.maker_bps)}, taker {plain(fees.taker_bps)} bps"


def order_lines(report: Report) -> Iterator[str]:
    """Yield what one order is, in base and quote."""
    profile = report.loaded.profile
    size = f"canary, {plain(profile.size_factor)} of full size"
    for found in report.economics:
        base, quote = found.market.instrument.split("-")
        yield (
            f"order     {plain(found.order.qty_base)} {base},"
            f" about {found.order.notional_quote:.2f} {quote}"
            f" ({size if profile.canary.enabled else 'FULL SIZE, canary off'})"
        )


def limit_lines(profile: Profile) -> Iterator[str]:
    """Yield every limit as it is in force, two a line; equal instruments stand together."""
    scaled = f" (* times {plain(profile.size_factor)}: canary)" if profile.canary.enabled else ""
    alike: dict[tuple[str, ...], list[str]] = {}
    for instrument, limits in scaled_limits(profile).items():
        base, quote = instrument.split("-")
        own = tuple(_cell(limits, row, base, quote, profile) for row in OF_AN_INSTRUMENT)
        alike.setdefault(own, []).append(instrument)
    for cells, instruments in alike.items():
        yield from _wrapped("limits", f"in force on {', '.join(instruments)}{scaled}")
        yield from _in_pairs(cells)
    yield f"{_INDENT}and on the whole profile"
    limits = next(iter(scaled_limits(profile).values()))
    quote = profile.quote_asset
    yield from _in_pairs(
        tuple(_cell(limits, row, "", quote, profile) for row in OF_THE_PROFILE),
    )


def _cell(
    limits: RiskLimits, row: tuple[str, str, str], base: str, quote: str, profile: Profile
) -> str:
    key, words, unit = row
    value = getattr(limits, key)
    if value == "venue":  # max_orders_per_second may have no figure of its own.
        return f"{words:<17}{'60 %':>9}  of the exchange's"
    text = str(value) if isinstance(value, int) else plain(value)
    mark = "*" if key in CANARY_SCALED and profile.canary.enabled else " "
    shown = unit.format(base=base, quote=quote, **limits.model_dump())
    return f"{words:<17}{text:>9}{mark} {shown}".rstrip()


def _in_pairs(cells: tuple[str, ...]) -> Iterator[str]:
    for at in range(0, len(cells), 2):
        yield "  " + "  ".join(f"{cell:<37}" for cell in cells[at : at + 2]).rstrip()


def _wrapped(title: str, text: str) -> Iterator[str]:
    yield from textwrap.wrap(text, _WIDTH, initial_indent=f"{title:<10}", subsequent_indent=_INDENT)
