"""Listen keys: the retired way to a user's own events, which older programs still ask for.

Owns which key stands for which account and until when. Knows no connections. A key is made of
its account and of when it was made, so that the same calls give the same keys; an account has
at most one.
"""

from __future__ import annotations

import hashlib

VALID_NS = 60 * 60 * 1_000_000_000


class ListenKeys:
    """All listen keys that are alive."""

    def __init__(self) -> None:
        self._by_account: dict[int, tuple[str, int]] = {}

    def start(self, account: int, ts_ns: int) -> str:
        """Return the key of an account, made where there is none, for another hour."""
        key = self.of(account, ts_ns)
        if key is None:
            key = hashlib.sha256(f"{account} {ts_ns}".encode()).hexdigest()
        self._by_account[account] = (key, ts_ns + VALID_NS)
        return key

    def keep(self, account: int, key: str, ts_ns: int) -> bool:
        """Let a key live for another hour; False where the account does not have it."""
        if self.of(account, ts_ns) != key:
            return False
        self._by_account[account] = (key, ts_ns + VALID_NS)
        return True

    def end(self, account: int, key: str, ts_ns: int) -> bool:
        """End a key; False where the account does not have it."""
        if self.of(account, ts_ns) != key:
            return False
        del self._by_account[account]
        return True

    def of(self, account: int, ts_ns: int) -> str | None:
        """Return the key of an account that is alive."""
        key, until_ns = self._by_account.get(account, (None, 0))
        return key if ts_ns < until_ns else None

    def knows(self, key: str) -> bool:
        """Return whether some account has or had this key last."""
        return any(key == known for known, _ in self._by_account.values())
