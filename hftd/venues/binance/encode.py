"""Actions into unsigned frames: WS API requests, and request lines for REST.

Owns the form of what we send. Must not know sockets, keys or signatures: the session is
logged on, so that an order needs a timestamp and no signature. The same action and offset
give the same bytes for ever; replay compares them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from hftd.domain.actions import Action, ActionKind
from hftd.domain.instrument import Instrument
from hftd.domain.order import Side, TimeInForce
from hftd.domain.units import from_steps
from hftd.venues.binance.request_id import Asked, key_text, request_id
from hftd.venues.binance.rest_frames import depth_target, touch_target
from hftd.venues.binance.venue_table import NS_PER_MS, VenueTable

TRADES_PAGE = 500
SELF_TRADE_PREVENTION = "EXPIRE_TAKER"  # Of two of our orders the one in the queue stays.

POST_ONLY = -1  # Stands where a time in force would: the venue takes none with it.
_ALWAYS = f'"newOrderRespType":"RESULT","selfTradePreventionMode":"{SELF_TRADE_PREVENTION}",'
_KINDS: dict[int, str] = {
    POST_ONLY: f'"type":"LIMIT_MAKER",{_ALWAYS}',
    TimeInForce.GTC: f'"type":"LIMIT","timeInForce":"GTC",{_ALWAYS}',
    TimeInForce.IOC: f'"type":"LIMIT","timeInForce":"IOC",{_ALWAYS}',
    TimeInForce.FOK: f'"type":"LIMIT","timeInForce":"FOK",{_ALWAYS}',
}


@lru_cache(maxsize=4_096)  # Quotes come back to the same prices and sizes all the time.
def _decimal_text(steps: int, step_e8: int) -> str:
    return from_steps(steps, step_e8)


class Encoder:
    """Writes requests of one profile's instruments and tag, with a fixed recvWindow."""

    def __init__(self, venue: VenueTable, recv_window_ms: int) -> None:
        self._venue = venue
        self._order_prefix = f"h1-{venue.tag}-"
        self._tail = f'"recvWindow":{recv_window_ms},"timestamp":'
        # All that an order says beside its numbers, by instrument, side and kind.
        self._order_heads: dict[tuple[int, int, int], str] = {
            (index, side, kind): f'"symbol":"{instrument.symbol}","side":"{side.name}",{text}'
            for index, instrument in enumerate(venue.instruments)
            for side in Side
            for kind, text in _KINDS.items()
        }
        self._writers: dict[int, Callable[[Action, int], str]] = {
            ActionKind.SUBMIT: self._submit,
            ActionKind.CANCEL: self._cancel,
            ActionKind.CANCEL_REPLACE: self._cancel_replace,
            ActionKind.QUERY_ORDER: self._query,
            ActionKind.ASK_OPEN_ORDERS: self._open_orders,
            ActionKind.ASK_TRADES: self._trades,
            ActionKind.ASK_BALANCES: self._balances,
        }

    def encode(self, action: Action, venue_offset_ns: int) -> bytes | None:
        """Return the frame of an action, None where the venue is not asked anything."""
        write = self._writers.get(action.kind)
        if write is not None:
            return write(action, (action.ts_ns + venue_offset_ns) // NS_PER_MS).encode()
        if action.kind == ActionKind.RESYNC:
            return depth_target(self._venue.instruments[action.instrument])
        if action.kind == ActionKind.ASK_TOUCH:
            return touch_target(self._venue.instruments[action.instrument])
        return None

    def _request(self, identity: str, method: str, params: str, timestamp_ms: int) -> str:
        return (
            f'{{"id":"{identity}","method":"{method}","params":{{{params}'
            f"{self._tail}{timestamp_ms}}}}}"
        )

    def _order_params(self, action: Action, key: str) -> str:
        instrument = self._venue.instruments[action.instrument]
        kind = POST_ONLY if action.post_only else action.time_in_force
        return (
            f"{self._order_heads[action.instrument, action.side, kind]}"
            f'"quantity":"{_decimal_text(action.qty_lots, instrument.lot_e8)}",'
            f'"price":"{_decimal_text(action.price_ticks, instrument.tick_e8)}",'
            f'"newClientOrderId":"{self._order_prefix}{key}",'
        )

    def _instrument(self, action: Action) -> Instrument:
        return self._venue.instruments[action.instrument]

    def _submit(self, action: Action, timestamp_ms: int) -> str:
        key = key_text(action.order_key)
        identity = request_id(Asked.PLACE, action.instrument, key)
        return self._request(identity, "order.place", self._order_params(action, key), timestamp_ms)

    def _cancel(self, action: Action, timestamp_ms: int) -> str:
        key = key_text(action.target_key)
        params = (
            f'"symbol":"{self._instrument(action).symbol}",'
            f'"origClientOrderId":"{self._order_prefix}{key}",'
        )
        identity = request_id(Asked.CANCEL, action.instrument, key)
        return self._request(identity, "order.cancel", params, timestamp_ms)

    def _cancel_replace(self, action: Action, timestamp_ms: int) -> str:
        key, target = key_text(action.order_key), key_text(action.target_key)
        params = (
            f"{self._order_params(action, key)}"
            f'"cancelReplaceMode":"STOP_ON_FAILURE",'
            f'"cancelOrigClientOrderId":"{self._order_prefix}{target}",'
        )
        identity = request_id(Asked.CANCEL_REPLACE, action.instrument, key, target)
        return self._request(identity, "order.cancelReplace", params, timestamp_ms)

    def _query(self, action: Action, timestamp_ms: int) -> str:
        key = key_text(action.target_key)
        params = (
            f'"symbol":"{self._instrument(action).symbol}",'
            f'"origClientOrderId":"{self._order_prefix}{key}",'
        )
        identity = request_id(Asked.QUERY, action.instrument, key)
        return self._request(identity, "order.status", params, timestamp_ms)

    def _open_orders(self, action: Action, timestamp_ms: int) -> str:
        params = f'"symbol":"{self._instrument(action).symbol}",'
        identity = request_id(Asked.OPEN_ORDERS, action.instrument)
        return self._request(identity, "openOrders.status", params, timestamp_ms)

    def _trades(self, action: Action, timestamp_ms: int) -> str:
        # Without fromId the venue answers with the newest page: where history stands.
        begin = f'"fromId":{action.trade_id},' if action.trade_id >= 0 else ""
        params = f'"symbol":"{self._instrument(action).symbol}",{begin}"limit":{TRADES_PAGE},'
        identity = request_id(Asked.TRADES, action.instrument)
        return self._request(identity, "myTrades", params, timestamp_ms)

    def _balances(self, action: Action, timestamp_ms: int) -> str:
        identity = request_id(Asked.BALANCES, 0)
        return self._request(identity, "account.status", "", timestamp_ms)
