"""Which keys may change while the daemon runs, and what takes each; every other waits for a start.

Owns that table, the differences between two loaded profiles, and what is in force between them.
Must not know how a change reaches its taker. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from typing import Any, Final

from hftd.config.load import LoadedProfile, config_hash, flatten
from hftd.config.schema import Profile
from hftd.config.values import plain
from hftd.domain.limits import Limit

# The key behind each limit that the engine takes while it trades (C38); orders that reduce hold
# the same key, without the canary's factor.
LIMIT_KEYS: Final[Mapping[Limit, str]] = {
    Limit.DAILY_LOSS_ATOMS: "max_daily_loss_quote",
    Limit.DRAWDOWN_ATOMS: "max_drawdown_quote",
    Limit.TURNOVER_ATOMS: "max_daily_turnover_quote",
    Limit.GROSS_EXPOSURE_ATOMS: "max_gross_exposure_quote",
    Limit.OPEN_NOTIONAL_ATOMS: "max_open_notional_quote",
    Limit.ORDER_INTERVAL_NS: "max_orders_per_second",
    Limit.BOOK_AGE_NS: "max_book_age_ms",
    Limit.UNKNOWN_ORDERS: "max_unknown_orders",
    Limit.ONE_SIDED_FILLS: "max_one_sided_fills",
    Limit.ORDERS_WITHOUT_FILL: "max_orders_without_fill",
    Limit.LOOP_LAG_NS: "max_loop_lag_ms",
    Limit.ACK_NS: "max_ack_ms",
    Limit.PRICE_JUMP_BPS_E2: "price_jump_bps",
    Limit.ORDER_LOTS: "max_order_size_base",
    Limit.ORDER_LOTS_REDUCE: "max_order_size_base",
    Limit.ORDER_NOTIONAL_ATOMS: "max_order_notional_quote",
    Limit.ORDER_NOTIONAL_ATOMS_REDUCE: "max_order_notional_quote",
    Limit.POSITION_LOTS: "max_position_base",
    Limit.OPEN_ORDERS: "max_open_orders",
    Limit.COLLAR_BPS_E2: "price_collar_bps",
    Limit.QUOTE_DISTANCE_BPS_E2: "max_quote_distance_bps",
}
_LIVE_RISK: Final = frozenset(LIMIT_KEYS.values())
_RECORDER_SECTIONS: Final = ("log", "alerts", "heartbeat_url", "metrics")


class Taker(Enum):
    """Who takes a changed value."""

    ENGINE = "engine"  # A limit: tighter at once, looser only in HALTED or KILLED.
    RECORDER = "recorder"  # It is started again; trading does not wait for it.
    START = "start"  # The next start.


@dataclass(frozen=True, slots=True)
class Change:
    """One key whose value differs; ``origin`` is where the new one was written."""

    key: str
    old: str
    new: str
    origin: str
    taker: Taker


def taker_of(key: str) -> Taker:
    """Return who takes a change of this dotted key."""
    section, _, rest = key.partition(".")
    if section == "instrument_limits" or (section == "risk" and rest in _LIVE_RISK):
        return Taker.ENGINE
    return Taker.RECORDER if section in _RECORDER_SECTIONS else Taker.START


def changes_between(old: LoadedProfile, new: LoadedProfile) -> list[Change]:
    """Return every key whose value differs, in the schema's order; one that is gone last."""
    before, after = dict(flatten(old.profile)), dict(flatten(new.profile))
    found = []
    for key in [*after, *(key for key in before if key not in after)]:
        was, now = before.get(key), after.get(key)
        if was != now:
            origin = new.origins.get(key, "default")
            taker = Taker.START if _is_venues_rate(key, was, now) else taker_of(key)
            found.append(Change(key, _shown(was), _shown(now), origin, taker))
    return found


def in_force(old: LoadedProfile, new: LoadedProfile) -> LoadedProfile:
    """Return the running profile with the live values of a new one in place of its own."""
    limits = {key: getattr(new.profile.risk, key) for key in sorted(_LIVE_RISK)}
    rate = "max_orders_per_second"
    if _is_venues_rate(f"risk.{rate}", getattr(old.profile.risk, rate), limits[rate]):
        del limits[rate]
    sections: dict[str, Any] = {name: getattr(new.profile, name) for name in _RECORDER_SECTIONS}
    sections["risk"] = old.profile.risk.model_copy(update=limits)
    sections["instrument_limits"] = {
        instrument: its
        for instrument, its in new.profile.instrument_limits.items()
        if instrument in old.profile.instruments
    }
    profile: Profile = old.profile.model_copy(update=sections)
    takes = {change.key for change in changes_between(old, new) if change.taker is not Taker.START}
    origins = {
        key: (new if key in takes else old).origins.get(key, "default")
        for key, _ in flatten(profile)
    }
    return replace(old, profile=profile, origins=origins, config_hash=config_hash(profile))


def _is_venues_rate(key: str, old: Any, new: Any) -> bool:
    # Between a figure and the venue's own limits the gate counts in another way.
    return key == "risk.max_orders_per_second" and "venue" in (old, new)


def _shown(value: Any) -> str:
    if value is None:
        return "none"
    return plain(value) if isinstance(value, Decimal) else str(value)
