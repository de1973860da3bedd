"""What is done when a step has failed: every order is canceled by the table as it stands.

Knows the order table and the road out, and trusts neither: the engine may have stopped half
way through a step, so nothing is decided and nothing is journaled here. What comes next is
recovery, which asks the venue.
"""

from __future__ import annotations

import contextlib
import sys
import traceback

from hftd.domain.actions import Action, ActionKind
from hftd.drivers.loop import Perform
from hftd.engine.engine import Engine
from hftd.errors import HftdError, InvariantBroken
from hftd.journal.writer import JournalFull
from hftd.venues.port import Codec


def cancel_all(engine: Engine, codec: Codec, perform: Perform, ts_ns: int) -> int:
    """Send a cancel for every order of the table; return how many."""
    count = 0
    offset_ns = int(engine.state.core[0]["venue_offset_ns"])
    for order in engine.state.orders:
        if order["key"] == 0:
            continue
        action = Action(
            ActionKind.CANCEL, int(order["instrument"]), target_key=int(order["key"]), ts_ns=ts_ns
        )
        perform(action, codec.encode(action, offset_ns))
        count += 1
    return count


def failure_of(error: BaseException) -> HftdError:
    """Return what ends the process: the error itself, or a bug of ours with its traceback told."""
    if isinstance(error, HftdError):
        return error
    if isinstance(error, JournalFull):
        return HftdError(f"the journal cannot be written: {error}")
    text = bug_text(error)
    return InvariantBroken(f"a bug of ours ended trading, recovery follows a restart: {text}")


def bug_text(error: BaseException | None) -> str:
    """Return a bug of ours in a few words, its traceback told."""
    with contextlib.suppress(OSError):  # Nobody may be there any more to read it.
        traceback.print_exception(error, file=sys.stderr)
    return f"{type(error).__name__}: {error}"
