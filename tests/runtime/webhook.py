"""A webhook's other end on loopback: keeps what is posted, answers what it is told to."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

SECRET = "T0P-5ECRET"


class Webhook:
    """One address; ``answers`` are the statuses to give, the last one for ever."""

    def __init__(self, answers: list[int]) -> None:
        self.answers = answers
        self.posted: list[dict[str, Any]] = []
        self.fetched = 0
        self.url = ""
        self._news = asyncio.Event()

    async def handle(self, request: web.Request) -> web.Response:
        """Keep what came, once it is accepted; a redirect leads back here."""
        status = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if request.method == "GET":
            self.fetched += 1
        elif status == 200:
            self.posted.append(await request.json())
        self._news.set()
        headers = {"Location": self.url} if status == 307 else {}
        return web.Response(status=status, headers=headers)

    async def until(self, done: Any, within_s: float = 20.0) -> None:
        """Wait until something is true, looking whenever a request came."""
        async with asyncio.timeout(within_s):
            while not done():
                self._news.clear()
                await self._news.wait()


@asynccontextmanager
async def webhook(
    *answers: int, certificate: tuple[Path, Path] | None = None
) -> AsyncIterator[Webhook]:
    """Serve a webhook whose URL holds a secret; over TLS where it has a certificate."""
    here = Webhook(list(answers) or [200])
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", here.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    tls = None
    if certificate is not None:
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(*certificate)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    port = runner.addresses[0][1]
    here.url = f"{'https' if tls else 'http'}://localhost:{port}/hook/{SECRET}?token={SECRET}"
    try:
        yield here
    finally:
        await runner.cleanup()
