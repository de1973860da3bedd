"""What of a run's last outputs a crash may leave, and that a replay takes nothing else for it."""

from __future__ import annotations

import numpy as np
import pytest

from hftd.domain.actions import ACTION
from hftd.domain.facts import FACT
from hftd.drivers.replay import Output, ReplayDiffers, Replayed, as_a_crash_left, compare
from hftd.journal.record import VERSION, Record, RecordType, Stream

FACT_, INTENT, FRAME = RecordType.FACT, RecordType.INTENT, RecordType.FRAME_OUT
KINDS = {"1": FACT_, "2": INTENT, "3": FRAME, "4": FACT_, "5": FACT_}


def an_output(name: str) -> Output:
    """Return an output by its place in the step; any other name is a fact that was not made."""
    kind = KINDS.get(name, FACT_)
    if kind == FRAME:
        return kind, name.encode()
    rows = np.zeros(1, FACT if kind == FACT_ else ACTION)
    rows["order_key"] = ord(name)
    return kind, rows.tobytes()


@pytest.mark.parametrize(
    ("stood", "agrees"),
    [
        ("", True),
        ("1", True),
        ("123", True),
        ("12345", True),
        ("1245", True),  # The rest of the facts was told by the next boot,
        ("145", True),
        ("14", True),  # which died as well, and was followed by one more.
        ("4", False),
        ("15", False),
        ("13", False),
        ("124x", False),
        ("123455", False),
    ],
)
def test_a_crash_leaves_a_beginning_and_the_facts_told_late(stood: str, agrees: bool) -> None:
    """Intents and frames that were missing stay so; a fact is neither passed over nor made up."""
    made = [an_output(name) for name in KINDS]
    records = [
        Record(seq, kind, VERSION, 0, memoryview(payload), Stream.ORDERS)
        for seq, (kind, payload) in enumerate(map(an_output, stood), 1)
    ]
    done = Replayed("r")
    if agrees:
        compare(None, as_a_crash_left(made, records), records, done)
        assert done.outputs == len(stood)
    else:
        with pytest.raises(ReplayDiffers):
            compare(None, as_a_crash_left(made, records), records, done)
