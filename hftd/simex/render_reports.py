"""What a user hears of his orders and balances, in the protocol's JSON shapes.

Owns the field names of user events and their order. Knows no endpoint and no connection.
"""

from __future__ import annotations

from hftd.simex.events import ExecType, OrderEvent
from hftd.simex.listing import Listing
from hftd.simex.numbers import text_of
from hftd.simex.orders import OPEN, Order, PreventedMatch
from hftd.simex.render import ZERO, Json, ms, price_text, qty_text


# long: the fields of one event, in the order of the protocol.
def execution_report(listing: Listing, event: OrderEvent) -> Json:
    """Return the user event of one change of an order.

    On a cancel ``c`` is the cancel's own client id and ``C`` the order's; on an amendment ``c``
    is the order's client id now and ``C`` the one before.
    """
    order, trade = event.order, event.trade
    client_id, original_id = order.client_order_id, ""
    if event.exec_type is ExecType.CANCELED:
        client_id, original_id = event.request_id, order.client_order_id
    elif event.exec_type is ExecType.REPLACED:
        original_id = event.request_id
    report = {
        "e": "executionReport",
        "E": ms(event.ts_ns),
        "s": order.symbol,
        "c": client_id,
        "S": order.side.value,
        "o": order.kind.value,
        "f": order.tif.value,
        "q": qty_text(listing, order.qty_lots),
        "p": price_text(listing, order.price_ticks),
        "P": price_text(listing, order.stop_ticks),
        "F": qty_text(listing, order.iceberg_lots),
        "g": -1,
        "C": original_id,
        "x": event.exec_type.value,
        "X": order.status.value,
        "r": "NONE" if event.reason is None else event.reason.value,
        "i": order.order_id,
        "l": ZERO if trade is None else qty_text(listing, trade.qty_lots),
        "z": qty_text(listing, order.cum_lots),
        "L": ZERO if trade is None else price_text(listing, trade.price_ticks),
        "n": "0" if trade is None else text_of(trade.fee_atoms),
        "N": None if trade is None else trade.fee_asset,
        "T": ms(event.ts_ns),
        "t": -1 if trade is None else trade.trade_id,
        "I": event.exec_id,
        "w": order.status in OPEN and order.price_ticks != 0 and order.working_ns != 0,
        "m": trade is not None and trade.is_maker,
        "M": trade is not None,
        "O": ms(order.created_ns),
        "Z": text_of(order.cum_quote_atoms),
        "Y": ZERO if trade is None else text_of(trade.quote_atoms),
        "Q": text_of(order.quote_order_atoms),
        "V": order.stp.value,
    }
    if order.working_ns and event.reason is None:
        report["W"] = ms(order.working_ns)
    if order.strategy_id is not None:
        report["j"] = order.strategy_id
    if order.strategy_type is not None:
        report["J"] = order.strategy_type
    if order.expiry is not None:
        report["eR"] = order.expiry.value
    if order.prevented_lots:
        report["v"] = order.prevented_match_id
        report["A"] = qty_text(listing, order.prevented_lots)
    if event.prevented is not None:
        report |= _prevention(listing, order, event.prevented)
    return report


def _prevention(listing: Listing, order: Order, match: PreventedMatch) -> Json:
    # Which order it met, what it lost, and the trade that did not come about.
    takes = order.order_id == match.taker_order_id
    notional = match.price_ticks * match.lots * listing.atoms_per_tick_lot
    return {
        "B": qty_text(listing, match.taker_lots if takes else match.maker_lots),
        "u": -1,
        "U": match.maker_order_id if takes else match.taker_order_id,
        "Cs": match.symbol,
        "pl": qty_text(listing, match.lots),
        "pL": price_text(listing, match.price_ticks),
        "pY": text_of(notional),
    }


def account_position(ts_ns: int, balances: list[tuple[str, int, int]]) -> Json:
    """Return the user event of changed balances."""
    return {
        "e": "outboundAccountPosition",
        "E": ms(ts_ns),
        "u": ms(ts_ns),
        "B": [
            {"a": asset, "f": text_of(free), "l": text_of(locked)}
            for asset, free, locked in balances
        ],
    }
