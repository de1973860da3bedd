"""The port between the engine and a strategy: what one must bring, and nothing more.

A strategy reads the state and writes ``state.targets``; it never sees an action, an order
id or a clock. Its parameters and its memory are arrays of its own, snapshotted and hashed
with the state.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from hftd.domain.layout import Records

Quotes = Callable[[Records, Records, Records, Records], None]


def no_failures() -> Sequence[dict[str, Any]]:
    """Return nothing: a built-in strategy that raises is a bug of ours, and stops us."""
    return ()


class Strategy(NamedTuple):
    """A strategy ready to be called.

    ``quotes(world, params, memory, outs)`` is a kernel (or plain Python) that fills the
    targets of every dirty instrument. Shapes: world (1,) State; params and memory
    (instruments,); outs (1,) Out. ``take_failures()`` returns what a strategy of the user's own
    raised since it was last asked, in words for the log; a fact of the same step counts it.
    """

    name: str
    quotes: Quotes
    params: Records
    memory: Records
    take_failures: Callable[[], Sequence[dict[str, Any]]] = no_failures
