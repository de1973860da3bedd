"""WS API replies into events: what came of each request, told by the request's own id.

Owns the meaning of replies and of error codes. Must not know sockets, time-outs or order
state.

| request | it went well | definite error | in doubt: 5xx or `IN_DOUBT`, or unreadable |
| --- | --- | --- | --- |
| place | ACCEPTED; EXPIRED or CANCELED too if it says so | REJECTED | OUTCOME_UNKNOWN |
| cancel | CANCELED with the venue's cum | CANCEL_REJECTED | CANCEL_UNKNOWN |
| cancel-replace | CANCELED and ACCEPTED | each leg by its own result | both in doubt |
| query | ORDER_STATUS | ORDER_STATUS found 0 for -2013, else QUERY_FAILED | QUERY_FAILED |
| find | ORDER_OWNER | ORDER_OWNER found 0 for -2013, else QUERY_FAILED | QUERY_FAILED |
| open orders | ORDER_STATUS or FOREIGN_ORDER each, OPEN_ORDERS_END | QUERY_FAILED | QUERY_FAILED |
| trades | FILL each with order_key 0, TRADES_END | QUERY_FAILED | QUERY_FAILED |
| balances | BALANCE per asset of the profile, BALANCES_END | QUERY_FAILED | QUERY_FAILED |

A good reply that is about another order than was asked for is unreadable, and so is a cancel's
whose status is no end: what the order came to is asked then.

Fills come by executionReport alone, or by the list of trades; never by a reply. 403, 418
and 429 say RATE_LIMITED first of all, by what of status and time can be read where the whole
cannot; counts of orders add RATE_STATUS.

A venue that changes an instrument's tick or lot keeps the orders and trades from before. Such an
order is told in the fewest steps that cover it (filled: in whole steps); such a trade as a FILL
of no price, quantity or fee: its id counts, and the engine books nothing that is not exact.
"""

# long: the writers of one table, which is checked against them line by line.

from __future__ import annotations

import re

import msgspec

from hftd.domain.codes import VenueCode
from hftd.domain.events import EventKind
from hftd.domain.instrument import Instrument
from hftd.domain.layout import Records
from hftd.domain.order import Liquidity, OrderState, Side
from hftd.venues.binance.messages import (
    AccountReply,
    CancelReplaceReply,
    Legs,
    OrderReply,
    RateLimit,
    Reply,
    TradeReply,
    VenueError,
    Wait,
)
from hftd.venues.binance.request_id import Asked, RequestId
from hftd.venues.binance.rows import (
    Rows,
    Unreadable,
    atoms_of,
    covering_steps_of,
    require_shallow,
    steps_of,
    whole_steps_of,
)
from hftd.venues.binance.venue_table import (
    NS_PER_MS,
    ORDER_STATES,
    VenueTable,
    order_state,
    side,
    venue_code,
)
from hftd.venues.port import BLANK, new_event

# Errors after which an order may stand all the same: the venue says so of -1006 and -1007;
# -1000, -1001, -1008 and -1016 do not say how far the request came. Asking costs little.
IN_DOUBT = frozenset({-1000, -1001, -1006, -1007, -1008, -1016})
NO_SUCH_ORDER = -2013
ENDS = frozenset({OrderState.CANCELED, OrderState.EXPIRED, OrderState.FILLED})
HALF_DONE = frozenset({-2021, -2022})  # A cancel-replace whose legs the error must name.
LIMIT_STATUSES = (403, 418, 429)
LIMIT_CODES = (-1003, -1015)
# How long to hold back where the venue did not say: one ORDERS window, one weight window,
# the shortest ban.
DEFAULT_WAIT_NS = {429: 10_000_000_000, 403: 60_000_000_000, 418: 120_000_000_000}
LONGEST_WAIT_MS = 7 * 86_400_000  # Bans last three days at most: what names more is cut.
WINDOW_NS = {
    "SECOND": 1_000_000_000,
    "MINUTE": 60_000_000_000,
    "HOUR": 3_600_000_000_000,
    "DAY": 86_400_000_000_000,
}

