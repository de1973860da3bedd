"""Rate limits: request weight of the venue's one address, and unfilled orders per account.

Owns the fixed windows and their counts. Knows no endpoint: weights are handed in.

Loopback has one address, so there is one weight count for all clients. Orders are counted as
the venue counts them: one more for each accepted, one less on its first taker fill, five less
on its first maker fill; cancels change nothing.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from hftd.simex import refusals
from hftd.simex.refusals import Refusal

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
DAY_NS = 24 * 60 * MINUTE_NS


class Limits(Struct, frozen=True):
    """The limits of the venue; the defaults are the ones its real twin publishes."""

    weight_per_minute: int = 6000
    orders_per_10s: int = 100
    orders_per_day: int = 200_000
    raw_requests_per_5min: int = 61_000
    stream_messages_per_second: int = 5
    connection_hours: int = 24
    refusals_before_ban: int = 200
    """Requests refused with 429 within a minute before the address is banned with 418."""


class Window:
    """A count that starts again at every multiple of its length."""

    __slots__ = ("_length_ns", "_start_ns", "count")

    def __init__(self, length_ns: int) -> None:
        self._length_ns = length_ns
        self._start_ns = 0
        self.count = 0

    def add(self, amount: int, ts_ns: int) -> int:
        """Add to the count of the window that ``ts_ns`` lies in, not below 0; return it."""
        start_ns = ts_ns - ts_ns % self._length_ns
        if start_ns != self._start_ns:
            self._start_ns, self.count = start_ns, 0
        self.count = max(0, self.count + amount)
        return self.count

    def ends_in_s(self, ts_ns: int) -> int:
        """Return the whole seconds until the window ends, rounded up."""
        left_ns = self._length_ns - ts_ns % self._length_ns
        return -(-left_ns // SECOND_NS)


class RateLimits:
    """All counts of the venue."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._weight = Window(MINUTE_NS)
        self._raw = Window(5 * MINUTE_NS)
        self._refused = Window(MINUTE_NS)
        self._bans = 0
        self._banned_until_ns = 0
        self._orders: dict[int, tuple[Window, Window]] = {}

    def spend(self, weight: int, ts_ns: int) -> Refusal | None:
        """Count one request and its weight; refuse when a limit is passed.

        Who goes on asking past the refusals is banned: first for two minutes, for twice as
        long each time, at most for three days.
        """
        if ts_ns < self._banned_until_ns:
            return self._banned(ts_ns)
        refusal = self._count(weight, ts_ns)
        if refusal is not None and (self._refused.add(1, ts_ns) > self.limits.refusals_before_ban):
            self._banned_until_ns = ts_ns + min(2 * MINUTE_NS << self._bans, 3 * DAY_NS)
            self._bans = min(self._bans + 1, 12)
            return self._banned(ts_ns)
        return refusal

    def _banned(self, ts_ns: int) -> Refusal:
        wait_s = -(-(self._banned_until_ns - ts_ns) // SECOND_NS)
        return refusals.banned(self._banned_until_ns // 1_000_000, wait_s)

    def _count(self, weight: int, ts_ns: int) -> Refusal | None:
        used = self._weight.add(weight, ts_ns)
        raw = self._raw.add(1, ts_ns)
        if used > self.limits.weight_per_minute:
            wait_s = self._weight.ends_in_s(ts_ns)
            return refusals.too_much_weight(self.limits.weight_per_minute, wait_s)
        if raw > self.limits.raw_requests_per_5min:
            wait_s = self._raw.ends_in_s(ts_ns)
            return refusals.too_many_requests(self.limits.raw_requests_per_5min, wait_s)
        return None

    def used_weight(self, ts_ns: int) -> int:
        """Return the weight used in this minute."""
        return self._weight.add(0, ts_ns)

    def check_order(self, account: int, ts_ns: int) -> Refusal | None:
        """Refuse one more order where a window is full."""
        ten_seconds, day = self._windows(account)
        if ten_seconds.add(0, ts_ns) >= self.limits.orders_per_10s:
            wait_s = ten_seconds.ends_in_s(ts_ns)
            return refusals.too_many_orders(self.limits.orders_per_10s, "10 SECOND", wait_s)
        if day.add(0, ts_ns) >= self.limits.orders_per_day:
            wait_s = day.ends_in_s(ts_ns)
            return refusals.too_many_orders(self.limits.orders_per_day, "1 DAY", wait_s)
        return None

    def count_order(self, account: int, amount: int, ts_ns: int) -> None:
        """Add to the unfilled orders of an account; fills take away."""
        for window in self._windows(account):
            window.add(amount, ts_ns)

    def order_counts(self, account: int, ts_ns: int) -> tuple[int, int]:
        """Return the counts of the 10 s and the 1 day window."""
        ten_seconds, day = self._windows(account)
        return ten_seconds.add(0, ts_ns), day.add(0, ts_ns)

    def render(self) -> list[dict[str, Any]]:
        """Return the list of exchangeInfo."""
        limits = self.limits
        return [
            _rule("REQUEST_WEIGHT", "MINUTE", 1, limits.weight_per_minute),
            _rule("ORDERS", "SECOND", 10, limits.orders_per_10s),
            _rule("ORDERS", "DAY", 1, limits.orders_per_day),
            _rule("RAW_REQUESTS", "MINUTE", 5, limits.raw_requests_per_5min),
        ]

    def render_weight(self, ts_ns: int) -> dict[str, Any]:
        """Return the weight rule with its count, as WS-API replies carry it."""
        rule = _rule("REQUEST_WEIGHT", "MINUTE", 1, self.limits.weight_per_minute)
        return {**rule, "count": self.used_weight(ts_ns)}

    def render_orders(self, account: int, ts_ns: int) -> list[dict[str, Any]]:
        """Return the order rules with the account's counts."""
        ten_seconds, day = self.order_counts(account, ts_ns)
        limits = self.limits
        return [
            {**_rule("ORDERS", "SECOND", 10, limits.orders_per_10s), "count": ten_seconds},
            {**_rule("ORDERS", "DAY", 1, limits.orders_per_day), "count": day},
        ]

    def _windows(self, account: int) -> tuple[Window, Window]:
        windows = self._orders.get(account)
        if windows is None:
            windows = self._orders[account] = (Window(10 * SECOND_NS), Window(DAY_NS))
        return windows


def _rule(kind: str, interval: str, number: int, limit: int) -> dict[str, Any]:
    return {
        "rateLimitType": kind,
        "interval": interval,
        "intervalNum": number,
        "limit": limit,
    }
