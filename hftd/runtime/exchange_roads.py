"""How a venue is reached beside host and port, and what may run beside its server.

Owns these words alone; ``exchange_server`` and whoever starts it share them.
"""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import NamedTuple

AtOnce = Callable[[Callable[[int], None]], None]
"""Lets the venue take something from outside at its own time, then flushes."""


Beside = Callable[[AtOnce], Awaitable[None]]
"""What runs beside a server for as long as it serves: who follows another server."""


class Roads(NamedTuple):
    """How the venue is reached, beside host and port."""

    tls: ssl.SSLContext | None = None
    beyond_loopback: bool = False
    admin: Path | None = None
    beside: Beside | None = None
