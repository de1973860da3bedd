"""Which lines are alerts, and that counting loses none of them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hftd.runtime.alert_queue import KINDS, REPEAT_SECONDS, AlertQueue, alert_of, body
from hftd.runtime.logs import Line

NS = 1_795_339_800_000_000_000


def line(level="warning", event="note", **fields):
    """Return a log line."""
    return Line(level, event, "control", NS, fields)


def alert(event="note", level="warning", **fields):
    """Return the alert of a log line."""
    found = alert_of(line(level, event, **fields), {"instance": "canary"})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("said", "level"),
    [
        (line("critical", "alert", alert=1, code="DRAWDOWN"), "critical"),
        (line("critical", "engine_gone"), "critical"),
        (line("error", "difference"), "warning"),
        (line("warning", "book", to="STALE"), "warning"),
        (line("info", "state", to="RUNNING"), "info"),
        (line("info", "alert_acknowledged", alert=1), "info"),
        (line("error", "state", to="HALTED"), None),  # The alert of the halt tells it.
        (line("error", "state", to="KILLED"), "warning"),
        (line("error", "alert_failed"), None),  # Else a dead road would feed itself.
        (line("info", "fill"), None),
        (line("debug", "equity"), None),
    ],
)
def test_level_of_a_line(said, level):
    """What is told at which level."""
    found = alert_of(said, {})
    assert (found and found.level) == level


def test_a_storm_is_one_message_with_its_number():
    """The first goes at once; the thousand after it are one message a minute later."""
    queue = AlertQueue("warning")
    queue.put(alert(code="LOOP_LAG", reason="LOOP_LAG: late=300 ms, max=250 ms"))
    assert queue.due_in_s(0.0) == 0
    assert queue.take(0.0).total == 1
    for _ in range(1000):
        queue.put(alert(code="LOOP_LAG", reason="LOOP_LAG: late=300 ms, max=250 ms"))
    assert queue.take(1.0) is None
    assert queue.due_in_s(1.0) == REPEAT_SECONDS - 1
    message = queue.take(REPEAT_SECONDS)
    assert (len(message.kinds), message.total) == (1, 1000)
    told = body(message, "canary", "host")
    assert told["text"] == (
        "WARNING canary on host: note (LOOP_LAG: late=300 ms, max=250 ms)"
        " 1000 times since 09:30:00Z"
    )
    assert (told["count"], told["alerts"][0]["count"]) == (1000, 1000)
    assert queue.due_in_s(REPEAT_SECONDS) is None


def test_another_kind_waits_for_nobody():
    """While one kind is only counted, the first of another goes at once."""
    queue = AlertQueue("warning")
    queue.put(alert(code="LOOP_LAG"))
    queue.take(0.0)
    queue.put(alert(code="LOOP_LAG"))
    queue.put(alert(code="PRICE_JUMP"))
    message = queue.take(0.5)
    assert [waiting.last.fields["code"] for waiting in message.kinds.values()] == ["PRICE_JUMP"]


def test_each_critical_alert_is_told_by_itself():
    """A second halt within the minute, for the same reason, is no repetition."""
    queue = AlertQueue("critical")
    for number in (1, 2):
        queue.put(alert("alert", "critical", alert=number, code="DRAWDOWN"))
        assert queue.take(float(number)).total == 1


def test_a_person_is_told_how_to_go_on():
    """The text names what happened, where, when, and the next step."""
    queue = AlertQueue("critical")
    queue.put(alert("alert", "critical", alert=1, code="DRAWDOWN", reason="DRAWDOWN: a=1, b=2"))
    text = body(queue.take(0.0), "canary", "host")["text"]
    assert text == (
        "CRITICAL canary on host: alert (DRAWDOWN: a=1, b=2) at 09:30:00Z - look, then: hftctl ack"
    )


def test_a_failure_beside_a_full_queue_is_still_counted():
    """Twice as many kinds as are kept: the oldest stay, the others are a number."""
    queue = AlertQueue("warning")
    for number in range(KINDS):
        queue.put(alert(code=f"OLD_{number}"))
    message = queue.take(0.0)
    for number in range(2 * KINDS):
        queue.put(alert(code=f"NEW_{number}"))
    queue.give_back(message)
    again = queue.take(0.0)
    assert (len(again.kinds), again.total) == (KINDS, 3 * KINDS)
    codes = [waiting.last.fields["code"] for waiting in again.kinds.values()]
    assert codes == [f"OLD_{number}" for number in range(KINDS)]


STEPS = st.lists(
    st.one_of(st.integers(0, 2 * KINDS), st.sampled_from(["take", "fail", "wait", "end"])),
    max_size=300,
)


@given(STEPS)
def test_none_is_lost_and_the_queue_is_bounded(steps):
    """Whatever comes, fails and waits: what was told and what waits is what was put."""
    queue, put, told, now_s = AlertQueue("warning"), 0, 0, 0.0
    for step in steps:
        if isinstance(step, int):
            queue.put(alert(code=f"CODE_{step}"))
            put += 1
        elif step == "wait":
            now_s += REPEAT_SECONDS
        else:
            message = queue.take(now_s, all_of_it=step == "end")
            if message is None:
                continue
            assert len(message.kinds) <= KINDS
            json.dumps(body(message, "canary", "host"))
            if step == "fail":
                queue.give_back(message)
            else:
                told += message.total
    rest = queue.take(now_s, all_of_it=True)
    assert told + (rest.total if rest else 0) == put
    assert queue.due_in_s(now_s) is None
