"""Faults between the venue's outbox and the wire: what is lost, late, doubled or broken.

Owns frames that are held back and connections that are mute, deaf or gone. Knows a frame's
fields and no orders; the choice of the occasion is the script's, spoiled text ``fault_text``'s.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct

from hftd.simex.fault_kinds import FRAME
from hftd.simex.fault_text import Around, event_of, spoil, spoils
from hftd.simex.faults import Fault, FaultScript

Frames = list[tuple[int, bytes]]
MAX_HELD = 10_000
"""Frames held back at one time; one more and the oldest goes at once."""

MAX_ASKED = 10_000
"""Requests remembered for the names of their replies."""

_MS_NS = 1_000_000


class Held(Struct):
    """A frame on its way to a connection, at the latest at ``due_ns``.

    It goes earlier behind a frame that fits: any (``behind`` is empty), or a report of its
    order. None: not earlier.
    """

    due_ns: int
    connection: int
    frame: bytes
    behind: dict[str, Any] | None = None


class FrameFaults:
    """What happens to frames."""

    def __init__(self, script: FaultScript, around: Around) -> None:
        self._script = script
        self._around = around
        self._held: list[Held] = []
        # Connections to which nothing goes, from which nothing comes, whose pings die too.
        self._mute: dict[int, None] = {}
        self._deaf: dict[int, None] = {}
        self._gone: dict[int, None] = {}
        self._silent: dict[tuple[int, str], None] = {}
        self._clogged: dict[int, int] = {}
        self._broken: list[int] = []
        self._asked: dict[tuple[int, str], str] = {}

    def next_ns(self) -> int | None:
        """Return when the next held frame is due."""
        return min(held.due_ns for held in self._held) if self._held else None

    def is_deaf(self, connection: int) -> bool:
        """Return whether nothing is heard of a connection any more."""
        return connection in self._deaf

    def is_gone(self, connection: int) -> bool:
        """Return whether not even pings pass on a connection any more."""
        return connection in self._gone

    def forget(self, connection: int) -> None:
        """Forget a connection that is closed."""
        for marked in (self._mute, self._deaf, self._gone, self._clogged):
            marked.pop(connection, None)
        self._silent = {key: None for key in self._silent if key[0] != connection}
        self._asked = {key: name for key, name in self._asked.items() if key[0] != connection}
        self._held = [held for held in self._held if held.connection != connection]

    def take_broken(self) -> list[int]:
        """Return the connections that are to be broken in mid frame; each is named once."""
        broken, self._broken = self._broken, []
        return broken

    def note_request(self, connection: int, identity: object, name: str) -> None:
        """Remember a request, so that its reply can be matched by its name."""
        if len(self._asked) < MAX_ASKED:
            self._asked[connection, str(identity)] = name

    def pass_on(self, frames: Frames, ts_ns: int) -> Frames:
        """Return what of the frames is really sent now, and what was held and is due."""
        idle = not (self._held or self._mute or self._clogged or self._silent)
        if idle and not (frames and self._script.expects(FRAME)):
            return frames
        out: Frames = []
        for held in [held for held in self._held if held.due_ns <= ts_ns]:
            self._held.remove(held)
            out.append((held.connection, held.frame))
        looks = self._script.expects(FRAME) or bool(self._silent) or bool(self._held)
        late: Frames = []
        for connection, frame in frames:
            if connection in self._mute:
                continue
            if self._clogged.get(connection, ts_ns) > ts_ns:
                self._hold(Held(self._clogged[connection], connection, frame), out)
            elif looks:
                self._look(connection, frame, ts_ns, out, late)
            else:
                out.append((connection, frame))
        return out + late

    def _look(self, connection: int, frame: bytes, ts_ns: int, out: Frames, late: Frames) -> None:
        fields = self._fields(connection, frame)
        event = str(fields["event"])
        if (connection, event) in self._silent:
            return
        fault = self._script.choose(FRAME, fields, ts_ns)
        if fault is None:
            sent = [frame]
        else:
            self._script.note(
                fault, ts_ns, event=event, request=fields.get("request"), connection=connection
            )
            sent = self._do(fault, connection, frame, fields, ts_ns, out, late)
        for each in sent:
            out.append((connection, each))
        if sent:
            self._release(connection, fields, out)

    def _release(self, connection: int, fields: dict[str, Any], out: Frames) -> None:
        for held in list(self._held):
            behind = held.behind
            if behind is None or held.connection != connection:
                continue
            if all(fields.get(name) == value for name, value in behind.items()):
                self._held.remove(held)
                out.append((connection, held.frame))

    def _hold(self, held: Held, out: Frames) -> None:
        if len(self._held) >= MAX_HELD:
            oldest = self._held.pop(0)
            out.append((oldest.connection, oldest.frame))
        self._held.append(held)

    def _do(
        self,
        fault: Fault,
        connection: int,
        frame: bytes,
        fields: dict[str, Any],
        ts_ns: int,
        out: Frames,
        late: Frames,
    ) -> list[bytes]:
        # Returns what is sent of the frame here and now.
        kind = fault.fault
        if spoils(kind):
            return self._spoiled(fault, frame, ts_ns)
        if kind in ("duplicate", "duplicate_report"):
            return [frame, frame]
        if kind == "fill_before_ack":
            late.append((connection, frame))
        elif kind in _BEHIND:
            due_ns = ts_ns + fault.for_ms * _MS_NS
            self._hold(Held(due_ns, connection, frame, _behind(kind, fields)), out)
        elif kind == "clog":
            due_ns = self._clogged[connection] = ts_ns + fault.for_ms * _MS_NS
            self._hold(Held(due_ns, connection, frame), out)
        elif kind == "silent_stream":
            self._silent[connection, str(fields["event"])] = None
        elif kind == "deaf":
            self._deaf[connection] = None
            return [frame]
        elif kind in ("mute", "half_open", "black_hole", "reset"):
            self._silence(kind, connection)
        else:
            assert kind in ("drop", "sequence_gap"), f"a fault of frames, was {kind}"
        return []

    def _silence(self, kind: str, connection: int) -> None:
        self._mute[connection] = None
        if kind != "mute":
            self._deaf[connection] = None
        if kind == "black_hole":
            self._gone[connection] = None
        elif kind == "reset":
            self._broken.append(connection)

    def _spoiled(self, fault: Fault, frame: bytes, ts_ns: int) -> list[bytes]:
        spoiled = spoil(fault, frame, self._around)
        if spoiled is None:
            self._script.note(fault, ts_ns, without_effect="the frame has no such field")
            return [frame]
        # A fill that is told again comes beside the first one.
        return [frame, spoiled] if fault.fault == "duplicate_trade" else [spoiled]

    def _fields(self, connection: int, frame: bytes) -> dict[str, Any]:
        # The event's own fields, with its kind and the stream it came by beside them.
        whole = msgspec.json.decode(frame)
        event = event_of(whole)
        if event is None:
            return {"event": "list", "stream": "", "connection": connection}
        stream = whole.get("stream", "")
        if "id" in whole and ("status" in whole or "result" in whole or "error" in whole):
            request = self._asked.pop((connection, str(whole["id"])), None)
            order = {"i": event.get("orderId"), "c": event.get("clientOrderId")}
            about = {"event": "reply", "request": request, "stream": stream}
            return {**order, **whole, **about, "connection": connection}
        kind = event.get("e") or ("bookTicker" if "B" in event else "depth")
        return {**event, "event": kind, "stream": stream, "connection": connection}


_BEHIND: dict[str, dict[str, Any] | None] = {
    "delay": None,
    "reorder": {},
    "fill_after_cancel": {"event": "executionReport", "x": "CANCELED"},
    "ack_after_fill": {"event": "executionReport", "x": "TRADE"},
    "ack_after_cancel": {"event": "executionReport", "x": "CANCELED"},
}
"""What a held frame goes behind; of reports, those of its own order."""


def _behind(kind: str, fields: dict[str, Any]) -> dict[str, Any] | None:
    behind = _BEHIND[kind]
    return {**behind, "i": fields.get("i")} if behind else behind
