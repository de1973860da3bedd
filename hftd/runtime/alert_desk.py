"""The recorder's alert desk: from log lines to messages that have left, and the heartbeat.

Owns the queues by level, who delivers when, how often a failure is tried again, and what is
failing now. Trading never waits for it, and it never waits for the log: it is tasks of the
recorder's loop, one a level, so that a warning's dead webhook holds back no critical alert.

A delivery that fails is tried again after the waits of `RETRY_SECONDS`, with whatever came
meanwhile, and given up after `GIVE_UP_SECONDS`. From its first failure on its level is in
``faults`` until a delivery succeeds, which `health` shows, so that the heartbeat stops. What
still waits when a recorder is killed is not told again: the log has it, and ``hftctl status``
shows each alert that nobody has acknowledged. A task that a bug of ours ends is told, is a fault
like a failed delivery, and is started again by `revive`; the message that it died of goes with it,
since it might be the cause and would hold back all that come later.
"""

from __future__ import annotations

import asyncio
import socket
import time
import traceback
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hftd.runtime.alert_queue import AlertQueue, Message, alert_of, body
from hftd.runtime.alert_roads import fetch, send, unusable
from hftd.runtime.logs import Fields, Line
from hftd.runtime.recorder_watching import LEVELS, Watching, shown_host
from hftd.store.words import utc_text

RETRY_SECONDS = (1.0, 5.0, 15.0, 30.0, 60.0)  # The last one repeats.
GIVE_UP_SECONDS = 3600.0
END_SECONDS = 4.0  # Below what the engine allows the recorder for its end.
BEAT_SECONDS = 30.0
GATHER_SECONDS = 0.1  # So that what one record causes becomes one message.

Tell = Callable[[str, str, str], None]  # Event, detail, level: a log line of the recorder.
IsHealthy = Callable[[], Awaitable[bool]]


@dataclass
class Work:
    """One task of the desk; ``level`` is empty for the heartbeat's."""

    level: str
    run: Callable[[], Coroutine[Any, Any, None]]
    task: asyncio.Task[None]
    bugs: int = 0
    in_hand: int = 0  # Alerts of the message that is being sent.


