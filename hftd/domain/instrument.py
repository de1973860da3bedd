"""An instrument: its names, steps and the venue's filters, in integers.

Units: ``*_e8`` are integers of 1e-8; base atoms are 1e-8 of the base asset; quote atoms are
1e-8 of the quote asset (Binance Spot keeps eight decimals of both).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from hftd.domain.units import E8, from_scaled, from_steps, to_steps


class InstrumentStatus(IntEnum):
    """What the venue lets anybody do with the symbol."""

    TRADING = 0
    HALT = 1
    BREAK = 2
    CANCEL_ONLY = 3


@dataclass(frozen=True, slots=True)
class Instrument:
    """One tradable. ``name`` is ours (BTC-USDT), ``symbol`` the venue's (BTCUSDT)."""

    name: str
    symbol: str
    base: str
    quote: str
    tick_e8: int
    lot_e8: int
    min_price_ticks: int
    max_price_ticks: int
    min_qty_lots: int
    max_qty_lots: int
    min_notional_atoms: int
    max_notional_atoms: int
    max_open_orders: int

    def __post_init__(self) -> None:
        """Prove that one tick times one lot is a whole, even number of quote atoms.

        Even, because the mid is counted in half ticks.
        """
        product = self.tick_e8 * self.lot_e8
        if product % (2 * E8):
            raise ValueError(
                f"{self.symbol}: tick size times lot size must be a multiple of 0.00000002, "
                f"was {self.tick_size} x {self.lot_size}"
            )

    @property
    def unit_atoms(self) -> int:
        """Return the quote atoms of one tick times one lot."""
        return self.tick_e8 * self.lot_e8 // E8

    @property
    def tick_size(self) -> str:
        """Return the minimum price step as decimal text."""
        return from_scaled(self.tick_e8, E8)

    @property
    def lot_size(self) -> str:
        """Return the minimum quantity step as decimal text."""
        return from_scaled(self.lot_e8, E8)

    def price_text(self, price_ticks: int) -> str:
        """Return a price as decimal text."""
        return from_steps(price_ticks, self.tick_e8)

    def qty_text(self, qty_lots: int) -> str:
        """Return a quantity as decimal text."""
        return from_steps(qty_lots, self.lot_e8)

    def price_ticks(self, text: str) -> int:
        """Return decimal text in ticks; ValueError where the tick does not divide it."""
        return to_steps(text, self.tick_e8)

    def qty_lots(self, text: str) -> int:
        """Return decimal text in lots; ValueError where the lot does not divide it."""
        return to_steps(text, self.lot_e8)
