"""What a fault makes of the text of one frame or answer: bytes in, bytes out.

Owns how JSON is spoiled. Must not know connections, times or when a fault fires. Each function
returns None where a frame has nothing of the kind to spoil: it then passes unharmed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from hftd.simex.faults import Fault
from hftd.simex.numbers import text_of
from hftd.simex.params import UNREADABLE

Levels = list[list[str]]
_CROSSING_QTY = "1.00000000"
_GONE = "0.00000000"
_NUMBER = re.compile(rb'(?<=[:,\[])"?-?[0-9]+(\.[0-9]+)?"?(?=[,}\]])')
_ATOMS = 100_000_000
_MS_US = 1000
_TIMES = ("E", "T", "W")
_LATEST_MS = 10_000_000_000_000  # Larger numbers count microseconds.


class Around(NamedTuple):
    """What spoiling needs beside the frame: a draw, and all prices of a symbol's two sides."""

    draw: Callable[[int], int]
    prices: Callable[[str], tuple[list[str], list[str]]]


def spoil(fault: Fault, frame: bytes, around: Around) -> bytes | None:
    """Return what the fault makes of a frame, None where it means nothing to it."""
    raw = _RAW.get(fault.fault)
    if raw is not None:
        return raw(fault, frame, around)
    try:
        whole = msgspec.json.decode(frame)
    except UNREADABLE:
        return None
    event = event_of(whole)
    if event is None or not _INSIDE[fault.fault](fault, event, around):
        return None
    return msgspec.json.encode(whole)


def spoils(name: str) -> bool:
    """Return whether a kind is one of text alone."""
    return name in _RAW or name in _INSIDE


def event_of(whole: object) -> dict[str, Any] | None:
    """Return the event inside its wrapping, or the result of a reply."""
    if not isinstance(whole, dict):
        return None
    for name in ("data", "event", "result"):
        inner = whole.get(name)
        if isinstance(inner, dict):
            return inner
    return whole


# --- bytes ----------------------------------------------------------------------------------


