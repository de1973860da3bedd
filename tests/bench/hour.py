"""One simulated hour of the daemon, judged by the exchange's own truth after every turn.

Owns what is counted and how. The engine's word is taken for one thing alone, its trading
states; fills, position, money and open orders are the exchange's. At the end both must agree.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import Any

import numpy as np

from hftd import wiring
from hftd.config.load import LoadedProfile
from hftd.config.schema import scaled_limits
from hftd.domain.codes import Code, TradingState
from hftd.domain.facts import FACT, FactKind
from hftd.domain.order import OrderEvent, OrderState
from hftd.drivers.memory import Builders, Silence
from hftd.drivers.simulate import START_NS, World
from hftd.drivers.simulate_network import Latency
from hftd.journal.record import RecordType
from hftd.simex.orders import AccountTrade, Order
from hftd.simex.requests import Side

ACCOUNT = 1
SECOND_NS = 1_000_000_000
MARKOUT_NS = 10 * SECOND_NS
LEVELS = 5
ATOMS = 100_000_000
FILLS = (OrderEvent.FILL_PARTIAL, OrderEvent.FILL_FULL)
LEAVING = (OrderState.PENDING_CANCEL, OrderState.PENDING_REPLACE)
BUILD = Builders(wiring.build_engine, wiring.build_codec)


@dataclass
class Outcome:
    """What an hour brought. Money is in quote, sizes in lots, distances in bps."""

    seed: int = 0
    fills_buy: int = 0
    fills_sell: int = 0
    both_quoted: float = 0.0
    returns_to_target: int = 0
    half_spread_bps: float = 0.0
    markout_10s_bps: float = 0.0
    pnl_quote: float = 0.0
    position_variance: float = 0.0
    position_end_lots: int = 0
    position_max_lots: int = 0
    limits_broken: int = 0
    limit_broken_first: str = ""
    imbalance_predicts: float = 0.0
    imbalance_calls: int = 0
    missed_cancels: int = 0
    submitted: int = 0
    denied: dict[str, int] = field(default_factory=dict)
    rejected: int = 0
    post_only_missed: int = 0
    decisions: int = 0
    states: list[str] = field(default_factory=list)
    agrees: str = ""
    state_hash: str = ""


class StateWords(Silence):
    """An ink that keeps the trading states which the engine went through, in words.

    And it counts the fills that came while the order's cancel was under way already.
    """

    def __init__(self) -> None:
        self.words: list[str] = []
        self.missed_cancels = 0

    def append(self, record_type: RecordType, ts_ns: int, payload: Any) -> int:
        """Keep what a fact says of the trading state."""
        if record_type == RecordType.FACT:
            for fact in np.frombuffer(payload, FACT):
                if fact["kind"] == FactKind.ORDER and fact["order_event"] in FILLS:
                    self.missed_cancels += int(fact["state_from"]) in LEAVING
                if fact["kind"] == FactKind.STATE:
                    state, code = TradingState(fact["state_to"]).name, Code(fact["code"]).name
                    self.words.append(f"{(ts_ns - START_NS) / 1e9:.1f} s {state} ({code})")
        return 0


@dataclass(frozen=True)
class Bounds:
    """The profile's limits in the units of the exchange, scaled by the canary."""

    open_orders: int
    position_lots: int
    order_lots: int
    order_atoms: int

    @classmethod
    def of(cls, loaded: LoadedProfile, lot_size: str) -> Bounds:
        """Return the limits of the profile's only instrument."""
        limits = scaled_limits(loaded.profile)[loaded.profile.instruments[0]]
        lot = Decimal(lot_size)
        return cls(
            limits.max_open_orders,
            int(limits.max_position_base / lot),
            int(limits.max_order_size_base / lot),
            int(limits.max_order_notional_quote * ATOMS),
        )


