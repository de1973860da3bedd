"""Positions, balances and PnL in integers, changed by fills and flows alone.

Average cost: a fill that reduces takes its share of the cost, rounded toward zero, and the
rest stays with the open position; so realized + unrealized - fees = total holds exactly,
whatever the rounding. Fees are taken in the received asset; those in base are valued at the
mark. Marks for limits: long at bid, short at ask; what is shown once a second is at mid.
"""

from __future__ import annotations

from typing import Any

from hftd.domain.codes import BookState
from hftd.domain.facts import FactKind
from hftd.domain.kernel import kernel
from hftd.domain.order import FeeAsset, Side
from hftd.engine.emit import add_fact
from hftd.engine.state import Out, State


@kernel
def cost_share(cost_atoms: int, qty_lots: int, position_lots: int) -> int:
    """Return cost * qty / position rounded toward zero, without leaving int64.

    Units: position and qty are positive, qty <= position; cost may have either sign. The
    remainder times qty stays below position squared, which the profile's limits prove small.
    """
    sign = -1 if cost_atoms < 0 else 1
    size = abs(cost_atoms)
    whole = size // position_lots * qty_lots
    rest = size % position_lots * qty_lots // position_lots
    return sign * (whole + rest)


@kernel
def apply_to_position(instrument: Any, side: int, price_ticks: int, qty_lots: int) -> None:
    """Move position, cost and realized PnL by one execution.

    A fill through zero closes the old position first and opens the rest at its price.
    """
    signed = qty_lots if side == Side.BUY else -qty_lots
    position = instrument["position_lots"]
    unit = instrument["unit_atoms"]
    if position == 0 or (position > 0) == (signed > 0):
        instrument["cost_atoms"] += signed * price_ticks * unit
        instrument["position_lots"] = position + signed
        return
    closed = min(abs(position), qty_lots)
    share = cost_share(instrument["cost_atoms"], closed, abs(position))
    proceeds = closed * price_ticks * unit
    if position > 0:
        instrument["realized_atoms"] += proceeds - share
        instrument["position_lots"] = position - closed
    else:
        instrument["realized_atoms"] += -share - proceeds
        instrument["position_lots"] = position + closed
    instrument["cost_atoms"] -= share
    rest = qty_lots - closed
    if rest > 0:
        assert instrument["cost_atoms"] == 0
        instrument["cost_atoms"] = (rest if signed > 0 else -rest) * price_ticks * unit
        instrument["position_lots"] = rest if signed > 0 else -rest


