"""The port between the engine and a strategy: what one must bring, and nothing more.

A strategy reads the state and writes ``state.targets``; it never sees an action, an order
id or a clock. Its parameters and its memory are arrays of its own, snapshotted and hashed
with the state.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from hftd.domain.layout import Records

Quotes = Callable[[Records, Records, Records, Records], None]


class Strategy(NamedTuple):
    """A strategy ready to be called.

    ``quotes(world, params, memory, outs)`` is a kernel (or plain Python) that fills the
    targets of every dirty instrument. Shapes: world (1,) State; params and memory
    (instruments,); outs (1,) Out.
    """

    name: str
    quotes: Quotes
    params: Records
    memory: Records
