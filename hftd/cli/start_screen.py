"""The one screen that ``hftd start`` prints before it trades, at most 80 columns wide."""

from __future__ import annotations

from collections.abc import Iterator

from hftd.cli.check_report import Report
from hftd.config.risk_limits import CANARY_SCALED
from hftd.config.schema import AgentsMarket, Profile, TapeMarket, scaled_limits
from hftd.config.values import plain
from hftd.runtime.paths import InstancePaths

REQUIRED = (
    ("max_order_size_base", "order size"),
    ("max_order_notional_quote", "order value"),
    ("max_position_base", "position"),
    ("max_open_orders", "open orders"),
    ("price_collar_bps", "price collar, bps"),
    ("max_daily_loss_quote", "daily loss"),
    ("max_drawdown_quote", "drawdown"),
    ("max_daily_turnover_quote", "daily turnover"),
    ("max_gross_exposure_quote", "gross exposure"),
    ("max_orders_per_second", "orders a second"),
    ("max_book_age_ms", "book age, ms"),
)


def screen(report: Report, paths: InstancePaths) -> str:
    """Return the screen: what will be traded, inside which limits, how to watch and stop it."""
    loaded, profile = report.loaded, report.loaded.profile
    lines = [
        f"hftd {paths.name}: {profile.mode.upper()} trading, simulated money",
        f"profile   {loaded.name}: {profile.description}",
        f"venue     simulated exchange, market {market_words(profile)}",
        *order_lines(report),
        *limit_lines(profile),
        f"state     {paths.state_dir}",
        f"socket    {paths.control_socket}",
        f"log       {paths.log_path}",
        f"ledger    {profile.storage.url.replace('{state}', str(paths.state_dir))}",
        f"watch     hftctl --name {paths.name} status | book | explain | logs -f",
        f"stop      Ctrl-C, or hftctl --name {paths.name} stop; at once: hftctl kill",
    ]
    return "\n".join(lines)


def market_words(profile: Profile) -> str:
    """Return where the prices come from."""
    market = profile.venue.market
    if isinstance(market, AgentsMarket):
        return f"agents {market.preset}, seed {market.seed}"
    assert isinstance(market, TapeMarket)
    return f"tape {market.path} at speed {plain(market.speed)}"


def order_lines(report: Report) -> Iterator[str]:
    """Yield what one order is, in base and quote."""
    profile = report.loaded.profile
    size = f"canary: {plain(profile.size_factor)} of full size"
    for found in report.economics:
        base, quote = found.market.instrument.split("-")
        yield (
            f"order     {plain(found.order.qty_base)} {base} "
            f"(about {found.order.notional_quote:.2f} {quote}); "
            f"{size if profile.canary.enabled else 'FULL SIZE, canary off'}"
        )
    fees = profile.venue.fees
    yield f"fees      maker {plain(fees.maker_bps)} bps, taker {plain(fees.taker_bps)} bps"


def limit_lines(profile: Profile) -> Iterator[str]:
    """Yield every required limit as it is in force, two a line."""
    for instrument, limits in scaled_limits(profile).items():
        yield f"limits    {instrument}, in force (* scaled by the canary)"
        shown = []
        for key, words in REQUIRED:
            mark = "*" if key in CANARY_SCALED and profile.canary.enabled else " "
            value = getattr(limits, key)
            text = str(value) if isinstance(value, int) else plain(value)
            shown.append(f"{words:<18}{text:>12}{mark}")
        for at in range(0, len(shown), 2):
            yield "  " + "   ".join(shown[at : at + 2]).rstrip()
