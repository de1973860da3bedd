"""Which of the account's trades we know, and from which on some may be missing.

Owns the ring of trades, so that a report, a reply and a list may all tell the same one; and
from which id on the venue is asked for its list.

**An id is not yet a trade.** Where an order by hand, of the same account, meets one of ours, the
venue lists two trades under one id: a buy and a sell. So a trade is its instrument, id and side,
and a full page of a list may end between the two.

**No list leaves a gap.** An answer does not say which question it is to, and one may be late, or
lost. So every question begins where nothing lies before it that no list has shown, and that waits
for nothing (`list_from`): whatever answer comes, up to its last id all has been shown. What a list
showed and could not be booked, since its order is still to be named (strays.py), is `missing`
until a list that reaches it leaves no order to be named.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.kernel import kernel
from hftd.engine import strays
from hftd.engine.state import TRADES_SEEN_CAPACITY, State

TRADES_PAGE = 500  # As many as the codec asks for at a time.


@kernel
def was_seen(state: State, instrument: int, trade_id: int, side: int) -> bool:
    """Tell whether an own trade was applied before, newest first."""
    if trade_id <= state.instruments[instrument]["forgotten_trade_id"]:
        return True
    total = state.rings[1]
    for back in range(min(total, TRADES_SEEN_CAPACITY)):
        seen = state.trades_seen[(total - 1 - back) % TRADES_SEEN_CAPACITY]
        same_id = seen["trade_id"] == trade_id and seen["instrument"] == instrument
        if same_id and seen["side"] == side:
            return True
    return False


@kernel
def remember(state: State, instrument: int, trade_id: int, side: int) -> None:
    """Keep an own trade so that it is never applied again.

    What the ring forgets still counts as applied, by the highest id forgotten.
    """
    seen = state.trades_seen[state.rings[1] % TRADES_SEEN_CAPACITY]
    if state.rings[1] >= TRADES_SEEN_CAPACITY:
        old = state.instruments[seen["instrument"]]
        old["forgotten_trade_id"] = max(old["forgotten_trade_id"], seen["trade_id"])
    state.rings[1] += 1
    seen["instrument"] = instrument
    seen["trade_id"] = trade_id
    seen["side"] = side
    record = state.instruments[instrument]
    record["own_trade_id"] = max(record["own_trade_id"], trade_id)


@kernel
def miss_from(state: State, index: int, trade_id: int) -> None:
    """Keep the lowest id from which own trades may be missing, until a list has shown them."""
    instrument = state.instruments[index]
    if instrument["missing_trade_id"] == 0 or trade_id < instrument["missing_trade_id"]:
        instrument["missing_trade_id"] = trade_id


@kernel
def miss_all(state: State) -> None:
    """Our reports have a gap from here on: own trades after the last one known may be missing."""
    for index in range(state.core[0]["instruments"]):
        miss_from(state, index, state.instruments[index]["own_trade_id"] + 1)


@kernel
def list_from(instrument: Any) -> int:
    """Return the id from which own trades are asked for."""
    after_shown = instrument["checked_trade_id"] + 1
    missing = instrument["missing_trade_id"]
    return min(missing, after_shown) if missing > 0 else after_shown


@kernel
def is_full(event: Any) -> bool:
    """Tell whether a page of a list may be followed by another, which begins at its last id."""
    return event["order_count"] >= TRADES_PAGE


@kernel
def was_shown(state: State, event: Any) -> None:
    """A list was told up to its last id: all up to there is shown, and is booked or missing.

    Of the last id of a full page one side may still be to come.
    """
    instrument = state.instruments[event["instrument"]]
    last_id = event["trade_id"] - 1 if is_full(event) else event["trade_id"]
    instrument["checked_trade_id"] = max(instrument["checked_trade_id"], last_id)
    reached = last_id >= instrument["missing_trade_id"]
    if reached and not strays.is_waiting(state, event["instrument"]):
        instrument["missing_trade_id"] = 0


@kernel
def all_agrees(state: State, index: int) -> None:
    """Books and venue agree: what may be missing beyond all lists comes with the next of them."""
    instrument = state.instruments[index]
    shown_id = max(instrument["checked_trade_id"], instrument["forgotten_trade_id"])
    instrument["checked_trade_id"] = shown_id
    if instrument["missing_trade_id"] > shown_id and not strays.is_waiting(state, index):
        instrument["missing_trade_id"] = 0
