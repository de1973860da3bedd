"""Reading JSON bytes with kernels: white space, strings, integers, decimals as steps.

Owns the walk over bytes. Must not know any message. Everything works on positions in the
frame; ``BAD`` instead of a position says that the bytes are not what was expected. Past the
end a byte reads as 0, which no JSON token begins with, so a truncated frame ends as BAD.

Why not a JSON library: a mean depth message holds 57 levels as text, and turning them into
integers behind a library costs more than the whole decision. Why loops where a helper would
read better, and one read of ``data[at]`` a turn: each index is first tested for a negative one,
and a call hands all that is known of ``data`` on; with a helper per byte the levels took five
times as long. Why all of them borrow: to count references to ``data`` at each call was more than
half of what a frame without levels cost.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from hftd.domain.kernel import kernel

BAD = -1
MAX_DIGITS = 18  # What always fits int64.

QUOTE, BACKSLASH, COMMA, COLON, POINT, ZERO, NINE = 34, 92, 44, 58, 46, 48, 57
OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT = 91, 93, 123, 125

# Of eight bytes as one number: their lower halves, their upper halves without the last byte's sign
# bit (a number with it would be negative when compiled and not otherwise), and what those of digits
# are; 6 more makes an upper half of 4 of any that stands beyond "9".
_LOWER, _UPPER = 0x0F0F0F0F0F0F0F0F, 0x70F0F0F0F0F0F0F0
_DIGITS, _SIXES = 0x3030303030303030, 0x0606060606060606


@kernel.borrowing
def peek(data: bytes, at: int) -> int:
    """Return the byte at a position, 0 past the end."""
    return data[at] if at < len(data) else 0


@kernel.borrowing
def skip_space(data: bytes, at: int) -> int:
    """Return the position of the next byte that is no white space (any byte up to a blank)."""
    while at < len(data) and data[at] <= 32:
        at += 1
    return at


@kernel.borrowing
def skip_string(data: bytes, at: int) -> int:
    """Return the position after the string that opens at ``at``, or BAD."""
    end = len(data)
    if at >= end or data[at] != QUOTE:
        return BAD
    at += 1
    while at < end:
        byte = data[at]
        if byte == QUOTE:
            return at + 1
        if byte < 32:
            return BAD
        at += 2 if byte == BACKSLASH else 1
    return BAD


@kernel.borrowing
def _skip_nested(data: bytes, at: int) -> int:
    # Brackets are counted, not paired: who skips a value does not use it.
    depth = 0
    while at < len(data):
        byte = data[at]
        if byte == QUOTE:
            at = skip_string(data, at)
            if at == BAD:
                return BAD
            continue
        if byte in (OPEN_LIST, OPEN_OBJECT):
            depth += 1
        elif byte in (CLOSE_LIST, CLOSE_OBJECT):
            depth -= 1
        at += 1
        if depth == 0:
            return at
    return BAD


@kernel.borrowing
def skip_value(data: bytes, at: int) -> int:
    """Return the position after the value that begins at ``at``, or BAD."""
    begin, end = at, len(data)
    if at >= end:
        return BAD
    byte = data[at]
    if byte == QUOTE:
        return skip_string(data, at)
    if byte in (OPEN_LIST, OPEN_OBJECT):
        return _skip_nested(data, at)
    while at < end:
        byte = data[at]
        # Digits, the letters of true, false, null and the exponent, and a number's signs.
        if not (ZERO <= byte <= NINE or 97 <= byte <= 122 or byte in (69, POINT, 43, 45)):
            break
        at += 1
    return at if at > begin else BAD


@kernel.borrowing
def next_key(data: bytes, at: int) -> tuple[int, int, int]:
    """Return (key begin, key end, value begin) of the member at ``at``; BAD first if none.

    A key with an escape in it is none that any message has: BAD.
    """
    end = len(data)
    while at < end and data[at] <= 32:
        at += 1
    if at >= end or data[at] != QUOTE:
        return BAD, BAD, BAD
    at += 1
    begin = at
    while at < end:
        byte = data[at]
        if byte == QUOTE:
            break
        if byte < 32 or byte == BACKSLASH:
            return BAD, BAD, BAD
        at += 1
    key_end = at
    at += 1
    while at < end and data[at] <= 32:
        at += 1
    if at >= end or data[at] != COLON:
        return BAD, BAD, BAD
    at += 1
    while at < end and data[at] <= 32:
        at += 1
    return begin, key_end, at


@kernel.borrowing
def matches(data: bytes, begin: int, end: int, text: bytes) -> bool:
    """Return whether the bytes between two positions are exactly ``text``."""
    if end - begin != len(text):
        return False
    for offset in range(len(text)):  # noqa: SIM110 - a kernel cannot hold a generator
        if data[begin + offset] != text[offset]:
            return False
    return True


@kernel.borrowing
def scan_integer(data: bytes, at: int) -> tuple[int, int]:
    """Return (integer, position after it) of at most 18 digits; BAD as position if none."""
    value, begin, end = 0, at, len(data)
    while at < end:
        digit = data[at] - ZERO
        if digit < 0 or digit > 9:
            break
        value = value * 10 + digit
        at += 1
    if at == begin or at - begin > MAX_DIGITS:
        return 0, BAD
    return value, at


@kernel.borrowing
def eight_digits(data: bytes, at: int) -> int:
    """Return the number that the eight digits at ``at`` are, or BAD where they are not.

    All at once, in three steps: pairs of neighbors become one number of two digits, then of four,
    then of eight (D. Lemire, "Quickly parsing eight digits", 2018). The slice makes every index
    one that cannot be negative, so that its bytes are read at once too.
    """
    text = data[at : at + 8]
    if len(text) < 8:
        return BAD
    word = (
        text[0] | text[1] << 8 | text[2] << 16 | text[3] << 24
        | text[4] << 32 | text[5] << 40 | text[6] << 48 | text[7] << 56
    )  # fmt: skip
    if word >> 60 != 3 or word & _UPPER != _DIGITS or (word + _SIXES) & _UPPER != _DIGITS:
        return BAD
    word &= _LOWER
    word = (word * 10 + (word >> 8)) & 0x00FF00FF00FF00FF
    word = (word * 100 + (word >> 16)) & 0x0000FFFF0000FFFF
    return (word * 10_000 + (word >> 32)) & 0xFFFFFFFF


@kernel.borrowing
def is_zero(data: bytes, at: int) -> bool:
    """Return whether the quoted decimal at ``at`` is 0, however many zeros it is written with."""
    if peek(data, at) != QUOTE or peek(data, at + 1) != ZERO:
        return False
    at += 2
    while peek(data, at) == ZERO:
        at += 1
    if peek(data, at) == POINT:
        at += 1
        while peek(data, at) == ZERO:
            at += 1
    return peek(data, at) == QUOTE


# long: one walk over the bytes; a kernel called per number costs a third of the decoding.
@kernel.borrowing
def scan_pair(
    data: bytes, price_at: int, qty_at: int, steps: npt.NDArray[np.int64]
) -> tuple[int, int, int]:
    """Return (price_ticks, qty_lots, position after) of two quoted decimals, or BAD as position.

    ``qty_at`` 0 means: behind the comma that follows the price.
    Shapes: steps (4,) of `levels.steps_table`: decimals and multiple of the price, then of the
    quantity. Units: a step is ``multiple`` units of the last of ``decimals`` decimals.

    A price is above zero and a whole number of ticks. A quantity is rounded down to lots: orders
    that rested before a venue changed its lot keep their odd quantity (the recorded BTCUSDT
    session holds three such levels). One above zero is at least one lot: it must never read as
    the level's removal. A sign, an exponent or more than 18 digits are BAD.
    """
    end, at, price_ticks, qty_lots = len(data), price_at, 0, 0
    for column in range(2):
        if column == 1 and qty_at > 0:
            at = qty_at
        elif column == 1:
            while at < end and data[at] <= 32:
                at += 1
            if at >= end or data[at] != COMMA:
                return 0, 0, BAD
            at += 1
        while at < end and data[at] <= 32:
            at += 1
        if at >= end or data[at] != QUOTE:
            return 0, 0, BAD
        at += 1
        begin, value, odd, missing = at, 0, False, steps[2 * column]
        while at < end:
            digit = data[at] - ZERO
            if digit < 0 or digit > 9:
                break
            value = value * 10 + digit
            at += 1
        if at == begin or at - begin + missing > MAX_DIGITS:
            return 0, 0, BAD
        if at < end and data[at] == POINT:
            at += 1
            while at < end:
                digit = data[at] - ZERO
                if digit < 0 or digit > 9:
                    break
                if missing > 0:
                    value = value * 10 + digit
                    missing -= 1
                elif digit > 0:
                    odd = True
                at += 1
        while missing > 0:
            value *= 10
            missing -= 1
        if at >= end or data[at] != QUOTE:
            return 0, 0, BAD
        at += 1
        multiple = steps[2 * column + 1]
        if multiple != 1:
            odd = odd or value % multiple != 0
            value //= multiple
        if column == 1:
            qty_lots = 1 if odd and value == 0 else value
        elif odd or value == 0:
            return 0, 0, BAD
        else:
            price_ticks = value
    return price_ticks, qty_lots, at
