"""Where log lines go: a rotated file of JSON lines, the console, and whoever follows.

Owns how a line is encoded, capped and filtered; knows neither journal nor facts. structlog
renders, the standard library rotates. Every line is one JSON object in ASCII: control
characters, U+2028 and the like are escaped, whatever text the venue sent.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import structlog

from hftd.errors import reason_of
from hftd.store.words import utc_text

LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
MAX_TEXT_CHARS = 500
TAIL_BLOCK_BYTES = 1 << 16
TAIL_MAX_BYTES = 16 << 20

Fields = dict[str, Any]
Listener = Callable[[Fields], None]


class Line(NamedTuple):
    """One line to be logged; ``ts_ns`` is the event's time, fields stand after the context."""

    level: str
    event: str
    stage: str
    ts_ns: int
    fields: Fields


class LogSettings(NamedTuple):
    """What of the lines is written, and where to."""

    path: Path
    level: str = "info"
    console: str = "none"  # none, json, text
    max_lines_per_second: int = 200
    rotate_bytes: int = 50 << 20
    rotate_count: int = 5  # Beside the one that is written.


class Logs:
    """Write lines; drop what is beyond the cap of a second, and say how many were dropped.

    ``total`` lines were written, ``total_dropped`` were not, for metrics.

    A second is one of the events' clock, so that catching up is capped like living. Warnings
    and worse are written beyond the cap. While the file's disk takes nothing, console and followers
    still hear; one line on stderr says so, and one in the file how many it lacks.
    """

    def __init__(self, settings: LogSettings, console: TextIO = sys.stdout) -> None:
        settings.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.listeners: list[Listener] = []
        self._settings = settings
        self._least = LEVELS[settings.level]
        self._handler = _File(
            settings.path,
            maxBytes=settings.rotate_bytes,
            backupCount=settings.rotate_count,
            encoding="ascii",
        )
        file = logging.Logger("hftd", logging.DEBUG)
        file.addHandler(self._handler)
        self._file = _renderer(file, structlog.processors.JSONRenderer())
        self._console = _console(settings.console, console)
        self._second = 0
        self._written = 0
        self._dropped = 0
        self._lacking = 0
        self.total = self.total_dropped = 0

    def write(self, line: Line, context: Fields) -> None:
        """Write a line; ``context`` is what all lines of a run have in common."""
        if LEVELS[line.level] < self._least:
            return
        second = line.ts_ns // 1_000_000_000
        if second != self._second:
            self._begin_second(second, context)
        if self._written >= self._settings.max_lines_per_second and LEVELS[line.level] < 30:
            self._dropped += 1
            self.total_dropped += 1
            return
        self._written += 1
        self._emit(line, context)

    def close(self) -> None:
        """Close the file."""
        self._handler.close()

    def _begin_second(self, second: int, context: Fields) -> None:
        dropped, self._dropped, self._written = self._dropped, 0, 0
        ended, self._second = self._second, second
        if dropped:
            fields = {"count": dropped, "limit": self._settings.max_lines_per_second}
            ts_ns = (ended + 1) * 1_000_000_000
            self._emit(Line("warning", "lines_dropped", "logs", ts_ns, fields), context)

    def _emit(self, line: Line, context: Fields) -> None:
        self.total += 1
        fields: Fields = {
            "ts": utc_text(line.ts_ns),
            "level": line.level,
            "event": line.event,
            "stage": line.stage,
            **context,
            **{name: _capped(value) for name, value in line.fields.items() if value is not None},
        }
        self._write_file(fields)
        if self._console is not None:
            try:
                self._console.info(**fields)
            except OSError:  # Whoever read the console is gone; the file goes on.
                self._console = None
        for listener in self.listeners:
            listener(fields)

    def _write_file(self, fields: Fields) -> None:
        try:
            self._handler.begin_anew_where_gone()
            if self._lacking:
                told = {"level": "warning", "event": "lines_lost", "stage": "logs"}
                self._file.info(**(fields | told | {"count": self._lacking}))
                self._lacking = 0
            self._file.info(**fields)
        except OSError as error:
            if not self._lacking:
                why = reason_of(error)
                path = self._settings.path
                print(f"the log {path} cannot be written: {why}", file=sys.stderr)  # noqa: T201
            self._lacking += 1


class _File(RotatingFileHandler):
    """The rotated file; what goes wrong is its caller's, and no traceback for each line."""

    def begin_anew_where_gone(self) -> None:
        """Write to a file of the name again where that was moved or removed.

        Others rotate too, and a person makes room: lines would go where nobody finds them.

        Raises: OSError where its folder is gone and cannot be made.
        """
        if self.stream is None:
            return
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(os.stat(self.baseFilename), os.fstat(self.stream.fileno())):
                return
        Path(self.baseFilename).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.stream.close()
        self.stream = None  # The next line opens it.

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - as it is called
        """Raise what writing has raised."""
        raise  # Called where it is handled.


