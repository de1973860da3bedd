"""Calibrates the agents markets: a small reference maker quotes in simulated time.

    python -m tests.bench.maker [PRESET] [--seeds 20] [--seconds 3600]
                               [--skew-bps 4] [--maker-fee-bps 0] [--size-lots 100]

The reference maker follows the project's quoting rule (TRADING.md, "Market making") in a
hundred lines of its own, so that a market can be judged without the engine. One line a seed,
then the medians. It quotes 2 ms after what it saw: sockets and decision of the real daemon.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice

from hftd.simex.agents import INFORMED_ACCOUNT, UNINFORMED_ACCOUNT, agents
from hftd.simex.matching import MatchingMarket
from hftd.simex.presets import SYMBOLS
from hftd.simex.requests import Expired, Kind, Place, Rejected, Report, Side, TouchChanged, Trade
from tests.simex.shipped import PRESETS

USER = 1
SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS
REACTION_NS = 2_000_000
MARKOUT_NS = 10 * SECOND_NS


@dataclass
class Rule:
    """The reference maker's parameters; the sizes are the canary's."""

    size_lots: int = 100
    limit_lots: int = 1_000
    min_spread_bps: float = 5.0
    skew_bps_at_limit: float = 4.0
    min_life_ns: int = SECOND_NS // 2
    maker_fee_bps: float = 0.0


@dataclass
class Quote:
    """A resting order of the reference maker."""

    order_id: int
    price_ticks: int
    order_lots: int
    leaves: int
    placed_ns: int


@dataclass
class Outcome:
    """What an hour brought: of the maker and of the market."""

    fills: dict[Side, int] = field(default_factory=lambda: dict.fromkeys(Side, 0))
    half_spreads: list[float] = field(default_factory=list)
    markouts: list[float] = field(default_factory=list)
    quoted: float = 0.0
    returns: int = 0
    position_variance: float = 0.0
    position_lots: int = 0
    max_position_lots: int = 0
    pnl_quote: float = 0.0
    orders: int = 0
    trades_a_minute: float = 0.0
    busiest_minute: int = 0
    quietest_minute: int = 0
    informed_share: float = 0.0
    changes_a_second: float = 0.0
    spread_shares: dict[int, float] = field(default_factory=dict)
    over_5_bps: float = 0.0
    imbalance_hits: float = 0.0
    imbalance_calls: int = 0
    range_bps: float = 0.0


class Bench:
    """One market, one reference maker and what is counted about both."""

    def __init__(self, preset: str, seed: int, rule: Rule) -> None:
        self.rule = rule
        spec = SYMBOLS["BTCUSDT"].spec
        self.market = MatchingMarket(spec, agents(PRESETS[preset], "BTCUSDT", seed))
        self.lot_quote = spec.atoms_per_tick_lot / 1e8
        self.quotes: dict[Side, Quote | None] = {Side.BUY: None, Side.SELL: None}
        self.wake_ns: int | None = None
        self.position = 0
        self.cash = 0.0
        self.outcome = Outcome()
        self.touch: TouchChanged | None = None
        self.waiting: deque[tuple[int, int, float]] = deque()
        self.last_side = 0
        self.seen_ns = START_NS
        self.both_ns = 0
        self.spread_ns: dict[int, int] = {}
        self.wide_ns = 0
        self.minute_trades: dict[int, int] = {}
        self.taken = {UNINFORMED_ACCOUNT: 0, INFORMED_ACCOUNT: 0}
        self.last_taker = 0
        self.square = 0.0
        self.changes = 0
        self.asked: list[tuple[float, float]] = []
        self.hits = 0
        self.low, self.high = float("inf"), 0.0

    # --- the market's time ----------------------------------------------------------------

    def run(self, seconds: int, halt: Callable[[Bench], bool] | None = None) -> Outcome:
        """Run so many simulated seconds and return what they brought."""
        market, end_ns = self.market, START_NS + seconds * SECOND_NS
        market.start(START_NS)
        sample_ns = START_NS + 5 * SECOND_NS
        while True:
            due_ns = market.next_ns()
            assert due_ns is not None
            now_ns = min(due_ns, sample_ns, self.wake_ns or due_ns)
            if now_ns > end_ns or (halt and halt(self)):
                break
            self.pass_time(now_ns)
            self.hear(market.advance(now_ns))
            if now_ns == sample_ns:
                sample_ns += SECOND_NS
                self.ask_imbalance()
            if self.wake_ns is not None and self.wake_ns <= now_ns:
                self.wake_ns = None
                self.quote(now_ns)
        return self.close(seconds)

    def pass_time(self, now_ns: int) -> None:
        """Account for the time in which nothing changed."""
        span = now_ns - self.seen_ns
        self.seen_ns = now_ns
        self.square += span * self.position * self.position
        if all(self.quotes.values()):
            self.both_ns += span
        bid, ask = self.book(Side.BUY, 1), self.book(Side.SELL, 1)
        if bid and ask:
            spread = ask[0][0] - bid[0][0]
            self.spread_ns[spread] = self.spread_ns.get(spread, 0) + span
            if spread * 20_000 > 5 * (ask[0][0] + bid[0][0]):
                self.wide_ns += span

    def hear(self, reports: list[Report]) -> None:
        """Take in what the market reports."""
        for report in reports:
            if isinstance(report, Trade):
                self.hear_trade(report)
            elif isinstance(report, TouchChanged):
                self.changes += 1
                self.hear_touch(report)
            elif isinstance(report, Rejected | Expired):
                for side, quote in self.quotes.items():
                    if quote and quote.order_id == report.order_id:
                        self.quotes[side] = None
            if self.wake_ns is None:
                self.wake_ns = self.seen_ns + REACTION_NS

    def hear_trade(self, trade: Trade) -> None:
        """Count a trade; book it when it is ours."""
        minute = (trade.ts_ns - START_NS) // (60 * SECOND_NS)
        self.minute_trades[minute] = self.minute_trades.get(minute, 0) + 1
        if trade.taker_order_id != self.last_taker:
            self.last_taker = trade.taker_order_id
            self.taken[trade.taker_account] += 1
        if trade.maker_account != USER:
            return
        side = Side.SELL if trade.taker_side is Side.BUY else Side.BUY
        quote = self.quotes[side]
        assert quote is not None
        assert quote.order_id == trade.maker_order_id
        quote.leaves -= trade.qty_lots
        if quote.leaves == 0:
            self.quotes[side] = None
        sign = 1 if side is Side.BUY else -1
        notional = trade.price_ticks * trade.qty_lots * self.lot_quote
        self.cash -= sign * notional + notional * self.rule.maker_fee_bps / 1e4
        before, self.position = self.position, self.position + sign * trade.qty_lots
        if before and before * self.position <= 0:
            self.outcome.returns += 1
        self.outcome.fills[side] += 1
        self.outcome.max_position_lots = max(self.outcome.max_position_lots, abs(self.position))
        mid = self.mid()
        self.outcome.half_spreads.append(sign * (mid - trade.price_ticks) / mid * 1e4)
        self.waiting.append((trade.ts_ns + MARKOUT_NS, sign, mid))

    def hear_touch(self, touch: TouchChanged) -> None:
        """Follow the mid; settle markouts and imbalance calls that it answers."""
        while self.waiting and self.waiting[0][0] <= touch.ts_ns:
            _, sign, mid = self.waiting.popleft()
            self.outcome.markouts.append(sign * (self.mid() - mid) / mid * 1e4)
        self.touch = touch
        if touch.bid_ticks and touch.ask_ticks:
            mid = self.mid()
            self.low, self.high = min(self.low, mid), max(self.high, mid)
            if self.asked and self.asked[0][1] != mid:
                for imbalance, asked in self.asked:
                    self.outcome.imbalance_calls += 1
                    self.hits += (mid > asked) == (imbalance > 0)
                self.asked.clear()

    def mid(self) -> float:
        """Return the public mid in ticks."""
        assert self.touch is not None
        return (self.touch.bid_ticks + self.touch.ask_ticks) / 2

    # --- the rule -------------------------------------------------------------------------

    def book(self, side: Side, depth: int) -> list[tuple[int, int]]:
        """Return the best levels without our own order."""
        own, levels = self.quotes[side], []
        for price_ticks, lots in islice(self.market.levels(side), depth + 1):
            if own is not None and own.price_ticks == price_ticks:
                lots -= own.leaves
            if lots:
                levels.append((price_ticks, lots))
        return levels[:depth]

    def imbalance(self) -> float:
        """Return the imbalance of five levels without our own orders."""
        bid_lots = sum(lots for _, lots in self.book(Side.BUY, 5))
        ask_lots = sum(lots for _, lots in self.book(Side.SELL, 5))
        return (bid_lots - ask_lots) / (bid_lots + ask_lots)

    def ask_imbalance(self) -> None:
        """Let the imbalance call the next move of mid."""
        if (imbalance := self.imbalance()) and (not self.asked or self.asked[0][1] == self.mid()):
            self.asked.append((imbalance, self.mid()))

    def quote(self, now_ns: int) -> None:
        """Bring both quotes where the rule wants them."""
        bids, asks = self.book(Side.BUY, 1), self.book(Side.SELL, 1)
        if not bids or not asks:
            return
        bid, ask = bids[0][0], asks[0][0]
        mid = (bid + ask) / 2
        rule = self.rule
        if (ask - bid) / mid * 1e4 <= rule.min_spread_bps:
            self.pull(now_ns)
            return
        shift = -self.position / rule.limit_lots * rule.skew_bps_at_limit / 1e4 * mid
        imbalance = self.imbalance()
        for side, sign in ((Side.BUY, 1), (Side.SELL, -1)):
            # Rounding down on the mirrored axis is rounding away from the mid.
            price_ticks = sign * int((sign * (bid if sign > 0 else ask) + sign * shift) // 1)
            price_ticks = min(price_ticks, ask - 1) if sign > 0 else max(price_ticks, bid + 1)
            steps = round((1 + sign * 0.5 * imbalance) * 4)
            size = rule.size_lots * steps // 4
            if sign * self.position + size > rule.limit_lots:
                size = 0
            self.move(side, price_ticks, size, now_ns)

    def move(self, side: Side, price_ticks: int, size: int, now_ns: int) -> None:
        """Leave a quote that stands well, else cancel and place it anew."""
        quote = self.quotes[side]
        if quote is not None and size:
            stands = quote.price_ticks == price_ticks and quote.leaves * 2 >= quote.order_lots
            young_until_ns = quote.placed_ns + self.rule.min_life_ns
            if stands:
                return
            if now_ns < young_until_ns:
                self.wake_ns = young_until_ns
                return
        if quote is not None:
            self.quotes[side] = None
            self.hear(self.market.cancel(quote.order_id, now_ns))
        if size:
            order_id = self.market.next_order_id()
            self.quotes[side] = Quote(order_id, price_ticks, size, size, now_ns)
            self.outcome.orders += 1
            place = Place(order_id, USER, side, price_ticks, size, Kind.LIMIT_MAKER)
            self.hear(self.market.place(place, now_ns))

    def pull(self, now_ns: int) -> None:
        """Take both quotes off the book."""
        for side, quote in self.quotes.items():
            if quote is not None:
                self.quotes[side] = None
                self.hear(self.market.cancel(quote.order_id, now_ns))

    # --- the end --------------------------------------------------------------------------

    def close(self, seconds: int) -> Outcome:
        """Work out the figures."""
        out, total_ns = self.outcome, seconds * SECOND_NS
        out.quoted = self.both_ns / total_ns
        out.position_variance = self.square / total_ns
        out.position_lots = self.position
        out.pnl_quote = self.cash + self.position * self.mid() * self.lot_quote
        minutes = [self.minute_trades.get(minute, 0) for minute in range(seconds // 60)]
        out.trades_a_minute = statistics.mean(minutes)
        out.busiest_minute, out.quietest_minute = max(minutes), min(minutes)
        out.informed_share = self.taken[INFORMED_ACCOUNT] / max(1, sum(self.taken.values()))
        out.changes_a_second = self.changes / seconds
        all_ns = sum(self.spread_ns.values())
        out.spread_shares = {
            spread: span / all_ns for spread, span in sorted(self.spread_ns.items())
        }
        out.over_5_bps = self.wide_ns / all_ns
        out.imbalance_hits = self.hits / max(1, out.imbalance_calls)
        out.range_bps = (self.high - self.low) / self.low * 1e4
        return out


HEADER = (
    " seed   buys sells quoted returns  half  markout     pnl  var(lots2)  pos/max  orders"
    "  trades/min(min-max) informed  touch/s  >5bps   imb  range"
)


def line(seed: object, out: Outcome) -> str:
    """Return one line of the table."""
    half, markout = statistics.mean(out.half_spreads or [0]), statistics.mean(out.markouts or [0])
    return (
        f"{seed!s:>5}  {out.fills[Side.BUY]:5d} {out.fills[Side.SELL]:5d} {out.quoted:6.1%}"
        f" {out.returns:7d} {half:5.2f} {markout:8.2f} {out.pnl_quote:7.2f}"
        f" {out.position_variance:11.0f} {out.position_lots:5d}/{out.max_position_lots:<5d}"
        f" {out.orders:5d} {out.trades_a_minute:6.1f} ({out.quietest_minute}-{out.busiest_minute})"
        f" {out.informed_share:11.1%} {out.changes_a_second:8.2f} {out.over_5_bps:6.1%}"
        f" {out.imbalance_hits:6.1%} {out.range_bps:5.0f}"
    )


def main() -> None:
    """Run the seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset", nargs="?", default="calm", choices=sorted(PRESETS))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=3600)
    parser.add_argument("--skew-bps", type=float, default=4.0)
    parser.add_argument("--maker-fee-bps", type=float, default=0.0)
    parser.add_argument("--size-lots", type=int, default=100)
    args = parser.parse_args()
    rule = Rule(
        size_lots=args.size_lots,
        limit_lots=10 * args.size_lots,
        skew_bps_at_limit=args.skew_bps,
        maker_fee_bps=args.maker_fee_bps,
    )
    began = time.perf_counter()
    print(HEADER)
    outcomes = []
    for seed in range(1, args.seeds + 1):
        outcomes.append(Bench(args.preset, seed, rule).run(args.seconds))
        print(line(seed, outcomes[-1]), flush=True)
    print(f"median pnl {statistics.median(out.pnl_quote for out in outcomes):.2f}")
    print(f"median variance {statistics.median(out.position_variance for out in outcomes):.0f}")
    shares: dict[int, float] = {}
    for out in outcomes:
        for spread, share in out.spread_shares.items():
            shares[spread] = shares.get(spread, 0) + share / len(outcomes)
    print("spread ticks:", "  ".join(f"{k}: {v:.1%}" for k, v in sorted(shares.items())))
    print(f"{time.perf_counter() - began:.1f} s")


if __name__ == "__main__":
    main()
