"""Positions and PnL as shown: exact, at mid.

Owns the valuation for display; the limits' own marks (long at bid, short at ask) are the
engine's. Two identities hold to the last unit, and hold of the texts as well::

    realized + unrealized - fees = total
    equity - (opening holdings + external flows) at the same mark = total

In the second, fees estimated for a third asset stand outside: that asset is not in the
profile, so its balance is not in the equity.

Without a valid market the last one's mid stands. Before the first, after a restart, what the
engine's books carried is shown (at the limits' mark), and no mark.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from hftd.control import shapes
from hftd.domain.instrument import Instrument
from hftd.domain.refusals import half_ticks_text
from hftd.domain.units import E8, decimal_text, from_scaled
from hftd.engine.day import DAY_NS
from hftd.runtime.answers_view import Numbers, View, atoms_text, day_text

_EXACT = 10**9  # A price in half ticks times base atoms has so many parts of an atom at most.


class Money(NamedTuple):
    """Trading PnL in quote atoms; a fraction of one appears where base fees are valued."""

    realized: Fraction
    unrealized: Fraction
    fees: Fraction

    @property
    def total(self) -> Fraction:
        """Return realized + unrealized - fees."""
        return self.realized + self.unrealized - self.fees


def exact_text(atoms: Fraction) -> str:
    """Return quote atoms as decimal text with every digit."""
    scaled = atoms * _EXACT
    assert scaled.denominator == 1, f"a finite decimal is needed, was {atoms}"
    return from_scaled(scaled.numerator, _EXACT * E8)


def mark_half_ticks(record: Numbers) -> int:
    """Return the mid, or the middle of the last mark that the engine kept; 0 for neither."""
    kept = record["mark_bid_ticks"] + record["mark_ask_ticks"]
    return int(record["mid_half_ticks"] or kept)


def worth_atoms(record: Numbers, base_atoms: int, half_ticks: int) -> Fraction:
    """Return what base atoms are worth at a price in half ticks. Units: quote atoms."""
    return Fraction(base_atoms * half_ticks * record["unit_atoms"], 2 * record["lot_atoms"])


def money_of(record: Numbers) -> Money:
    """Return one instrument's PnL, unrealized and base fees at mid."""
    realized, mid = Fraction(record["realized_atoms"]), mark_half_ticks(record)
    if mid == 0:
        return Money(realized, Fraction(record["unrealized_atoms"]), Fraction(record["fees_atoms"]))
    held = worth_atoms(record, record["position_lots"] * record["lot_atoms"], mid)
    fees = worth_atoms(record, record["base_fee_atoms"], mid)
    fees += record["quote_fee_atoms"] + record["other_fee_atoms"]
    return Money(realized, held - record["cost_atoms"], fees)


def money(view: View) -> Money:
    """Return the profile's PnL."""
    parts = [money_of(record) for record in view.records]
    return Money(*(sum(column, Fraction(0)) for column in zip(*parts, strict=True)))


def brief(view: View) -> shapes.PnlBrief:
    """Return the four figures of trading PnL."""
    whole = money(view)
    return {
        "realized_quote": exact_text(whole.realized),
        "unrealized_quote": exact_text(whole.unrealized),
        "fees_quote": exact_text(whole.fees),
        "total_quote": exact_text(whole.total),
    }


def expected_atoms(balance: Numbers) -> int:
    """Return what the account must hold of an asset by our own books."""
    return int(balance["opening_atoms"] + balance["traded_atoms"] + balance["flow_atoms"])


def equity_atoms(view: View) -> Fraction | None:
    """Return all that the account holds of the profile's assets at mid; None if unknown."""
    if not all(balance["opening_known"] for balance in view.balances):
        return None
    equity = Fraction(expected_atoms(view.balances[view.core["quote_asset"]]))
    for record in view.records:
        held = expected_atoms(view.balances[record["base_asset"]])
        mid = mark_half_ticks(record)
        if held != 0 and mid == 0:
            return None
        equity += worth_atoms(record, held, mid)
    return equity


def opening_gain_atoms(view: View) -> Fraction | None:
    """Return what the opening holdings gained by price since their first mid; None if unknown."""
    gain = Fraction(0)
    for record in view.records:
        balance = view.balances[record["base_asset"]]
        mid, first = mark_half_ticks(record), record["opening_mid_half_ticks"]
        if balance["opening_known"] == 0:
            return None
        if balance["opening_atoms"] == 0:
            continue
        if mid == 0 or first == 0:
            return None
        gain += worth_atoms(record, balance["opening_atoms"], mid - first)
    return gain


