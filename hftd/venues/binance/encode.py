"""Actions into unsigned frames: WS API requests, and request lines for REST.

Owns the form of what we send. Must not know sockets, keys or signatures: the session is
logged on, so that an order needs a timestamp and no signature. The same action and offset
give the same bytes for ever; replay compares them. Orders are written by a kernel from
templates (`order_frames`), questions as they come.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import numpy as np

from hftd.domain.actions import Action, ActionKind
from hftd.domain.entry import entry
from hftd.domain.instrument import Instrument
from hftd.domain.order import Side, TimeInForce, to_base36
from hftd.venues.binance import order_frames
from hftd.venues.binance.order_frames import NEW_KEY, PRICE, QTY, TARGET_KEY, TIMESTAMP
from hftd.venues.binance.request_id import Asked, key_text, question_id, request_id
from hftd.venues.binance.rest_frames import depth_target, touch_target
from hftd.venues.binance.venue_table import NS_PER_MS, VenueTable

TRADES_PAGE = 500
SELF_TRADE_PREVENTION = "EXPIRE_TAKER"  # Of two of our orders the one in the queue stays.

_ALWAYS = f'"newOrderRespType":"RESULT","selfTradePreventionMode":"{SELF_TRADE_PREVENTION}",'
_TYPES = {
    **{
        int(lifetime): f'"type":"LIMIT","timeInForce":"{lifetime.name}",{_ALWAYS}'
        for lifetime in TimeInForce
    },
    # Stands where a time in force would: the venue takes none with it.
    len(TimeInForce): f'"type":"LIMIT_MAKER",{_ALWAYS}',
}
POST_ONLY, TYPES = len(TimeInForce), len(_TYPES)
ROWS = 1 + 2 * len(Side) * TYPES  # Templates of an instrument: cancel, then each way to create.
SUBMIT, CANCEL, CANCEL_REPLACE = (
    int(kind) for kind in (ActionKind.SUBMIT, ActionKind.CANCEL, ActionKind.CANCEL_REPLACE)
)


class Encoder:
    """Writes requests of one profile's instruments and tag, with a fixed recvWindow."""

    def __init__(self, venue: VenueTable, recv_window_ms: int) -> None:
        self._venue = venue
        self._order_prefix = f"h1-{venue.tag}-"
        self._tail = f'"recvWindow":{recv_window_ms},"timestamp":'
        self._steps_e8 = [(found.lot_e8, found.tick_e8) for found in venue.instruments]
        texts = [text for index in range(len(venue.instruments)) for text in self._texts(index)]
        self._templates = order_frames.templates(texts)
        size = self._templates.shape[1] + order_frames.HOLES_BYTES
        self._out = np.zeros(size, np.uint8)
        self._written = memoryview(cast("Any", self._out))
        self._fill: Callable[..., int] | None = None  # Made by the first order: it compiles.
        self._writers: dict[int, Callable[[Action, int], str]] = {
            ActionKind.QUERY_ORDER: self._query,
            ActionKind.ASK_OPEN_ORDERS: self._open_orders,
            ActionKind.ASK_TRADES: self._trades,
            ActionKind.ASK_BALANCES: self._balances,
        }

    def encode(self, action: Action, venue_offset_ns: int) -> bytes | None:
        """Return the frame of an action, None where the venue is not asked anything."""
        kind = action.kind
        timestamp_ms = (action.ts_ns + venue_offset_ns) // NS_PER_MS
        if kind == CANCEL:
            return self._order(action.instrument * ROWS, action, timestamp_ms)
        if kind in (SUBMIT, CANCEL_REPLACE):
            way = POST_ONLY if action.post_only else action.time_in_force
            way += TYPES * (action.side + 2 * (kind == CANCEL_REPLACE))
            return self._order(action.instrument * ROWS + 1 + way, action, timestamp_ms)
        write = self._writers.get(kind)
        if write is not None:
            return write(action, timestamp_ms).encode()
        if kind == ActionKind.RESYNC:
            return depth_target(self._venue.instruments[action.instrument])
        if kind == ActionKind.ASK_TOUCH:
            return touch_target(self._venue.instruments[action.instrument])
        return None

    def _order(self, row: int, action: Action, timestamp_ms: int) -> bytes:
        lot_e8, tick_e8 = self._steps_e8[action.instrument]
        size = (self._fill or self._enter())(
            self._templates, row, action.order_key, action.target_key,
            action.qty_lots * lot_e8, action.price_ticks * tick_e8, timestamp_ms, self._out,
        )  # fmt: skip
        return bytes(self._written[:size])

    def _enter(self) -> Callable[..., int]:
        numbers = (0,) * 6
        self._fill = entry(order_frames.fill, self._templates, *numbers, self._out)
        return self._fill

    def _texts(self, index: int) -> list[str]:
        """Return the templates of an instrument, in the order that ``encode`` finds them."""
        place = [self._create(Asked.PLACE, index, side, kind) for side in Side for kind in _TYPES]
        replace = [
            self._create(Asked.CANCEL_REPLACE, index, side, kind)
            for side in Side
            for kind in _TYPES
        ]
        return [self._cancel(index), *place, *replace]

    def _cancel(self, index: int) -> str:
        params = (
            f'"symbol":"{self._venue.instruments[index].symbol}",'
            f'"origClientOrderId":"{self._order_prefix}{TARGET_KEY}",'
        )
        identity = request_id(Asked.CANCEL, index, TARGET_KEY)
        return self._request(identity, "order.cancel", params, TIMESTAMP)

    def _create(self, asked: Asked, index: int, side: Side, kind: int) -> str:
        params = (
            f'"symbol":"{self._venue.instruments[index].symbol}","side":"{side.name}",'
            f'{_TYPES[kind]}"quantity":"{QTY}","price":"{PRICE}",'
            f'"newClientOrderId":"{self._order_prefix}{NEW_KEY}",'
        )
        if asked is Asked.PLACE:
            identity = request_id(asked, index, NEW_KEY)
            return self._request(identity, "order.place", params, TIMESTAMP)
        params += (
            f'"cancelReplaceMode":"STOP_ON_FAILURE",'
            f'"cancelOrigClientOrderId":"{self._order_prefix}{TARGET_KEY}",'
        )
        identity = request_id(asked, index, NEW_KEY, TARGET_KEY)
        return self._request(identity, "order.cancelReplace", params, TIMESTAMP)

    def _request(self, identity: str, method: str, params: str, timestamp_ms: int | str) -> str:
        return (
            f'{{"id":"{identity}","method":"{method}","params":{{{params}'
            f"{self._tail}{timestamp_ms}}}}}"
        )

    def _instrument(self, action: Action) -> Instrument:
        return self._venue.instruments[action.instrument]

    def _query(self, action: Action, timestamp_ms: int) -> str:
        if action.target_key == 0:
            return self._find(action, timestamp_ms)
        key = key_text(action.target_key)
        params = (
            f'"symbol":"{self._instrument(action).symbol}",'
            f'"origClientOrderId":"{self._order_prefix}{key}",'
        )
        identity = question_id(Asked.QUERY, action.instrument, action.ts_ns, key)
        return self._request(identity, "order.status", params, timestamp_ms)

    def _find(self, action: Action, timestamp_ms: int) -> str:
        params = f'"symbol":"{self._instrument(action).symbol}","orderId":{action.venue_order_id},'
        name = to_base36(action.venue_order_id)
        identity = question_id(Asked.FIND, action.instrument, action.ts_ns, name)
        return self._request(identity, "order.status", params, timestamp_ms)

    def _open_orders(self, action: Action, timestamp_ms: int) -> str:
        params = f'"symbol":"{self._instrument(action).symbol}",'
        identity = question_id(Asked.OPEN_ORDERS, action.instrument, action.ts_ns)
        return self._request(identity, "openOrders.status", params, timestamp_ms)

    def _trades(self, action: Action, timestamp_ms: int) -> str:
        # Without fromId the venue answers with the newest page: where history stands.
        begin = f'"fromId":{action.trade_id},' if action.trade_id >= 0 else ""
        params = f'"symbol":"{self._instrument(action).symbol}",{begin}"limit":{TRADES_PAGE},'
        identity = question_id(Asked.TRADES, action.instrument, action.ts_ns)
        return self._request(identity, "myTrades", params, timestamp_ms)

    def _balances(self, action: Action, timestamp_ms: int) -> str:
        identity = question_id(Asked.BALANCES, 0, action.ts_ns)
        return self._request(identity, "account.status", "", timestamp_ms)