_order = msgspec.json.Decoder(OrderReply)
_orders = msgspec.json.Decoder(list[OrderReply])
_pair = msgspec.json.Decoder(CancelReplaceReply)
_trades = msgspec.json.Decoder(list[TradeReply])
_account = msgspec.json.Decoder(AccountReply)
_error = msgspec.json.Decoder(VenueError)
_envelope = msgspec.json.Decoder(Reply)
_wait = msgspec.json.Decoder(Wait)
_legs = msgspec.json.Decoder(Legs)
_limits = msgspec.json.Decoder(list[RateLimit])
UNFIT = (Unreadable, msgspec.DecodeError, UnicodeDecodeError, RecursionError)
NO_ERROR = VenueError(code=0)
# What a limit says, in a reply that is no whole JSON any more or nested too deep.
_LIMIT_STATUS = re.compile(rb'"status"\s{0,4}:\s{0,4}(403|418|429)[\s,}]')
_RETRY_AFTER = re.compile(rb'"retryAfter"\s{0,4}:\s{0,4}(\d{13})[\s,}]')
_SERVER_TIME = re.compile(rb'"serverTime"\s{0,4}:\s{0,4}(\d{13})[\s,}]')


def decode_reply(
    reply: Reply, request: RequestId, ts_ns: int, venue: VenueTable, rows: Rows
) -> bool:
    """Write what came of a request: in doubt, and False, where the answer does not fit it."""
    error, good = error_of(reply), 200 <= reply.status < 300
    if not good:
        # First of all: what follows may free a side, and its next order must not leave.
        write_rate_limited(reply.status, error, ts_ns, rows)
    told = rows.count
    try:
        if good:
            _write_result(reply.result, request, venue, rows)
        elif reply.status >= 500 or error.code in IN_DOUBT or error is NO_ERROR:
            write_in_doubt(request, error.code or reply.status, rows)
        else:
            _write_refused(error, request, venue, rows)
    except UNFIT:
        rows.count = told
        write_in_doubt(request, 0, rows)
        return False
    _write_rate_statuses(reply, rows)
    return True


def error_of(reply: Reply) -> VenueError:
    """Return the error of a reply, `NO_ERROR` where it names none that can be read."""
    data = bytes(reply.error)
    try:
        return NO_ERROR if data == b"null" else _error.decode(data)
    except UNFIT:
        return NO_ERROR


def write_in_doubt(request: RequestId, code: int, rows: Rows) -> None:
    """Write that nobody knows what came of a request."""
    named = {"instrument": request.instrument, "code": code}
    match request.asked:
        case Asked.PLACE:
            rows.add(EventKind.OUTCOME_UNKNOWN, order_key=request.order_key, **named)
        case Asked.CANCEL:
            rows.add(EventKind.CANCEL_UNKNOWN, order_key=request.target_key, **named)
        case Asked.CANCEL_REPLACE:
            rows.add(EventKind.CANCEL_UNKNOWN, order_key=request.target_key, **named)
            rows.add(EventKind.OUTCOME_UNKNOWN, order_key=request.order_key, **named)
        case _:
            rows.add(EventKind.QUERY_FAILED, order_key=request.target_key, **named)


def write_not_sent(request: RequestId, rows: Rows) -> None:
    """Write that a request never left us: definite, since the venue cannot know of it."""
    named = {"instrument": request.instrument, "code": VenueCode.NOT_SENT}
    if request.asked in (Asked.CANCEL, Asked.CANCEL_REPLACE):
        rows.add(EventKind.CANCEL_REJECTED, order_key=request.target_key, **named)
    if request.asked in (Asked.PLACE, Asked.CANCEL_REPLACE):
        rows.add(EventKind.REJECTED, order_key=request.order_key, **named)
    if rows.count == 0:
        rows.add(EventKind.QUERY_FAILED, order_key=request.target_key, **named)


def write_rate_limited(
    status: int, error: VenueError, ts_ns: int, rows: Rows, wait_ms: int = 0
) -> None:
    """Write RATE_LIMITED where the venue told us to hold back, until when it said.

    ``wait_ms``: as a header named it; 0 where none did, so that the error may.
    """
    if status not in LIMIT_STATUSES and error.code not in LIMIT_CODES:
        return
    status = status if status in LIMIT_STATUSES else 429
    wait_ns = wait_ns_of(status, wait_ms or _told_wait_ms(error))
    rows.add(EventKind.RATE_LIMITED, until_ns=ts_ns + wait_ns, code=status)


