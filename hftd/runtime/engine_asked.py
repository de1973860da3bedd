"""What the recorder asks of the engine over its control socket, as any observer would.

Owns how often that may be: an answer serves everybody for `FRESH_SECONDS`, however many scrape
metrics, since each costs the trading loop 0.1 to 0.2 ms. Judges nothing.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from hftd.control.client import call
from hftd.control.faults import ControlError
from hftd.runtime.recorder_ledger import in_daemon_thread

FRESH_SECONDS = 5.0
ANSWER_SECONDS = 2.0


class EngineAsked:
    """Questions to one engine; an engine that does not answer is None."""

    def __init__(self, control_socket: Path) -> None:
        self._socket = control_socket
        self._answers: dict[str, tuple[float, Any]] = {}
        self._asking = asyncio.Lock()

    async def ask(self, method: str) -> Any:
        """Return the answer to an observer's question, None where none comes in time."""
        async with self._asking:
            asked_s, answer = self._answers.get(method, (0.0, None))
            if time.monotonic() - asked_s < FRESH_SECONDS:
                return answer
            try:
                answer = await in_daemon_thread(
                    lambda: call(self._socket, method, {}, ANSWER_SECONDS)
                )
            except ControlError:
                answer = None
            self._answers[method] = (time.monotonic(), answer)
            return answer

    async def is_healthy(self) -> bool:
        """Tell whether the engine answers, and every check of its health holds."""
        health = await self.ask("health")
        return bool(health and health["healthy"])
