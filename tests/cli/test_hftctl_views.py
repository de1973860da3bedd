"""Every view fits 80 columns, shows what matters, and cannot be turned against the terminal."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.cli.hftctl_orders import VIEWS as ORDER_VIEWS
from hftd.cli.hftctl_orders import changed_keys, log_line, outcome, reconciled
from hftd.cli.hftctl_text import (
    WIDTH,
    Column,
    Line,
    bar,
    clock,
    duration,
    line,
    micros,
    render,
    signed,
    table,
)
from hftd.cli.hftctl_views import VIEWS
from hftd.control.commands import COMMANDS, Role, Server
from tests.cli import sample_results
from tests.cli.sample_results import RESULTS

ACTS = {
    "kill": outcome,
    "alert-test": outcome,
    "reconcile": reconciled,
    "reload": changed_keys,
    "set": changed_keys,
}
ALL_VIEWS = {**VIEWS, **ORDER_VIEWS, **ACTS}
CASES = [(name, result) for name, results in RESULTS.items() for result in results]


def shown(name: str, result: Any) -> str:
    """Return a view's text without colour."""
    return render(ALL_VIEWS[name](result), color=False)


def stretched(value: Any) -> Any:
    """Return a result whose every text is long and hostile."""
    if isinstance(value, dict):
        return {key: stretched(one) for key, one in value.items()}
    if isinstance(value, list):
        return [stretched(one) for one in value] * 3
    return value + "\x1b[2J\n" + "x" * 70 if isinstance(value, str) else value


def test_every_query_has_a_view() -> None:
    """What the table offers to observers can be shown; a stream is shown line by line."""
    queries = {
        command.name
        for command in COMMANDS.values()
        if command.role is Role.OBSERVER and not command.streams
    }
    assert queries == set(VIEWS) | set(ORDER_VIEWS)


@pytest.mark.parametrize(("name", "result"), CASES)
def test_a_view_fits_the_screen(name: str, result: Any) -> None:
    """No line is wider than 80 columns, however long the texts in the result are."""
    for one in (result, stretched(result)):
        text = shown(name, one)
        assert all(len(row) <= WIDTH for row in text.splitlines())
        assert all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize(("name", "result"), CASES)
def test_colour_changes_no_text(name: str, result: Any) -> None:
    """What is coloured says the same as what is plain."""
    colored = render(ALL_VIEWS[name](result), color=True)
    plain = "\n".join(row.rstrip() for row in re.sub(r"\x1b\[[\d;]*m", "", colored).split("\n"))
    assert plain == shown(name, result)


@pytest.mark.parametrize("item", sample_results.LOG_LINES)
def test_a_log_line_fits_the_screen(item: dict[str, Any]) -> None:
    """A log line is folded, never cut: all its values are there."""
    for one in (item, stretched(item)):
        text = render(log_line(one), color=False)
        assert all(len(row) <= WIDTH for row in text.splitlines())
    text = render(log_line(item), color=False)
    assert f"seq={item['seq']}" in text


def test_status_says_how_to_go_on() -> None:
    """A state that does not trade comes with its reason and the way back."""
    text = shown("status", sample_results.KILLED)
    assert "KILLED" in text.splitlines()[0]
    assert "killed by uid 1000" in text
    assert "hftctl reset --reason" in text


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("OPERATOR, since 12:00:01.000Z", "Quote again: hftctl resume"),
        ("ORDERS_WITHOUT_FILL, since 12:00:01.000Z", "Quote again: hftctl resume"),
        ("RATE_LIMITED, since 12:00:01.000Z", "It ends by itself"),
        ("CLOCK: its cause is gone, running again in 2,000 ms", "hftctl resume spares the while."),
    ],
)
def test_a_pause_says_who_ends_it(reason: str, words: str) -> None:
    """A person, or the end of its cause, which `resume` does not bring about."""
    paused = {**sample_results.STATUS, "state": "PAUSED", "state_reason": reason}
    assert words in shown("status", paused)
    assert ("Quote again" in shown("status", paused)) == words.startswith("Quote again")


def test_explain_marks_the_first_that_fails() -> None:
    """One condition is marked, with its value, its bound and the reason in words."""
    rows = shown("explain", sample_results.EXPLAIN).splitlines()
    marked = [row for row in rows if row.startswith(">>")]
    assert marked == [">> no  min_spread_bps  1.20  (bound >= 5)"]
    assert rows[0] == "BTC-USDT buy is not quoted: min_spread_bps"
    assert any("31 % of the last hour" in row for row in rows)
    assert "BTC-USDT sell is quoted: every condition holds" in rows


