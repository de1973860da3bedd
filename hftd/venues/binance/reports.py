"""User data events into reports: executionReport, balances, flows, the end of the stream.

Owns the meaning of user data. Must not know replies, sockets or order state.

| execution type x | ours | not ours |
| --- | --- | --- |
| NEW | ACCEPTED | FOREIGN_ORDER |
| TRADE | FILL | FILL with order_key 0 |
| CANCELED | CANCELED; the order's id stands in C, c is the cancel's | nothing |
| EXPIRED, TRADE_PREVENTION | EXPIRED | nothing |
| REJECTED | REJECTED, the code by the report's word r | nothing |

Steps that an order of others does not fit are told as `replies` tells them; a trade that does not
fit is unreadable here, and comes with the list of trades.

TRADE_PREVENTION reports a decrement where the order lives on; only a report whose status is
EXPIRED or EXPIRED_IN_MATCH ends it. Symbols and assets outside the profile give nothing.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from hftd.domain.events import EventKind, Link
from hftd.domain.order import Liquidity, OrderState
from hftd.venues.binance.messages import (
    AccountPosition,
    BalanceUpdate,
    ExecutionReport,
    UserEvent,
)
from hftd.venues.binance.rows import Rows, Unreadable, atoms_of, covering_steps_of, steps_of
from hftd.venues.binance.venue_table import (
    NEW_ORDER_REJECTED,
    NS_PER_MS,
    VenueTable,
    order_state,
    side,
    venue_code,
)

_head = msgspec.json.Decoder(UserEvent)
_execution_report = msgspec.json.Decoder(ExecutionReport)
_account_position = msgspec.json.Decoder(AccountPosition)
_balance_update = msgspec.json.Decoder(BalanceUpdate)


def decode_user_event(event: bytes, venue: VenueTable, rows: Rows) -> None:
    """Write what a user data event says.

    Raises: Unreadable or msgspec.DecodeError where it is not what the venue documents.
    """
    kind = _head.decode(event).e
    write = _WRITERS.get(kind)
    if kind == "eventStreamTerminated":
        rows.add(EventKind.USER_STREAM_ENDED, link=Link.USER)
    elif write is not None:  # listStatus, externalLockUpdate: not ours to act on.
        write(event, venue, rows)


def _write_execution(event: bytes, venue: VenueTable, rows: Rows) -> None:
    report = _execution_report.decode(event)
    index = venue.index_of(report.symbol)
    if index < 0:
        return
    canceled = report.execution_type == "CANCELED" and report.orig_client_order_id
    key = venue.key_of(report.orig_client_order_id if canceled else report.client_order_id)
    if report.execution_type == "TRADE":
        _write_fill(report, index, key, venue, rows)
        return
    lot_e8 = venue.instruments[index].lot_e8
    common = {
        "instrument": index,
        "exch_ts_ns": report.transaction_time * NS_PER_MS,
        "order_key": key,
        "venue_order_id": report.venue_order_id,
        "side": side(report.side),
    }
    if key == 0:
        if report.execution_type == "NEW":
            tick_e8 = venue.instruments[index].tick_e8
            common["price_ticks"] = covering_steps_of(report.price, tick_e8)
            common["qty_lots"] = covering_steps_of(report.order_qty, lot_e8)
            rows.add(EventKind.FOREIGN_ORDER, **common)
        return
    common["cum_qty_lots"] = steps_of(report.cum_qty, lot_e8)
    match report.execution_type:
        case "NEW":
            rows.add(EventKind.ACCEPTED, **common)
        case "CANCELED":
            rows.add(EventKind.CANCELED, **common)
        case "EXPIRED" | "TRADE_PREVENTION":
            if order_state(report.order_status) is OrderState.EXPIRED:
                rows.add(EventKind.EXPIRED, **common)
        case "REJECTED":
            code = venue_code(NEW_ORDER_REJECTED, report.reason)
            rows.add(EventKind.REJECTED, code=code, **common)
        case "REPLACED":
            pass  # An amendment; we send none.
        case _:
            raise Unreadable(f"a known execution type is needed, was {report.execution_type!r}")


def _write_fill(
    report: ExecutionReport, index: int, key: int, venue: VenueTable, rows: Rows
) -> None:
    instrument = venue.instruments[index]
    qty_lots = steps_of(report.last_qty, instrument.lot_e8)
    if report.trade_id < 0 or qty_lots == 0:
        raise Unreadable(f"a fill needs a trade id and a quantity, was {report.trade_id}")
    rows.add(
        EventKind.FILL,
        instrument=index,
        exch_ts_ns=report.transaction_time * NS_PER_MS,
        order_key=key,
        venue_order_id=report.venue_order_id,
        trade_id=report.trade_id,
        side=side(report.side),
        price_ticks=steps_of(report.last_price, instrument.tick_e8),
        qty_lots=qty_lots,
        cum_qty_lots=steps_of(report.cum_qty, instrument.lot_e8),
        fee_atoms=atoms_of(report.fee),
        fee_asset=venue.fee_asset(instrument, report.fee_asset),
        asset=venue.third_asset(instrument, report.fee_asset),
        liquidity=Liquidity.MAKER if report.is_maker else Liquidity.TAKER,
    )


def _write_position(event: bytes, venue: VenueTable, rows: Rows) -> None:
    position = _account_position.decode(event)
    for balance in position.balances:
        asset = venue.index_by_asset.get(balance.asset)
        if asset is not None:
            rows.add(
                EventKind.BALANCE,
                exch_ts_ns=position.event_time * NS_PER_MS,
                asset=asset,
                free_atoms=atoms_of(balance.free),
                locked_atoms=atoms_of(balance.locked),
            )


def _write_flow(event: bytes, venue: VenueTable, rows: Rows) -> None:
    update = _balance_update.decode(event)
    asset = venue.index_by_asset.get(update.asset)
    if asset is not None:
        rows.add(
            EventKind.EXTERNAL_FLOW,
            exch_ts_ns=update.event_time * NS_PER_MS,
            asset=asset,
            delta_atoms=atoms_of(update.delta),
        )


_WRITERS: dict[str, Callable[[bytes, VenueTable, Rows], None]] = {
    "executionReport": _write_execution,
    "outboundAccountPosition": _write_position,
    "balanceUpdate": _write_flow,
}
