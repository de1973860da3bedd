"""The daemon with a clock read at each seam between a frame and its order.

``python -m tests.bench.marked_daemon FILE ROWS ARGUMENTS``: ``hftd start ARGUMENTS``, whose seams
are wrapped before it begins. A mark is the end of a stage, so that nothing lies between two
stages; a seam that is not there any more is left out, and its time falls to the next one. Each
row of FILE is a market frame that led to an order: how many marks, then pairs of a label's number
and the time (``CLOCK_MONOTONIC``, as the harness has it). `LABELS` says what the numbers mean. The
file of that name with `COST` behind it has what one mark takes, in ns.
"""

from __future__ import annotations

import sys
from itertools import chain
from pathlib import Path
from time import perf_counter_ns
from typing import Any

import numpy as np

LABELS = (
    "in the callback",
    "callback to the loop",
    "journal: the frame",
    "codec: decode",
    "engine: book and signals",
    "engine: strategy",
    "engine: quoter and risk",
    "journal: facts",
    "journal: intent",
    "codec: encode",
    "journal: the frame out",
    "connector: to the link",
    "send()",
)
IN_CALLBACK, TO_LOOP, FRAME, DECODE, BOOK = range(5)  # BOOK and two more: the engine's stages.
FACTS, INTENT, ENCODE, OUT, TO_LINK, SEND = range(7, len(LABELS))
WIDTH = 64
COST, CALLS, TURNS = ".cost", 1_000, 20


class Marks:
    """The marks of the frame that is handled now, and the rows that were kept."""

    def __init__(self, path: Path, rows: int) -> None:
        self._rows = np.memmap(path, np.int64, "w+", shape=(rows, WIDTH))
        self._at = 0
        self._now: list[tuple[int, int]] = []
        self.on = False

    def begin(self) -> None:
        """Begin with a market frame."""
        self._now.clear()
        self.on = True
        self._now.append((IN_CALLBACK, perf_counter_ns()))

    def mark(self, label: int) -> None:
        """Note the end of a stage."""
        if self.on:
            self._now.append((label, perf_counter_ns()))

    def end(self) -> None:
        """Keep the row, once the first order of the frame is out."""
        self.on = False
        if self._at < len(self._rows):
            found = self._now[: (WIDTH - 1) // 2]
            self._rows[self._at, : 1 + 2 * len(found)] = [len(found), *chain(*found)]
            self._at += 1


def after(owner: Any, name: str, marks: Marks, label: int) -> None:
    """Mark the end of each call of a method; one that is not there is left out."""
    whole = getattr(owner, name, None)
    if whole is None:
        return

    def inner(*arguments: Any) -> Any:
        result = whole(*arguments)
        marks.mark(label)
        return result

    setattr(owner, name, inner)


class _Seam:
    def bare(self) -> None:
        """Do nothing."""

    def marked(self) -> None:
        """Do nothing, until it is wrapped."""


def cost_ns(marks: Marks) -> float:
    """Return what a mark takes, and its call, when it is hot: when it is cold it takes more."""
    after(_Seam, "marked", marks, SEND)
    seam, times = _Seam(), []
    for call in (seam.bare, seam.marked) * TURNS:
        marks.begin()
        began = perf_counter_ns()
        for _ in range(CALLS):
            call()
        times.append(perf_counter_ns() - began)
    marks.on = False
    return (min(times[1::2]) - min(times[::2])) / CALLS


def wrap(marks: Marks) -> None:
    """Put a clock read at each seam."""
    from hftd.drivers.loop import Loop
    from hftd.drivers.stamps import Stamps
    from hftd.journal.record import RecordType
    from hftd.journal.writer import JournalWriter
    from hftd.runtime import transport
    from hftd.venues.binance.codec import BinanceCodec

    labels = {RecordType.FACT: FACTS, RecordType.INTENT: INTENT, RecordType.FRAME_OUT: OUT}
    after(JournalWriter, "append_market", marks, FRAME)
    after(BinanceCodec, "decode", marks, DECODE)
    after(BinanceCodec, "encode", marks, ENCODE)

    appended, stamped = JournalWriter.append, Stamps.stamp
    heard, taken = transport._Listener.on_ws_frame, Loop.on_frame
    sent = transport.WebSocketLink.send

    def append(writer: Any, kind: RecordType, *rest: Any) -> int:
        seq = appended(writer, kind, *rest)
        marks.mark(labels.get(kind, FACTS))
        return seq

    def stamp(stamps: Any, stage: int) -> None:
        stamped(stamps, stage)
        marks.mark(BOOK + stage)

    def on_ws_frame(listener: Any, *arguments: Any) -> None:
        if "/stream" in listener._link._url:
            marks.begin()
        heard(listener, *arguments)
        marks.on = False

    def on_frame(loop: Any, *arguments: Any) -> None:
        marks.mark(TO_LOOP)
        taken(loop, *arguments)

    def send(link: Any, frame: bytes) -> bool:
        marks.mark(TO_LINK)
        done = sent(link, frame)
        if marks.on:
            marks.mark(SEND)
            marks.end()
        return done

    JournalWriter.append = append  # type: ignore[method-assign,assignment]
    Stamps.stamp = stamp  # type: ignore[method-assign,assignment]
    transport._Listener.on_ws_frame = on_ws_frame  # type: ignore[method-assign,assignment]
    Loop.on_frame = on_frame  # type: ignore[method-assign,assignment]
    transport.WebSocketLink.send = send  # type: ignore[method-assign,assignment]


def main() -> None:
    """Wrap, and be the daemon."""
    from hftd.runtime import kernel_cache

    kernel_cache.prepare()  # Before anything imports Numba.
    path = Path(sys.argv[1])
    marks = Marks(path, int(sys.argv[2]))
    path.with_name(path.name + COST).write_text(str(cost_ns(marks)))
    wrap(marks)
    from hftd.cli.hftd import main as daemon

    sys.argv = ["hftd", "start", *sys.argv[3:]]
    daemon()


if __name__ == "__main__":
    main()