def wanted(fields: Fields, stage: str | None, level: str | None) -> bool:
    """Tell whether a line passes a filter by stage and by least level."""
    if stage is not None and fields.get("stage") != stage:
        return False
    return level is None or LEVELS.get(fields.get("level", ""), 0) >= LEVELS[level]


def last_lines(path: Path, count: int, stage: str | None, level: str | None) -> list[Fields]:
    """Return the last lines that pass a filter, oldest first.

    Looks into the file and the one rotated before it, at most 16 MiB back: a rare line that is
    older has to be searched for in the files.
    """
    found: list[Fields] = []
    for text in _backwards(path):
        if len(found) == count:
            break
        try:
            fields = json.loads(text)
        except ValueError:  # The half line of a recorder that was killed.
            continue
        if wanted(fields, stage, level):
            found.append(fields)
    return found[::-1]


def _backwards(path: Path) -> Iterator[bytes]:
    left = TAIL_MAX_BYTES
    for file_path in (path, path.with_name(path.name + ".1")):
        if not file_path.exists():
            return
        with file_path.open("rb") as file:
            at, rest = file.seek(0, 2), b""
            while at > 0 and left > 0:
                size = min(TAIL_BLOCK_BYTES, at)
                at, left = at - size, left - size
                file.seek(at)
                rest, *lines = (file.read(size) + rest).split(b"\n")
                yield from reversed([line for line in lines if line])
            if at == 0 and rest:
                yield rest


def _renderer(logger: Any, *processors: Any) -> Any:
    return structlog.wrap_logger(
        logger,
        processors=[_in_order, *processors],
        wrapper_class=structlog.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _console(kind: str, stream: TextIO) -> Any:
    if kind == "none":
        return None
    logger = structlog.WriteLogger(stream)  # A line is one write
    if kind == "json":
        return _renderer(logger, structlog.processors.JSONRenderer())
    return _renderer(logger, _for_people(stream.isatty()))


# structlog puts the event last; people read it third.
def _in_order(_logger: object, _method: str, fields: Any) -> Fields:
    first = {name: fields[name] for name in ("ts", "level", "event")}
    return first | {name: value for name, value in fields.items() if name not in first}


# A terminal shows what a person in front of it waits for: fills, refusals, commands, trouble.
# The steps of each order and the stages' times stand in the file and in hftctl; states and the
# start are told by the engine itself, on the same terminal.
_QUIET = (
    "order_", "stage_summary", "balance", "position", "equity", "quoting", "book",
    "command_done", "note", "run_",
)  # fmt: skip
_SHOWN = ("command", "side", "qty", "instrument", "venue_code", "text", "detail")
_COLORS = {"warning": "\x1b[33m", "error": "\x1b[31m", "critical": "\x1b[31;1m"}


def _for_people(colors: bool) -> Callable[[object, str, Fields], str]:
    def render(_logger: object, _method: str, fields: Fields) -> str:
        loud = LEVELS[fields["level"]] >= LEVELS["warning"]
        if fields["event"] == "state" or (fields["event"].startswith(_QUIET) and not loud):
            raise structlog.DropEvent
        text = f"{fields['ts'][11:23]}Z {fields['event']:<8} {_words(fields)}".rstrip()
        color = _COLORS.get(fields["level"], "") if colors else ""
        return f"{color}{text}\x1b[0m" if color else text

    return render


def _words(fields: Fields) -> str:
    said = {name: _printable(value) for name, value in fields.items() if value is not None}
    words = [str(said[name]) for name in _SHOWN if name in said]
    if "price" in said:
        words.append(f"at {said['price']}")
    if "position_base" in said:
        words.append(f"position {said['position_base']}")
    if "to" in said:
        words.append(f"{said['from']} -> {said['to']}")
    if said.get("reason", said.get("code")):
        words.append(f"({said.get('reason', said.get('code'))})")
    if "count" in said:
        words.append(f"{said['count']} times")
    return " ".join(words)


def _printable(value: object) -> object:
    # What the venue wrote may hold a terminal's control sequences.
    return json.dumps(value)[1:-1] if isinstance(value, str) and not value.isprintable() else value


def _capped(value: Any) -> Any:
    if isinstance(value, str) and len(value) > MAX_TEXT_CHARS:
        return value[:MAX_TEXT_CHARS] + f"… ({len(value)} characters)"
    return value