def limit_told(data: bytes, ts_ns: int) -> Records | None:
    """Return RATE_LIMITED where a reply of the session's own says to hold back."""
    try:
        require_shallow(data)
        reply = _envelope.decode(data)
    except UNFIT:
        reply = None
    if reply is not None and 200 <= reply.status < 300:
        return None
    rows, events = Rows(), BLANK.copy()
    rows.begin(events, ts_ns)
    if reply is None:
        write_limit_of_pieces(data, ts_ns, rows)
    else:
        write_rate_limited(reply.status, error_of(reply), ts_ns, rows)
    return events if rows.count else None


def write_limit_of_pieces(data: bytes, ts_ns: int, rows: Rows) -> None:
    """Write RATE_LIMITED where a reply that cannot be read whole still says to hold back."""
    status = _LIMIT_STATUS.search(data)
    if status is None:
        return
    retry_after, server_time = _RETRY_AFTER.search(data), _SERVER_TIME.search(data)
    wait_ms = 0
    if retry_after is not None and server_time is not None:
        wait_ms = int(retry_after[1]) - int(server_time[1])
    write_rate_limited(int(status[1]), NO_ERROR, ts_ns, rows, max(wait_ms, 0))


def refusal_told(status: int, retry_after_s: int, ts_ns: int) -> Records | None:
    """Return RATE_LIMITED where a handshake was refused by a status that says to hold back."""
    if status not in LIMIT_STATUSES:
        return None
    until_ns = ts_ns + wait_ns_of(status, retry_after_s * 1_000)
    return new_event(EventKind.RATE_LIMITED, ts_ns, until_ns=until_ns, code=status)


def wait_ns_of(status: int, wait_ms: int) -> int:
    """Return how long to hold back after a status of `LIMIT_STATUSES`; 0: no time was named."""
    return min(wait_ms, LONGEST_WAIT_MS) * NS_PER_MS or DEFAULT_WAIT_NS[status]


def _told_wait_ms(error: VenueError) -> int:
    try:
        told = _wait.decode(bytes(error.data))
    except UNFIT:
        return 0
    return max(told.retry_after - told.server_time, 0) if told.server_time else 0


def _write_result(result: msgspec.Raw, request: RequestId, venue: VenueTable, rows: Rows) -> None:
    data = bytes(result)
    match request.asked:
        case Asked.PLACE:
            _write_placed(_order.decode(data), request.order_key, venue, rows)
        case Asked.CANCEL:
            _write_canceled(_order.decode(data), request.target_key, venue, rows)
        case Asked.CANCEL_REPLACE:
            pair = _pair.decode(data)
            _write_canceled(pair.cancel_response, request.target_key, venue, rows)
            _write_placed(pair.new_order_response, request.order_key, venue, rows)
        case Asked.QUERY:
            order = _order.decode(data)
            # Not only ours: an order that was canceled may be shown by the id of its cancel.
            if venue.key_of(order.client_order_id):
                _require_order(order.client_order_id, request.target_key, venue)
            _write_status(order, venue.own_index_of(order.symbol), request.target_key, venue, rows)
        case Asked.FIND:
            order = _order.decode(data)
            if order.order_id != request.venue_order_id:
                raise Unreadable(f"order {request.venue_order_id} is needed, was {order.order_id}")
            index, key = venue.own_index_of(order.symbol), venue.key_of(order.client_order_id)
            _write_order(EventKind.ORDER_OWNER, order, index, key, venue, rows)
        case Asked.OPEN_ORDERS:
            _write_open_orders(_orders.decode(data), request, venue, rows)
        case Asked.TRADES:
            _write_trades(_trades.decode(data), request, venue, rows)
        case Asked.BALANCES:
            _write_balances(_account.decode(data), request, venue, rows)


