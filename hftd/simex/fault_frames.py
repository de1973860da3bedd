"""Faults between the venue's outbox and the wire: what is lost, late, doubled or broken.

Owns frames that are held back and connections that are mute. Knows a frame's fields and no
orders; the choice of the occasion is the script's.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from hftd.simex.faults import FRAME, Fault, FaultScript

Frames = list[tuple[int, bytes]]
_MS_NS = 1_000_000
_CROSSING_QTY = "1.00000000"


class Held(Struct):
    """A frame on its way to a connection, at the latest at ``due_ns``.

    It goes earlier behind a frame that fits: any (``behind`` is empty), or the report of the
    end of its order.
    """

    due_ns: int
    connection: int
    frame: bytes
    behind: dict[str, Any] | None = None


class FrameFaults:
    """What happens to frames."""

    def __init__(self, script: FaultScript) -> None:
        self._script = script
        self._held: list[Held] = []
        self._mute: dict[int, None] = {}
        self._silent: dict[tuple[int, str], None] = {}
        self._broken: list[int] = []

    def next_ns(self) -> int | None:
        """Return when the next held frame is due."""
        return min((held.due_ns for held in self._held), default=None)

    def is_mute(self, connection: int) -> bool:
        """Return whether a connection is half open: nothing goes and nothing comes."""
        return connection in self._mute

    def forget(self, connection: int) -> None:
        """Forget a connection that is closed."""
        self._mute.pop(connection, None)
        self._silent = {key: None for key in self._silent if key[0] != connection}
        self._held = [held for held in self._held if held.connection != connection]

    def take_broken(self) -> list[int]:
        """Return the connections that are to be broken in mid frame; each is named once."""
        broken, self._broken = self._broken, []
        return broken

    def pass_on(self, frames: Frames, ts_ns: int) -> Frames:
        """Return what of the frames is really sent now, and what was held and is due."""
        out: Frames = []
        due = [held for held in self._held if held.due_ns <= ts_ns]
        for held in due:
            self._held.remove(held)
            out.append((held.connection, held.frame))
        looks = self._script.expects(FRAME) or bool(self._silent) or bool(self._held)
        late: Frames = []
        for connection, frame in frames:
            if connection in self._mute:
                continue
            if not looks:
                out.append((connection, frame))
                continue
            fields = _fields(frame)
            if (connection, str(fields["event"])) in self._silent:
                continue
            fault = self._script.choose(FRAME, fields, ts_ns)
            if fault is None:
                out.append((connection, frame))
                self._release(connection, fields, out)
            else:
                self._do(fault, connection, frame, fields, ts_ns, out, late)
        return out + late

    def _release(self, connection: int, fields: dict[str, Any], out: Frames) -> None:
        for held in list(self._held):
            behind = held.behind
            if behind is None or held.connection != connection:
                continue
            if all(fields.get(name) == value for name, value in behind.items()):
                self._held.remove(held)
                out.append((connection, held.frame))

    def _do(
        self,
        fault: Fault,
        connection: int,
        frame: bytes,
        fields: dict[str, Any],
        ts_ns: int,
        out: Frames,
        late: Frames,
    ) -> None:
        kind = fault.fault
        held = Held(ts_ns + fault.for_ms * _MS_NS, connection, frame)
        if kind in ("duplicate", "duplicate_report"):
            out += [(connection, frame)] * 2
        elif kind == "delay":
            self._held.append(held)
        elif kind == "reorder":
            held.behind = {}
            self._held.append(held)
        elif kind == "fill_after_cancel":
            held.behind = {"event": "executionReport", "x": "CANCELED", "i": fields.get("i")}
            self._held.append(held)
        elif kind == "fill_before_ack":
            late.append((connection, frame))
        elif kind == "half_open":
            self._mute[connection] = None
        elif kind == "reset":
            self._mute[connection] = None
            self._broken.append(connection)
        elif kind == "silent_stream":
            self._silent[connection, str(fields["event"])] = None
        elif kind == "corrupt":
            out.append((connection, frame[: len(frame) // 2]))
        elif kind == "oversize":
            out.append((connection, frame[:-1] + b',"pad":"' + b"x" * fault.size + b'"}'))
        elif kind == "crossed_book":
            out.append((connection, _crossed(frame)))
        else:
            assert kind in ("drop", "sequence_gap"), f"a fault of frames, was {kind}"


def _fields(frame: bytes) -> dict[str, Any]:
    # The event's own fields, with its kind and the stream it came by beside them.
    whole = msgspec.json.decode(frame)
    event = whole
    stream = ""
    if isinstance(whole, dict):
        stream = whole.get("stream", "")
        event = whole.get("data", whole.get("event", whole))
    if not isinstance(event, dict):
        return {"event": "list", "stream": stream}
    if "id" in event and ("result" in event or "error" in event):
        kind = "reply"
    elif "e" in event:
        kind = event["e"]
    else:
        kind = "bookTicker" if "B" in event else "depth"
    return {**event, "event": kind, "stream": stream}


def _crossed(frame: bytes) -> bytes:
    # A bid at the highest price that the event names, and so above every ask below it.
    whole = msgspec.json.decode(frame)
    event = whole.get("data", whole)
    prices = [level[0] for level in (*event["b"], *event["a"])]
    highest = max(prices, key=_as_number)
    above = str(int(float(highest)) + 1000) + ".00000000"
    event["b"] = [*event["b"], [above, _CROSSING_QTY]]
    return msgspec.json.encode(whole)


def _as_number(price: str) -> float:
    return float(price)
