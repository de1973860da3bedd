"""Connections that are followed by new ones before the venue ends them.

Owns when a connection is renewed and in which order: the new one is made and in sequence before
the old one is dropped, so no quote is pulled for it. Binance ends each connection after 24
hours; the time drawn here lies some hours before, so that it is not the same hour every day. Must
not know what a connection carries. One that cannot be followed now is tried again later; should
the venue end it first, its own link connects again, as after any loss.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from typing import Protocol

HOUR_S = 3600.0
EARLIEST_S, LATEST_S = 18 * HOUR_S, 23 * HOUR_S
READY_S = 30.0  # A venue that is well has the new connection in sequence within three.
RETRY_S = 300.0


class Road(Protocol):
    """One connection with what hangs on it; ``ready`` once it may take over.

    ``linger_s`` is how long it is kept once another leads, for what is still on its way.
    """

    linger_s: float
    ready: asyncio.Event

    async def run(self) -> None:
        """Keep it up until canceled; raise what was a bug of ours."""


def renew_after_s() -> float:
    """Return how long a connection is kept; another time each time."""
    return random.uniform(EARLIEST_S, LATEST_S)  # noqa: S311 - nobody gains by guessing it


class Succession:
    """A road that stays, carried by one connection after the other."""

    def __init__(
        self,
        first: Road,
        follow: Callable[[], Road],
        change_over: Callable[[Road], None],
        after_s: Callable[[], float] = renew_after_s,
    ) -> None:
        self.renewed = asyncio.Event()
        """Set by each change; who waits for one clears it."""
        self._road = first
        self._follow = follow
        self._change_over = change_over
        self._after_s = after_s
        self._asked = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def ask(self) -> None:
        """Renew now: the venue has said that it will close this connection."""
        self._asked.set()

    async def run(self) -> None:
        """Run until canceled; raise what a connection raised."""
        current, wait_s = self._start(self._road), self._after_s()
        try:
            while True:
                await self._until_due(current, wait_s)
                following = await self._following(current)
                wait_s = RETRY_S if following is current else self._after_s()
                current = following
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, road: Road) -> asyncio.Task[None]:
        task = asyncio.create_task(road.run())
        self._tasks.add(task)
        return task

    async def _end(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._tasks.discard(task)

    async def _until_due(self, current: asyncio.Task[None], wait_s: float) -> None:
        await _first_of(self._asked, wait_s, current)
        self._asked.clear()

    async def _following(self, current: asyncio.Task[None]) -> asyncio.Task[None]:
        """Return the task that carries the road from now on: the new one, or still the old."""
        road = self._follow()
        task = self._start(road)
        await _first_of(road.ready, READY_S, current, task)
        if not road.ready.is_set():
            await self._end(task)
            return current
        old, self._road = self._road, road
        self._change_over(road)
        self.renewed.set()
        await asyncio.wait(
            {current, task}, timeout=old.linger_s, return_when=asyncio.FIRST_COMPLETED
        )
        if task.done():
            task.result()
        await self._end(current)
        return task


async def _first_of(event: asyncio.Event, wait_s: float, *tasks: asyncio.Task[None]) -> None:
    """Wait for the event or the time; raise what a task that ended raised."""
    happened = asyncio.create_task(event.wait())
    try:
        await asyncio.wait({happened, *tasks}, timeout=wait_s, return_when=asyncio.FIRST_COMPLETED)
    finally:
        happened.cancel()
    for task in tasks:
        if task.done():
            task.result()