def _write_placed(order: OrderReply, key: int, venue: VenueTable, rows: Rows) -> None:
    index = venue.own_index_of(order.symbol)
    _require_order(order.client_order_id, key, venue)
    state = order_state(order.status)
    fields = {
        "instrument": index,
        "exch_ts_ns": order.transact_time * NS_PER_MS,
        "order_key": key,
        "venue_order_id": order.order_id,
    }
    if state is OrderState.REJECTED:
        rows.add(EventKind.REJECTED, code=0, **fields)
        return
    rows.add(EventKind.ACCEPTED, **fields)
    ended = {OrderState.EXPIRED: EventKind.EXPIRED, OrderState.CANCELED: EventKind.CANCELED}
    if state in ended:
        cum_qty_lots = steps_of(order.executed_qty, venue.instruments[index].lot_e8)
        rows.add(ended[state], cum_qty_lots=cum_qty_lots, **fields)


def _write_canceled(order: OrderReply, key: int, venue: VenueTable, rows: Rows) -> None:
    index = venue.own_index_of(order.symbol)
    # The order's own id; the other one is the cancel's.
    _require_order(order.orig_client_order_id or order.client_order_id, key, venue)
    if order_state(order.status) not in ENDS:
        raise Unreadable(f"an end is needed of a cancel, was {order.status}")
    rows.add(
        EventKind.CANCELED,
        instrument=index,
        exch_ts_ns=order.transact_time * NS_PER_MS,
        order_key=key,
        venue_order_id=order.order_id,
        cum_qty_lots=steps_of(order.executed_qty, venue.instruments[index].lot_e8),
    )


def _require_order(client_order_id: str, key: int, venue: VenueTable) -> None:
    if venue.key_of(client_order_id) != key:
        raise Unreadable(f"the order that was asked for is needed, was {client_order_id[:40]!r}")


def _write_status(order: OrderReply, index: int, key: int, venue: VenueTable, rows: Rows) -> None:
    kind = EventKind.ORDER_STATUS if key else EventKind.FOREIGN_ORDER
    _write_order(kind, order, index, key, venue, rows)


def _write_order(
    kind: EventKind, order: OrderReply, index: int, key: int, venue: VenueTable, rows: Rows
) -> None:
    instrument = venue.instruments[index]
    # The state of what is not ours is nobody's concern.
    state = order_state(order.status) if key else ORDER_STATES.get(order.status, OrderState.NEW)
    rows.add(
        kind,
        instrument=index,
        exch_ts_ns=order.update_time * NS_PER_MS,
        order_key=key,
        venue_order_id=order.order_id,
        found=1,
        status=state,
        side=side(order.side),
        price_ticks=covering_steps_of(order.price or "0", instrument.tick_e8),
        qty_lots=covering_steps_of(order.orig_qty, instrument.lot_e8),
        cum_qty_lots=whole_steps_of(order.executed_qty, instrument.lot_e8),
    )


def _write_open_orders(
    orders: list[OrderReply], request: RequestId, venue: VenueTable, rows: Rows
) -> None:
    ours = 0
    for order in orders:
        key = venue.key_of(order.client_order_id)
        ours += key != 0
        _write_status(order, venue.own_index_of(order.symbol), key, venue, rows)
    rows.add(
        EventKind.OPEN_ORDERS_END,
        instrument=request.instrument,
        order_count=ours,
        until_ns=request.asked_ns,
    )


def _write_trades(
    trades: list[TradeReply], request: RequestId, venue: VenueTable, rows: Rows
) -> None:
    index, last_trade_id = request.instrument, 0
    for trade in trades:
        instrument = venue.instruments[venue.own_index_of(trade.symbol)]
        last_trade_id = max(last_trade_id, trade.id)
        price_ticks, qty_lots, fee_atoms = _exact(trade, instrument)
        rows.add(
            EventKind.FILL,
            instrument=index,
            exch_ts_ns=trade.time * NS_PER_MS,
            venue_order_id=trade.order_id,
            trade_id=trade.id,
            side=Side.BUY if trade.is_buyer else Side.SELL,
            price_ticks=price_ticks,
            qty_lots=qty_lots,
            fee_atoms=fee_atoms,
            fee_asset=venue.fee_asset(instrument, trade.commission_asset),
            asset=venue.third_asset(instrument, trade.commission_asset),
            liquidity=Liquidity.MAKER if trade.is_maker else Liquidity.TAKER,
        )
    rows.add(
        EventKind.TRADES_END,
        instrument=index,
        order_count=len(trades),
        trade_id=last_trade_id,
        until_ns=request.asked_ns,
    )


