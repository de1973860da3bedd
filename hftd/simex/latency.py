"""How long a message takes between a client and the venue: models, drawn by a seed.

Owns the three ways, the models, and one stream of randomness for each way of each account, so
that what one account does never changes another's delays. Knows no sockets, frames or clocks;
``hftd.simex.late_venue`` holds messages back by it.

    entry     a request on its way to the matching engine
    response  its reply, and the account's own events
    feed      public market data

The models are those in which venues are usually described: none, a constant, log-normal (a
median and the deviation of the logarithm; its tail is what a timeout meets), and samples that
were measured somewhere, drawn at random with replacement.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Context, Decimal
from enum import Enum
from statistics import NormalDist
from typing import TypeAlias

from msgspec import Struct

from hftd.simex.flow_noise import Noise

MAX_DELAY_NS = 10_000_000_000
"""No model delays by more: ten seconds is longer than any client waits."""

_NORMAL = NormalDist()
_EXACT = Context(prec=18)


class Way(Enum):
    """The three ways of a message."""

    ENTRY = "entry"
    RESPONSE = "response"
    FEED = "feed"


class Constant(Struct, frozen=True):
    """The same delay for every message."""

    delay_ns: int


class LogNormal(Struct, frozen=True):
    """A delay whose logarithm is normal; ``sigma`` is that one's deviation."""

    median_ns: int
    sigma: Decimal


class Samples(Struct, frozen=True):
    """Delays that were measured, each as likely as the others."""

    delays_ns: tuple[int, ...]


Model: TypeAlias = Constant | LogNormal | Samples
Ways: TypeAlias = Mapping[Way, Model]


class Latencies:
    """Every account's delays. ``accounts`` overrides single ways; 0 is who has no account."""

    def __init__(
        self, default: Ways | None = None, accounts: Mapping[int, Ways] | None = None, seed: int = 0
    ) -> None:
        self._default = dict(default or {})
        self._accounts = {account: dict(ways) for account, ways in (accounts or {}).items()}
        self._seed = seed
        self._noises: dict[tuple[int, Way], Noise] = {}

    @property
    def any(self) -> bool:
        """Whether any message is ever delayed."""
        return bool(self._default) or any(self._accounts.values())

    @property
    def by_account(self) -> bool:
        """Whether it matters whose message it is."""
        return bool(self._accounts)

    def delay_ns(self, account: int, way: Way) -> int:
        """Draw the delay of the account's next message on a way."""
        model = self._accounts.get(account, {}).get(way) or self._default.get(way)
        if model is None:
            return 0
        if isinstance(model, Constant):
            return min(MAX_DELAY_NS, model.delay_ns)
        noise = self._noises.get((account, way))
        if noise is None:
            # The multiplier keeps the streams of neighbours apart, as the agents' are.
            spread = (account * len(Way) + list(Way).index(way) + 1) * 0x5851F42D4C957F2D
            noise = self._noises[account, way] = Noise(self._seed ^ spread)
        if isinstance(model, Samples):
            return min(MAX_DELAY_NS, model.delays_ns[noise.below(len(model.delays_ns))])
        return min(MAX_DELAY_NS, _log_normal(model, noise))


def _log_normal(model: LogNormal, noise: Noise) -> int:
    # The quantile is rounded to where libm's last bit plays no part, and the exponential is
    # Decimal's, correctly rounded everywhere: one seed has one delay on any machine.
    at = ((noise.bits() >> 12) + 0.5) / (1 << 52)
    quantile = Decimal(round(_NORMAL.inv_cdf(at), 9)).quantize(Decimal("1e-9"))
    factor = _EXACT.exp(_EXACT.multiply(model.sigma, quantile))
    return int(_EXACT.multiply(Decimal(model.median_ns), factor))
