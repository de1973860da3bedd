"""What the recorder answers on its socket: log lines, fills, orders, histories, a test alert.

Nothing here changes trading. Knows ledger, log file and alert desk; the server and the table of
commands are control's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from hftd.control.commands import Server
from hftd.control.connection import Peer
from hftd.control.faults import Refused
from hftd.control.server import ControlServer
from hftd.control.shapes import AlertTest
from hftd.runtime.alert_desk import AlertDesk
from hftd.runtime.logs import Fields, Logs, last_lines, wanted
from hftd.runtime.recorder_ledger import LedgerThread, in_daemon_thread
from hftd.store import queries

# Lines that a follower may be behind; beyond it the oldest go, and a line says how many.
FOLLOWER_LINES = 1000
ANSWER_SECONDS = 5.0
LOOK_SECONDS = 0.05


class RecorderSocket:
    """Answer questions to the past."""

    def __init__(
        self, path: Path, ledger: LedgerThread, logs: Logs, log_path: Path, desk: AlertDesk
    ) -> None:
        self._ledger, self._logs, self._log_path, self._desk = ledger, logs, log_path, desk
        self._server = ControlServer(path, self._dispatch, server=Server.RECORDER)

    async def start(self) -> None:
        """Listen. Raises: InstanceLocked, UsageError, as ControlServer.start."""
        await self._server.start()

    async def close(self) -> None:
        """Stop listening; who follows the log is told that it ends."""
        await self._server.close()

    def _dispatch(self, method: str, params: dict[str, Any], _peer: Peer) -> object:
        if method == "logs":
            return self._lines(**params)
        if method == "alert-test":
            return self._test_alert(params["level"])
        return self._ask_ledger(method, params)

    async def _test_alert(self, level: str) -> AlertTest:
        ok, line = await self._desk.test(level)
        return {"ok": ok, "complete": True, "line": line}

    async def _ask_ledger(self, method: str, params: dict[str, Any]) -> object:
        def ask() -> object:
            with self._ledger.engine.connect() as connection:
                return _answer(connection, method, params)

        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                while not self._ledger.is_ready:
                    await asyncio.sleep(LOOK_SECONDS)
                return await in_daemon_thread(ask)
        except TimeoutError:
            raise Refused(f"the ledger does not answer in {ANSWER_SECONDS:g} s") from None
        except DBAPIError as error:
            raise Refused(f"the ledger does not answer: {str(error.orig)[:200]}") from error

    async def _lines(
        self, follow: bool, stage: str | None, level: str | None, lines: int
    ) -> AsyncIterator[Fields]:
        waiting: asyncio.Queue[Fields] = asyncio.Queue(FOLLOWER_LINES)
        dropped = 0

        def take(fields: Fields) -> None:
            nonlocal dropped
            if not wanted(fields, stage, level):
                return
            if waiting.full():
                waiting.get_nowait()
                dropped += 1
            waiting.put_nowait(fields)

        self._logs.listeners.append(take)
        try:
            for fields in last_lines(self._log_path, lines, stage, level):
                yield fields
            while follow:
                fields = await waiting.get()
                if dropped:
                    count, dropped = dropped, 0
                    yield fields | {"event": "lines_dropped", "stage": "logs", "count": count}
                yield fields
        finally:
            self._logs.listeners.remove(take)


def _answer(connection: Connection, method: str, params: dict[str, Any]) -> object:
    if method == "fills":
        return {"fills": queries.newest_fills(connection, params["limit"])}
    if method == "history":
        what = params["what"]
        return {"what": what, "rows": queries.HISTORIES[what](connection, params["limit"])}
    assert method == "order"
    journey = queries.order_journey(connection, params["id"])
    if journey is None:
        raise Refused(f"the ledger knows no order {params['id']!r}")
    return journey
