"""REST targets to ask for, and the frames in which their answers are journaled.

Owns the frame that the connector makes of a REST answer, and its meaning. Must not know
HTTP. A frame is a header of 12 bytes, little endian, then the body as it came:

| offset | bytes | what |
| --- | --- | --- |
| 0 | 1 | `RestKind` |
| 1 | 1 | zero |
| 2 | 2 | instrument index |
| 4 | 2 | HTTP status, 0 where no answer came |
| 6 | 2 | zero |
| 8 | 4 | seconds of Retry-After, 0 where absent |
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct

import msgspec

from hftd.domain.events import EventKind
from hftd.domain.instrument import Instrument
from hftd.domain.layout import Records
from hftd.venues.binance.levels import scan_snapshot
from hftd.venues.binance.messages import TouchReply, VenueError
from hftd.venues.binance.replies import write_rate_limited
from hftd.venues.binance.rows import Rows, Unreadable, atoms_of, require_shallow, steps_of
from hftd.venues.binance.scan import BAD
from hftd.venues.binance.venue_table import VenueTable
from hftd.venues.port import Levels

SNAPSHOT_LEVELS = 1_000  # A side; weight 50. The engine quotes far inside it.

_header = Struct("<BxHHxxI")
_touch = msgspec.json.Decoder(TouchReply)
_error = msgspec.json.Decoder(VenueError)


class RestKind(IntEnum):
    """What was asked for over REST."""

    DEPTH = 1
    TOUCH = 2


def depth_target(instrument: Instrument) -> bytes:
    """Return the request line of a depth snapshot."""
    return f"GET /api/v3/depth?symbol={instrument.symbol}&limit={SNAPSHOT_LEVELS}".encode()


def touch_target(instrument: Instrument) -> bytes:
    """Return the request line of a REST bookTicker."""
    return f"GET /api/v3/ticker/bookTicker?symbol={instrument.symbol}".encode()


def rest_frame(
    kind: RestKind, instrument: int, status: int, retry_after_s: int, body: bytes
) -> bytes:
    """Return the frame of an answer; status 0 and an empty body where none came."""
    return _header.pack(kind, instrument, status, min(retry_after_s, 2**32 - 1)) + body


def instrument_of(frame: bytes) -> int:
    """Return the index of the instrument that an answer was asked for."""
    return int(_header.unpack_from(frame)[1])


def decode_rest(
    data: bytes,
    ts_ns: int,
    venue: VenueTable,
    steps: Levels,
    rows: Rows,
    events: Records,
    levels: Levels,
) -> None:
    """Write SNAPSHOT or TOUCH_ANSWER; QUERY_FAILED (and RATE_LIMITED) where it is an error.

    Raises: Unreadable where the header is none of ours. An answer with a good status that
    cannot be read is QUERY_FAILED with that status as its code.
    """
    if len(data) < _header.size:
        raise Unreadable(f"a header of {_header.size} bytes is needed, was {len(data)}")
    kind, index, status, retry_after_s = _header.unpack_from(data)
    if index >= len(venue.instruments):
        raise Unreadable(f"an instrument of the profile is needed, was {index}")
    try:
        if status != 200:
            _write_failure(data[_header.size :], index, status, retry_after_s, ts_ns, rows)
        elif kind == RestKind.DEPTH:
            if scan_snapshot(data, _header.size, index, ts_ns, steps[index], events, levels) == BAD:
                raise Unreadable("a depth snapshot is needed")
            rows.count = 1
        else:
            _write_touch(data[_header.size :], index, venue, rows)
    except (Unreadable, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        rows.count = 0
        rows.add(EventKind.QUERY_FAILED, instrument=index, code=status)


def _write_touch(body: bytes, index: int, venue: VenueTable, rows: Rows) -> None:
    require_shallow(body)
    touch = _touch.decode(body)
    instrument = venue.instruments[index]
    if touch.symbol != instrument.symbol:
        raise Unreadable(f"{instrument.symbol} is needed, was {touch.symbol[:40]!r}")
    rows.add(
        EventKind.TOUCH_ANSWER,
        instrument=index,
        bid_ticks=steps_of(touch.bid_price, instrument.tick_e8),
        bid_lots=_market_lots(touch.bid_qty, instrument.lot_e8),
        ask_ticks=steps_of(touch.ask_price, instrument.tick_e8),
        ask_lots=_market_lots(touch.ask_qty, instrument.lot_e8),
    )


def _market_lots(text: str, lot_e8: int) -> int:
    # As `scan.scan_pair`: odd quantities of others are rounded down, never to nothing.
    atoms = atoms_of(text)
    if atoms < 0:
        raise Unreadable(f"a quantity is needed, was {text[:40]!r}")
    return max(atoms // lot_e8, 1 if atoms else 0)


def _write_failure(
    body: bytes, index: int, status: int, retry_after_s: int, ts_ns: int, rows: Rows
) -> None:
    try:
        require_shallow(body)
        error = _error.decode(body)
    except (Unreadable, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        error = VenueError(code=0)  # A proxy's page, or nothing at all.
    rows.add(EventKind.QUERY_FAILED, instrument=index, code=error.code or status)
    write_rate_limited(status, error, ts_ns, rows, retry_after_s * 1_000)