def test_the_book_is_a_ladder() -> None:
    """Asks fall to the middle, bids fall from it, and our orders are marked."""
    rows = shown("book", sample_results.BOOK).splitlines()
    prices = [row.split() for row in rows[2:]]
    assert [row[-2] for row in prices[:3]] == ["60030.00", "60020.00", "60010.00"]
    assert rows[5].startswith("  mid 60000.00   spread 3.33 bps   imbalance 0.24")
    assert rows[4].startswith("> 0.01000")
    assert rows[6].startswith("> 0.01000")
    assert rows[2].count("█") > rows[3].count("█") > rows[4].count("█") > 0


def test_an_empty_book_is_shown() -> None:
    """A book that is not there yet is no error."""
    empty = {**sample_results.BOOK, "bids": [], "asks": [], "mid": None, "age_ms": None}
    assert "mid -" in shown("book", empty)


def test_latency_marks_what_is_over_its_target() -> None:
    """The stage over its target says so, and the venue's part is told from ours."""
    text = shown("latency", sample_results.LATENCY)
    assert [row.split()[0] for row in text.splitlines() if row.endswith("OVER")] == ["execution*"]
    assert "the venue's (*): execution" in text
    assert "over target: execution" in text


def test_an_unknown_order_stands_out() -> None:
    """What is in doubt is red where there is colour."""
    text = render(ORDER_VIEWS["orders"](sample_results.ORDERS), color=True)
    assert "\x1b[1;31mUNKNOWN" in text


def test_orders_of_two_instruments_name_them() -> None:
    """The instrument gives way to a narrow screen only where all rows share it."""
    other = {**sample_results.OPEN_ORDER, "instrument": "ETH-USDT"}
    assert "ETH-USDT" in shown("orders", {"orders": [sample_results.OPEN_ORDER, other]})


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(None, "    "), (0.0, "····"), (0.001, "█···"), (0.5, "██··"), (1.0, "████"), (7.0, "████")],
)
def test_a_bar(ratio: float | None, text: str) -> None:
    """A bar is full at 1, never longer, and shows the smallest use."""
    assert bar(ratio, 4) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.04, "0.0 s"),
        (59.9, "59 s"),
        (312.4, "5 m 12 s"),
        (11100, "3 h 05 m"),
        (187200, "2 d 04 h"),
    ],
)
def test_a_duration(seconds: float | None, text: str) -> None:
    """A time span has two units, so that a glance is enough."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        (0.0, "0µs"),
        (18.04, "18µs"),
        (999.4, "999µs"),
        (999.9, "1ms"),
        (12345.6, "12.3ms"),
        (1234567.0, "1.23s"),
        (5e9, "5000s"),
    ],
)
def test_microseconds(value: float | None, text: str) -> None:
    """A latency has three digits and its own unit."""
    assert micros(value) == text


def test_a_signed_amount() -> None:
    """A gain has a plus, a loss is red, nothing is neither."""
    assert signed("1.5") == ("+1.5", "")
    assert signed("-1.5") == ("-1.5", "bad")
    assert signed("0.00") == ("0.00", "")
    assert signed(None) == ("-", "")
    assert clock("2026-11-22T09:34:14.123456Z") == "09:34:14.123"


@given(
    st.lists(st.tuples(st.text(max_size=50), st.text(max_size=50), st.text(max_size=90))),
    st.booleans(),
)
def test_any_table_fits(rows: list[tuple[str, str, str]], right: bool) -> None:
    """Whatever the cells hold, rows stay within the width and one a line."""
    columns = (Column("a", right=right, keep=1), Column("b", keep=2), Column("c", right=right))
    lines: list[Line] = table(columns, rows)
    text = render(lines, color=False)
    assert text.count("\n") == len(rows)
    assert all(len(row) <= WIDTH for row in text.split("\n"))


def test_a_long_line_is_clipped_visibly() -> None:
    """What does not fit ends in an ellipsis, so that nobody takes it for the whole."""
    assert render([line("x" * 90)], color=False) == "x" * 79 + "…"


def test_observers_alone_ask_the_recorder() -> None:
    """The recorder's socket changes nothing of trading: beside questions it sends a test alert."""
    acting = [one for one in COMMANDS.values() if one.role is not Role.OBSERVER]
    there = [one.name for one in acting if one.server is not Server.ENGINE]
    assert there == ["alert-test"]


def test_limits_of_several_instruments_are_told_apart() -> None:
    """Of one instrument its name may go where a terminal is narrow; of several it stays."""
    one: dict[str, Any] = {
        "code": "C17", "name": "venue_orders_in_86400_s", "limit": "200000", "use": "15",
        "unit": "orders", "ratio": 0.5,
    }  # fmt: skip
    limits = [one | {"instrument": name} for name in ("BTC-USDT", "ETH-USDT")]
    lines = VIEWS["risk"]({"gate": "open", "limits": limits, "counters": []})
    text = render(lines, False)
    assert "BTC-USDT" in text and "ETH-USDT" in text
    assert max(map(len, text.splitlines())) <= WIDTH
