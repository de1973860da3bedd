"""The circumstances of a seed: what is so in its world from the beginning, and is no fault.

Owns their names and what each changes in the profile, drawn anew for each seed. They stand among
a seed's faults by their names, so that a seed shrinks by leaving them out as well and a line
repeats it whole. Must not know what a daemon makes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from hftd.simex.flow_noise import Noise

ON_PERCENT = 10  # Of all seeds, each; more than every other has one.
BEGINS_MINUTE = 22 * 60 + 13  # Of the day, as `simulate.START_NS`.

# Each is small enough to be met within minutes, and large enough for one order beside another.
_TIGHT = (
    ("risk.max_open_orders=1",),
    ("risk.max_position_base=0.02",),
    ("risk.max_gross_exposure_quote=1500",),
    ("risk.max_daily_turnover_quote=20000",),
    ("risk.max_one_sided_fills=5",),
    ("risk.max_orders_per_second=1",),
)


class Circumstance(NamedTuple):
    """What is so, and the keys of the profile that make it so."""

    says: str
    sets: Callable[[Noise], tuple[str, ...]]


def day_ends(noise: Noise) -> tuple[str, ...]:
    """Let a new trading day begin within some minutes."""
    minute = BEGINS_MINUTE + noise.between(2, 9)
    return (f"risk.day_starts_utc={minute // 60:02d}:{minute % 60:02d}",)


def little_money(noise: Noise) -> tuple[str, ...]:
    """Let the account hold no more than a few orders' worth."""
    base, quote = noise.between(2, 8), noise.between(1_000, 4_000)
    return (f"venue.opening_balances={{BTC: '0.0{base}', USDT: '{quote}'}}",)


def tight_limits(noise: Noise) -> tuple[str, ...]:
    """Let some of the limits be met by what is traded every minute."""
    chosen = [sets for sets in _TIGHT if noise.chance(50)]
    return sum(chosen or [_TIGHT[noise.below(len(_TIGHT))]], ())


def small_loss(noise: Noise) -> tuple[str, ...]:
    """Let a small loss halt, and what it leaves be reduced at once."""
    quote = noise.between(2, 12)
    limits = tuple(
        f"risk.{name}={quote}" for name in ("max_daily_loss_quote", "max_drawdown_quote")
    )
    return (*limits, "risk.on_daily_loss=halt_and_reduce")


def canary(_noise: Noise) -> tuple[str, ...]:
    """Let the daemon trade a tenth, as the canary does."""
    return ("canary={enabled: true, size_factor: '0.10'}",)


def orders_found(noise: Noise) -> tuple[str, ...]:
    """Let a start keep the orders of ours that it finds, or refuse to go on."""
    return (f"on_start={('adopt', 'refuse')[noise.below(2)]}",)


def crash_halts(_noise: Noise) -> tuple[str, ...]:
    """Let a person look after each crash, as money demands it."""
    return ("on_crash=halt",)


def reserve(noise: Noise) -> tuple[str, ...]:
    """Let a few orders bring an account of the usual size to what it may not go below."""
    base, quote = noise.between(9_500, 9_950), noise.between(96_000, 99_500)
    return (f"inventory.reserve_base=0.{base}", f"inventory.reserve_quote={quote}")


CIRCUMSTANCES: dict[str, Circumstance] = {
    "day-ends": Circumstance("the trading day ends on the way", day_ends),
    "little-money": Circumstance("the account holds a few orders' worth", little_money),
    "tight-limits": Circumstance("limits are as small as an order", tight_limits),
    "small-loss": Circumstance("a small loss halts, and its position is sold off", small_loss),
    "canary": Circumstance("a tenth of every size and money limit", canary),
    "orders-found": Circumstance(
        "a start keeps the orders that it finds, or refuses", orders_found
    ),
    "crash-halts": Circumstance("after a crash a person looks first", crash_halts),
    "reserve": Circumstance("most of the account is not to be touched", reserve),
}


def draw_circumstances(noise: Noise) -> tuple[str, ...]:
    """Return which are so in a seed that may choose."""
    return tuple(name for name in CIRCUMSTANCES if noise.chance(ON_PERCENT))


def sets_of(names: Sequence[str], seed: int) -> list[str]:
    """Return the keys that the named ones set in a seed's profile.

    Each draws by itself: to leave one out changes none of the others.
    """
    sets: list[str] = []
    for index, (name, circumstance) in enumerate(CIRCUMSTANCES.items()):
        if name in names:
            sets += circumstance.sets(Noise(seed * 1_000 + index))
    return sets
