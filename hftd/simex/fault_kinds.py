"""The catalogue of faults: every kind that a script may name, and where it happens.

Owns names, defaults and sentences. Must not know when a fault fires (``faults``) or how it is
done (``faulty_venue``, ``fault_moments``, ``fault_frames``, ``fault_text``).

A kind happens at one of three sites:

- REQUEST: when a request comes in, by REST or by the WS API. Its occasion is ``request`` (its
  WS-API name, whatever the road) and the request's parameters by their names.
- FRAME: when a frame is about to be sent. Its occasion is ``event`` (the kind of frame:
  ``depthUpdate``, ``trade``, ``bookTicker``, ``depth``, ``executionReport``, ``reply`` …),
  ``stream``, ``connection``, for a reply ``request``, and the frame's fields by their names.
  REST answers are occasions too, but only of a fault that asks for them:
  ``match: {event: answer}``.
- MOMENT: at a time, ``every_s`` again if told so; or, with a ``match``, right after a request
  that matches was done.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct

REQUEST, FRAME, MOMENT = "REQUEST", "FRAME", "MOMENT"


class Kind(Struct, frozen=True):
    """One kind of fault.

    ``faults`` are its numbers in the catalogue below; ``for_ms``, ``size`` and ``value`` are
    what it takes for them unless told otherwise, and ``reads`` names those that mean anything
    to it. ``lies`` is False where what clients are told is also true at the exchange.
    """

    site: str
    faults: str
    does: str
    reads: tuple[str, ...] = ()
    match: dict[str, str] = {}
    for_ms: int = 1000
    size: int = 1
    value: str = ""
    lies: bool = True


_BOOK = {"event": "depthUpdate"}
_REPORT = {"event": "executionReport"}
_FILL = {"event": "executionReport", "x": "TRADE"}
_PLACE = {"request": "order.place"}
_CANCEL = {"request": "order.cancel"}


def _request(faults: str, does: str, **more: object) -> Kind:
    return Kind(REQUEST, faults, does, **more)  # type: ignore[arg-type]


def _frame(faults: str, does: str, **more: object) -> Kind:
    return Kind(FRAME, faults, does, **more)  # type: ignore[arg-type]


def _moment(faults: str, does: str, **more: object) -> Kind:
    return Kind(MOMENT, faults, does, **more)  # type: ignore[arg-type]


KINDS: Final[dict[str, Kind]] = {
    # --- the way of a request -------------------------------------------------------------
    "error_not_accepted": _request("F31", "503 with -1007, and nothing was done"),
    "error_accepted": _request("F30", "503 with -1007, and yet it was done"),
    "ack_lost": _request("F26", "done, and no answer ever comes"),
    "accept_late": _request(
        "F32", "503 with -1007, and looked at for_ms later, recvWindow and all", reads=("for_ms",)
    ),
    "answer_late": _request(
        "F03 F04", "done at once; the answer comes for_ms later, behind events", reads=("for_ms",)
    ),
    "slow_reader": _request(
        "F10", "this request and all behind it are read for_ms later", reads=("for_ms",)
    ),
    "not_found": _request("F33", "-2013 though the order lives", match={"request": "order.status"}),
    "stale_answer": _request(
        "F34",
        "the answer of the time before, once there is one",
        match={"request": "openOrders.status"},
    ),
    "stale_balances": _request(
        "F34",
        "the balances of the time before, once there are any",
        match={"request": "account.status"},
    ),
    "stale_snapshot": _request(
        "F14", "the book of the request before, once there is one", match={"request": "depth"}
    ),
    "fill_before_cancel": _request(
        "F29 F40", "filled first: -2011; of a cancelReplace 409 or 400", match=_CANCEL, lies=False
    ),
    "replace_half": _request(
        "F40",
        "the old order is canceled, the new one refused: 409 with -2021",
        match={"request": "order.cancelReplace"},
        lies=False,
    ),
    "too_many_requests": _request("F41", "429 with Retry-After of for_ms", reads=("for_ms",)),
    "ban": _request("F42", "418 with Retry-After of for_ms", reads=("for_ms",)),
    "firewall": _request("F43", "403 without JSON"),
    # --- the way of a frame ---------------------------------------------------------------
    "drop": _frame("F01", "the frame is not sent; a REST answer never comes"),
    "delay": _frame("F04", "sent for_ms later, and others pass it", reads=("for_ms",)),
    "clog": _frame(
        "F04", "it and all behind it on the connection wait for_ms, in order", reads=("for_ms",)
    ),
    "duplicate": _frame("F02", "sent twice"),
    "reorder": _frame("F03", "sent behind the next one, or after for_ms", reads=("for_ms",)),
    "half_open": _frame(
        "F05", "from here on nothing goes or comes on this connection, pings aside"
    ),
    "black_hole": _frame(
        "F05 F07", "from here on nothing goes or comes, pings included: the peer is gone"
    ),
    "deaf": _frame("F07", "from here on the venue hears nothing of this connection, and talks on"),
    "mute": _frame("F07", "from here on the venue hears and does, and nothing it says arrives"),
    "reset": _frame("F06", "the connection breaks in the middle of the frame"),
    "silent_stream": _frame(
        "F05", "this kind of frame is mute on this connection from here on, others go on"
    ),
    "sequence_gap": _frame("F13", "an event of the book is left out", match=_BOOK),
    "repeated_ids": _frame("F20", "the event has the update ids before its own", match=_BOOK),
    "backward_ids": _frame(
        "F20", "its update ids are size lower", reads=("size",), match=_BOOK, size=1_000_000
    ),
    "backward_time": _frame(
        "F20", "its times are for_ms earlier", reads=("for_ms",), for_ms=60_000
    ),
    "crossed_book": _frame("F15", "a bid above the best ask is told", match=_BOOK),
    "locked_book": _frame("F15", "a bid at the best ask is told", match=_BOOK),
    "one_sided_book": _frame(
        "F16", "all levels of a side are told to be gone: value asks or bids",
        reads=("value",), match=_BOOK, value="asks",
    ),
    "empty_book": _frame("F16", "all levels are told to be gone", match=_BOOK),
    "absurd_price": _frame(
        "F17", "its first price is value", reads=("value",), match=_BOOK, value="0.00000000"
    ),
    "moved_prices": _frame(
        "F21", "its prices are size percent of the true ones",
        reads=("size",), match={"event": "bookTicker"}, size=150,
    ),
    "wrong_symbol": _frame(
        "F18", "it says that it is of the symbol value", reads=("value",), value="WRONGUSDT"
    ),
    "truncate": _frame("F19", "the frame is cut in half"),
    "corrupt": _frame("F19", "size of its bytes are others", reads=("size",)),
    "invalid_utf8": _frame("F19", "a byte of it is no UTF-8"),
    "not_a_number": _frame("F19", "its first number is NaN"),
    "wrong_type": _frame("F19", "its first field is a list instead"),
    "unknown_field": _frame("F19", "a field that nobody knows comes first"),
    "oversize": _frame(
        "F19", "it carries a field of size bytes more", reads=("size",), size=10_000_000
    ),
    "deep_json": _frame(
        "F19", "it carries a field nested size deep", reads=("size",), size=100_000
    ),
    "fill_before_ack": _frame(
        "F24", "the answer comes behind its events", match={"event": "reply", **_PLACE}
    ),
    "ack_after_fill": _frame(
        "F25", "the answer waits for a fill of its order, or for_ms",
        reads=("for_ms",), match={"event": "reply", **_PLACE}, for_ms=5000,
    ),
    "ack_after_cancel": _frame(
        "F25", "the answer waits for its order's cancel, or for_ms",
        reads=("for_ms",), match={"event": "reply", **_PLACE}, for_ms=5000,
    ),
    "duplicate_report": _frame("F27", "a report comes twice", match=_REPORT),
    "duplicate_trade": _frame(
        "F27", "a fill comes again as a new execution with its old trade id", match=_FILL
    ),
    "fill_after_cancel": _frame(
        "F28", "a fill is told after its order's cancel, or after for_ms",
        reads=("for_ms",), match=_FILL,
    ),
    # --- at a moment ----------------------------------------------------------------------
    "partial_fill": _moment(
        "F23", "size lots of the oldest open order are taken", reads=("size", "symbol"), lies=False
    ),
    "dribble": _moment(
        "F23", "the oldest open order fills lot by lot, one each for_ms, size of them",
        reads=("for_ms", "size", "symbol"), for_ms=100, size=10, lies=False,
    ),
    "cancel_unasked": _moment(
        "F36", "the oldest open order is canceled", reads=("symbol",), lies=False
    ),
    "expire_unasked": _moment(
        "F36", "the oldest open order expires", reads=("symbol",), lies=False
    ),
    "stp_expiry": _moment(
        "F35", "the oldest open order expires as self-trade prevention does it",
        reads=("symbol",), lies=False,
    ),
    "foreign_order": _moment(
        "F38", "a BUY of size lots that nobody here sent rests 1 % below the touch",
        reads=("size", "symbol", "account"), size=100, lies=False,
    ),
    "foreign_trade": _moment(
        "F38", "a MARKET order of size lots that nobody here sent: value BUY or SELL",
        reads=("size", "symbol", "account", "value"), size=100, value="BUY", lies=False,
    ),
    "fee_asset": _moment(
        "F39", "commission is taken in value for for_ms, size atoms of it a fill; 0: for good",
        reads=("value", "size", "for_ms"), for_ms=0, value="BNB", lies=False,
    ),
    "flash_move": _moment(
        "F21", "a stranger takes all that stands within size percent: value up or down",
        reads=("size", "symbol", "value"), size=50, value="down", lies=False,
    ),
    "halt": _moment(
        "F22",
        "the symbol's status is value (HALT, BREAK, CANCEL_ONLY) for for_ms, or until TRADING",
        reads=("for_ms", "symbol", "value"), value="HALT", lies=False,
    ),
    "tick_size": _moment(
        "F22", "the tick is size times as large", reads=("size", "symbol"), size=10, lies=False
    ),
    "lot_size": _moment(
        "F22", "the lot is size times as large", reads=("size", "symbol"), size=10, lies=False
    ),
    "clock_skew": _moment(
        "F44 F45", "the venue's clock is off by skew_ms for for_ms; 0: for good",
        reads=("for_ms", "skew_ms"),
    ),
    "clock_drift": _moment(
        "F45", "the venue's clock runs off by skew_ms a second for for_ms; 0: for good",
        reads=("for_ms", "skew_ms"),
    ),
    "server_shutdown": _moment(
        "F12", "serverShutdown is told to all, and their connections close", lies=False
    ),
    "reconnect_storm": _moment(
        "F11", "all connections break, and each new one at once, for for_ms",
        reads=("for_ms",), for_ms=5000, lies=False,
    ),
    "restart": _moment(
        "F12", "all connections break, none is taken for for_ms; accounts and books come back",
        reads=("for_ms",), for_ms=0, lies=False,
    ),
    "restart_without_memory": _moment(
        "F12", "the same, and a new account opens on a new market",
        reads=("for_ms",), for_ms=0, lies=False,
    ),
}  # fmt: skip

CATALOGUE: Final[dict[str, str]] = {
    "F01": "loss",
    "F02": "duplicates",
    "F03": "reordering across streams",
    "F04": "delay, jitter, head-of-line clog",
    "F05": "half-open socket, silent stream",
    "F06": "reset in mid frame",
    "F07": "one-way partition",
    "F08": "DNS failure",
    "F09": "TLS or certificate failure",
    "F10": "slow reader, back-pressure",
    "F11": "reconnect storm",
    "F12": "forced disconnect, serverShutdown, restart",
    "F13": "sequence gap",
    "F14": "snapshot older than the deltas",
    "F15": "crossed or locked book",
    "F16": "empty side",
    "F17": "price of 0, huge or negative",
    "F18": "wrong symbol",
    "F19": "JSON that is corrupt, cut, oversized, deep or of other types",
    "F20": "repeated update ids, times that go backward",
    "F21": "flash move",
    "F22": "change of tick, lot or trading status",
    "F23": "partial fills of a lot",
    "F24": "fill before ack",
    "F25": "ack after fill or cancel",
    "F26": "lost ack",
    "F27": "duplicate ack or fill id",
    "F28": "fill told after the cancel",
    "F29": "cancel refused because filled",
    "F30": "5xx, and accepted",
    "F31": "5xx, and not accepted",
    "F32": "accepted late, within recvWindow",
    "F33": "NOT_FOUND though live",
    "F34": "stale open orders or balances",
    "F35": "self-trade prevention expires an order",
    "F36": "cancels and expiries unasked",
    "F37": "trade bust or correction",
    "F38": "foreign order or trade on the account",
    "F39": "commission in a third asset",
    "F40": "cancelReplace half done",
    "F41": "429",
    "F42": "418",
    "F43": "403 of the firewall",
    "F44": "-1021 both ways",
    "F45": "clock step or drift",
    "F46": "timers that are late or coalesced",
}
"""What can go wrong outside a trading program, by the numbers of the kinds above."""

OUT_OF_REACH: Final[dict[str, str]] = {
    "F08": "a server on loopback is reached by its address; give your program a name that fails",
    "F09": "serve --tls-cert a certificate that your program does not trust, or an expired one",
    "F37": "the protocol of the spot market has no message for it",
    "F46": "a fault of your program's own machine, not of a venue",
}
"""Those that no kind makes, and why."""


def kinds_of(fault: str) -> list[str]:
    """Return the kinds that make a fault of the catalogue."""
    return [name for name, kind in KINDS.items() if fault in kind.faults.split()]