def _exact(trade: TradeReply, instrument: Instrument) -> tuple[int, int, int]:
    """Return price in ticks, quantity in lots and fee in atoms; zeros where one is not exact."""
    try:
        price_ticks = steps_of(trade.price, instrument.tick_e8)
        return price_ticks, steps_of(trade.qty, instrument.lot_e8), atoms_of(trade.commission)
    except Unreadable:
        return 0, 0, 0


def _write_balances(
    account: AccountReply, request: RequestId, venue: VenueTable, rows: Rows
) -> None:
    held = {balance.asset: balance for balance in account.balances}
    for asset, index in venue.index_by_asset.items():
        balance = held.get(asset)
        rows.add(
            EventKind.BALANCE,
            asset=index,
            free_atoms=atoms_of(balance.free) if balance else 0,
            locked_atoms=atoms_of(balance.locked) if balance else 0,
        )
    rows.add(EventKind.BALANCES_END, until_ns=request.asked_ns)


def _write_refused(error: VenueError, request: RequestId, venue: VenueTable, rows: Rows) -> None:
    named = {"instrument": request.instrument, "code": venue_code(error.code, str(error.msg))}
    match request.asked:
        case Asked.PLACE:
            rows.add(EventKind.REJECTED, order_key=request.order_key, **named)
        case Asked.CANCEL:
            rows.add(EventKind.CANCEL_REJECTED, order_key=request.target_key, **named)
        case Asked.CANCEL_REPLACE:
            _write_legs(error, request, venue, rows)
        case Asked.QUERY if error.code == NO_SUCH_ORDER:
            rows.add(EventKind.ORDER_STATUS, order_key=request.target_key, **named)
        case Asked.FIND if error.code == NO_SUCH_ORDER:
            venue_order_id = request.venue_order_id
            rows.add(EventKind.ORDER_OWNER, venue_order_id=venue_order_id, **named)
        case _:
            rows.add(EventKind.QUERY_FAILED, order_key=request.target_key, **named)


def _write_legs(error: VenueError, request: RequestId, venue: VenueTable, rows: Rows) -> None:
    # Where the venue names no legs it refused the request before it touched either.
    data = bytes(error.data)
    try:
        detail = Legs("FAILURE", "FAILURE") if data == b"null" else _legs.decode(data)
    except UNFIT:
        if error.code in HALF_DONE:
            raise
        detail = Legs("FAILURE", "FAILURE")
    if detail.cancel_result == "SUCCESS":
        canceled = _order.decode(bytes(detail.cancel_response))
        _write_canceled(canceled, request.target_key, venue, rows)
    else:
        code = _leg_code(detail.cancel_response, error)
        kind = EventKind.CANCEL_UNKNOWN if code in IN_DOUBT else EventKind.CANCEL_REJECTED
        rows.add(kind, instrument=request.instrument, order_key=request.target_key, code=code)
    if detail.new_order_result == "SUCCESS":
        placed = _order.decode(bytes(detail.new_order_response))
        _write_placed(placed, request.order_key, venue, rows)
    else:
        attempted = detail.new_order_result != "NOT_ATTEMPTED"
        leg_code = _leg_code(detail.new_order_response, error)
        code = leg_code if attempted else VenueCode.NOT_ATTEMPTED
        kind = EventKind.OUTCOME_UNKNOWN if code in IN_DOUBT else EventKind.REJECTED
        rows.add(kind, instrument=request.instrument, order_key=request.order_key, code=code)


def _leg_code(response: msgspec.Raw, otherwise: VenueError) -> int:
    # A leg that the venue does not speak of has null for a response.
    error = otherwise if bytes(response) == b"null" else _error.decode(bytes(response))
    return venue_code(error.code, str(error.msg))


def _write_rate_statuses(reply: Reply, rows: Rows) -> None:
    try:
        limits = _limits.decode(bytes(reply.rate_limits))
    except UNFIT:
        return  # Counts beside an answer: without them the answer is as good.
    for limit in limits:
        window_ns = WINDOW_NS.get(limit.interval)
        if limit.rate_limit_type == "ORDERS" and window_ns is not None:
            rows.add(
                EventKind.RATE_STATUS,
                order_count=limit.count,
                order_limit=limit.limit,
                window_ns=window_ns * limit.interval_num,
            )
