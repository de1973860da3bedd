"""Which log lines are alerts, and how many of them become one message. Reads no clock.

Owns levels, kinds, counting and the message's form; knows no road by which it goes.

What is told: `critical` is what the log calls critical (each alert that a person must
acknowledge, an engine that is gone without a last word); `warning` is what it calls a warning or
an error; `info` is starts, stops, states and operators' commands. Lines of the recorder about
alerts themselves are none, or a dead road would feed itself.

The policy of a queue: the first alert of a kind goes at once, in one message with whatever else
waits; more of the same kind are counted, and told as one with their number after
`REPEAT_SECONDS`. Each critical alert is a kind of its own. At most `KINDS` kinds wait; what is
beyond them is counted in `not_listed`.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

from hftd.runtime.logs import Fields, Line
from hftd.store.words import utc_text

REPEAT_SECONDS = 60.0
KINDS = 64
OLD_NS = 3_600_000_000_000  # A recorder that catches up with yesterday wakes nobody.
_INFO = ("run_started", "run_ended", "state", "alert_acknowledged", "command")
# The levels that a queue tells of what the log writes; HALTED is told by its alert.
_LEVELS = {"critical": "critical", "error": "warning", "warning": "warning"}
_SHOWN = ("side", "qty", "instrument", "asset", "venue_code", "command", "to", "detail")
_TEXT_ALERTS = 5


class Alert(NamedTuple):
    """One line that somebody wants to hear of."""

    level: str
    kind: tuple[str, ...]
    ts_ns: int
    fields: Fields  # The line's own, with its context.


@dataclass
class Waiting:
    """Alerts of one kind that wait for the next message."""

    first_ns: int
    last: Alert
    count: int = 1


class Message(NamedTuple):
    """What one delivery carries; ``kinds`` goes back into the queue where it fails."""

    level: str
    kinds: OrderedDict[tuple[str, ...], Waiting]
    not_listed: int

    @property
    def total(self) -> int:
        """Return how many alerts it tells of."""
        return self.not_listed + sum(waiting.count for waiting in self.kinds.values())


def alert_of(line: Line, context: Fields) -> Alert | None:
    """Return the alert that a log line is, None where it is none."""
    grave = line.event == "state" and line.fields.get("to") == "HALTED"
    if (line.event.startswith("alert_") and line.event != "alert_acknowledged") or grave:
        return None
    level = _LEVELS.get(line.level)
    if level is None:
        if line.event not in _INFO:
            return None
        level = "info"
    names = ("code", "instrument", "side", "to", "command")
    kind = [line.event, *(str(line.fields.get(name, "")) for name in names)]
    if level == "critical":
        kind.append(str(line.fields.get("alert", line.ts_ns)))
    return Alert(level, tuple(kind), line.ts_ns, {**context, **line.fields, "event": line.event})


class AlertQueue:
    """The alerts of one level that have not been told."""

    def __init__(self, level: str) -> None:
        self.level = level
        self._waiting: OrderedDict[tuple[str, ...], Waiting] = OrderedDict()
        self._told_s: OrderedDict[tuple[str, ...], float] = OrderedDict()
        self._not_listed = 0

    def put(self, alert: Alert) -> None:
        """Add an alert: to its kind, to the others, or to the number of those beyond."""
        there = self._waiting.get(alert.kind)
        if there is not None:
            there.count += 1
            there.last = alert
        elif len(self._waiting) < KINDS:
            self._waiting[alert.kind] = Waiting(alert.ts_ns, alert)
        else:
            self._not_listed += 1

    def due_in_s(self, now_s: float) -> float | None:
        """Return how long until something is to be told; None where nothing waits."""
        times = [self._due_s(kind) for kind in self._waiting]
        return max(0.0, min(times) - now_s) if times else None

    def take(self, now_s: float, *, all_of_it: bool = False) -> Message | None:
        """Return what is to be told now, ``all_of_it`` before the end; None where nothing is."""
        due = [kind for kind in self._waiting if all_of_it or self._due_s(kind) <= now_s]
        if not due:
            return None
        kinds = OrderedDict((kind, self._waiting.pop(kind)) for kind in due)
        not_listed, self._not_listed = self._not_listed, 0
        for kind in due:
            self._told_s[kind] = now_s
            self._told_s.move_to_end(kind)
        while len(self._told_s) > KINDS:
            self._told_s.popitem(last=False)
        return Message(self.level, kinds, not_listed)

    def give_back(self, message: Message) -> None:
        """Take back what could not be told; it goes with the next message."""
        for kind, waiting in reversed(message.kinds.items()):
            newer = self._waiting.pop(kind, None)
            if newer is not None:
                waiting = Waiting(waiting.first_ns, newer.last, waiting.count + newer.count)
            self._waiting[kind] = waiting
            self._waiting.move_to_end(kind, last=False)
            self._told_s.pop(kind, None)
        self._not_listed += message.not_listed
        while len(self._waiting) > KINDS:
            _, dropped = self._waiting.popitem()
            self._not_listed += dropped.count

    def _due_s(self, kind: tuple[str, ...]) -> float:
        return self._told_s.get(kind, -REPEAT_SECONDS) + REPEAT_SECONDS


def body(message: Message, instance: str, host: str) -> dict[str, Any]:
    """Return a message as it leaves; ``text`` says all of it to a person."""
    alerts = [
        {
            **{name: value for name, value in waiting.last.fields.items() if value is not None},
            "count": waiting.count,
            "first_ts": utc_text(waiting.first_ns),
            "last_ts": utc_text(waiting.last.ts_ns),
        }
        for waiting in message.kinds.values()
    ]
    return {
        "text": text(message, instance, host),
        "level": message.level,
        "instance": instance,
        "host": host,
        "count": message.total,
        "not_listed": message.not_listed,
        "alerts": alerts,
    }


def text(message: Message, instance: str, host: str) -> str:
    """Return the message in a sentence or a few."""
    told = [_sentence(waiting) for waiting in message.kinds.values()][:_TEXT_ALERTS]
    more = message.not_listed + sum(
        waiting.count for waiting in list(message.kinds.values())[_TEXT_ALERTS:]
    )
    rest = [f"and {more} more"] if more else []
    return f"{message.level.upper()} {instance} on {host}: " + "; ".join(told + rest)


def _sentence(waiting: Waiting) -> str:
    fields = waiting.last.fields
    words = [str(fields["event"]), *(str(fields[name]) for name in _SHOWN if fields.get(name))]
    why = fields.get("reason") or fields.get("code")
    if why:
        words.append(f"({why})")
    if waiting.count > 1:
        words.append(f"{waiting.count} times since {utc_text(waiting.first_ns)[11:19]}Z")
    else:
        words.append(f"at {utc_text(waiting.last.ts_ns)[11:19]}Z")
    if fields["event"] == "alert":
        words.append("- look, then: hftctl ack")
    return " ".join(words)
