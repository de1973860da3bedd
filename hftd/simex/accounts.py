"""Balances of all accounts: free and locked atoms per asset, and what a trade moves.

Owns the money. Knows no orders beyond the amounts they lock, no symbols and no protocol text.

Invariant: the sum over all accounts (users, the fee account, the crowd) of each asset changes
by ``deposit`` alone. All house accounts of agents and the tape are one account, the crowd: it
needs no balance, may run below zero, and pays no fees.
"""

from __future__ import annotations

from msgspec import Struct

from hftd.simex.market import ATOMS
from hftd.simex.requests import FEE_ACCOUNT

CROWD = -1
"""The one account behind all house accounts."""


class Balance(Struct, gc=False):
    """What an account holds of one asset, in atoms."""

    free: int = 0
    locked: int = 0


class Accounts:
    """All balances."""

    def __init__(self) -> None:
        self._balances: dict[int, dict[str, Balance]] = {}
        self._touched: dict[tuple[int, str], None] = {}

    def balance(self, account: int, asset: str) -> Balance:
        """Return the balance, an empty one where the account never held the asset."""
        assets = self._balances.get(account)
        if assets is None:
            assets = self._balances[account] = {}
        balance = assets.get(asset)
        if balance is None:
            balance = assets[asset] = Balance()
        return balance

    def assets(self, account: int) -> dict[str, Balance]:
        """Return all balances of an account by asset."""
        return self._balances.setdefault(account, {})

    def deposit(self, account: int, asset: str, atoms: int) -> None:
        """Bring money in from outside; a negative amount takes it out."""
        self._change(account, asset, atoms, 0)

    def reserve(self, account: int, asset: str, atoms: int) -> bool:
        """Lock an amount for an order; False, and nothing changes, where free is less."""
        if self.balance(account, asset).free < atoms:
            return False
        self._change(account, asset, -atoms, atoms)
        return True

    def release(self, account: int, asset: str, atoms: int) -> None:
        """Unlock what an order no longer needs."""
        self._change(account, asset, atoms, -atoms)

    def pay(self, account: int, asset: str, atoms: int) -> None:
        """Take an amount out of what is locked; the crowd pays from free."""
        if account < 0:
            self._change(account, asset, -atoms, 0)
        else:
            self._change(account, asset, 0, -atoms)

    def receive(self, account: int, asset: str, atoms: int, rate: int) -> int:
        """Credit an amount less its fee; return the fee.

        ``rate`` is in 1e-8 of the amount. The fee is rounded down to the asset's atom and goes
        to the fee account.
        """
        fee = atoms * rate // ATOMS if account > FEE_ACCOUNT else 0
        self._change(account, asset, atoms - fee, 0)
        if fee:
            self._change(FEE_ACCOUNT, asset, fee, 0)
        return fee

    def take_touched(self) -> list[tuple[int, str]]:
        """Return (account, asset) of all balances changed since the last call, in order."""
        touched = list(self._touched)
        self._touched.clear()
        return touched

    def put(self, account: int, asset: str, free: int, locked: int) -> None:
        """Set a balance from the log."""
        balance = self.balance(account, asset)
        balance.free, balance.locked = free, locked

    def totals(self) -> dict[str, int]:
        """Return the sum of free and locked over all accounts, by asset."""
        totals: dict[str, int] = {}
        for assets in self._balances.values():
            for asset, balance in assets.items():
                totals[asset] = totals.get(asset, 0) + balance.free + balance.locked
        return totals

    def everyone(self) -> list[int]:
        """Return the numbers of all accounts that hold or held something."""
        return list(self._balances)

    def _change(self, account: int, asset: str, free: int, locked: int) -> None:
        account = max(account, CROWD)
        balance = self.balance(account, asset)
        balance.free += free
        balance.locked += locked
        crowd = account == CROWD
        assert crowd or (balance.free >= 0 and balance.locked >= 0), (
            f"account {account} went below zero in {asset}: "
            f"free {balance.free}, locked {balance.locked} atoms"
        )
        self._touched[account, asset] = None
