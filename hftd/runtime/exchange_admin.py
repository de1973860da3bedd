"""The admin socket of the simulated exchange: its truth, its books, and faults live.

Owns a Unix socket that its owner alone may open: one JSON object a line, answered by one a
line. Knows no protocol of the exchange and decides nothing.

    {"op": "truth"} {"op": "state"} {"op": "faults"} {"op": "disarm"}
    {"op": "arm", "faults": [{"fault": "drop", "match": {"event": "trade"}}]}
    {"op": "restart", "forget": false, "for_ms": 0}
    -> {"result": ...} or {"error": "why not"}
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hftd.errors import UsageError
from hftd.simex.faults import read_script
from hftd.simex.faulty_venue import FaultyVenue
from hftd.simex.truth import books, truth

MAX_PATH_BYTES = 107
MAX_LINE_BYTES = 100_000
OPS = ("truth", "state", "faults", "arm", "disarm", "restart")


class AdminSocket:
    """Serves one venue; ``changed`` is called after every order that may change something."""

    def __init__(
        self, path: Path, venue: FaultyVenue, clock: Callable[[], int], changed: Callable[[], None]
    ) -> None:
        if len(os.fsencode(path)) > MAX_PATH_BYTES:
            raise UsageError(f"the path of a socket must be at most 107 bytes, was {path}")
        self._path = path
        self._venue = venue
        self._clock = clock
        self._changed = changed
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; a socket that a dead process left is replaced."""
        self._path.unlink(missing_ok=True)
        before = os.umask(0o177)
        try:
            self._server = await asyncio.start_unix_server(
                self._speak, self._path, limit=MAX_LINE_BYTES
            )
        finally:
            os.umask(before)

    async def stop(self) -> None:
        """Stop listening and take the socket away."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)

    async def _speak(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (ConnectionError, ValueError):
            pass  # It hung up, or sent a line beyond the bound: there is nobody to answer.
        finally:
            writer.close()

    def _answer(self, line: bytes) -> dict[str, Any]:
        try:
            request = json.loads(line)
            op = request.get("op")
        except (ValueError, AttributeError, RecursionError):
            return {"error": "a request is one JSON object on one line"}
        venue = self._venue
        venue.advance(self._clock())
        try:
            if op == "truth":
                result: Any = truth(venue)
            elif op == "state":
                result = books(venue)
            elif op == "faults":
                result = venue.script.armed()
            elif op == "arm":
                faults = read_script(request.get("faults"))
                for fault in faults:
                    venue.arm(fault, self._clock())
                result = len(faults)
            elif op == "disarm":
                venue.disarm(self._clock())
                result = 0
            elif op == "restart":
                kind = "restart_without_memory" if request.get("forget") else "restart"
                entry = {"fault": kind, "for_ms": request.get("for_ms", 0)}
                venue.arm(read_script([entry])[0], self._clock())
                venue.advance(self._clock())
                result = 0
            else:
                return {"error": f"op must be one of {', '.join(OPS)}, was {op}"}
        except UsageError as error:
            return {"error": str(error)}
        self._changed()
        return {"result": result}
