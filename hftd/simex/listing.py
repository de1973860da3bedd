"""One symbol of the exchange: its market, its rules, and whether it trades.

Owns the atoms behind a symbol's units and the words of its status. Knows no accounts and no
protocol beyond those words.
"""

from __future__ import annotations

from enum import Enum

from hftd.simex.filters import Filters
from hftd.simex.market import Market, SymbolSpec
from hftd.simex.requests import STOPS, Kind, Side, Stp

STP_MODES = tuple(mode for mode in Stp if mode is not Stp.TRANSFER)
"""The modes that symbols allow: there are no trade groups here, which TRANSFER is for."""


class SymbolStatus(Enum):
    """Whether a symbol trades; in all but the first orders can be canceled and nothing else."""

    TRADING = "TRADING"
    HALT = "HALT"
    BREAK = "BREAK"
    CANCEL_ONLY = "CANCEL_ONLY"


class Listing:
    """One symbol: its market, its filters, and the atoms behind its units."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.spec: SymbolSpec = market.spec
        self.filters = Filters.of(market.spec)
        self.status = SymbolStatus.TRADING
        self.atoms_per_lot = market.spec.atoms_per_lot
        self.atoms_per_tick_lot = market.spec.atoms_per_tick_lot

    @property
    def shown_status(self) -> SymbolStatus:
        """The status that clients are told: BREAK while the market itself is closed."""
        trades = self.status is SymbolStatus.TRADING
        return SymbolStatus.BREAK if trades and self.market.closed else self.status

    @property
    def kinds(self) -> list[Kind]:
        """Return the order types that the symbol takes."""
        takes_all = self.market.takes_all_orders
        return [kind for kind in Kind if takes_all or kind not in STOPS]

    def pays_with(self, side: Side) -> str:
        """Return the asset that an order of this side locks."""
        return self.spec.quote if side is Side.BUY else self.spec.base
