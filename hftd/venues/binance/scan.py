"""Reading JSON bytes with kernels: white space, strings, integers, decimals as steps.

Owns the walk over bytes. Must not know any message. Everything works on positions in the
frame; ``BAD`` instead of a position says that the bytes are not what was expected. Past the
end a byte reads as 0, which no JSON token begins with, so a truncated frame ends as BAD.

Why not a JSON library: a mean depth message holds 57 levels as text; reading them into
integers behind a library costs more than the whole decision (see PERFORMANCE in README).
"""

from __future__ import annotations

from hftd.domain.kernel import kernel

BAD = -1
MAX_DIGITS = 18  # What always fits int64.

QUOTE, BACKSLASH, COMMA, COLON, POINT, ZERO, NINE = 34, 92, 44, 58, 46, 48, 57
OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT = 91, 93, 123, 125


@kernel
def peek(data: bytes, at: int) -> int:
    """Return the byte at a position, 0 past the end."""
    return data[at] if at < len(data) else 0


@kernel
def skip_space(data: bytes, at: int) -> int:
    """Return the position of the next byte that is no JSON white space."""
    while at < len(data) and (data[at] == 32 or 9 <= data[at] <= 13):
        at += 1
    return at


@kernel
def skip_string(data: bytes, at: int) -> int:
    """Return the position after the string that opens at ``at``, or BAD."""
    if peek(data, at) != QUOTE:
        return BAD
    at += 1
    while at < len(data):
        if data[at] == BACKSLASH:
            at += 2
        elif data[at] == QUOTE:
            return at + 1
        elif data[at] < 32:
            return BAD
        else:
            at += 1
    return BAD


@kernel
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


@kernel
def skip_value(data: bytes, at: int) -> int:
    """Return the position after the value that begins at ``at``, or BAD."""
    byte = peek(data, at)
    if byte == QUOTE:
        return skip_string(data, at)
    if byte in (OPEN_LIST, OPEN_OBJECT):
        return _skip_nested(data, at)
    begin = at
    while at < len(data) and (
        ZERO <= data[at] <= NINE
        or 97 <= data[at] <= 122  # true, false, null and the exponent's e
        or data[at] == 69
        or data[at] == POINT
        or data[at] == 43
        or data[at] == 45
    ):
        at += 1
    return at if at > begin else BAD


@kernel
def next_key(data: bytes, at: int) -> tuple[int, int, int]:
    """Return (key begin, key end, value begin) of the member at ``at``; BAD first if none."""
    begin = skip_space(data, at)
    after = skip_string(data, begin)
    if after == BAD:
        return BAD, BAD, BAD
    at = skip_space(data, after)
    if peek(data, at) != COLON:
        return BAD, BAD, BAD
    return begin + 1, after - 1, skip_space(data, at + 1)


@kernel
def matches(data: bytes, begin: int, end: int, text: bytes) -> bool:
    """Return whether the bytes between two positions are exactly ``text``."""
    if end - begin != len(text):
        return False
    for offset in range(len(text)):  # noqa: SIM110 - a kernel cannot hold a generator
        if data[begin + offset] != text[offset]:
            return False
    return True


@kernel
def scan_integer(data: bytes, at: int) -> tuple[int, int]:
    """Return (integer, position after it) of at most 18 digits; BAD as position if none."""
    value, begin = 0, at
    while at < len(data) and ZERO <= data[at] <= NINE:
        value = value * 10 + (data[at] - ZERO)
        at += 1
    if at == begin or at - begin > MAX_DIGITS:
        return 0, BAD
    return value, at


@kernel
def _scan_decimal(data: bytes, at: int, decimals: int, multiple: int) -> tuple[int, int, int]:
    # (whole steps rounded down, 1 where something is left over, position after or BAD).
    if peek(data, at) != QUOTE:
        return 0, 0, BAD
    at += 1
    begin, value, rest = at, 0, 0
    while at < len(data) and ZERO <= data[at] <= NINE:
        value = value * 10 + (data[at] - ZERO)
        at += 1
    if at == begin or at - begin + decimals > MAX_DIGITS:
        return 0, 0, BAD
    missing = decimals
    if peek(data, at) == POINT:
        at += 1
        while missing > 0 and at < len(data) and ZERO <= data[at] <= NINE:
            value = value * 10 + (data[at] - ZERO)
            at += 1
            missing -= 1
        while at < len(data) and ZERO <= data[at] <= NINE:
            if data[at] != ZERO:
                rest = 1
            at += 1
    while missing > 0:
        value *= 10
        missing -= 1
    if peek(data, at) != QUOTE:
        return 0, 0, BAD
    if multiple != 1:
        steps = value // multiple
        if steps * multiple != value:
            rest = 1
        value = steps
    return value, rest, at + 1


@kernel
def scan_ticks(data: bytes, at: int, decimals: int, multiple: int) -> tuple[int, int]:
    """Return (ticks, position after) of a quoted price; BAD where no whole number of ticks.

    Units: a tick is ``multiple`` units of the last of ``decimals`` decimals. A sign, an
    exponent or more than 18 digits are BAD.
    """
    value, rest, at = _scan_decimal(data, at, decimals, multiple)
    return (0, BAD) if rest else (value, at)


@kernel
def scan_lots(data: bytes, at: int, decimals: int, multiple: int) -> tuple[int, int]:
    """Return (lots, position after) of a quoted market quantity, rounded down, or BAD.

    Orders that rested before a venue changed its lot keep their odd quantity (the recorded
    BTCUSDT session holds three such levels), so a market quantity may be no whole number of
    lots. One above zero is at least one lot: it must never read as the level's removal.
    """
    value, rest, at = _scan_decimal(data, at, decimals, multiple)
    if rest and value == 0:
        value = 1
    return value, at
