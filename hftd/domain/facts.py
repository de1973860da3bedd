"""All that the engine records: fixed-size facts, the source of the ledger and the logs.

The projector and the logs read these and nothing else; a fact therefore carries every
number that its row or line needs.
"""

from __future__ import annotations

from enum import IntEnum

from hftd.domain.layout import Field, layout


class FactKind(IntEnum):
    """What became true."""

    NONE = 0
    ORDER = 1  # an order changed: order_event, state_from, state_to, quantities, code
    FILL = 2  # one execution of ours, applied once
    REFUSAL = 3  # the gate denied: code, value, bound; order fields as wanted
    STATE = 4  # trading state: state_from, state_to, code, value, bound
    BOOK = 5  # an instrument's book: state_from, state_to, code
    POSITION = 6  # after a fill or flow: position and PnL of one instrument
    BALANCE = 7  # asset: free, locked as the venue says, expected as we say
    EQUITY = 8  # once a second, at mid: equity, realized, unrealized, fees; day, drawdown
    EXTERNAL_FLOW = 9  # asset, delta_atoms
    DIFFERENCE = 10  # reconciliation: code, value (ours), bound (the venue's); of an order: lots
    COMMAND = 11  # an operator's command was applied: command, code (NONE: done)
    QUOTING = 12  # a side began or ceased to be quoted: side, code
    NOTE = 13  # anything worth a line: code, value, bound
    REJECT = 14  # the venue refused: venue_code; post_only 1: an expected miss
    ALERT = 15  # a person must acknowledge: alert, code, value, bound; state_to 1: they have


FACT = layout(
    Field("kind", "i4", "FactKind"),
    Field("instrument", "i4", "index, -1 for none"),
    Field("ts_ns", "i8", "the event's time"),
    Field("exch_ts_ns", "i8", ""),
    Field("decision_seq", "i8", ""),
    Field("order_key", "i8", ""),
    Field("venue_order_id", "i8", ""),
    Field("trade_id", "i8", ""),
    Field("side", "i4", "Side"),
    Field("liquidity", "i4", "Liquidity"),
    Field("order_event", "i4", "OrderEvent"),
    Field("state_from", "i4", "OrderState, TradingState or BookState by kind"),
    Field("state_to", "i4", ""),
    Field("code", "i4", "Code"),
    Field("time_in_force", "i4", "TimeInForce"),
    Field("post_only", "i4", ""),
    Field("reduce_only", "i4", ""),
    Field("fee_asset", "i4", "FeeAsset"),
    Field("asset", "i4", ""),
    Field("command", "i4", "CommandKind"),
    Field("price_ticks", "i8", "order or last price"),
    Field("qty_lots", "i8", "order or last quantity"),
    Field("cum_qty_lots", "i8", ""),
    Field("leaves_lots", "i8", ""),
    Field("fee_atoms", "i8", "atoms (1e-8) of the fee asset"),
    Field("value", "i8", "the number judged, unit by code"),
    Field("bound", "i8", "the bound it was judged by"),
    Field("venue_code", "i8", ""),
    Field("mid_half_ticks", "i8", "mid at that moment, half ticks, 0 for none"),
    Field("position_lots", "i8", ""),
    Field("base_fee_atoms", "i8", "commissions taken in base so far"),
    Field("cost_atoms", "i8", "signed cost of the open position, quote atoms"),
    Field("realized_atoms", "i8", ""),
    Field("unrealized_atoms", "i8", ""),
    Field("fees_atoms", "i8", "all fees valued in quote"),
    Field("total_atoms", "i8", ""),
    Field("equity_atoms", "i8", "what our books hold, 0 while that is not known"),
    Field("day_loss_atoms", "i8", ""),
    Field("drawdown_atoms", "i8", ""),
    Field("turnover_atoms", "i8", ""),
    Field("free_atoms", "i8", ""),
    Field("locked_atoms", "i8", ""),
    Field("expected_atoms", "i8", ""),
    Field("delta_atoms", "i8", ""),
    Field("book_update_id", "i8", "of a submitted order: the newest update its decision knew"),
    Field("book_ns", "i8", "when that was told"),
    Field("alert", "i8", "number of the alert"),
)
