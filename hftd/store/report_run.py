"""One run in figures, folded from its journal records; the numbers behind ``hftd report``.

Owns what each figure means. Money is summed in integers (ticks, lots, atoms) and becomes a ratio
at the end. Knows neither files nor how a page looks.

- spread earned: how far from mid a fill was, in our favour: sign x (mid - price), by the fill's
  own mid, which is that of the book without our orders;
- markout at a horizon: what mid did next, in our favour: sign x (mid then - mid at the fill), by
  the market's records; negative is adverse selection. A fill whose horizon lies beyond the
  records has none, and is counted;
- both in bps of the fills' value at mid, so that a large fill counts for more than a small one;
- holdings' gain: the change of equity that trading and flows do not explain, all at mid, a flow at
  that of its moment: the market's, or where that part of it was dropped by size the last that a
  fact of ours told. Not known where neither is there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from hftd.domain.codes import Code, TradingState
from hftd.domain.facts import FactKind
from hftd.domain.instrument import Instrument
from hftd.domain.order import FeeAsset, Liquidity, OrderEvent, Side
from hftd.domain.refusals import name_of
from hftd.journal.record import Record, RecordType, decode_json
from hftd.store.report_mids import InstrumentMids
from hftd.store.words import Fact, RunWords

HORIZONS_NS = (100_000_000, 1_000_000_000, 5_000_000_000, 30_000_000_000)
BPS = 10_000


class FillFigures(NamedTuple):
    """One fill, in the instrument's integers."""

    ts_ns: int
    instrument: int
    side: int
    liquidity: int
    price_ticks: int
    qty_lots: int
    mid_half_ticks: int  # 0 where the book had none.
    position_lots: int


class Worth(NamedTuple):
    """Sums over fills whose mid is known: in half ticks times lots, to be divided once."""

    fills: int
    value: int  # mid x quantity
    gain: int  # sign x (distance) x quantity

    @property
    def bps(self) -> float | None:
        """Return the gain in bps of the value, None without fills."""
        return BPS * self.gain / self.value if self.value else None


class EquityPoint(NamedTuple):
    """The account once a second, in quote atoms."""

    ts_ns: int
    equity: int  # 0 where it was not known.
    total: int
    realized: int
    unrealized: int
    fees: int


class Flow(NamedTuple):
    """A deposit, a withdrawal or a trade by hand, in atoms of its asset."""

    ts_ns: int
    asset: str
    atoms: int
    told_half_ticks: int  # Mid of its instrument as our facts told it last, 0 where none did.


@dataclass
class StageFigures:
    """One stage over the run: of each second its count, mean, p99 and max."""

    count: int = 0
    sum_ns: int = 0
    max_ns: int = 0
    target_ns: int = 0
    p50_ns: list[int] = field(default_factory=list)
    p99_ns: list[tuple[int, int]] = field(default_factory=list)  # ts_ns, p99_ns


