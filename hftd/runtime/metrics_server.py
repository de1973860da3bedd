"""`/metrics` over HTTP, from the recorder: a slow or greedy reader is the recorder's own affair.

Owns the listening and what a port that is taken means: a fault that `health` shows and that is
tried again, never the end of a recorder. The engine is asked three questions for a scrape, for
all scrapers together at most once in five seconds.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator

from aiohttp import web
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder

from hftd.runtime.engine_asked import EngineAsked
from hftd.runtime.metrics_counted import Counted
from hftd.runtime.metrics_families import Around, Asked, families

RETRY_SECONDS = 5.0


class MetricsServer:
    """Serve the metrics of one instance; ``fault`` says why it does not, empty where it does."""

    def __init__(
        self,
        listen: str,
        counted: Counted,
        around: Callable[[], Around],
        engine: EngineAsked,
        engine_pid: int,
    ) -> None:
        host, _, port = listen.rpartition(":")
        self._listen, self._host, self._port = listen, host.strip("[]"), int(port)
        self._counted, self._around, self._engine = counted, around, engine
        self._engine_pid = engine_pid
        self._runner: web.AppRunner | None = None
        self.fault = ""

    async def run(self) -> None:
        """Listen for as long as the recorder lives; try again where the port is taken."""
        app = web.Application()
        app.router.add_get("/metrics", self._answer)
        self._runner = web.AppRunner(app, access_log=None, keepalive_timeout=15.0)
        await self._runner.setup()
        while True:
            try:
                await web.TCPSite(self._runner, self._host, self._port).start()
            except OSError as error:
                reason = os.strerror(error.errno) if error.errno else str(error)
                self.fault = f"{self._listen}: {reason.lower()}"
                await asyncio.sleep(RETRY_SECONDS)
            else:
                self.fault = ""
                return

    async def close(self) -> None:
        """Stop serving."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        asked = Asked(
            await self._engine.ask("status"),
            await self._engine.ask("health"),
            await self._engine.ask("risk"),
        )
        registry = CollectorRegistry(auto_describe=False)
        registry.register(_Once(lambda: families(self._counted, self._around(), asked)))
        for name, pid in (("engine", self._engine_pid), ("recorder", os.getpid())):
            ProcessCollector(namespace=f"hftd_{name}", pid=lambda pid=pid: pid, registry=registry)  # type: ignore[misc]
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return web.Response(body=encode(registry), headers={"Content-Type": content_type})


class _Once:
    """A collector of one scrape."""

    def __init__(self, give_out: Callable[[], Iterator[Metric]]) -> None:
        self._give_out = give_out

    def collect(self) -> Iterator[Metric]:
        """Give out the metrics."""
        yield from self._give_out()
