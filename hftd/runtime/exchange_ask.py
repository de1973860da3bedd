"""Asks a running exchange over its admin socket.

Owns one request and its answer, and the socket's name; ``exchange_admin`` is the other end.
Imports nothing of the exchange, so that a command line is there at once.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from hftd.errors import UsageError

SOCKET_NAME = "admin.sock"


def ask(path: Path, request: dict[str, Any], within_s: float) -> Any:
    """Ask a running exchange over its admin socket; raises UsageError where it refuses."""

    async def once() -> dict[str, Any]:
        reader, writer = await asyncio.open_unix_connection(path, limit=2**30)
        try:
            writer.write(json.dumps(request).encode() + b"\n")
            async with asyncio.timeout(within_s):
                answer: dict[str, Any] = json.loads(await reader.readline())
                return answer
        finally:
            writer.close()

    try:
        answer = asyncio.run(once())
    except (OSError, TimeoutError, ValueError) as error:
        raise UsageError(f"no exchange answers at {path}: {str(error) or 'too late'}") from error
    if "error" in answer:
        raise UsageError(answer["error"])
    return answer["result"]
