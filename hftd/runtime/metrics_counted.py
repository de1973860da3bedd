"""What happened, counted from journal records as they are read; the numbers behind `/metrics`.

Owns the counters, the histograms and the newest figures of the account. Knows neither names nor
labels of metrics (``metrics_families``), nor HTTP. Counts begin with the recorder, which a
reader of counters expects: they reset together, and rates are taken over resets.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from hftd.domain.codes import BookState, Code, TradingState, VenueCode
from hftd.domain.events import CommandKind
from hftd.domain.facts import FactKind
from hftd.domain.order import Liquidity, OrderEvent, Side
from hftd.domain.refusals import name_of
from hftd.journal.record import Record, RecordType, decode_json
from hftd.runtime.telemetry import BOUNDS_NS
from hftd.store.words import Fact, RunWords

Labels = tuple[str, ...]
ACCOUNT = (
    "equity", "realized", "unrealized", "fees", "total", "day_loss", "drawdown", "turnover",
)  # fmt: skip


class StageCounts:
    """One stage's times by bucket of `BOUNDS_NS`, the last bucket for what is over all."""

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS_NS) + 1)
        self.sum_ns = 0
        self.target_ns = 0

    def add(self, times: dict[str, Any]) -> None:
        """Add a second. An older version's journal has no buckets: it is passed over."""
        for at, count in enumerate(times.get("buckets", ())):
            self.buckets[at] += count
        if "buckets" in times:
            self.sum_ns += times["count"] * times["mean_ns"]
        self.target_ns = times["target_ns"]


class Counted:
    """Counts since the recorder began, by the labels that each metric has."""

    def __init__(self) -> None:
        self.records = 0
        self.orders: Counter[Labels] = Counter()  # instrument, event
        self.fills: Counter[Labels] = Counter()  # instrument, side, liquidity
        self.filled_base_atoms: Counter[Labels] = Counter()  # instrument, side
        self.filled_quote_atoms: Counter[Labels] = Counter()  # instrument, side
        self.refusals: Counter[Labels] = Counter()  # code
        self.rejections: Counter[Labels] = Counter()  # kind
        self.states: Counter[Labels] = Counter()  # state
        self.books: Counter[Labels] = Counter()  # instrument, state
        self.commands: Counter[Labels] = Counter()  # command, outcome
        self.differences: Counter[Labels] = Counter()  # code
        self.quoted_ns: Counter[Labels] = Counter()  # instrument, side
        self.not_quoted_ns: Counter[Labels] = Counter()  # instrument, side, reason
        self.stages: dict[str, StageCounts] = {}
        self.account_atoms: dict[str, int] = {}
        self.quote_asset = ""
        self._quoting: dict[Labels, tuple[int, int]] = {}  # instrument, side: code, since
        self._ts_ns = 0

    def add(self, words: RunWords | None, record: Record) -> None:
        """Count one record, read in the words of its run."""
        self.records += 1
        self._ts_ns = record.ts_ns
        if record.record_type == RecordType.HEADER:
            self.settle()
            self._quoting.clear()
        elif record.record_type == RecordType.TELEMETRY:
            for stage, times in decode_json(record.payload).items():
                self.stages.setdefault(stage, StageCounts()).add(times)
        elif record.record_type == RecordType.FACT and words is not None:
            self.quote_asset = words.quote_asset
            for fact in words.facts(record.payload):
                self._fact(words, fact)

    def settle(self) -> None:
        """Bring the times of quoting up to the last record."""
        for key, (code, since_ns) in list(self._quoting.items()):
            self._close(key, code, since_ns, self._ts_ns)
            self._quoting[key] = code, self._ts_ns

    def _fact(self, words: RunWords, fact: Fact) -> None:
        kind = fact["kind"]
        instrument = words.instrument_name(fact) or ""
        side = name_of(Side, fact["side"])
        if kind == FactKind.ORDER:
            self.orders[instrument, name_of(OrderEvent, fact["order_event"]).lower()] += 1
        elif kind == FactKind.FILL:
            self._fill(words, fact, instrument, side)
        elif kind == FactKind.REFUSAL:
            self.refusals[(name_of(Code, fact["code"]),)] += 1
        elif kind == FactKind.REJECT:
            self.rejections[(_rejection(fact),)] += 1
        elif kind == FactKind.STATE:
            self.states[(name_of(TradingState, fact["state_to"]),)] += 1
        elif kind == FactKind.BOOK:
            self.books[instrument, name_of(BookState, fact["state_to"])] += 1
        elif kind == FactKind.COMMAND:
            outcome = name_of(Code, fact["code"]) if fact["code"] else "DONE"
            self.commands[name_of(CommandKind, fact["command"]), outcome] += 1
        elif kind == FactKind.DIFFERENCE:
            self.differences[(name_of(Code, fact["code"]),)] += 1
        elif kind == FactKind.QUOTING:
            self._quote((instrument, side), fact["code"], fact["ts_ns"])
        elif kind == FactKind.EQUITY:
            self.account_atoms = {name: fact[f"{name}_atoms"] for name in ACCOUNT}
            if not fact["equity_atoms"]:  # Not known yet.
                del self.account_atoms["equity"]

    def _fill(self, words: RunWords, fact: Fact, name: str, side: str) -> None:
        instrument = words.instrument(fact)
        assert instrument is not None
        lots, liquidity = fact["qty_lots"], name_of(Liquidity, fact["liquidity"]).lower()
        self.fills[name, side, liquidity] += 1
        self.filled_base_atoms[name, side] += lots * instrument.lot_e8
        self.filled_quote_atoms[name, side] += lots * fact["price_ticks"] * instrument.unit_atoms

    def _quote(self, key: Labels, code: int, ts_ns: int) -> None:
        if key in self._quoting:
            self._close(key, *self._quoting[key], ts_ns)
        self._quoting[key] = code, ts_ns

    def _close(self, key: Labels, code: int, since_ns: int, until_ns: int) -> None:
        if code:
            self.not_quoted_ns[(*key, name_of(Code, code))] += until_ns - since_ns
        else:
            self.quoted_ns[key] += until_ns - since_ns


def _rejection(fact: Fact) -> str:
    if fact["post_only"]:
        return "post_only_missed"
    return "replace_raced" if fact["venue_code"] == VenueCode.NOT_ATTEMPTED else "refused"
