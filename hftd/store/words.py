"""What a run's header says to its readers, and how the engine's integers become text.

Knows no table. The HEADER record may say more (all that replay needs); what stands here is
what the ledger and the logs read of it.
"""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from functools import lru_cache
from typing import Any

import msgspec
import numpy as np

from hftd.domain.codes import Code
from hftd.domain.facts import FACT
from hftd.domain.instrument import Instrument
from hftd.domain.order import client_order_id
from hftd.domain.refusals import half_ticks_text, name_of, reason_text
from hftd.domain.units import E8, decimal_text, from_scaled, from_steps

Fact = dict[str, Any]


class RecordLayout(msgspec.Struct, frozen=True):
    """A dtype in JSON, so that a journal is read by the layout that it was written with."""

    names: list[str]
    formats: list[str]
    offsets: list[int]
    itemsize: int


class RunHeader(msgspec.Struct, frozen=True, kw_only=True):
    """What the recorder needs of a HEADER record; other keys are not its business."""

    run: str
    profile_name: str = ""
    mode: str = ""
    version: str = ""
    config_hash: str = ""
    epoch: int = 0
    tag: str = ""  # Of client order ids.
    instruments: list[Instrument] = []
    assets: list[str] = []  # By the engine's index; empty: the quote, then the bases in order.
    profile: dict[str, Any] = {}
    fact_layout: RecordLayout | None = None  # None: this version's own.


def layout_words(dtype: np.dtype[Any]) -> RecordLayout:
    """Return a dtype in JSON's words."""
    fields: Any = dtype.fields or {}
    names = list(dtype.names or ())
    return RecordLayout(
        names,
        [fields[name][0].str for name in names],
        [fields[name][1] for name in names],
        dtype.itemsize,
    )


class RunWords:
    """One run's header with the ways to turn its integers into text."""

    def __init__(self, header: dict[str, Any]) -> None:
        self.header = msgspec.convert(header, RunHeader)
        self.run = self.header.run
        strategy = self.header.profile.get("strategy", {})
        self.strategy: str | None = strategy.get("kind")
        self._reasons: list[str] = strategy.get("reasons", [])
        instruments = self.header.instruments
        self.quote_asset = instruments[0].quote if instruments else ""
        named = [self.quote_asset, *(instrument.base for instrument in instruments)]
        self._assets = self.header.assets or list(dict.fromkeys(named))
        written = self.header.fact_layout
        self._fact_dtype = np.dtype(msgspec.to_builtins(written)) if written else FACT
        self._names = self._fact_dtype.names or ()
        unknown = set(FACT.names or ()).difference(self._names)
        self._unknown = dict.fromkeys(sorted(unknown), 0)

    def facts(self, payload: memoryview) -> list[Fact]:
        """Return the facts of a FACT record by name; a field that was not yet there is 0."""
        rows = np.frombuffer(payload, self._fact_dtype).tolist()
        found = [dict(zip(self._names, row, strict=True)) for row in rows]
        return [self._unknown | fact for fact in found] if self._unknown else found

    def fact_array(self, payload: bytes) -> np.ndarray[Any, Any]:
        """Return the facts of FACT records, one after the other, as (n,) of FACT.

        A field that was not yet there is 0.
        """
        written = np.frombuffer(payload, self._fact_dtype)
        if self._fact_dtype == FACT:
            return written
        facts = np.zeros(len(written), FACT)
        for name in set(FACT.names or ()) & set(self._names):
            facts[name] = written[name]
        return facts

    def written(self, facts: bytes) -> bytes:
        """Return facts of FACT as this run's records hold them, without what they lack."""
        if self._fact_dtype == FACT:
            return facts
        made = np.frombuffer(facts, FACT)
        rows = np.zeros(len(made), self._fact_dtype)
        for name in set(FACT.names or ()) & set(self._names):
            rows[name] = made[name]
        return rows.tobytes()

    @property
    def fact_bytes(self) -> int:
        """How long a fact of this run is."""
        return self._fact_dtype.itemsize

    def instrument(self, fact: Fact) -> Instrument | None:
        """Return the instrument that a fact is of, None where it is of none."""
        index = fact["instrument"]
        return self.header.instruments[index] if index >= 0 else None

    def instrument_name(self, fact: Fact) -> str | None:
        """Return the name of the instrument that a fact is of."""
        instrument = self.instrument(fact)
        return instrument.name if instrument else None

    def asset(self, fact: Fact) -> str:
        """Return the asset's name."""
        return self._assets[fact["asset"]]

    def client_order_id(self, fact: Fact) -> str | None:
        """Return the text of the order's key, None where the fact is of no order."""
        return client_order_id(self.header.tag, fact["order_key"]) if fact["order_key"] else None

    def price(self, fact: Fact, ticks: int) -> str | None:
        """Return a price as text."""
        instrument = self.instrument(fact)
        return _steps_text(ticks, instrument.tick_e8) if instrument else None

    def qty(self, fact: Fact, lots: int) -> str | None:
        """Return a quantity as text."""
        instrument = self.instrument(fact)
        return _steps_text(lots, instrument.lot_e8) if instrument else None

    def mid(self, fact: Fact) -> str | None:
        """Return the mid of a fact as text, None where there was none."""
        instrument, half_ticks = self.instrument(fact), fact["mid_half_ticks"]
        if instrument is None or not half_ticks:
            return None
        return half_ticks_text(instrument, half_ticks)

    def avg_price(self, fact: Fact) -> str | None:
        """Return the average price of an open position, rounded to eight decimals."""
        instrument, lots = self.instrument(fact), fact["position_lots"]
        if instrument is None or not lots:
            return None
        return decimal_text(Fraction(fact["cost_atoms"], lots * instrument.lot_e8))

    def reason(self, fact: Fact) -> str | None:
        """Return ``CODE: key=value, key=value`` with units, None for no code."""
        code = fact["code"]
        if code == Code.NONE:
            return None
        if code == Code.NOT_WANTED and 0 < fact["value"] <= len(self._reasons):
            return f"{name_of(Code, code)}: {self._reasons[fact['value'] - 1]}"
        instrument = self.instrument(fact)
        numbers = (fact["value"], fact["bound"])
        return reason_text(code, *numbers, self.quote_asset, instrument, fact["side"])


@lru_cache(maxsize=16_384)  # Quotes come back to the same prices and sizes all the time.
def _steps_text(steps: int, step_e8: int) -> str:
    return from_steps(steps, step_e8)


def code_name(fact: Fact) -> str | None:
    """Return the fact's code by name, None for no code."""
    return name_of(Code, fact["code"]) if fact["code"] else None


def utc_text(ts_ns: int) -> str:
    """Return a time as RFC 3339 in UTC with microseconds and Z."""
    seconds, rest_ns = divmod(ts_ns, 1_000_000_000)
    return f"{_second_text(seconds)}.{rest_ns // 1000:06d}Z"


@lru_cache(maxsize=2_048)  # Facts come in the order of time, a few minutes in one batch.
def _second_text(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}"


@lru_cache(maxsize=4_096)  # Between two fills each fact tells the same amounts.
def atoms_text(atoms: int) -> str:
    """Return 1e-8 atoms as decimal text."""
    return from_scaled(atoms, E8)
