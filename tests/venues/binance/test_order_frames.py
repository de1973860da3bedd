"""The kernel that fills an order's template, beside the plain Python that says the same."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hftd.domain.order import SEQ_MAX, order_key, to_base36
from hftd.domain.units import E8, INT64_MAX, from_scaled
from hftd.venues.binance import order_frames
from hftd.venues.binance.order_frames import NEW_KEY, PRICE, QTY, TARGET_KEY, TIMESTAMP
from hftd.venues.binance.request_id import key_text

keys = st.builds(order_key, st.integers(1, 2**32 - 1), st.integers(0, SEQ_MAX))
atoms = st.one_of(st.integers(0, INT64_MAX), st.integers(0, 10**6).map(lambda each: each * E8))


def filled(texts: list[str], row: int, numbers: tuple[int, int, int, int, int]) -> str:
    """Return a template as the kernel fills it; what it must not touch is seen to be kept."""
    table = order_frames.templates(texts)
    out = np.full(table.shape[1] + order_frames.HOLES_BYTES, ord("#"), np.uint8)
    size = order_frames.fill(table, row, *numbers, out)
    assert set(out[size:].tolist()) <= {ord("#")}
    return bytes(out[:size]).decode()


@settings(max_examples=200, deadline=None)
@given(new=keys, old=keys, qty=atoms, price=atoms, ms=st.integers(0, INT64_MAX))
def test_each_hole_holds_its_number_as_python_writes_it(
    new: int, old: int, qty: int, price: int, ms: int
) -> None:
    """Keys in base 36, decimals without padding, the time as it is; once or twice each."""
    text = f'{{"{NEW_KEY}":"{TARGET_KEY}.{NEW_KEY}",{QTY}x{PRICE},{TIMESTAMP}}}'
    wanted = (
        f'{{"{key_text(new)}":"{key_text(old)}.{key_text(new)}",'
        f"{from_scaled(qty, E8)}x{from_scaled(price, E8)},{ms}}}"
    )
    assert filled(["another", text, "a longer one" * 30], 1, (new, old, qty, price, ms)) == wanted


def test_a_template_without_holes_is_its_text() -> None:
    """Rows are as long as the longest; each ends where its own text does."""
    texts = ["", "short", "the longest of them"]
    assert [filled(texts, row, (1, 1, 1, 1, 1)) for row in range(3)] == texts


def test_the_longest_numbers_have_room() -> None:
    """An order that replaces another names its own key twice and the other's twice."""
    most = order_key(2**32 - 1, SEQ_MAX)
    text = f"{NEW_KEY}{TARGET_KEY}" * 2 + f"{QTY}{PRICE}{TIMESTAMP}"
    found = filled([text], 0, (most, most, INT64_MAX, INT64_MAX, INT64_MAX))
    assert found.count(to_base36(SEQ_MAX)) == 4
