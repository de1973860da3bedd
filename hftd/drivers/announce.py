"""What people and systemd are told of the daemon's state, in words, and when a start is over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from hftd.domain.codes import Code, TradingState
from hftd.domain.facts import FactKind
from hftd.domain.instrument import Instrument
from hftd.domain.layout import Records
from hftd.domain.order import client_order_id
from hftd.domain.units import E8, from_scaled
from hftd.drivers.books import assets_of
from hftd.engine.recovery import Phase

LATCHED_WAIT_NS = 60_000_000_000


def has_started(core: Any) -> bool:
    """Tell whether a start has come to its end, whatever its verdict.

    That is the end of the recovery. One that is HALTED or KILLED waits for a person, maybe in a
    phase that only ``reset`` leaves (an order that the venue denies): after a minute in one phase
    it is over too, or systemd would end the start for taking too long, again and again.
    """
    state = core["state"]
    if state in (TradingState.STARTING, TradingState.RECOVERING):
        return False
    waits = state in (TradingState.HALTED, TradingState.KILLED)
    waited_ns = core["now_ns"] - core["recovery_since_ns"]
    return bool(core["recovery_phase"] == Phase.IDLE or (waits and waited_ns > LATCHED_WAIT_NS))


def state_text(core: Any) -> str:
    """Return the trading state with its reason: ``PAUSED (OPERATOR)``."""
    state, code = TradingState(int(core["state"])), Code(int(core["state_code"]))
    return f"{state.name} ({code.name})" if code != Code.NONE else state.name


def difference_lines(facts: Records, instruments: Sequence[Instrument], tag: str) -> Iterator[str]:
    """Yield each difference between our books and the venue's that a reconciliation found."""
    assets = assets_of(instruments)
    for fact in facts:
        if fact["kind"] != FactKind.DIFFERENCE:
            continue
        ours, venues = int(fact["value"]), int(fact["bound"])
        if fact["instrument"] >= 0:
            instrument = instruments[int(fact["instrument"])]
            what = "filled" if fact["code"] == Code.LOST_REPORT else "open"
            yield (
                f"difference in order {client_order_id(tag, int(fact['order_key']))}: our books "
                f"{instrument.qty_text(ours)} {what}, the venue {instrument.qty_text(venues)}"
            )
            continue
        yield (
            f"difference in {assets[int(fact['asset'])]}: our books {from_scaled(ours, E8)}, "
            f"the venue {from_scaled(venues, E8)}, {from_scaled(venues - ours, E8)} unexplained; "
            "an unreported deposit or withdrawal: hftctl reset --accept-flows"
        )
