"""The words for orders: sides, states, report kinds; and the client order id, key and text.

Inside the engine an order is an integer key (epoch and sequence); text exists only at the
edges. Names follow FIX where FIX has one (OrdStatus 39, ExecType 150); DENIED and UNKNOWN
are ours: DENIED was refused by our own gate, UNKNOWN was sent and its outcome is in doubt.
"""

from __future__ import annotations

from enum import IntEnum

SEQ_BITS = 30  # A billion orders in one boot; the epoch (unix seconds) needs 31 bits more.
SEQ_MAX = (1 << SEQ_BITS) - 1
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Side(IntEnum):
    """The side of an order; also the index of the book side it rests on (bid 0, ask 1)."""

    BUY = 0
    SELL = 1


class Liquidity(IntEnum):
    """Whether a fill added or took liquidity."""

    MAKER = 0
    TAKER = 1


class TimeInForce(IntEnum):
    """An order's lifetime (FIX 59)."""

    GTC = 0
    IOC = 1
    FOK = 2


class FeeAsset(IntEnum):
    """The asset in which a fee was taken, seen from the instrument."""

    BASE = 0
    QUOTE = 1
    OTHER = 2


class OrderState(IntEnum):
    """What an order is. NONE marks a free slot of the order table."""

    NONE = 0
    PENDING_NEW = 1
    NEW = 2
    PARTIALLY_FILLED = 3
    FILLED = 4
    PENDING_CANCEL = 5
    CANCELED = 6
    PENDING_REPLACE = 7
    REJECTED = 8
    EXPIRED = 9
    DENIED = 10
    UNKNOWN = 11


TERMINAL = (
    OrderState.FILLED,
    OrderState.CANCELED,
    OrderState.REJECTED,
    OrderState.EXPIRED,
    OrderState.DENIED,
)


class OrderEvent(IntEnum):
    """What can happen to an order: our own acts first, then what the venue reports."""

    SUBMITTED = 0
    CANCEL_SENT = 1
    REPLACE_SENT = 2
    ACCEPTED = 3
    FILL_PARTIAL = 4
    FILL_FULL = 5
    CANCELED = 6
    REJECTED = 7
    CANCEL_REJECTED = 8
    EXPIRED = 9
    OUTCOME_UNKNOWN = 10
    NEVER_ACCEPTED = 11
    DENIED = 12
    FILLS_MISSING = 13


def order_key(epoch: int, seq: int) -> int:
    """Return the integer that stands for a client order id: epoch above, sequence below."""
    assert 0 < epoch < 1 << 32 and 0 <= seq <= SEQ_MAX
    return epoch << SEQ_BITS | seq


def to_base36(number: int) -> str:
    """Return a non-negative integer in lower-case base 36."""
    assert number >= 0
    text = _DIGITS[number % 36]
    while number := number // 36:
        text = _DIGITS[number % 36] + text
    return text


def client_order_id(tag: str, key: int) -> str:
    """Return the text of a key: ``h1-<tag>-<epoch>-<seq>``, epoch and seq in base 36."""
    return f"h1-{tag}-{to_base36(key >> SEQ_BITS)}-{to_base36(key & SEQ_MAX)}"


def parse_client_order_id(tag: str, text: str) -> int:
    """Return the key of one of our client order ids, or 0 where the id is not ours."""
    parts = text.split("-")
    if len(parts) != 4 or parts[0] != "h1" or parts[1] != tag:
        return 0
    try:
        epoch, seq = int(parts[2], 36), int(parts[3], 36)
    except ValueError:
        return 0
    if not (0 < epoch < 1 << 32 and 0 <= seq <= SEQ_MAX):
        return 0
    key = order_key(epoch, seq)
    return key if client_order_id(tag, key) == text else 0
