"""Owns the takers of the agents market: who buys and sells at market, when and how much.

Takers come in clusters on one side. The uninformed choose the side by a coin, which a trend
may load. The informed
see the fundamental: they buy while it is above the mid and sell while it is below, and come
faster the further it is away. Must not know makers, accounts of users or the protocol.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from hftd.simex.flow_fundamental import MICRO, Fundamental, PathSpec, Walked
from hftd.simex.flow_noise import Noise
from hftd.simex.market import BookView
from hftd.simex.requests import Cancel, Place, Report, Side, TimeInForce

_REACH_TICKS = 3  # A taker walks the book at most so far beyond the touch.
_MIN_SIZE_PARTS = 50  # The smallest order is this part of the usual size.


class TakerSpec(Struct, frozen=True):
    """How one kind of takers comes. Times are nanoseconds, lengths micro-ticks.

    Clusters come ``wait_ns`` apart on average, have ``cluster`` orders on average and
    ``within_ns`` between them; an order has ``size_percent`` of the makers' usual size. An
    informed taker (``sees``) stays away while the fundamental is within ``threshold`` of the
    mid, and comes faster with the square of its distance in ticks, up to ``hurry`` times.
    ``follow_percent`` is how often the coin of the uninformed falls on the side of a trend.
    """

    wait_ns: int
    cluster: int
    within_ns: int
    size_percent: int
    sees: bool = False
    threshold: int = 0
    hurry: int = 1
    follow_percent: int = 50


class Takers:
    """The order flow of one kind of takers."""

    def __init__(
        self,
        account: int,
        spec: TakerSpec,
        path: PathSpec,
        seed: int,
        size_lots: int,
        walked: Walked | None = None,
    ) -> None:
        self.account = account
        self.spec = spec
        self.size_lots = size_lots * spec.size_percent // 100
        self.fundamental = Fundamental(path, seed, walked)
        self.noise = Noise(seed + account * 0x5851F42D4C957F2D)
        self.due_ns = 0
        self.left = 0
        self.side = Side.BUY

    def start(self, ts_ns: int) -> None:
        """Begin with a quiet wait: the makers lay the book first."""
        self.fundamental.start(ts_ns)
        self.due_ns = ts_ns + 1 + self.noise.waiting(self.spec.wait_ns)

    def next_ns(self) -> int:
        """Return when the next order comes."""
        return self.due_ns

    def act(self, ts_ns: int, book: BookView) -> Sequence[Place | Cancel]:
        """Send one order of a cluster, or begin the next cluster with one."""
        self.fundamental.walk(ts_ns)
        bid, ask = book.best_bid(), book.best_ask()
        if bid is None or ask is None:
            self.due_ns = ts_ns + self.spec.within_ns
            return []
        gap = self.fundamental.worth - (bid[0] + ask[0]) * MICRO // 2
        if self.left == 0 and not self._begin(ts_ns, gap):
            return []
        self.left -= 1
        mean_ns = self.spec.within_ns if self.left else self._wait(gap)
        self.due_ns = ts_ns + 1 + self.noise.waiting(mean_ns)
        away = 1 if self.side is Side.BUY else -1
        price_ticks = (ask if self.side is Side.BUY else bid)[0] + away * _REACH_TICKS
        return [
            Place(
                book.next_order_id(),
                self.account,
                self.side,
                max(1, price_ticks),
                self.size_lots // _MIN_SIZE_PARTS + self.noise.waiting(self.size_lots),
                tif=TimeInForce.IOC,
            )
        ]

    def observe(self, report: Report) -> None:
        """Take no notice: a taker acts by its own time and the book."""

    def dump(self) -> dict[str, Any]:
        """Return the state as plain JSON values."""
        return {
            "fundamental": self.fundamental.dump(),
            "noise": self.noise.state,
            "due_ns": self.due_ns,
            "left": self.left,
            "side": self.side.value,
        }

    def load(self, state: dict[str, Any], shift_ns: int) -> None:
        """Take back what ``dump`` gave."""
        self.fundamental.load(state["fundamental"], shift_ns)
        self.noise = Noise(state["noise"])
        self.due_ns = state["due_ns"] + shift_ns
        self.left = state["left"]
        self.side = Side(state["side"])

    def _begin(self, ts_ns: int, gap: int) -> bool:
        # Chooses the cluster's side and length; the informed may find nothing worth doing.
        spec = self.spec
        if spec.sees:
            if abs(gap) < spec.threshold:
                self.due_ns = ts_ns + 1 + self.noise.waiting(self._wait(gap))
                return False
            self.side = Side.BUY if gap > 0 else Side.SELL
        else:
            trend = self.fundamental.trend
            buys = 50 + (spec.follow_percent - 50) * trend
            self.side = Side.BUY if self.noise.chance(buys) else Side.SELL
        self.left = 1 + self.noise.waiting(spec.cluster - 1) if spec.cluster > 1 else 1
        return True

    def _wait(self, gap: int) -> int:
        if not self.spec.sees:
            return self.spec.wait_ns
        haste = min(self.spec.hurry, max(1, gap * gap // MICRO**2))
        return self.spec.wait_ns // haste
