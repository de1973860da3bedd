"""Whatever bytes come: no exception, counts within bounds, kernels equal plain Python."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.domain.events import EventKind, Link
from hftd.venues.binance.levels import scan_levels
from hftd.venues.binance.rest_frames import RestKind, rest_frame
from hftd.venues.binance.scan import BAD, eight_digits, scan_pair
from hftd.venues.port import MAX_EVENTS, MAX_LEVELS
from tests.venues.binance.fixtures import Wire, order, reply, report
from tests.venues.binance.test_market import DEPTH, TOUCH, TRADE
from tests.venues.binance.test_rest_frames import SNAPSHOT

WIRE = Wire()
SEEDS = [
    (Link.MARKET, json.dumps({"stream": "x", "data": data}).encode())
    for data in (DEPTH, TRADE, TOUCH)
]
SEEDS += [
    (Link.ORDER, json.dumps(message).encode())
    for message in (
        reply("p0.s44we8-7", order()),
        reply("o0.rs", [order(), order(clientOrderId="web")]),
        {"subscriptionId": 0, "event": report(x="TRADE", l="0.01", L="60000.00", t=5, z="0.01")},
    )
]
SEEDS += [(Link.REST, rest_frame(RestKind.DEPTH, 1, 200, 0, json.dumps(SNAPSHOT).encode()))]
DEEP = [b"[" * 200_000, b'{"id":' * 100_000, b'{"data":' + b'{"a":' * 100_000, b'{"id":"' * 50_000]


def check_bounds(link: Link, data: bytes) -> None:
    """Decode, and check that each event lies within the buffers."""
    for event in WIRE.decode(link, data):
        assert event["kind"] != EventKind.NONE
        assert 0 <= event.get("levels_begin", 0) <= event.get("levels_end", 0) <= MAX_LEVELS
        assert 0 <= event.get("instrument", 0) < 2
        for name in ("qty_lots", "price_ticks", "cum_qty_lots", "bid_lots", "order_key"):
            assert event.get(name, 0) >= 0


@settings(max_examples=300, deadline=None)
@given(link=st.sampled_from((Link.MARKET, Link.ORDER, Link.REST)), data=st.binary(max_size=400))
def test_random_bytes_raise_nothing(link, data):
    """Noise on any link is decoded to something harmless."""
    check_bounds(link, data)


edits = st.lists(
    st.tuples(st.integers(0, 10_000), st.sampled_from(b'"{}[],:.-019eEntf\\ \x00\xff')),
    min_size=1,
    max_size=4,
)


@settings(max_examples=600, deadline=None)
@given(seed=st.sampled_from(SEEDS), edits=edits, cut=st.integers(0, 10_000), fuse=st.booleans())
def test_mutated_frames_raise_nothing(seed, edits, cut, fuse):
    """Real frames with bytes changed, cut, or doubled are decoded to something harmless."""
    link, frame = seed
    data = bytearray(frame)
    for at, byte in edits:
        data[at % len(data)] = byte
    at = cut % len(data)
    check_bounds(link, bytes(data[:at] + data[at // 2 :] if fuse else data))


@pytest.mark.parametrize("link", [Link.MARKET, Link.ORDER, Link.REST])
@pytest.mark.parametrize("data", DEEP)
def test_deep_nesting_raises_nothing(link, data):
    """A tower of brackets does not overflow anything."""
    check_bounds(link, data)
    check_bounds(link, rest_frame(RestKind.TOUCH, 0, 200, 0, data))


LIMITED = reply(
    "r0.s44we8-7.s44we8-6",
    status=429,
    error={
        "code": -2021,
        "msg": "",
        "data": {
            "serverTime": 5, "retryAfter": 9, "cancelResult": "SUCCESS",
            "newOrderResult": "FAILURE", "cancelResponse": order(),
            "newOrderResponse": {"code": -2010, "msg": ""},
        },
    },
    rateLimits=[
        {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": 1, "limit": 5, "count": 5}
    ],
)  # fmt: skip
MESSAGES = [(link, json.loads(frame)) for link, frame in SEEDS[:-1]] + [(Link.ORDER, LIMITED)]
ODD = (2**63, 2**63 - 1, -(2**63), 10**40, -1, 0, 1.5, 1e300, None, True, "", "-1", "9" * 18,
       "9" * 40, "1e9", "0.000000001", "\u0000", [], {}, [[]], [["1", "1"]], "DAY")  # fmt: skip


def places(value: object) -> list[tuple[object, object]]:
    """Return every (container, key) within a JSON value."""
    found: list[tuple[object, object]] = []
    members = value.items() if isinstance(value, dict) else enumerate(value)
    for key, member in members:
        found.append((value, key))
        if isinstance(member, (dict, list)):
            found += places(member)
    return found


@settings(max_examples=600, deadline=None)
@given(
    message=st.sampled_from(MESSAGES),
    changes=st.lists(
        st.tuples(st.integers(0, 10_000), st.sampled_from(ODD)), min_size=1, max_size=3
    ),
)
def test_odd_values_in_whole_messages_raise_nothing(message, changes):
    """Any field may hold any JSON value: huge, negative, of another type, or nothing."""
    link, content = message
    content = copy.deepcopy(content)
    for at, value in changes:
        if found := places(content):
            container, key = found[at % len(found)]
            container[key] = copy.deepcopy(value)
    check_bounds(link, json.dumps(content).encode())


def naive_steps(text: str, decimals: int, multiple: int) -> Decimal | None:
    """Return decimal text in steps, exactly, or None where it is no plain decimal."""
    whole, _, part = text.partition(".")
    if not whole or not (whole + part).isdecimal() or not text.isascii():
        return None
    if len(whole) + decimals > 18:
        return None
    return Decimal(text) * 10**decimals / multiple


numbers = st.one_of(
    st.decimals(0, 10**6, places=8).map(lambda value: f"{value:f}"),
    st.text("0123456789.-+eE ", max_size=24),
)


@settings(max_examples=400, deadline=None)
@given(text=numbers, decimals=st.integers(0, 8), multiple=st.sampled_from((1, 5, 10, 25)))
def test_decimals_become_steps_as_decimal_reads_them(text, decimals, multiple):
    """Ticks are exact and above zero, or refused; lots round down, above zero to at least one."""
    data = f'"{text}" , "{text}"x'.encode()
    qty_at = data.index(b",") + 2
    table = np.array([decimals, multiple, decimals, multiple])
    # A price that is good by itself stands before the quantity, and the other way round.
    easy = np.array([0, 1, decimals, multiple])
    price, lots, lots_end = scan_pair(b'"7",' + data, 0, 4, easy)
    both = scan_pair(data, 0, 0, table)
    assert scan_pair(data, 0, qty_at, table) == both
    steps = naive_steps(text, decimals, multiple)
    if steps is None:
        assert (lots_end, both[2]) == (BAD, BAD)
        return
    assert (price, lots) == (7, max(int(steps), int(steps > 0)))
    assert lots_end == 4 + len(text) + 2
    if steps == int(steps) > 0:
        assert both == (int(steps), int(steps), len(data) - 1)
    else:
        assert both[2] == BAD


level = st.tuples(st.integers(0, 10**9), st.integers(0, 10**12))


@settings(max_examples=150, deadline=None)
@given(
    pairs=st.lists(level, max_size=30), indent=st.sampled_from((None, 1)), room=st.integers(0, 30)
)
def test_level_lists_become_rows_as_json_reads_them(pairs, indent, room):
    """The kernel agrees with json and Decimal on any list, or refuses it for a stated reason."""
    text = [[f"{price / 100:.2f}", f"{lots / 100_000:.5f}"] for price, lots in pairs]
    data = json.dumps(text, indent=indent).encode()
    levels = np.full((room, 3), -1, np.int64)
    at, row = scan_levels(data, 0, 1, np.array([2, 1, 5, 1]), levels, 0)
    expected = [[1, int(Decimal(price) * 100), int(Decimal(qty) * 100_000)] for price, qty in text]
    if len(pairs) > room or any(price == 0 for price, _ in pairs):
        assert at == BAD
    else:
        assert (at, row) == (len(data), len(pairs))
        assert levels[:row].tolist() == expected


def naive_levels(text: str, steps: tuple[int, int, int, int]) -> tuple[int, list[list[int]]] | None:
    """Return where the list at the beginning ends, and its levels, or None where it is none."""
    try:
        pairs, end = json.JSONDecoder().raw_decode(text)
    except ValueError:
        return None
    rows = []
    for pair in pairs if isinstance(pairs, list) else [None]:
        if not isinstance(pair, list) or [type(each) for each in pair] != [str, str]:
            return None
        price, qty = naive_steps(pair[0], *steps[:2]), naive_steps(pair[1], *steps[2:])
        if price is None or qty is None or price != int(price) or price == 0:
            return None
        rows.append([1, int(price), max(int(qty), int(qty > 0))])
    return end, rows


def check_levels(text: str, steps: tuple[int, int, int, int]) -> None:
    """Read a list with the kernel and naively: the same levels and end, or BAD."""
    levels = np.full((8, 3), -1, np.int64)
    at, row = scan_levels(text.encode(), 0, 1, np.array(steps), levels, 0)
    expected = naive_levels(text, steps)
    assert at == BAD if expected is None else (at, levels[:row].tolist()) == expected, text


e8 = st.one_of(
    st.integers(0, 10**7).map(lambda cents: cents * 10**6),
    st.integers(0, 10**4).map(lambda units: units * 10**8),
    st.integers(0, 10**12), st.integers(0, 10**20),
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(
    pairs=st.lists(st.tuples(e8, e8), max_size=9),
    steps=st.sampled_from([(2, 1, 5, 1), (8, 1, 0, 1), (2, 5, 3, 25), (0, 10, 8, 1)]),
)
def test_levels_with_eight_decimals_are_read_as_json_and_decimal_read_them(pairs, steps):
    """As the venue writes them: any number that fits, or BAD for the whole list."""
    plain = [[f"{number // 10**8}.{number % 10**8:08}" for number in pair] for pair in pairs]
    if len(pairs) <= 8:
        check_levels(json.dumps(plain, separators=(",", ":")), steps)
    else:
        text = json.dumps(plain, separators=(",", ":")).encode()
        assert scan_levels(text, 0, 1, np.array(steps), np.zeros((8, 3), np.int64), 0)[0] == BAD


def test_each_byte_of_a_level_counts():
    """Another byte anywhere, or an end anywhere, and the list is read as json and Decimal do."""
    text = '[["60000.01000000","0.00000100"],["59999.50000000","12.50000000"],["1.00000000","0"]]'
    for at in range(len(text)):
        for letter in '"[],. -+eE0159/:x\x7f':
            check_levels(text[:at] + letter + text[at + 1 :], (2, 1, 5, 1))
        check_levels(text[:at], (2, 1, 5, 1))
        check_levels(text[:at] + text[at + 1 :], (2, 1, 5, 1))


def test_eight_digits_are_their_number_and_nothing_else_is():
    """Any byte in any place that is no digit, or a missing one, is BAD."""
    for at in range(8):
        for byte in range(256):
            text = b"x1234567890"
            text = text[: 1 + at] + bytes([byte]) + text[2 + at :]
            expected = int(text[1:9]) if text[1:9].isdigit() else BAD
            assert eight_digits(text, 1) == expected
        assert eight_digits(b"x12345678"[: 1 + at], 1) == BAD
    assert eight_digits(b"99999999", 0) == 99_999_999


@pytest.mark.skipif("NUMBA_DISABLE_JIT" in os.environ, reason="this run is uncompiled already")
def test_the_kernels_agree_uncompiled():
    """The kernel tests pass as plain Python, where an index beyond the end raises."""
    here = Path(__file__).parent
    files = [str(here / "test_market.py"), str(here / "test_rest_frames.py"), __file__]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *files],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1"},
        cwd=here.parents[2],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-3_000:]


def test_the_buffers_hold_what_a_frame_may_bring():
    """A page of trades and the end of it fit, as does a snapshot of 5,000 levels a side."""
    assert MAX_EVENTS > 1_001
    assert MAX_LEVELS >= 10_000
