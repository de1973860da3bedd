"""The Binance Spot codec: frames of three links into events, actions into frames.

Owns which decoder a frame goes to and what a frame that cannot be read becomes. Must not
know sockets, clocks or keys. It keeps nothing between frames but counters that no event
depends on, so that a replay of the same frames gives the same events.

What a frame that cannot be read becomes:

- MARKET (combined streams): BOOK_BROKEN of its instrument, of all where that is unknown;
- ORDER (replies and user events): where its request id can still be told, that request is in
  doubt (see `replies`); else USER_STREAM_ENDED, since a report may be lost. A reply whose id and
  status are told and whose result does not fit is no broken frame: nothing else is in doubt. A
  status that says to hold back is obeyed, whatever stands beside it;
- REST (see `rest_frames`): QUERY_FAILED of its instrument.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from hftd.domain.actions import Action
from hftd.domain.entry import entry
from hftd.domain.events import EventKind, Link
from hftd.domain.instrument import Instrument
from hftd.domain.layout import Records
from hftd.venues.binance.encode import Encoder
from hftd.venues.binance.levels import steps_table
from hftd.venues.binance.market import scan_market
from hftd.venues.binance.messages import Reply
from hftd.venues.binance.replies import (
    LIMIT_STATUSES,
    NO_ERROR,
    UNFIT,
    decode_reply,
    error_of,
    write_in_doubt,
    write_limit_of_pieces,
    write_rate_limited,
)
from hftd.venues.binance.reports import decode_user_event
from hftd.venues.binance.request_id import RequestId, parse_request_id
from hftd.venues.binance.rest_frames import decode_rest
from hftd.venues.binance.rows import Rows, Unreadable, require_shallow
from hftd.venues.binance.scan import BAD
from hftd.venues.binance.venue_table import venue_table
from hftd.venues.port import Capabilities, DeadMan, Levels

CAPABILITIES = Capabilities(
    dead_man=DeadMan.NONE,
    post_only=True,
    cancel_replace=True,
    amend_keeping_priority=True,
    self_trade_prevention=("NONE", "EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH", "DECREMENT"),
    client_order_id_length=36,
)

# The id of a frame that is no whole JSON any more; ids hold no character that JSON escapes.
_ID = re.compile(rb'"id"\s{0,4}:\s{0,4}"([a-z0-9.\-]{1,36})"')
_reply = msgspec.json.Decoder(Reply)


def symbols_table(instruments: Sequence[Instrument]) -> Levels:
    """Return the symbols as `market.find_symbol` reads them: length, then bytes, as int64."""
    longest = max(len(instrument.symbol) for instrument in instruments)
    table = np.zeros((len(instruments), 1 + longest), np.int64)
    for row, instrument in enumerate(instruments):
        table[row, 0] = len(instrument.symbol)
        table[row, 1 : 1 + len(instrument.symbol)] = list(instrument.symbol.encode("ascii"))
    return table


class BinanceCodec:
    """The codec of one profile; see `hftd.venues.port.Codec`.

    ``broken`` counts the frames that could not be read, ``unfit`` the replies whose result was
    not what was asked for, ``unknown`` the replies to ids that are none of ours.
    """

    capabilities = CAPABILITIES

    def __init__(
        self,
        instruments: Sequence[Instrument],
        assets: Sequence[str],
        tag: str,
        recv_window_ms: int = 2_000,
    ) -> None:
        self.broken = 0
        self.unfit = 0
        self.unknown = 0
        self._venue = venue_table(instruments, assets, tag)
        self._encoder = Encoder(self._venue, recv_window_ms)
        self._symbols = symbols_table(instruments)
        self._steps = steps_table(instruments)
        self._places = np.zeros(128, np.int64)
        self._rows = Rows()
        self._events: Records | None = None
        self._levels: Levels | None = None
        self._scan: Callable[..., int] = scan_market

    def encode(self, action: Action, venue_offset_ns: int) -> bytes | None:
        """Return the unsigned frame of an action, or None where nothing is sent."""
        return self._encoder.encode(action, venue_offset_ns)

    def decode(self, link: Link, data: bytes, ts_ns: int, events: Records, levels: Levels) -> int:
        """Write the events of one frame; return their count. Raises nothing; see the table."""
        if link == Link.MARKET:
            if events is not self._events or levels is not self._levels:
                self._enter(events, levels)
            count = self._scan(
                data, ts_ns, self._symbols, self._steps, events, levels, self._places
            )
            return count if count >= 0 else self._write_book_broken(count, ts_ns, events)
        self._rows.begin(events, ts_ns)
        if link == Link.REST:
            self._decode_rest(data, ts_ns, events, levels)
        else:
            self._decode_order_link(data, ts_ns)
        return self._rows.count

    def _enter(self, events: Records, levels: Levels) -> None:
        # An entry does not look at types: it is taken anew for other arrays.
        tables = self._symbols, self._steps
        self._scan = entry(scan_market, b"", 0, *tables, events, levels, self._places)
        self._events, self._levels = events, levels

    def _write_book_broken(self, count: int, ts_ns: int, events: Records) -> int:
        self.broken += 1
        self._rows.begin(events, ts_ns)
        every = range(len(self._venue.instruments))
        for instrument in every if count == BAD else (BAD - 1 - count,):
            self._rows.add(EventKind.BOOK_BROKEN, instrument=instrument)
        return self._rows.count

    def _decode_rest(self, data: bytes, ts_ns: int, events: Records, levels: Levels) -> None:
        try:
            decode_rest(data, ts_ns, self._venue, self._steps, self._rows, events, levels)
        except Unreadable:
            self.broken += 1

    def _decode_order_link(self, data: bytes, ts_ns: int) -> None:
        rows = self._rows
        try:
            require_shallow(data)
            reply = _reply.decode(data)
            if bytes(reply.event):
                decode_user_event(bytes(reply.event), self._venue, rows)
                return
        except UNFIT:
            self._write_unreadable(data, ts_ns)
            return
        request = self._request_of(reply.id)
        if request is not None:
            self.unfit += not decode_reply(reply, request, ts_ns, self._venue, rows)
            return
        error = error_of(reply)
        if reply.id is None and (error is not NO_ERROR or reply.status in LIMIT_STATUSES):
            # The venue speaks of the connection as a whole: a revoked key, a ban.
            rows.add(EventKind.USER_STREAM_ENDED, link=Link.USER, code=error.code)
        else:
            self.unknown += 1
        write_rate_limited(reply.status, error, ts_ns, rows)

    def _request_of(self, identity: object) -> RequestId | None:
        if not isinstance(identity, str):
            return None
        return parse_request_id(identity, len(self._venue.instruments))

    def _write_unreadable(self, data: bytes, ts_ns: int) -> None:
        self.broken += 1
        self._rows.count = 0
        write_limit_of_pieces(data, ts_ns, self._rows)
        found = _ID.search(data)
        request = self._request_of(found[1].decode()) if found else None
        if request is None:
            self._rows.add(EventKind.USER_STREAM_ENDED, link=Link.USER)
        else:
            write_in_doubt(request, 0, self._rows)
