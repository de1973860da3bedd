"""Whose orders a ledger holds: one account at one venue, which a profile cannot change.

Owns the comparison of the last run's account with that of the profile of today. Must not know
what else a boot takes over (memory.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from hftd.config.load import LoadedProfile
from hftd.errors import ProfileError


class Account(NamedTuple):
    """Whose orders a ledger holds: a venue as a profile names it, and the reference to a key."""

    venue: str
    api_key: str


def account_of(profile: Mapping[str, Any]) -> Account:
    """Return the account that a profile's plain words name."""
    venue = profile["venue"]
    named = filter(None, (profile["mode"], venue["kind"], venue.get("rest_url")))
    return Account(" ".join(named), venue.get("api_key") or "")


def require_account(was: Account | None, open_orders: int, loaded: LoadedProfile) -> None:
    """Refuse another venue: a ledger's orders, ids of trades and balances mean nothing there.

    Another key may be of the same account; not while orders are open that it may not see.
    Raises: ProfileError for either.
    """
    now = account_of(loaded.profile.model_dump(mode="json"))
    if was is None or was == now or (was.venue == now.venue and open_orders == 0):
        return
    at = 0 if was.venue != now.venue else 1
    left = f"; {open_orders} orders may be open there: hftd kill-offline first"
    raise ProfileError(
        f"{was[at] or 'none'}, whose ledger this is (or start --fresh, or by another --name)"
        f"{left if open_orders else ''}",
        path=str(loaded.path),
        key=("venue", "venue.api_key")[at],
        was=now[at] or "none",
    )