@kernel
def fee_quote_atoms(instrument: Any, base_fee_atoms: int, mark_ticks: int) -> int:
    """Return commissions taken in base valued at a mark, rounded up against us.

    Divided first, as in `cost_share`: all fees of a ledger times a price could leave int64, and
    the loss limits would be blind. What is multiplied undivided stays below a lot squared, which
    is proven at the start.
    """
    lot_price_atoms = mark_ticks * instrument["unit_atoms"]
    lot = instrument["lot_atoms"]
    lots, rest = base_fee_atoms // lot, base_fee_atoms % lot
    worth = lots * lot_price_atoms + rest * (lot_price_atoms // lot)
    return worth + (rest * (lot_price_atoms % lot) + lot - 1) // lot


@kernel
def apply_fee(state: State, index: int, event: Any) -> None:
    """Book one commission: on the position by asset, and on the balance it was taken from.

    A third asset has no price here: the fee counts as the full standard rate in quote and
    is shown as estimated. Where it is another instrument's base (BNB, say, that is traded
    too), it leaves that balance; else its balance is outside the profile and not checked.
    """
    instrument = state.instruments[index]
    core = state.core[0]
    fee = event["fee_atoms"]
    if event["fee_asset"] == FeeAsset.BASE:
        instrument["base_fee_atoms"] += fee
        state.balances[instrument["base_asset"]]["traded_atoms"] -= fee
    elif event["fee_asset"] == FeeAsset.QUOTE:
        instrument["quote_fee_atoms"] += fee
        state.balances[core["quote_asset"]]["traded_atoms"] -= fee
    else:
        notional = event["price_ticks"] * event["qty_lots"] * instrument["unit_atoms"]
        rate = max(core["taker_fee_bps_e2"], core["maker_fee_bps_e2"])
        # Divided first, and rounded up against us: notional times rate could leave int64.
        instrument["other_fee_atoms"] += (notional + 999_999) // 1_000_000 * rate
        if event["asset"] != core["quote_asset"]:
            balance = state.balances[event["asset"]]
            balance["traded_atoms"] -= fee
            balance["changed_seq"] = core["decision_seq"]


@kernel
def apply_fill(state: State, index: int, event: Any) -> None:
    """Book one execution of ours on position, cash, balances, fees and turnover."""
    core = state.core[0]
    instrument = state.instruments[index]
    notional = event["price_ticks"] * event["qty_lots"] * instrument["unit_atoms"]
    base_atoms = event["qty_lots"] * instrument["lot_atoms"]
    sign = 1 if event["side"] == Side.BUY else -1
    instrument["filled_lots"][event["side"]] += event["qty_lots"]
    state.balances[instrument["base_asset"]]["changed_seq"] = core["decision_seq"]
    state.balances[core["quote_asset"]]["changed_seq"] = core["decision_seq"]
    apply_to_position(instrument, event["side"], event["price_ticks"], event["qty_lots"])
    state.balances[instrument["base_asset"]]["traded_atoms"] += sign * base_atoms
    state.balances[core["quote_asset"]]["traded_atoms"] -= sign * notional
    apply_fee(state, index, event)
    if instrument["mark_bid_ticks"] == 0:  # A fill before any market is its own mark.
        instrument["mark_bid_ticks"] = event["price_ticks"]
        instrument["mark_ask_ticks"] = event["price_ticks"]
    instrument["fills"] += 1
    core["fills"] += 1
    core["orders_since_fill"] = 0
    core["turnover_atoms"] += notional
    instrument["dirty"] = 1


@kernel
def apply_foreign_fill(state: State, index: int, event: Any) -> None:
    """Book a trade of the account that is not ours: it moves the baseline, not the PnL."""
    core = state.core[0]
    instrument = state.instruments[index]
    notional = event["price_ticks"] * event["qty_lots"] * instrument["unit_atoms"]
    base_atoms = event["qty_lots"] * instrument["lot_atoms"]
    sign = 1 if event["side"] == Side.BUY else -1
    state.balances[instrument["base_asset"]]["changed_seq"] = core["decision_seq"]
    state.balances[core["quote_asset"]]["changed_seq"] = core["decision_seq"]
    state.balances[instrument["base_asset"]]["flow_atoms"] += sign * base_atoms
    state.balances[core["quote_asset"]]["flow_atoms"] -= sign * notional
    if event["fee_asset"] == FeeAsset.BASE:
        state.balances[instrument["base_asset"]]["flow_atoms"] -= event["fee_atoms"]
    elif event["fee_asset"] == FeeAsset.QUOTE:
        state.balances[core["quote_asset"]]["flow_atoms"] -= event["fee_atoms"]
    elif event["asset"] != core["quote_asset"]:
        state.balances[event["asset"]]["flow_atoms"] -= event["fee_atoms"]
        state.balances[event["asset"]]["changed_seq"] = core["decision_seq"]


@kernel
def flow_fact(state: State, out: Out, asset: int, delta_atoms: int) -> None:
    """Record an external flow."""
    fact = add_fact(state, out, FactKind.EXTERNAL_FLOW, -1)
    fact["asset"] = asset
    fact["delta_atoms"] = delta_atoms


@kernel
def book_flow(state: State, out: Out, asset: int, delta_atoms: int) -> None:
    """Book a deposit, withdrawal or transfer: it moves the baseline, not the PnL."""
    balance = state.balances[asset]
    balance["flow_atoms"] += delta_atoms
    balance["changed_seq"] = state.core[0]["decision_seq"]
    flow_fact(state, out, asset, delta_atoms)


@kernel
def take_mark(state: State, index: int) -> None:
    """Keep the touch as the mark, and when the market told it.

    Where a side has emptied the other one is still what can be had there, and bounds what was kept
    of the one that is gone: no bid that comes is above the best ask, and no ask below the best bid.
    """
    instrument = state.instruments[index]
    bid, ask = instrument["market_bid_ticks"], instrument["market_ask_ticks"]
    bounds = state.books[index]["state"] == BookState.SYNCED and instrument["mark_bid_ticks"] > 0
    if instrument["market_valid"] == 1:
        instrument["mark_bid_ticks"] = bid
        instrument["mark_ask_ticks"] = ask
    elif bounds and bid == 0 and ask > 0:
        instrument["mark_bid_ticks"] = min(instrument["mark_bid_ticks"], ask)
        instrument["mark_ask_ticks"] = ask
    elif bounds and ask == 0 and bid > 0:
        instrument["mark_bid_ticks"] = bid
        instrument["mark_ask_ticks"] = max(instrument["mark_ask_ticks"], bid)
    else:
        return
    instrument["mark_ns"] = max(instrument["touch_ns"], state.books[index]["depth_ns"])


@kernel
def mark(state: State, index: int) -> None:
    """Value one position at the limit mark: the last one of a valid market.

    Before the first such market of a boot the mark of the boot before holds, and where there
    was none, what the books carried.
    """
    take_mark(state, index)
    instrument = state.instruments[index]
    position = instrument["position_lots"]
    price = instrument["mark_bid_ticks"] if position >= 0 else instrument["mark_ask_ticks"]
    if price == 0:
        return
    worth = position * price * instrument["unit_atoms"]
    instrument["unrealized_atoms"] = worth - instrument["cost_atoms"]
    instrument["fees_atoms"] = (
        fee_quote_atoms(instrument, instrument["base_fee_atoms"], price)
        + instrument["quote_fee_atoms"]
        + instrument["other_fee_atoms"]
    )


@kernel
def total_atoms(state: State) -> int:
    """Return realized + unrealized - fees over all instruments at the limit marks."""
    total = 0
    for index in range(state.core[0]["instruments"]):
        instrument = state.instruments[index]
        total += instrument["realized_atoms"] + instrument["unrealized_atoms"]
        total -= instrument["fees_atoms"]
    return total


@kernel
def excess_lots(instrument: Any) -> int:
    """Return how far the position is above its target."""
    return instrument["position_lots"] - instrument["target_position_lots"]


@kernel
def expected_atoms(balance: Any) -> int:
    """Return what the account must hold of an asset by our own books."""
    return balance["opening_atoms"] + balance["traded_atoms"] + balance["flow_atoms"]


@kernel
def told_atoms(balance: Any) -> int:
    """Return what the venue says that the account holds of an asset."""
    return balance["free_atoms"] + balance["locked_atoms"]


@kernel
def position_fact(state: State, out: Out, index: int) -> None:
    """Record an instrument's position and PnL."""
    instrument = state.instruments[index]
    fact = add_fact(state, out, FactKind.POSITION, index)
    fact["position_lots"] = instrument["position_lots"]
    fact["cost_atoms"] = instrument["cost_atoms"]
    fact["base_fee_atoms"] = instrument["base_fee_atoms"]
    fact["realized_atoms"] = instrument["realized_atoms"]
    fact["unrealized_atoms"] = instrument["unrealized_atoms"]
    fact["fees_atoms"] = instrument["fees_atoms"]
    fact["total_atoms"] = (
        instrument["realized_atoms"] + instrument["unrealized_atoms"] - instrument["fees_atoms"]
    )
    fact["mid_half_ticks"] = instrument["mid_half_ticks"]


@kernel
def balance_fact(state: State, out: Out, asset: int) -> None:
    """Record an asset's balance as the venue tells it and as our books expect it."""
    balance = state.balances[asset]
    fact = add_fact(state, out, FactKind.BALANCE, -1)
    fact["asset"] = asset
    fact["free_atoms"] = balance["free_atoms"]
    fact["locked_atoms"] = balance["locked_atoms"]
    fact["expected_atoms"] = expected_atoms(balance)


@kernel
def mid_mark(instrument: Any) -> int:
    """Return what is shown is valued at: mid, before a boot's first the last mark; 0 for none.

    Units: half ticks.
    """
    mid = instrument["mid_half_ticks"]
    return mid if mid != 0 else instrument["mark_bid_ticks"] + instrument["mark_ask_ticks"]


@kernel
def worth_at_mid(instrument: Any, base_atoms: int) -> int:
    """Return what base atoms are worth at the mark of what is shown. Units: quote atoms."""
    half_ticks = mid_mark(instrument)
    below = half_ticks // 2
    worth = fee_quote_atoms(instrument, base_atoms, below)
    return (worth + fee_quote_atoms(instrument, base_atoms, half_ticks - below)) // 2


@kernel
def equity_atoms(state: State) -> int:
    """Return what our books hold, at mid; 0 while that is not known."""
    held = expected_atoms(state.balances[state.core[0]["quote_asset"]])
    for index in range(state.core[0]["instruments"]):
        instrument = state.instruments[index]
        balance = state.balances[instrument["base_asset"]]
        base = expected_atoms(balance)
        if balance["opening_known"] == 0 or (base != 0 and mid_mark(instrument) == 0):
            return 0
        held += worth_at_mid(instrument, base)
    return held


@kernel
def equity_fact(state: State, out: Out) -> None:
    """Record the profile's PnL and equity at mid, for people: one mark, or they would not agree.

    Beside them the day's loss, the drawdown and the turnover, as the limits judge them.
    """
    core = state.core[0]
    fact = add_fact(state, out, FactKind.EQUITY, -1)
    realized, unrealized, fees = 0, 0, 0
    for index in range(state.core[0]["instruments"]):
        instrument = state.instruments[index]
        realized += instrument["realized_atoms"]
        if mid_mark(instrument) == 0:
            unrealized += instrument["unrealized_atoms"]
            fees += instrument["fees_atoms"]
            continue
        held = instrument["position_lots"] * instrument["lot_atoms"]
        unrealized += worth_at_mid(instrument, held) - instrument["cost_atoms"]
        fees += worth_at_mid(instrument, instrument["base_fee_atoms"])
        fees += instrument["quote_fee_atoms"] + instrument["other_fee_atoms"]
    fact["realized_atoms"] = realized
    fact["unrealized_atoms"] = unrealized
    fact["fees_atoms"] = fees
    fact["total_atoms"] = realized + unrealized - fees
    fact["equity_atoms"] = equity_atoms(state)
    fact["day_loss_atoms"] = core["day_loss_atoms"]
    fact["drawdown_atoms"] = core["drawdown_atoms"]
    fact["turnover_atoms"] = core["turnover_atoms"]


@kernel
def mark_all_dirty(state: State) -> None:
    """Let the next decision look at every instrument."""
    for index in range(state.core[0]["instruments"]):
        state.instruments[index]["dirty"] = 1
