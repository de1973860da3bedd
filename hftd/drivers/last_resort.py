"""What is done when a step has failed: every order is canceled by the table as it stands.

Knows the order table and the road out, and trusts neither: the engine may have stopped half
way through a step, so nothing is decided and nothing is journaled here. What comes next is
recovery, which asks the venue.
"""

from __future__ import annotations

import contextlib
import sys
import traceback
from typing import NamedTuple

from hftd.domain.actions import Action, ActionKind
from hftd.drivers.loop import Perform
from hftd.engine.engine import Engine
from hftd.errors import HftdError, InvariantBroken
from hftd.journal.writer import JournalFull
from hftd.venues.port import Codec


class Canceled(NamedTuple):
    """How many cancels were handed to the road out, and how many could not even be made."""

    handed: int
    failed: int


def cancel_all(engine: Engine, codec: Codec, perform: Perform, ts_ns: int) -> Canceled:
    """Send a cancel for every order of the table; one that cannot be made keeps none back."""
    handed = failed = 0
    offset_ns = int(engine.state.core[0]["venue_offset_ns"])
    for order in engine.state.orders:
        if order["key"] == 0:
            continue
        action = Action(
            ActionKind.CANCEL, int(order["instrument"]), target_key=int(order["key"]), ts_ns=ts_ns
        )
        try:
            perform(action, codec.encode(action, offset_ns))
        except Exception as error:  # noqa: BLE001 - the top of the driver, and the last resort
            failed += 1
            if failed == 1:
                bug_text(error)
        else:
            handed += 1
    return Canceled(handed, failed)


def ending_line(canceled: Canceled, reaches_venue: bool, instance: str, why: HftdError) -> str:
    """Return what is true of the orders as the process ends: nothing leaves by a link that is down.

    What is left is canceled by the unit's ExecStopPost, or by a person with the same command.
    """
    left = canceled.failed if reaches_venue else sum(canceled)
    begins = []
    if reaches_venue:
        begins.append(f"canceling {canceled.handed} orders")
    if left:
        reason = "no cancel could be made" if reaches_venue else "the order link is down"
        begins.append(
            f"{left} orders may stay open, since {reason}: hftd kill-offline {instance} cancels "
            "them, which systemd's unit runs by itself"
        )
    return f"{'; '.join(begins) or 'no order is open'}; ending: {why}"


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
    with contextlib.suppress(OSError, ValueError):  # Nobody may be there any more to read it.
        traceback.print_exception(error, file=sys.stderr)
    # Made by the library, which also knows an exception whose own text raises.
    return "".join(traceback.format_exception_only(error)).strip()
