"""Request ids of the WS API: each says what was asked, so a reply needs no table.

Owns the form of our request ids. Must not know what a reply means. An id is one letter of
`Asked`, the instrument's index in base 36, then what was acted on, each after a dot:

    p0.t0k3v1-1a        place the order of epoch t0k3v1, sequence 1a
    c0.KEY              cancel an order
    r0.NEW.OLD          cancel-replace
    q0.KEY.WHEN         query an order
    f0.ID.WHEN          find an order by the venue's id, in base 36
    o0.WHEN  t0.WHEN  a0.WHEN
                        open orders, own trades, balances
    s…                  the session's own (logon, subscription, time): never seen by the loop

A question ends in when it was asked, in base 36: the late answer to one is never taken for the
answer to the next. The longest, ``r``, has 32 of the 36 characters that the venue allows.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from hftd.domain.order import SEQ_BITS, SEQ_MAX, order_key, to_base36
from hftd.domain.units import INT64_MAX


class Asked(Enum):
    """What a request asked for; the value begins its id."""

    PLACE = "p"
    CANCEL = "c"
    CANCEL_REPLACE = "r"
    QUERY = "q"
    FIND = "f"
    OPEN_ORDERS = "o"
    TRADES = "t"
    BALANCES = "a"


class RequestId(NamedTuple):
    """A request id taken apart; ``order_key`` is the new order of a cancel-replace.

    ``asked_ns`` is when a question was asked, on the axis of events.
    """

    asked: Asked
    instrument: int
    order_key: int = 0
    target_key: int = 0
    venue_order_id: int = 0
    asked_ns: int = 0


SESSION = "s"
_KEYS = {Asked.PLACE: 1, Asked.CANCEL: 1, Asked.QUERY: 1, Asked.CANCEL_REPLACE: 2}
_QUESTIONS = (Asked.QUERY, Asked.FIND, Asked.OPEN_ORDERS, Asked.TRADES, Asked.BALANCES)
_ASKED = {asked.value: asked for asked in Asked}


@lru_cache(maxsize=4)  # One epoch a boot; older ones only while recovering.
def _epoch_text(epoch: int) -> str:
    return to_base36(epoch)


@lru_cache(maxsize=64)
def _index_text(instrument: int) -> str:
    return to_base36(instrument)


@lru_cache(maxsize=1_024)  # An order is named again when it is canceled or replaced.
def key_text(key: int) -> str:
    """Return an order key as ``epoch-seq``, the way it ends a client order id."""
    return f"{_epoch_text(key >> SEQ_BITS)}-{to_base36(key & SEQ_MAX)}"


def request_id(asked: Asked, instrument: int, *parts: str) -> str:
    """Return the id of an order's request; parts are key texts."""
    return ".".join((asked.value + _index_text(instrument), *parts))


def question_id(asked: Asked, instrument: int, asked_ns: int, *parts: str) -> str:
    """Return the id of a question; parts are a key text or the venue's id."""
    return request_id(asked, instrument, *parts, to_base36(asked_ns))


def _parse_key(text: str) -> int:
    epoch_text, _, seq_text = text.partition("-")
    epoch, seq = int(epoch_text, 36), int(seq_text, 36)
    if not (0 < epoch < 1 << 32 and 0 <= seq <= SEQ_MAX):
        raise ValueError(f"epoch and sequence are needed, was {text!r}")
    return order_key(epoch, seq)


def _parse_number(text: str) -> int:
    number = int(text, 36)
    if not 0 <= number <= INT64_MAX:
        raise ValueError(f"a number of 63 bits is needed, was {text!r}")
    return number


def parse_request_id(text: str, instruments: int) -> RequestId | None:
    """Return the id taken apart, or None where it is none of ours."""
    asked = _ASKED.get(text[:1])
    if asked is None or len(text) > 36:
        return None
    head, *parts = text[1:].split(".")
    try:
        instrument = int(head, 36)
        if not 0 <= instrument < instruments:
            return None
        asked_ns = _parse_number(parts.pop()) if asked in _QUESTIONS else 0
        if asked is Asked.FIND:
            (part,) = parts
            return RequestId(asked, instrument, 0, 0, _parse_number(part), asked_ns)
        keys = [_parse_key(part) for part in parts]
    except (ValueError, IndexError):
        return None
    if len(keys) != _KEYS.get(asked, 0):
        return None
    if asked is Asked.CANCEL_REPLACE:
        return RequestId(asked, instrument, keys[0], keys[1])
    if asked is Asked.PLACE:
        return RequestId(asked, instrument, keys[0])
    return RequestId(asked, instrument, 0, keys[0] if keys else 0, 0, asked_ns)
