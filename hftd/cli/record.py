"""``hftd record``: the public market data of a server, written as tapes.

Owns the options, when a recording ends, and the line that says how far it is.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hftd.errors import HftdError

if TYPE_CHECKING:
    from hftd.runtime.market_follower import MarketFollower
    from hftd.runtime.tape_recorder import Recording, TapeFiles

TICK_S = 1.0
FLUSH_TICKS = 2  # What a crash can cost; oftener compresses worse.
QUIET_TICKS = 60  # Where stderr is no terminal a line comes once a minute.


def record(
    url: Annotated[
        str, typer.Argument(help="REST address; another address of its streams behind a comma.")
    ],
    out: Annotated[Path, typer.Option(help="Tape to write; .gz is compressed.")],
    symbols: Annotated[str, typer.Option(help="Symbols, with commas.")] = "BTCUSDT",
    minutes: Annotated[
        float | None, typer.Option(help="End after so long; none: until SIGINT.", min=0.0)
    ] = None,
    max_mb: Annotated[int | None, typer.Option(help="End when so much is on disk.", min=1)] = None,
    rotate_mb: Annotated[
        int | None, typer.Option(help="Begin a new file at this size; they are numbered.", min=1)
    ] = None,
) -> None:
    """Record a server's market data as tapes for `hftd exchange --market tape:FILE`.

    Any server of Binance Spot's protocol will do, hftd exchange included; no key is needed.
    SIGINT ends it cleanly.
    """
    from hftd.runtime.market_follower import MarketFollower, fetch_listing, source_of
    from hftd.runtime.tape_recorder import Recording, TapeFiles

    source = source_of(url)
    names = symbols.upper().split(",")
    listing = fetch_listing(source, names)
    files = TapeFiles(out, (rotate_mb or 0) * 1_000_000)
    recording = Recording(files, names)
    follower = MarketFollower(source, names, recording, _say)
    recording.begin_file = follower.begin_file
    limit_bytes = (max_mb or 0) * 1_000_000
    try:
        with asyncio.Runner() as runner:
            why = runner.run(_run(follower, recording, files, listing, minutes, limit_bytes))
    except OSError as error:
        raise HftdError(
            f"the recording ended: {error.strerror or error}; "
            f"what was written is in {files.paths[-1] if files.paths else out}.part"
        ) from error
    written = ", ".join(map(str, files.paths))
    typer.echo(f"{_progress(recording, files, follower)}; {why}: {written}")


async def _run(
    follower: MarketFollower,
    recording: Recording,
    files: TapeFiles,
    listing: bytes,
    minutes: float | None,
    limit_bytes: int,
) -> str:
    # Returns why it ended.
    from hftd.runtime.clock import Clock

    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    files.open(listing, Clock().ts_ns())
    following = asyncio.create_task(follower.run())
    stopped = asyncio.create_task(stop.wait())
    begun_s, ticks, why = loop.time(), 0, ""
    try:
        while not why:
            await asyncio.wait(
                (following, stopped), timeout=TICK_S, return_when=asyncio.FIRST_COMPLETED
            )
            ticks += 1
            _show(recording, files, follower, ticks)
            if ticks % FLUSH_TICKS == 0:
                files.flush()
            if following.done():
                following.result()
            if stop.is_set():
                why = "stopped"
            elif minutes is not None and loop.time() - begun_s >= minutes * 60:
                why = f"after {minutes:g} min"
            elif limit_bytes and files.total_bytes() >= limit_bytes:
                why = f"{limit_bytes // 1_000_000} MB reached"
    finally:
        following.cancel()
        stopped.cancel()
        await asyncio.gather(following, stopped, return_exceptions=True)
        files.close()
        if sys.stderr.isatty():
            sys.stderr.write("\n")
    return why


def _show(recording: Recording, files: TapeFiles, follower: MarketFollower, ticks: int) -> None:
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{_progress(recording, files, follower)} ")
        sys.stderr.flush()
    elif ticks % QUIET_TICKS == 0:
        _say(_progress(recording, files, follower))


def _progress(recording: Recording, files: TapeFiles, follower: MarketFollower) -> str:
    megabytes = files.total_bytes() / 1e6
    return (
        f"recorded {files.lines} lines, {recording.seconds():.0f} s, {megabytes:.1f} MB,"
        f" {follower.gaps} gaps"
    )


def _say(words: str) -> None:
    sys.stderr.write(f"record: {words}\n")