class Hour:
    """A world and the judge beside it."""

    def __init__(self, loaded: LoadedProfile, seed: int, latency: Latency | None = None) -> None:
        self._ink = StateWords()
        self.world = World(loaded, BUILD, seed, self._ink, latency)
        exchange = self.world.venue.exchange
        (self._listing,) = exchange.listings.values()
        self._accounts = exchange.accounts
        self._book = exchange.bookkeeping(ACCOUNT)
        self._bounds = Bounds.of(loaded, self._listing.spec.lot_size)
        self._opening = self._holdings()
        self.outcome = Outcome(seed=seed)
        self._seen_ns = START_NS
        self._mid = 0.0
        self._position = 0
        self._trades_seen = 0
        self._both = False
        self._both_ns = 0
        self._square = 0.0
        self._halves: list[float] = []
        self._markouts: list[float] = []
        self._waiting: deque[tuple[int, int, float]] = deque()
        self._asked: list[tuple[float, float]] = []
        self._hits = 0
        self._sample_ns = START_NS + 5 * SECOND_NS

    def run(self, minutes: float) -> Outcome:
        """Run from the boot; return what the time brought."""
        world, end_ns = self.world, START_NS + int(minutes * 60 * SECOND_NS)
        world.boot()
        calendar = world.calendar
        while calendar.next_ns() <= end_ns:
            calendar.turn()
            self._look(calendar.now_ns)
        return self._close(minutes)

    # --- after every turn -----------------------------------------------------------------

    def _look(self, now_ns: int) -> None:
        span = now_ns - self._seen_ns
        self._seen_ns = now_ns
        self._square += span * self._position * self._position
        self._both_ns += span if self._both else 0
        self._settle_markouts(now_ns)
        trades = self._book.trades.get(self._listing.spec.symbol, [])
        while self._trades_seen < len(trades):
            self._count_fill(trades[self._trades_seen])
            self._trades_seen += 1
        self._judge(self._book.open.values())
        self._see_touch()
        if now_ns >= self._sample_ns:
            self._sample_ns += SECOND_NS
            self._ask_imbalance()

    def _settle_markouts(self, now_ns: int) -> None:
        # The mid seen before this turn still stood when the time of the markout came.
        while self._waiting and self._waiting[0][0] <= now_ns:
            _, sign, mid = self._waiting.popleft()
            self._markouts.append(sign * (self._mid - mid) / mid * 1e4)

    def _count_fill(self, trade: AccountTrade) -> None:
        sign = 1 if trade.is_buyer else -1
        before, self._position = self._position, self._position + sign * trade.qty_lots
        out = self.outcome
        out.returns_to_target += bool(before and before * self._position <= 0)
        out.fills_buy += trade.is_buyer
        out.fills_sell += not trade.is_buyer
        out.position_max_lots = max(out.position_max_lots, abs(self._position))
        self._halves.append(sign * (self._mid - trade.price_ticks) / self._mid * 1e4)
        self._waiting.append((trade.ts_ns + MARKOUT_NS, sign, self._mid))

    def _judge(self, orders: Collection[Order]) -> None:
        bounds, buys, sells = self._bounds, 0, 0
        for order in orders:
            if order.side is Side.BUY:
                buys += order.leaves_lots
            else:
                sells += order.leaves_lots
            atoms = order.qty_lots * order.price_ticks * self._listing.atoms_per_tick_lot
            if order.qty_lots > bounds.order_lots:
                self._blame(f"order of {order.qty_lots} lots, limit {bounds.order_lots}")
            if atoms > bounds.order_atoms:
                self._blame(f"order of {atoms} quote atoms, limit {bounds.order_atoms}")
        if len(orders) > bounds.open_orders:
            self._blame(f"{len(orders)} open orders, limit {bounds.open_orders}")
        worst = max(self._position + buys, sells - self._position)
        if worst > bounds.position_lots:
            self._blame(f"worst position {worst} lots, limit {bounds.position_lots}")
        self._both = bool(buys and sells)

    def _blame(self, words: str) -> None:
        self.outcome.limits_broken += 1
        second = (self._seen_ns - START_NS) / 1e9
        self.outcome.limit_broken_first = self.outcome.limit_broken_first or f"{second} s: {words}"

    def _see_touch(self) -> None:
        touch = self._listing.market.best()
        if touch is None or not touch.bid_ticks or not touch.ask_ticks:
            return
        mid = (touch.bid_ticks + touch.ask_ticks) / 2
        if mid == self._mid:
            return
        self._mid = mid
        for imbalance, asked in self._asked:
            self.outcome.imbalance_calls += 1
            self._hits += (mid > asked) == (imbalance > 0)
        self._asked.clear()

    def _ask_imbalance(self) -> None:
        """Let the imbalance call the next move of mid; our own orders do not count."""
        bid_lots, ask_lots = (self._depth_lots(side) for side in (Side.BUY, Side.SELL))
        if bid_lots != ask_lots:
            self._asked.append(((bid_lots - ask_lots) / (bid_lots + ask_lots), self._mid))

    def _depth_lots(self, side: Side) -> int:
        own: dict[int, int] = {}
        for order in self._book.open.values():
            if order.side is side:
                own[order.price_ticks] = own.get(order.price_ticks, 0) + order.leaves_lots
        levels = islice(self._listing.market.levels(side), LEVELS + len(own))
        left = [lots - own.get(price_ticks, 0) for price_ticks, lots in levels]
        return sum([lots for lots in left if lots > 0][:LEVELS])

    # --- the end --------------------------------------------------------------------------

    def _holdings(self) -> tuple[int, int]:
        spec, held = self._listing.spec, []
        for asset in (spec.base, spec.quote):
            balance = self._accounts.balance(ACCOUNT, asset)
            held.append(balance.free + balance.locked)
        return held[0], held[1]

    def _close(self, minutes: float) -> Outcome:
        out, total_ns = self.outcome, int(minutes * 60 * SECOND_NS)
        base, quote = self._holdings()
        base_lots = (base - self._opening[0]) / self._listing.atoms_per_lot
        worth_atoms = base_lots * self._mid * self._listing.atoms_per_tick_lot
        out.pnl_quote = (quote - self._opening[1] + worth_atoms) / ATOMS
        out.both_quoted = self._both_ns / total_ns
        out.position_variance = self._square / total_ns
        out.position_end_lots = self._position
        out.half_spread_bps = statistics.fmean(self._halves or [0.0])
        out.markout_10s_bps = statistics.fmean(self._markouts or [0.0])
        out.imbalance_predicts = self._hits / max(1, out.imbalance_calls)
        core = self.world.engine.state.core[0]
        for name in ("submitted", "rejected", "post_only_missed"):
            setattr(out, name, int(core[name]))
        denied = enumerate(core["denied_by_code"])
        out.denied = {Code(code).name: int(count) for code, count in denied if count}
        out.decisions = int(core["decision_seq"])
        out.states, out.missed_cancels = self._ink.words, self._ink.missed_cancels
        out.agrees = self._compare(base, quote)
        out.state_hash = self.world.engine.state_hash()
        return out

    def _compare(self, base: int, quote: int) -> str:
        """Return how the engine's books differ from the exchange's; empty where they agree."""
        state = self.world.engine.state
        instrument = state.instruments[0]
        pairs = {
            "position_lots": (int(instrument["position_lots"]), self._position),
            "fills": (int(instrument["fills"]), self._trades_seen),
        }
        truths = {int(instrument["base_asset"]): base, int(state.core[0]["quote_asset"]): quote}
        for asset, truth in truths.items():
            balance = state.balances[asset]
            ours = balance["opening_atoms"] + balance["traded_atoms"] + balance["flow_atoms"]
            pairs[f"balance {asset}"] = (int(ours), truth)
        return ", ".join(
            f"{name}: engine {ours}, exchange {truth}"
            for name, (ours, truth) in pairs.items()
            if ours != truth
        )