class RunFigures:
    """Figures of one run; feed it the run's records in their order."""

    def __init__(self, header: dict[str, Any]) -> None:
        self.words = RunWords(header)
        self.instruments: list[Instrument] = self.words.header.instruments
        self.began_ns = self.ended_ns = 0
        self.end_reason = "no last record: it runs still, or was killed"
        self.fills: list[FillFigures] = []
        self.fee_atoms: Counter[str] = Counter()  # by asset
        self.equity: list[EquityPoint] = []
        self.flows: list[Flow] = []
        self.orders: Counter[str] = Counter()  # by OrderEvent
        self.refusals: Counter[str] = Counter()  # by Code
        self.rejections: Counter[str] = Counter()
        self.state_ns: Counter[str] = Counter()
        self.side_ns: Counter[tuple[int, int, str]] = Counter()  # instrument, side, reason
        self.stages: dict[str, StageFigures] = {}
        self.mids = [InstrumentMids() for _ in self.instruments]
        self._told_mids = {instrument.base: 0 for instrument in self.instruments}  # Half ticks.
        self._state: tuple[str, int] | None = None
        self._quoting: dict[tuple[int, int], tuple[str, int]] = {}

    def add(self, record: Record) -> None:
        """Take a record that is no frame."""
        self.began_ns = self.began_ns or record.ts_ns
        self.ended_ns = record.ts_ns
        if record.record_type == RecordType.FACT:
            for fact in self.words.facts(record.payload):
                self._fact(fact)
        elif record.record_type == RecordType.TELEMETRY:
            for stage, times in decode_json(record.payload).items():
                self._second(record.ts_ns, stage, times)
        elif record.record_type == RecordType.RUN_END:
            said = decode_json(record.payload)
            self.end_reason = said.get("reason") or f"ended in order, exit {said.get('code', 0)}"

    def add_market(self, event: Any, levels: NDArray[np.int64]) -> None:
        """Take a decoded market event. Shapes: event EVENT, levels (rows, 3) int64."""
        self.ended_ns = max(self.ended_ns, int(event["ts_ns"]))
        self.mids[event["instrument"]].apply(event, levels)

    def finish(self) -> None:
        """Bring the times of states and quoting up to the last record."""
        self._enter_state("", self.ended_ns)
        for key in list(self._quoting):
            self._enter_reason(key, "", self.ended_ns)

    def spread_earned(self, instrument: int, side: int | None = None) -> Worth:
        """Return how far from mid the fills of an instrument were, of a side or both."""
        fills = self._of(instrument, side)
        return Worth(
            len(fills),
            sum(one.mid_half_ticks * one.qty_lots for one in fills),
            sum(_sign(one) * (one.mid_half_ticks - 2 * one.price_ticks) * one.qty_lots
                for one in fills),
        )  # fmt: skip

    def markout(self, horizon_ns: int, instrument: int, side: int | None = None) -> Worth:
        """Return what mid did within a horizon of the fills whose mid then is known."""
        mids, count, value, gain = self.mids[instrument], 0, 0, 0
        for one in self._of(instrument, side):
            then = mids.at(one.ts_ns + horizon_ns)
            if then is not None:
                count += 1
                value += one.mid_half_ticks * one.qty_lots
                gain += _sign(one) * (then - one.mid_half_ticks) * one.qty_lots
        return Worth(count, value, gain)

    def traded_atoms(self, instrument: int) -> int:
        """Return the value of an instrument's fills in quote atoms."""
        unit = self.instruments[instrument].unit_atoms
        return unit * sum(
            one.price_ticks * one.qty_lots for one in self.fills if one.instrument == instrument
        )

    @property
    def known_equity(self) -> list[EquityPoint]:
        """The seconds in which the equity was known."""
        return [one for one in self.equity if one.equity]

    def holdings_gain_atoms(self) -> int | None:
        """Return the change of equity that neither trading nor flows explain, in quote atoms.

        None where it cannot be told.
        """
        known = self.known_equity
        if not known:
            return None
        first, last = known[0], known[-1]
        moved = [
            self._flow_atoms(flow) for flow in self.flows if first.ts_ns < flow.ts_ns <= last.ts_ns
        ]
        if None in moved:
            return None
        explained = last.total - first.total + sum(worth for worth in moved if worth is not None)
        return last.equity - first.equity - explained

    def _flow_atoms(self, flow: Flow) -> int | None:
        for index, instrument in enumerate(self.instruments):
            if instrument.base == flow.asset:
                mid = self.mids[index].at(flow.ts_ns) or flow.told_half_ticks
                return flow.atoms * mid * instrument.tick_e8 // (2 * 10**8) if mid else None
        return flow.atoms if flow.asset == self.words.quote_asset else 0

    def _of(self, instrument: int, side: int | None) -> list[FillFigures]:
        return [
            one
            for one in self.fills
            if one.instrument == instrument and one.mid_half_ticks and side in (None, one.side)
        ]

    def _fact(self, fact: Fact) -> None:
        kind, ts_ns = fact["kind"], fact["ts_ns"]
        if fact["instrument"] >= 0 and fact["mid_half_ticks"]:
            told = self.instruments[fact["instrument"]]
            self._told_mids[told.base] = fact["mid_half_ticks"]
        if kind == FactKind.ORDER:
            self.orders[name_of(OrderEvent, fact["order_event"])] += 1
            self.mids[fact["instrument"]].apply_order(fact)
        elif kind == FactKind.FILL:
            self._fill(fact)
        elif kind == FactKind.REFUSAL:
            self.refusals[name_of(Code, fact["code"])] += 1
        elif kind == FactKind.REJECT:
            self.rejections["post-only missed" if fact["post_only"] else "refused"] += 1
        elif kind == FactKind.STATE:
            self._enter_state(name_of(TradingState, fact["state_to"]), ts_ns)
        elif kind == FactKind.QUOTING:
            reason = name_of(Code, fact["code"]) if fact["code"] else "quoted"
            self._enter_reason((fact["instrument"], fact["side"]), reason, ts_ns)
        elif kind == FactKind.EQUITY:
            names = ("equity", "total", "realized", "unrealized", "fees")
            self.equity.append(EquityPoint(ts_ns, *(fact[f"{name}_atoms"] for name in names)))
        elif kind == FactKind.EXTERNAL_FLOW:
            asset = self.words.asset(fact)
            told_half_ticks = self._told_mids.get(asset, 0)
            self.flows.append(Flow(ts_ns, asset, fact["delta_atoms"], told_half_ticks))

    def _fill(self, fact: Fact) -> None:
        instrument = self.instruments[fact["instrument"]]
        assets = {FeeAsset.BASE: instrument.base, FeeAsset.QUOTE: instrument.quote}
        self.fee_atoms[assets.get(fact["fee_asset"], "another asset")] += fact["fee_atoms"]
        self.fills.append(
            FillFigures(
                fact["ts_ns"], fact["instrument"], fact["side"], fact["liquidity"],
                fact["price_ticks"], fact["qty_lots"], fact["mid_half_ticks"],
                fact["position_lots"],
            )
        )  # fmt: skip

    def _second(self, ts_ns: int, stage: str, times: dict[str, Any]) -> None:
        figures = self.stages.setdefault(stage, StageFigures())
        figures.count += times["count"]
        figures.sum_ns += times["count"] * times["mean_ns"]
        figures.max_ns = max(figures.max_ns, times["max_ns"])
        figures.target_ns = times["target_ns"]
        figures.p50_ns.append(times["p50_ns"])
        figures.p99_ns.append((ts_ns, times["p99_ns"]))

    def _enter_state(self, state: str, ts_ns: int) -> None:
        if self._state is not None:
            before, since_ns = self._state
            self.state_ns[before] += ts_ns - since_ns
        self._state = state, ts_ns

    def _enter_reason(self, key: tuple[int, int], reason: str, ts_ns: int) -> None:
        if key in self._quoting:
            before, since_ns = self._quoting[key]
            self.side_ns[(*key, before)] += ts_ns - since_ns
        self._quoting[key] = reason, ts_ns


def is_maker(fill: FillFigures) -> bool:
    """Tell whether a fill rested before it was taken."""
    return fill.liquidity == Liquidity.MAKER


def _sign(fill: FillFigures) -> int:
    return 1 if fill.side == Side.BUY else -1