class AlertDesk:
    """Deliver the alerts of one instance; ``delivered`` and ``failed`` count by level."""

    def __init__(
        self,
        instance: str,
        watching: Watching,
        environ: Mapping[str, str],
        tell: Tell,
        is_healthy: IsHealthy,
    ) -> None:
        self._instance, self._host = instance, socket.gethostname()
        self._watching, self._environ = watching, dict(environ)
        self._tell, self._is_healthy = tell, is_healthy
        self._queues = {level: AlertQueue(level) for level in watching.roads}
        self._news = {level: asyncio.Event() for level in watching.roads}
        self._works: list[Work] = []
        self._ending = asyncio.Event()
        self.faults: dict[str, str] = {}
        self.raised = dict.fromkeys(LEVELS, 0)
        self.delivered = dict.fromkeys(LEVELS, 0)
        self.failed = dict.fromkeys(LEVELS, 0)

    def start(self) -> None:
        """Begin to deliver; a road that cannot work is a fault from the start."""
        for level, road in self._watching.roads.items():
            if why := unusable(road):
                self._fail(level, why)
            self._begin(level, partial(self._deliver, level))
        if self._watching.heartbeat_url:
            self._begin("", self._beat)

    def _begin(self, level: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._works.append(Work(level, run, asyncio.create_task(run())))

    def revive(self) -> None:
        """Tell of each task that a bug of ours has ended, and start it again; asked each turn."""
        for work in self._works:
            ended = work.task.done() and not work.task.cancelled()
            error = work.task.exception() if ended else None
            # At the end of the recorder it may try a few times more, and is then done.
            if error is None or (self._ending.is_set() and work.bugs >= len(RETRY_SECONDS)):
                continue
            lost = f", {work.in_hand} alerts are lost" if work.in_hand else ""
            why = f"a bug of ours, {_place_of(error)}{lost}"
            if work.level:
                self._fail(work.level, why)
            else:
                self._tell("heartbeat_failed", why, "error")
            # At once the first time; a bug that comes back is given the waits of a dead road.
            wait_s = (0.0, *RETRY_SECONDS)[min(work.bugs, len(RETRY_SECONDS))]
            work.bugs, work.in_hand = work.bugs + 1, 0
            work.task = asyncio.create_task(self._run_after(wait_s, work.run))

    async def _run_after(self, wait_s: float, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        await self._pause(wait_s)
        await run()

    def see(self, line: Line, context: Fields, now_ns: int) -> None:
        """Take notice of a log line. What is older than an hour is history, and not told."""
        alert = alert_of(line, context)
        if alert is None:
            return
        self.raised[alert.level] += 1
        queue = self._queues.get(alert.level)
        if queue is not None and now_ns - alert.ts_ns < GIVE_UP_SECONDS * 1e9:
            queue.put(alert)
            self._news[alert.level].set()

    def finish(self) -> None:
        """Deliver what waits, once, and end."""
        self._ending.set()
        for news in self._news.values():
            news.set()

    @property
    def is_done(self) -> bool:
        """Whether everything has been delivered, or tried for the last time."""
        return all(work.task.done() for work in self._works)

    async def close(self) -> None:
        """End at once."""
        for work in self._works:
            work.task.cancel()
        await asyncio.gather(*(work.task for work in self._works), return_exceptions=True)

    async def test(self, level: str) -> tuple[bool, str]:
        """Send a test alert by a level's road now; return whether and how it went."""
        road = self._watching.roads.get(level)
        if road is None:
            return False, f"no road: the profile names neither alerts.{level} nor one below it"
        now_ns = time.time_ns()
        said = f"TEST {self._instance} on {self._host}: this is how a {level} alert arrives"
        fields = {"event": "alert_test", "count": 1, "last_ts": utc_text(now_ns)}
        message = {
            "text": said, "level": level, "instance": self._instance, "host": self._host,
            "count": 1, "not_listed": 0, "alerts": [fields],
        }  # fmt: skip
        began = time.monotonic()
        if why := await send(road, message, self._environ):
            self._fail(level, why)
            return False, f"{level} alerts do NOT arrive: {why}"
        self._succeed(level)
        took = f"{(time.monotonic() - began) * 1000:.0f} ms"
        return True, f"a {level} alert was taken by {road.shown} in {took}"

    async def _deliver(self, level: str) -> None:
        """Send messages of one level for as long as the recorder lives."""
        queue, news = self._queues[level], self._news[level]
        failures, failing_since_s = 0, 0.0
        while True:
            await self._until_due(queue, news)
            ending = self._ending.is_set()
            now_s = time.monotonic()
            message = queue.take(now_s, all_of_it=ending)
            if message is None:
                if ending:
                    return
                continue
            self._note_in_hand(level, message.total)
            why = await self._send(message)
            self._note_in_hand(level, 0)
            if not why:
                failures = 0
            elif ending:
                return
            else:
                failing_since_s = failing_since_s if failures else now_s
                if now_s - failing_since_s > GIVE_UP_SECONDS:
                    text = f"{level}: {message.total} alerts dropped after an hour of {why}"
                    self._tell("alert_given_up", text, "error")
                    failing_since_s = now_s
                else:
                    queue.give_back(message)
                wait_s = RETRY_SECONDS[min(failures, len(RETRY_SECONDS) - 1)]
                failures += 1
                await self._pause(wait_s)

    def _note_in_hand(self, level: str, count: int) -> None:
        for work in self._works:
            if work.level == level:
                work.in_hand = count

    async def _until_due(self, queue: AlertQueue, news: asyncio.Event) -> None:
        while not self._ending.is_set():
            due_s = queue.due_in_s(time.monotonic())
            if due_s == 0:
                await self._pause(GATHER_SECONDS)
                return
            news.clear()
            try:
                await asyncio.wait_for(news.wait(), due_s)
            except TimeoutError:
                pass  # What was told lately is due again.

    async def _pause(self, seconds: float) -> None:
        """Wait, but for no longer than the recorder lives."""
        try:
            await asyncio.wait_for(self._ending.wait(), seconds)
        except TimeoutError:
            pass

    async def _send(self, message: Message) -> str:
        road = self._watching.roads[message.level]
        why = await send(road, body(message, self._instance, self._host), self._environ)
        if why:
            self._fail(message.level, why)
        else:
            self._succeed(message.level)
        return why

    def _fail(self, level: str, why: str) -> None:
        self.failed[level] += 1
        self.faults[level] = why
        self._tell("alert_failed", f"{level}: {why}", "error")

    def _succeed(self, level: str) -> None:
        self.delivered[level] += 1
        if self.faults.pop(level, None):
            self._tell("alert_road_is_back", level, "info")

    async def _beat(self) -> None:
        """Fetch the heartbeat's URL while health is good: whoever waits there hears silence."""
        failing = False
        host = shown_host(self._watching.heartbeat_url)
        while not self._ending.is_set():
            if await self._is_healthy():
                why = await fetch(self._watching.heartbeat_url)
                if why and not failing:
                    self._tell("heartbeat_failed", why, "warning")
                elif failing and not why:
                    self._tell("heartbeat_is_back", host, "info")
                failing = bool(why)
            await self._pause(BEAT_SECONDS)


# The text of an error may hold an address with its secret: its kind and its place say enough.
def _place_of(error: BaseException) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