def pnl(view: View, doubt_atoms: int | None) -> shapes.Pnl:
    """Answer ``pnl``; ``doubt_atoms`` is what an optimistic queue would have earned besides."""
    core = view.core
    equity, gain = equity_atoms(view), opening_gain_atoms(view)
    day_ns = core["day"] * DAY_NS + core["day_starts_ns"]
    return {
        "quote_asset": view.quote_asset,
        **brief(view),
        "optimistic_total_quote": (
            None if doubt_atoms is None else exact_text(money(view).total + doubt_atoms)
        ),
        "equity_quote": None if equity is None else exact_text(equity),
        "opening_holdings_gain_quote": None if gain is None else exact_text(gain),
        "day_start": day_text(day_ns) if core["day"] else None,
        # The engine keeps the day's opening as a trading total, not as what the account held.
        "day_start_equity_quote": atoms_text(core["day_start_equity_atoms"])
        if core["day_start_equity_atoms"]
        else None,
        "daily_loss_used_quote": atoms_text(core["day_loss_atoms"]),
        "daily_loss_limit_quote": atoms_text(core["max_daily_loss_atoms"]),
        "drawdown_quote": atoms_text(core["drawdown_atoms"]),
        "drawdown_limit_quote": atoms_text(core["max_drawdown_atoms"]),
    }


def position_atoms(record: Numbers) -> int:
    """Return the position as shown: fills less commissions in base. Units: base atoms."""
    return int(record["position_lots"] * record["lot_atoms"] - record["base_fee_atoms"])


def dust_atoms(record: Numbers) -> int:
    """Return the part of the position that the venue would not trade. Units: base atoms.

    What is below a lot; all of it where it is below the least quantity or notional.
    """
    held = position_atoms(record)
    lots, rest = divmod(abs(held), record["lot_atoms"])
    mid = mark_half_ticks(record)
    worth = lots * mid * record["unit_atoms"]  # Twice the notional, as the mid is of half ticks.
    too_few = lots < max(1, record["min_qty_lots"])
    too_little = mid > 0 and worth < 2 * record["min_notional_atoms"]
    dust = abs(held) if too_few or too_little else rest
    return dust if held > 0 else -dust


def positions(view: View) -> shapes.Positions:
    """Answer ``positions``; a balance that the venue has not told yet is left out."""
    both = zip(view.records, view.instruments, strict=True)
    return {
        "positions": [_position(record, instrument) for record, instrument in both],
        "balances": [
            {
                "asset": asset,
                "free": atoms_text(balance["free_atoms"]),
                "locked": atoms_text(balance["locked_atoms"]),
            }
            for asset, balance in zip(view.assets, view.balances, strict=True)
            if balance["known"]
        ],
    }


def _position(record: Numbers, instrument: Instrument) -> shapes.Position:
    parts, mid = money_of(record), mark_half_ticks(record)
    source = "mid" if record["market_valid"] else "last mid"
    return {
        "instrument": instrument.name,
        "position_base": atoms_text(position_atoms(record)),
        "avg_price": _avg_price(record, instrument),
        "mark": half_ticks_text(instrument, mid) if mid else None,
        "mark_source": source if mid else None,
        "unrealized_quote": exact_text(parts.unrealized),
        "realized_quote": exact_text(parts.realized),
        "fees_quote": exact_text(parts.fees),
        "dust_base": atoms_text(dust_atoms(record)),
    }


# The one figure that has no end as a decimal: cost over quantity, rounded to eight places.
def _avg_price(record: Numbers, instrument: Instrument) -> str | None:
    lots = record["position_lots"]
    if lots == 0:
        return None
    return decimal_text(Fraction(record["cost_atoms"], lots * instrument.lot_e8))


def has_position(view: View) -> bool:
    """Tell whether there is anything that flatten could trade."""
    return any(record["position_lots"] != 0 and not is_dust(record) for record in view.records)


def is_dust(record: Numbers) -> bool:
    """Tell whether all of a position is too little for the venue to trade."""
    return dust_atoms(record) == position_atoms(record)


def position_line(view: View) -> str:
    """Return what is left, for a person under stress: ``Position +0.00210 BTC (…) remains.``"""
    both = list(zip(view.records, view.instruments, strict=True))
    left = [_left(view, *one) for one in both if position_atoms(one[0]) != 0]
    if left:
        return f"Position {', '.join(left)} remains."
    return f"Position {', '.join(f'0 {instrument.base}' for _, instrument in both)}."


def _left(view: View, record: Numbers, instrument: Instrument) -> str:
    held, mid = position_atoms(record), mark_half_ticks(record)
    worth = abs(worth_atoms(record, held, mid)) / E8
    # To the unit where that says enough; a few cents are not "about 0".
    about = f"about {decimal_text(worth, 0 if worth >= 10 else 2)} {view.quote_asset}"
    notes = ["dust"] if is_dust(record) else []
    notes.append(about if mid else "value not known")
    return f"{_signed(held, instrument)} {instrument.base} ({', '.join(notes)})"


# With the lot's decimals at least, so that sizes of one instrument read alike.
def _signed(base_atoms: int, instrument: Instrument) -> str:
    text = atoms_text(abs(base_atoms))
    _, _, lot_part = instrument.lot_size.partition(".")
    whole, _, part = text.partition(".")
    digits = part.ljust(len(lot_part), "0")
    sign = "-" if base_atoms < 0 else "+"
    return f"{sign}{whole}.{digits}" if digits else f"{sign}{whole}"