def _truncate(_fault: Fault, frame: bytes, _around: Around) -> bytes | None:
    return frame[: len(frame) // 2]


def _corrupt(fault: Fault, frame: bytes, around: Around) -> bytes | None:
    spoiled = bytearray(frame)
    for _ in range(min(fault.size, len(frame))):
        # Within ASCII, and never the byte that was there: UTF-8 is another fault's.
        at = around.draw(len(frame))
        spoiled[at] = (frame[at] - 31 + around.draw(94)) % 95 + 32
    return bytes(spoiled)


def _invalid_utf8(_fault: Fault, frame: bytes, _around: Around) -> bytes | None:
    quote = frame.find(b'"') + 1
    return frame[:quote] + b"\xff" + frame[quote:]


def _not_a_number(_fault: Fault, frame: bytes, _around: Around) -> bytes | None:
    spoiled, count = _NUMBER.subn(b"NaN", frame, count=1)
    return spoiled if count else None


def _oversize(fault: Fault, frame: bytes, _around: Around) -> bytes | None:
    return _with_field(frame, b'"pad":"' + b"x" * fault.size + b'"')


def _deep_json(fault: Fault, frame: bytes, _around: Around) -> bytes | None:
    return _with_field(frame, b'"deep":' + b"[" * fault.size + b"]" * fault.size)


def _unknown_field(_fault: Fault, frame: bytes, _around: Around) -> bytes | None:
    return _with_field(frame, b'"Zz":{"new":[1,null,"x"]}')


def _with_field(frame: bytes, field: bytes) -> bytes | None:
    # As the first field of the event inside its wrapping, if it has one.
    if not frame.startswith(b"{"):
        return None
    marks = [mark for mark in (b'"data":{', b'"event":{') if mark in frame]
    at = frame.index(marks[0]) + len(marks[0]) if marks else 1
    comma = b"" if frame[at : at + 1] == b"}" else b","
    return frame[:at] + field + comma + frame[at:]


# --- fields ---------------------------------------------------------------------------------


def _wrong_type(_fault: Fault, event: dict[str, Any], _around: Around) -> bool:
    for name, value in event.items():
        if name != "e" and not isinstance(value, list):
            event[name] = [value]
            return True
    return False


def _wrong_symbol(fault: Fault, event: dict[str, Any], _around: Around) -> bool:
    for name in ("s", "symbol"):
        if name in event:
            event[name] = fault.value
            return True
    return False


def _absurd_price(fault: Fault, event: dict[str, Any], _around: Around) -> bool:
    return _on_prices(event, lambda _: fault.value, first=True)


def _moved_prices(fault: Fault, event: dict[str, Any], _around: Around) -> bool:
    return _on_prices(event, lambda price: _percent(price, fault.size), first=False)


def _repeated_ids(_fault: Fault, event: dict[str, Any], _around: Around) -> bool:
    if "U" not in event:
        return False
    return _shift_ids(event, event["u"] - event["U"] + 1)


def _backward_ids(fault: Fault, event: dict[str, Any], _around: Around) -> bool:
    return _shift_ids(event, fault.size)


def _shift_ids(event: dict[str, Any], by: int) -> bool:
    names = [name for name in ("U", "u", "lastUpdateId") if isinstance(event.get(name), int)]
    for name in names:
        event[name] = max(1, event[name] - by)
    return bool(names)


def _backward_time(fault: Fault, event: dict[str, Any], _around: Around) -> bool:
    names = [name for name in _TIMES if isinstance(event.get(name), int)]
    for name in names:
        event[name] -= fault.for_ms * (_MS_US if event[name] > _LATEST_MS else 1)
    return bool(names)


def _duplicate_trade(_fault: Fault, event: dict[str, Any], _around: Around) -> bool:
    if event.get("x") != "TRADE":
        return False
    event["I"] += 1_000_000_000
    return True


# --- books ----------------------------------------------------------------------------------


def _crossed_book(_fault: Fault, event: dict[str, Any], around: Around) -> bool:
    return _raise_bid(event, around, above=1000)


def _locked_book(_fault: Fault, event: dict[str, Any], around: Around) -> bool:
    return _raise_bid(event, around, above=0)


def _raise_bid(event: dict[str, Any], around: Around, above: int) -> bool:
    # A bid at or above the best ask: of the frame's own book, else of the symbol's.
    if "B" in event and "A" in event and isinstance(event.get("a"), str):
        event["b"] = _higher(event["a"], above)
        return True
    names = _sides(event)
    if names is None:
        return False
    asks = around.prices(event["s"])[1] if "s" in event else [level[0] for level in event["asks"]]
    if not asks:
        return False
    event[names[0]].insert(0, [_higher(asks[0], above), _CROSSING_QTY])
    return True


def _higher(price: str, above: int) -> str:
    return text_of(_atoms(price) + above * _ATOMS)


def _one_sided_book(fault: Fault, event: dict[str, Any], around: Around) -> bool:
    return _empty(event, around, [1 if fault.value == "asks" else 0])


def _empty_book(_fault: Fault, event: dict[str, Any], around: Around) -> bool:
    return _empty(event, around, [0, 1])


def _empty(event: dict[str, Any], around: Around, sides: list[int]) -> bool:
    if "B" in event and "A" in event and isinstance(event.get("a"), str):
        for side in sides:
            event["ba"[side]] = event["BA"[side]] = _GONE
        return True
    names = _sides(event)
    if names is None:
        return False
    for side in sides:
        told = around.prices(event["s"])[side] if "s" in event else []
        event[names[side]] = [[price, _GONE] for price in told]
    return True


def _sides(event: dict[str, Any]) -> tuple[str, str] | None:
    # The names of the two lists of levels, in changes and in snapshots.
    for names in (("b", "a"), ("bids", "asks")):
        if all(isinstance(event.get(name), list) for name in names):
            return names
    return None


def _on_prices(event: dict[str, Any], change: Callable[[str], str], *, first: bool) -> bool:
    names = _sides(event)
    if names is not None:
        levels = [level for name in names for level in event[name]]
        for level in levels[:1] if first else levels:
            level[0] = change(level[0])
        return bool(levels)
    told = [name for name in ("p", "b", "a", "L", "price") if isinstance(event.get(name), str)]
    for name in told[:1] if first else told:
        event[name] = change(event[name])
    return bool(told)


def _percent(price: str, percent: int) -> str:
    # With the decimals that the price had, so that it stays on its tick.
    decimals = len(price.rstrip("0").partition(".")[2])
    step = 10 ** (8 - decimals)
    return text_of(_atoms(price) * percent // 100 // step * step)


def _atoms(price: str) -> int:
    whole, _, rest = price.partition(".")
    return int(whole) * _ATOMS + int(f"{rest:0<8}"[:8] or "0")


_Raw = Callable[[Fault, bytes, Around], bytes | None]
_Inside = Callable[[Fault, dict[str, Any], Around], bool]
_RAW: dict[str, _Raw] = {
    "truncate": _truncate,
    "corrupt": _corrupt,
    "invalid_utf8": _invalid_utf8,
    "not_a_number": _not_a_number,
    "oversize": _oversize,
    "deep_json": _deep_json,
    "unknown_field": _unknown_field,
}
_INSIDE: dict[str, _Inside] = {
    "wrong_type": _wrong_type,
    "wrong_symbol": _wrong_symbol,
    "absurd_price": _absurd_price,
    "moved_prices": _moved_prices,
    "repeated_ids": _repeated_ids,
    "backward_ids": _backward_ids,
    "backward_time": _backward_time,
    "crossed_book": _crossed_book,
    "locked_book": _locked_book,
    "one_sided_book": _one_sided_book,
    "empty_book": _empty_book,
    "duplicate_trade": _duplicate_trade,
}
