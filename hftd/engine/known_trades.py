"""Which of the account's trades we know, and from which on some may be missing.

Owns the ring of trade ids, so that a report, a reply and a list may all tell the same one.
"""

from __future__ import annotations

from hftd.domain.kernel import kernel
from hftd.engine.state import TRADES_SEEN_CAPACITY, State


@kernel
def was_seen(state: State, instrument: int, trade_id: int) -> bool:
    """Tell whether an own trade was applied before, newest first."""
    if trade_id <= state.instruments[instrument]["forgotten_trade_id"]:
        return True
    total = state.rings[1]
    for back in range(min(total, TRADES_SEEN_CAPACITY)):
        seen = state.trades_seen[(total - 1 - back) % TRADES_SEEN_CAPACITY]
        if seen["trade_id"] == trade_id and seen["instrument"] == instrument:
            return True
    return False


@kernel
def remember(state: State, instrument: int, trade_id: int) -> None:
    """Keep an own trade's id so that it is never applied again.

    What the ring forgets still counts as applied, by the highest id forgotten.
    """
    seen = state.trades_seen[state.rings[1] % TRADES_SEEN_CAPACITY]
    if state.rings[1] >= TRADES_SEEN_CAPACITY:
        old = state.instruments[seen["instrument"]]
        old["forgotten_trade_id"] = max(old["forgotten_trade_id"], seen["trade_id"])
    state.rings[1] += 1
    seen["instrument"] = instrument
    seen["trade_id"] = trade_id
    record = state.instruments[instrument]
    record["own_trade_id"] = max(record["own_trade_id"], trade_id)


@kernel
def miss_from(state: State, index: int, trade_id: int) -> None:
    """Keep the lowest id from which own trades may be missing, until a reconciliation."""
    instrument = state.instruments[index]
    if instrument["missing_trade_id"] == 0 or trade_id < instrument["missing_trade_id"]:
        instrument["missing_trade_id"] = trade_id


@kernel
def miss_all(state: State) -> None:
    """Our reports have a gap from here on: own trades after the last one known may be missing."""
    for index in range(state.instruments.shape[0]):
        miss_from(state, index, state.instruments[index]["own_trade_id"] + 1)
